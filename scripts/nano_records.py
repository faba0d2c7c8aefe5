"""Turn the project's data folder into records: ``python -m scripts.nano_records -o records/ [--data DIR]``.

Then::

    logos corpus build records/ -o corpus/ --align --windows 16 --weights scripts/nano_weights.toml

The records say to which domain, similarity group and side of the split they belong; ``logos corpus build`` makes
the corpus of ``logos-nano`` of them. Sources whose licence is not open are left out (``CLOSED``), and so is what
serves as a benchmark: the PoseBusters complexes altogether, the USPTO-50K test reactions, and every reaction whose
product is one of a held-out reaction. The CrossDocked test pairs are held out, and a site of a chain that is held
out in another place is left out.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import lzma
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from rdkit import Chem, rdBase

from logos_cli.errors import LogosError
from logos_cli.grammar import Form
from logos_cli.io.output import open_output
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record

ROOT: Final = Path(__file__).resolve().parent.parent
SEED: Final = 20
# Sources without an open licence, by the beginning of their tag.
CLOSED: Final = ("nicwulab", "pdb_sabdab_haiping", "clape", "yu_", "muv", "dud", "chembl_bench")
# Frameworks: a mixture of metals is believed if it was found as often as this; a node that goes on is a cut rod.
N_MIXTURE: Final = 3
LONGEST_NODE: Final = 150
SYMBOL: Final = re.compile(r"\[\d*([A-Z][a-z]?)")
NONMETALS: Final = frozenset(("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "Te", "I"))
IMPOSSIBLE: Final = re.compile(r"\[OH[3-9]|\[CH[5-9]|\[NH[5-9]|\[(?:F|Cl|Br|I)H")
# What the grammar calls a ligand is small: interfaces with proteins, peptides and nucleic acids are left out.
ION_LIGANDS: Final = frozenset({"metal", "CA", "MG", "MN", "ZN"})
SITE_LIGANDS: Final = frozenset({"small_molecule", "ATP", "HEM"}) | ION_LIGANDS
N_UNIREF: Final = 80_000
# A ligand that fills most pockets (ATP, haem) becomes the answer to all of them.
N_POCKETS_A_LIGAND: Final = 10
PHOSPHORUS: Final = 15
LEAST_LIGAND: Final = 6
ENTRY: Final = re.compile(r"(?<![0-9A-Za-z])[0-9][0-9A-Za-z]{3}(?=[0-9A-Za-z]{0,2}\.pdb|[ ,])")
N_SYNTHETIC_VHH: Final = 8_000

# object, form, name of its source, group, split, domain ("": the form's own)
Item = tuple[ScienceObject, Form, str, str, str, str]


def split_of(group: str, share: float) -> str:
    """Return ``valid`` for about ``share`` of all groups, by hash."""
    digest = hashlib.blake2b(f"{SEED}{group}".encode(), digest_size=8).digest()
    return "valid" if int.from_bytes(digest) < share * 2**64 else "train"


def lines_of(path: Path) -> Iterator[str]:
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            yield line.rstrip("\n")


def json_of(path: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, lines_of(path))


def is_closed(source: str) -> bool:
    return source.startswith(CLOSED)


def fasta_of(path: Path) -> Iterator[tuple[str, str]]:
    title, parts = "", list[str]()
    for line in lines_of(path):
        if line.startswith(">"):
            if parts:
                yield title, "".join(parts)
            title, parts = line[1:], []
        else:
            parts.append(line)
    yield title, "".join(parts)


def proteins(data: Path, rng: random.Random) -> Iterator[Item]:
    sources: dict[str, tuple[Callable[[str], str], float]] = {
        "uniref90_bacteria": (lambda title: title.split("[")[0].split(" ", 1)[-1].strip(), 0.01),
        "mixed_natural": (lambda title: title.split(" ")[0], 0.01),
        "pfam_domains_balifam": (lambda title: title.split()[-1], 0.04),
    }
    for name, (group_of, share) in sources.items():
        records = [r for r in fasta_of(data / "proteins" / f"{name}.fasta.xz") if not is_closed(r[0])]
        if name == "uniref90_bacteria":
            records = rng.sample(records, min(N_UNIREF, len(records)))
        for title, sequence in records:
            group = group_of(title)
            yield Protein(sequence), Form.PROTEIN, name, group, split_of(group, share), ""


def antibodies(data: Path, rng: random.Random) -> Iterator[Item]:
    records = [r for r in json_of(data / "antibodies" / "antibodies.train.jsonl.xz") if not is_closed(r["source"])]
    # half of the set is one synthetic library of nanobodies: it is weighted down
    synthetic = [r for r in records if r["source"] == "harvey_vhh"]
    records = [r for r in records if r["source"] != "harvey_vhh"]
    for record in [*records, *rng.sample(synthetic, min(N_SYNTHETIC_VHH, len(synthetic)))]:
        chains = tuple(chain for chain in (record["heavy"], record["light"]) if chain)
        group = record.get("cdrh3") or chains[0]
        split = split_of(group, 0.02)
        # light chains and pairs are few: in domains of their own they can be given their share
        if record["light"]:
            light = Antibody((record["light"],))
            yield light, Form.ANTIBODY, record["source"], group, split, "antibody_light"
        if record["heavy"]:
            yield Antibody((record["heavy"],)), Form.ANTIBODY, record["source"], group, split, ""
        if len(chains) > 1:
            yield Antibody(chains), Form.ANTIBODY, record["source"], group, split, "antibody_pair"


def molecules(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    for line in lines_of(data / "molecules" / "molecules.train.smi.xz"):
        smiles, source, split = line.split("\t")
        if not is_closed(source):
            split = "valid" if split == "valid" else split_of(smiles, 0.003)
            yield Molecule(smiles), Form.MOLECULE, source, smiles, split, ""
    components = csv.DictReader(lines_of(data / "molecules" / "pdb_ligand_components.tsv.xz"), delimiter="\t")
    for row in components:
        smiles = as_encoded(row["smiles"])
        yield Molecule(smiles), Form.MOLECULE, "pdb_components", smiles, split_of(row["smiles"], 0.02), "ligand"


def as_encoded(smiles: str) -> str:
    """Return a component's SMILES as ``logos encode`` writes it: canonical, no stereo at phosphorus.

    Which oxygen of a phosphate is the double bond is a convention of drawing, and so is the stereo that the component
    dictionary gives it.
    """
    molecule: Chem.Mol | None = Chem.MolFromSmiles(smiles)
    if molecule is None:
        return smiles
    for atom in molecule.GetAtoms():
        if atom.GetAtomicNum() == PHOSPHORUS:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    return str(Chem.MolToSmiles(molecule))


def reactions(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    held_out = set()
    for row in csv.DictReader(lines_of(data / "reactions" / "uspto50k.csv.xz")):
        product = canonical_smiles(row["product"], stereo=False)
        if row["split"] != "train":
            held_out.add(product)
        if row["split"] != "test":
            reactants = tuple(row["reactants"].split("."))
            # the product among its reactants: nothing happens, and a model learns to repeat what it is given
            if product not in {canonical_smiles(smiles, stereo=False) for smiles in reactants}:
                reaction = Reaction(reactants, row["product"])
                yield reaction, Form.REACTION, "uspto50k", product, row["split"], ""
    for row in csv.DictReader(lines_of(data / "reactions" / "uspto_mit_subset.mapped.csv.xz")):
        mapped = unmapped_reaction(row["mapped_rxn"])
        if mapped and (product := canonical_smiles(mapped.product, stereo=False)) not in held_out:
            yield mapped, Form.REACTION, "uspto_mit", product, "train", "_mit"


def canonical_smiles(smiles: str, stereo: bool = True) -> str:
    return str(Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=stereo))


def unmapped_reaction(mapped: str) -> Reaction | None:
    """Return product and the reactants that give it atoms; None if the mapping makes no sense.

    The product is the heaviest on the right side; reagents (no atom in the product) are left out.
    """
    left, _, right = mapped.partition(">>")
    products = [Chem.MolFromSmiles(smiles) for smiles in right.split(".")]
    reactants = [Chem.MolFromSmiles(smiles) for smiles in left.split(".")]
    if None in products or None in reactants:
        return None
    product = max(products, key=lambda molecule: molecule.GetNumHeavyAtoms())
    wanted = {atom.GetAtomMapNum() for atom in product.GetAtoms()} - {0}
    used = [m for m in reactants if wanted & {atom.GetAtomMapNum() for atom in m.GetAtoms()}]
    for molecule in (product, *used):
        for atom in molecule.GetAtoms():
            atom.SetAtomMapNum(0)
    # SMILES written from a mapped molecule keep its explicit hydrogens; reading once more drops them.
    smiles = [canonical_smiles(Chem.MolToSmiles(molecule)) for molecule in (product, *used)]
    flat = [canonical_smiles(each, stereo=False) for each in smiles]
    return Reaction(tuple(smiles[1:]), smiles[0]) if used and flat[0] not in flat[1:] else None


def metals_of(nodes: Iterable[str]) -> frozenset[str]:
    """Return the metals of a framework."""
    return frozenset(symbol for node in nodes for symbol in SYMBOL.findall(node) if symbol not in NONMETALS)


def materials(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    records = [record for record in json_of(data / "mofs" / "mofid.train.jsonl.xz") if record["linkers_clean"]]
    mixtures = Counter(metals_of(record["nodes"]) for record in records)
    for record in records:
        # some strings of the source are quoted twice
        nodes, linkers = ([text.replace('"', "") for text in record[key]] for key in ("nodes", "linkers"))
        metals = metals_of(nodes)
        if len(metals) > 1 and mixtures[metals] < N_MIXTURE:
            continue  # La beside Pb, once: disorder or a slip of the structure rather than chemistry
        if any(len(node) > LONGEST_NODE for node in nodes) or IMPOSSIBLE.search(".".join(nodes)):
            continue
        try:
            material = material_from_blocks(nodes, linkers)
        except LogosError:
            continue  # a node or linker that RDKit does not read
        group = ".".join(material.linkers)
        yield material, Form.MATERIAL, "mofid", group, split_of(group, 0.03), ""


def sites(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    held_out = held_out_chains(data)
    return (item for item in all_sites(data) if not leaks(item, held_out))


def complexes(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    held_out = held_out_chains(data)
    return (item for item in (*all_complexes(data), *bound_chains(data)) if not leaks(item, held_out))


def chains_of(item: Item) -> set[str]:
    assert isinstance(item[0], Complex)
    return {chain.sequence for chain in item[0].chains}


def held_out_chains(data: Path) -> set[str]:
    items = [*all_sites(data), *all_complexes(data)]
    return {chain for item in items if item[4] == "valid" for chain in chains_of(item)}


def leaks(item: Item, held_out: set[str]) -> bool:
    return item[4] == "train" and not held_out.isdisjoint(chains_of(item))


def all_sites(data: Path) -> Iterator[Item]:
    for record in json_of(data / "binding_sites" / "binding_residues.jsonl.xz"):
        if is_closed(record["source"]) or record["ligand"] not in SITE_LIGANDS:
            continue
        site = Complex((site_protein(record),))
        form = Form.SITE if site.chains[0].site else Form.SEARCH
        domain = "_ion" if record["ligand"] in ION_LIGANDS else ""
        yield site, form, record["source"], record["sequence"], side_of(record), domain
    pairs = [r for r in json_of(data / "binding_sites" / "pairs_with_ligand.jsonl.xz") if not is_closed(r["source"])]
    random.Random(SEED).shuffle(pairs)
    counts = Counter[tuple[str, str]]()
    for record in pairs:
        smiles, side = as_encoded(record["smiles"]), side_of(record)
        counts[smiles, side] += 1
        if counts[smiles, side] <= N_POCKETS_A_LIGAND or side == "valid":
            pair = Complex((site_protein(record),), smiles)
            yield pair, Form.COMPLEX, record["source"], record["sequence"], side_of(record), ""


def side_of(record: dict[str, Any]) -> str:
    """Return the side of a record whose source has a test set of its own: that is held out too."""
    return "train" if record["split"] == "train" else "valid"


def site_protein(record: dict[str, Any]) -> Protein:
    site = tuple(index for index, label in enumerate(record["labels"]) if label == "1")
    return Protein(record["sequence"], site)


def all_complexes(data: Path) -> Iterator[Item]:
    for record in json_of(data / "complexes" / "contacts.jsonl.xz"):
        chains = tuple(
            Protein(chain["sequence"], tuple(sorted({contact["i"] for contact in chain["contacts"]})))
            for chain in record["chains"].values()
            if chain["contacts"]
        )
        if not chains or record["source"].startswith("posebusters"):
            continue
        split = "valid" if record["source"] == "crossdocked_test" else "train"
        form = Form.COMPLEX if record["smiles"] else Form.SITE
        group = ".".join(chain.sequence for chain in chains)
        ligand = as_encoded(record["smiles"]) if record["smiles"] else None
        yield Complex(chains, ligand), form, record["source"], group, split, ""


def bound_chains(data: Path) -> Iterator[Item]:
    """Yield chains of the PDB with the component that their entry is the example of, at level 1.

    Which residues line it is not known; that the entry holds both is. Entries of benchmarks are left out.
    """
    components: dict[str, list[str]] = {}
    rows = csv.DictReader(lines_of(data / "molecules" / "pdb_ligand_components.tsv.xz"), delimiter="\t")
    for row in rows:
        if int(row["heavy_atoms"]) >= LEAST_LIGAND:
            components.setdefault(row["example_pdb"].lower(), []).append(row["smiles"])
    closed, seen = benchmark_entries(data), set[tuple[str, str]]()
    for source, entry, sequence in pdb_chains(data):
        found = components.get(entry, [])
        if len(found) != 1 or entry in closed or (entry, sequence) in seen:
            continue
        seen.add((entry, sequence))
        bound = Complex((Protein(sequence),), as_encoded(found[0]))
        yield bound, Form.COMPLEX, source, sequence, "train", ""


def pdb_chains(data: Path) -> Iterator[tuple[str, str, str]]:
    """Yield source, entry and sequence of chains whose names begin with the code of their entry."""
    for title, sequence in fasta_of(data / "proteins" / "mixed_natural.fasta.xz"):
        if title.startswith("flip_pdb_chains|"):
            yield "flip_pdb_chains", title.partition("|")[2][:4].lower(), sequence
    for record in json_of(data / "binding_sites" / "binding_residues.jsonl.xz"):
        if record["source"].startswith("gpsite") and record["ligand"] in SITE_LIGANDS:
            yield record["source"], record.get("id", "")[:4].lower(), record["sequence"]


def benchmark_entries(data: Path) -> frozenset[str]:
    """Return the codes of the entries that COACH420, HOLO4K, PoseBusters and CrossDocked's test pairs are of."""
    folder = data / "complexes"
    text = ""
    for path in (*sorted((folder / "pocket_lists").iterdir()), folder / "posebusters" / "posebuster_benchmark.txt.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            text += stream.read()
    codes = {code.lower() for code in ENTRY.findall(text)}
    return frozenset(codes | {record["pdb"].lower() for record in json_of(folder / "contacts.jsonl.xz")})


SOURCES: Final = (proteins, antibodies, molecules, reactions, materials, sites, complexes)


def record_of(item: Item, number: int, name: str) -> Record:
    """Return the record of one object.

    Raises
    ------
    LogosError
        If the grammar cannot say it.
    """
    thing, form, source, group, split, domain = item
    labels: dict[str, object] = {"group": group, "split": split}
    if domain:
        labels["domain"] = domain
    has_site = not isinstance(thing, Complex) or any(chain.site for chain in thing.chains)
    level = 2 if has_site else 1  # a complex without a site has only the level that states none
    text = to_text(thing, form, level=level)
    return Record(f"{name}:{number}", form, text, source={"dataset": source}, extra=labels)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "records")
    names = [source.__name__ for source in SOURCES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="write these files only")
    args = parser.parse_args(arguments)
    start = time.monotonic()
    rdBase.DisableLog("rdApp.*")
    args.output.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        name, counts = source.__name__, Counter[str]()
        if name not in args.only:
            continue
        rng = random.Random(SEED)
        with open_output(str(args.output / f"{name}.jsonl.zst"), overwrite=True) as stream:
            for number, item in enumerate(source(args.data, rng), 1):
                try:
                    stream.write(record_of(item, number, name).to_json() + "\n")
                except LogosError as error:
                    counts[f"left out: {type(error).__name__}"] += 1
                else:
                    counts[item[4]] += 1
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
        print(f"{time.monotonic() - start:6.0f} s  {name:12} {told}", file=sys.stderr)


if __name__ == "__main__":
    main()
