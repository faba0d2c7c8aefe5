"""Build the corpus of the first logos-nano: ``python -m scripts.build_first_corpus [-o corpus] [--data DIR]``.

Reads the project's data folder and writes sentences of every form as token shards. Sources whose licence is
not open are left out (``CLOSED``), and so is what later serves as a benchmark. Each record belongs to one
side of the validation split by a hash of its group (protein family or name, CDR-H3, linker set), or as its
origin splits it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import lzma
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from rdkit import rdBase

from logos_cli.errors import LogosError
from logos_cli.grammar import Form
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.training.corpus import CorpusWriter, SentenceEncoder

ROOT: Final = Path(__file__).resolve().parents[1]
CONTEXT_LENGTH: Final = 2048
SEED: Final = 20
# Sources without an open licence, by the beginning of their tag.
CLOSED: Final = ("nicwulab", "pdb_sabdab_haiping", "clape", "yu_", "muv", "dud", "chembl_bench")
# What the grammar calls a ligand is small: interfaces with proteins, peptides and nucleic acids are left out.
SITE_LIGANDS: Final = frozenset({"small_molecule", "metal", "ATP", "HEM", "CA", "MG", "MN", "ZN"})
N_UNIREF: Final = 80_000
N_SYNTHETIC_VHH: Final = 8_000

# domain, split, object, form, level of a complex
Item = tuple[str, str, ScienceObject, Form, int]


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
    for name, (group, share) in sources.items():
        records = [r for r in fasta_of(data / "proteins" / f"{name}.fasta.xz") if not is_closed(r[0])]
        if name == "uniref90_bacteria":
            records = rng.sample(records, min(N_UNIREF, len(records)))
        for title, sequence in records:
            yield "protein", split_of(group(title), share), Protein(sequence), Form.PROTEIN, 1


def antibodies(data: Path, rng: random.Random) -> Iterator[Item]:
    records = [
        r for r in json_of(data / "antibodies" / "antibodies.train.jsonl.xz") if not is_closed(r["source"])
    ]
    synthetic = [r for r in records if r["source"] == "harvey_vhh"]
    records = [r for r in records if r["source"] != "harvey_vhh"] + rng.sample(
        synthetic, min(N_SYNTHETIC_VHH, len(synthetic))
    )
    for record in records:
        chains = tuple(chain for chain in (record["heavy"], record["light"]) if chain)
        group = record.get("cdrh3") or chains[0]
        for antibody in {chains, *((chain,) for chain in chains)}:
            yield "antibody", split_of(group, 0.02), Antibody(antibody), Form.ANTIBODY, 1


def molecules(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    for line in lines_of(data / "molecules" / "molecules.train.smi.xz"):
        smiles, source, split = line.split("\t")
        if not is_closed(source):
            split = "valid" if split == "valid" else split_of(smiles, 0.003)
            yield "molecule", split, Molecule(smiles), Form.MOLECULE, 1
    components = csv.DictReader(lines_of(data / "molecules" / "pdb_ligand_components.tsv.xz"), delimiter="\t")
    for row in components:
        yield "ligand", split_of(row["smiles"], 0.02), Molecule(row["smiles"]), Form.MOLECULE, 1


def reactions(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    held_out = set()
    for row in csv.DictReader(lines_of(data / "reactions" / "uspto50k.csv.xz")):
        if row["split"] != "train":
            held_out.add(canonical_smiles(row["product"], stereo=False))
        if row["split"] != "test":
            reaction = Reaction(tuple(row["reactants"].split(".")), row["product"])
            yield "reaction", row["split"], reaction, Form.REACTION, 1
            yield "retrosynthesis", row["split"], reaction, Form.RETROSYNTHESIS, 1
    for row in csv.DictReader(lines_of(data / "reactions" / "uspto_mit_subset.mapped.csv.xz")):
        mapped = unmapped_reaction(row["mapped_rxn"])
        if mapped and canonical_smiles(mapped.product, stereo=False) not in held_out:
            yield "reaction_mit", "train", mapped, Form.REACTION, 1
            yield "retrosynthesis_mit", "train", mapped, Form.RETROSYNTHESIS, 1


def canonical_smiles(smiles: str, stereo: bool = True) -> str:
    from rdkit import Chem

    return str(Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=stereo))


def unmapped_reaction(mapped: str) -> Reaction | None:
    """Return product and the reactants that give it atoms; None if the mapping makes no sense.

    The product is the heaviest on the right side; reagents (no atom in the product) are left out.
    """
    from rdkit import Chem

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
    return Reaction(tuple(smiles[1:]), smiles[0]) if used and smiles[0] not in smiles[1:] else None


def materials(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    for record in json_of(data / "mofs" / "mofid.train.jsonl.xz"):
        if record["linkers_clean"]:
            try:
                material = material_from_blocks(record["nodes"], record["linkers"])
            except LogosError:
                continue  # a node or linker that RDKit does not read
            yield "material", split_of(".".join(material.linkers), 0.03), material, Form.MATERIAL, 1


def site_items(site: Complex, split: str, suffix: str = "") -> Iterator[Item]:
    for form in (Form.SEARCH, Form.SITE, Form.EXPANDED, Form.TRANSFORMATION):
        yield f"{form}{suffix}", split, site, form, 2


def sites(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    for record in json_of(data / "binding_sites" / "binding_residues.jsonl.xz"):
        if is_closed(record["source"]) or record["ligand"] not in SITE_LIGANDS:
            continue
        ion = record["ligand"] in {"metal", "CA", "MG", "MN", "ZN"}
        split = "train" if record["split"] == "train" else "valid"
        yield from site_items(Complex((site_protein(record),)), split, "_ion" if ion else "")


def site_protein(record: dict[str, Any]) -> Protein:
    site = tuple(index for index, label in enumerate(record["labels"]) if label == "1")
    return Protein(record["sequence"], site)


def complexes(data: Path, rng: random.Random) -> Iterator[Item]:  # noqa: ARG001
    for record in json_of(data / "binding_sites" / "pairs_with_ligand.jsonl.xz"):
        if not is_closed(record["source"]):
            split = "train" if record["split"] == "train" else "valid"
            yield from complex_items(Complex((site_protein(record),), record["smiles"]), split)
    for record in json_of(data / "complexes" / "contacts.jsonl.xz"):
        chains = tuple(
            Protein(chain["sequence"], tuple(sorted({contact["i"] for contact in chain["contacts"]})))
            for chain in record["chains"].values()
            if chain["contacts"]
        )
        if not chains:
            continue
        # The CrossDocked test pairs are a benchmark of ligand design: they are never trained on.
        split = "valid" if record["source"] == "crossdocked_test" else "train"
        yield from site_items(Complex(chains), split)
        if record["smiles"]:
            yield from complex_items(Complex(chains, record["smiles"]), split)


def complex_items(item: Complex, split: str) -> Iterator[Item]:
    for level in (1, 2, 3):
        yield f"complex_{level}", split, item, Form.COMPLEX, level


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "corpus")
    args = parser.parse_args(arguments)
    start = time.monotonic()
    rdBase.DisableLog("rdApp.*")
    rng = random.Random(SEED)
    writer = CorpusWriter(SentenceEncoder(ROOT / "tokenizers" / "logos-nano"), CONTEXT_LENGTH)
    batches: dict[tuple[str, str], list[str]] = {}
    for source in (proteins, antibodies, molecules, reactions, materials, sites, complexes):
        for domain, split, item, form, level in source(args.data, rng):
            try:
                text = to_text(item, form, level)
            except LogosError as error:
                writer.drop(domain, type(error).__name__)
                continue
            batches.setdefault((domain, split), []).append(text)
        print(f"{time.monotonic() - start:6.0f} s  {source.__name__}", file=sys.stderr)
    for split in ("valid", "train"):
        for (domain, side), sentences in sorted(batches.items()):
            if side == split:
                writer.add(domain, split, sentences)
    manifest = writer.write(args.output, {"seed": SEED, "closed_sources": list(CLOSED)})
    for domain, splits in manifest["domains"].items():
        counts = "  ".join(
            f"{name} {s['n_sentences']:>8,} / {s['n_tokens']:>11,}" for name, s in splits.items()
        )
        print(f"{domain:20} {counts}", file=sys.stderr)
    for reason, count in manifest["dropped"].items():
        print(f"dropped {count:,}  {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
