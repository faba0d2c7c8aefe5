"""Figures on complexes: sites against Biopython, ligands against the supplied SDF files, formats against each other.

Run ``python -m tests.bench.figures_complexes --data ../shared/data``; each figure is printed with its count.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import lzma
import re
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from logos_cli import Record
from logos_cli.grammar import parse
from logos_cli.objects.base import from_sentence
from logos_cli.structure.ligand.chemistry import drop_stereo
from logos_cli.structure.ligand.perception import apply_template
from logos_cli.workflows.encode import encode
from tests.bench.data import require_data

CUTOFF_ANGSTROM = 4.5
SECONDS_PER_FILE = 60
SYMMETRY_MATE = 9
SiteKey = tuple[str, int, str]


def site_of(record: Record) -> set[SiteKey]:
    """Return the tagged residues as (chain, number, insertion code)."""
    found = set()
    for chain, mapped in zip(from_sentence(parse(record.text)).chains, record.source["residues"], strict=True):
        for place in chain.site:
            insertion = mapped.get("insertion", {}).get(str(place), "")
            found.add((mapped["chain"], mapped["numbers"][place], insertion))
    return found


# -- (a) sites ---------------------------------------------------------------------------------------------


def biopython_sites(path: Path, records: list[Record]) -> Iterator[tuple[Record, set[SiteKey]]]:
    """Yield each record with the site that Biopython's parser and neighbour search give.

    The conformer rule is written out a second time here: per residue the label with the highest total
    occupancy, the first on a tie.
    """
    from Bio.PDB import MMCIFParser, NeighborSearch, PDBParser

    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = stream.read()
        parser = MMCIFParser(QUIET=True) if ".cif" in path.name else PDBParser(QUIET=True)
        model = parser.get_structure("x", io.StringIO(text))[0]
    atoms, by_residue = [], {}
    for residue in model.get_residues():
        chosen = [atom for atom in conformer(residue) if atom.element not in ("H", "D")]
        key = (residue.parent.id.strip(), residue.id[1], residue.id[2].strip())
        by_residue.setdefault(key, []).extend(chosen)
        atoms += chosen
    search = NeighborSearch(atoms)
    for record in records:
        ligand = record.source["ligand"]
        names = ligand.get("residues") or [
            f"{ligand['chain']}:{ligand['component']}:{ligand['number']}{ligand.get('insertion', '')}"
        ]
        keys = [ligand_key(name) for name in names]
        near = set()
        for atom in (atom for key in keys for atom in by_residue.get(key, ())):
            for residue in search.search(atom.coord, CUTOFF_ANGSTROM, "R"):
                near.add((residue.parent.id.strip(), residue.id[1], residue.id[2].strip()))
        polymer = set()
        for mapped in record.source["residues"]:
            for place, number in enumerate(mapped["numbers"]):
                polymer.add((mapped["chain"], number, mapped.get("insertion", {}).get(str(place), "")))
        yield record, near & polymer


def ligand_key(name: str) -> SiteKey:
    """Return the key of ``A:HEM:142``."""
    chain, _, number = name.split(":")
    match = re.fullmatch(r"(-?\d+)(\w?)", number)
    assert match is not None
    return chain, int(match[1]), match[2]


def conformer(residue: object) -> list[object]:
    """Return the atoms of the conformer with the highest total occupancy."""
    totals: Counter[str] = Counter()
    atoms = []
    children = residue.child_dict.values() if hasattr(residue, "child_dict") else residue
    if residue.is_disordered() == 2:
        children = residue.selected_child
    for child in children:
        atoms += child.disordered_get_list() if child.is_disordered() else [child]
    for atom in atoms:
        if atom.altloc.strip():
            totals[atom.altloc] += atom.occupancy or 0
    if not totals:
        return atoms
    best = max(sorted(totals), key=lambda label: round(totals[label], 3))
    return [atom for atom in atoms if atom.altloc.strip() in ("", best)]


def structure_files(data: Path) -> list[Path]:
    """Return the PDB and mmCIF files with ligands."""
    root = data / "complexes"
    return [
        *sorted((root / "posebusters").glob("*.pdb.gz")),
        *sorted((root / "posebusters_raw_mmcif").glob("*.cif.gz")),
        *sorted((root / "plip").glob("*.pdb.gz")),
        *sorted(path for path in (root / "formats").glob("*.gz") if re.search(r"\.(pdb|cif)\.gz$", path.name)),
    ]


def figure_sites(data: Path, limit: int | None = None) -> tuple[int, int, list[str]]:
    """Return (sites, sites identical to Biopython's, what differs)."""
    total = same = 0
    wrong = []
    for path in structure_files(data)[:limit]:
        records = [record for record in encode(str(path)) if record.status == "ok" and "ligand" in record.source]
        if not records:
            continue
        for record, expected in biopython_sites(path, records):
            total += 1
            found = site_of(record)
            same += found == expected
            if found != expected:
                wrong.append(f"{path.name} {record.id}: only here {found - expected}, only there {expected - found}")
    return total, same, wrong


def figure_contacts(data: Path) -> tuple[int, int, list[str]]:
    """Return (ligands of contacts.jsonl.xz, those with the same residues or an explained difference, the rest).

    The file counts contacts with crystallographic mates (it gives them the distance 9) and with every alternative
    location; both are left out here by default. A difference is explained if it is of that kind: the residue,
    or the ligand, has alternative locations in the file.
    """
    total = same = explained = 0
    wrong = []
    with lzma.open(data / "complexes/contacts.jsonl.xz", "rt") as stream:
        entries = [json.loads(line) for line in stream]
    for entry in entries:
        total += 1
        receptor = data / "complexes" / entry.get("receptor", entry["file"])
        ligand = f"{entry['lig_chain']}:{entry['lig_resnum']}" if "receptor" not in entry else None
        try:
            if ligand is None:
                records = list(encode(str(receptor), ligand=str(data / "complexes" / entry["file"])))
            else:
                records = list(encode(str(receptor), ligand=ligand))
        except Exception as error:  # noqa: BLE001 - a figure counts whatever happens
            wrong.append(f"{entry['file']}: {error}")
            continue
        expected = {
            (chain, contact["resnum"])
            for chain, value in entry["chains"].items()
            for contact in value["contacts"]
            if contact["dist"] < SYMMETRY_MATE
        }
        found = [
            {(chain, f"{number}{insertion}") for chain, number, insertion in site_of(record)}
            for record in records
            if record.status == "ok"
        ]
        if expected in found:
            same += 1
        elif found and all(_has_altlocs(receptor, each ^ expected, ligand) for each in found):
            explained += 1
        else:
            reason = records[0].reason if records and not found else ""
            gap = [(sorted(each - expected), sorted(expected - each)) for each in found]
            wrong.append(f"{entry['file']} {entry['ligand']} {ligand}: {reason or gap}")
    print(f"    contacts.jsonl.xz: {same} identical, {explained} differ by alternative locations")
    return total, same + explained, wrong


def _has_altlocs(path: Path, residues: set[tuple[str, str]], ligand: str | None) -> bool:
    """Whether each of the residues, or the ligand, has alternative locations."""
    import gemmi

    labelled = {
        (chain.name, str(residue.seqid))
        for chain in gemmi.read_structure(str(path))[0]
        for residue in chain
        if any(atom.has_altloc() for atom in residue)
    }
    return residues <= labelled or (ligand is not None and tuple(ligand.split(":")) in labelled)


# -- (b) ligands ---------------------------------------------------------------------------------------------


def supplied(path: Path) -> Chem.Mol:
    """Return the molecule of a supplied SDF with stereo from its coordinates."""
    with gzip.open(path) as stream, rdBase.BlockLogs():
        molecule = Chem.RemoveHs(next(Chem.ForwardSDMolSupplier(stream)))
    Chem.AssignStereochemistryFrom3D(molecule)
    drop_stereo(molecule)
    return molecule


def skeleton(molecule: Chem.Mol) -> tuple[str, int, int]:
    """Return what tautomers share: the heavy atoms with their bonds, the hydrogens, the charge."""
    plain = Chem.RWMol()
    for atom in molecule.GetAtoms():
        copy = Chem.Atom(atom.GetAtomicNum())
        copy.SetNoImplicit(True)
        plain.AddAtom(copy)
    for bond in molecule.GetBonds():
        plain.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    hydrogens = sum(atom.GetTotalNumHs() for atom in molecule.GetAtoms())
    return Chem.MolToSmiles(plain), hydrogens, Chem.GetFormalCharge(molecule)


def figure_ligands(data: Path, kind: str) -> dict[str, object]:
    """Compare the ligand of each PoseBusters PDB file, or raw mmCIF, with the supplied SDF.

    ``identical`` counts equal canonical SMILES without stereo; ``tautomers`` those that differ in the place of
    hydrogens only (same atoms, bonds, number of hydrogens and charge): the SDF files' bond orders come from
    template SMILES that are not always the tautomer of the dictionary. ``stereo`` asks also for the same
    stereo; of a tautomer, that the SDF's coordinates give ours.
    """
    root = data / "complexes"
    result: dict[str, object] = {"total": 0, "identical": 0, "tautomers": 0, "stereo": 0}
    differing = []
    for path in sorted((root / "posebusters").glob("*_ligand.sdf.gz")):
        name = path.name.removesuffix("_ligand.sdf.gz")
        pdb, ligand = name.split("_")
        file = (
            root / "posebusters" / f"{name}.pdb.gz" if kind == "pdb" else root / f"posebusters_raw_mmcif/{pdb}.cif.gz"
        )
        if not file.exists():
            continue
        result["total"] += 1
        reference = supplied(path)
        found = [
            Chem.MolFromSmiles(record.source["ligand"]["smiles"])
            for record in encode(str(file), ligand=ligand)
            if record.status == "ok"
        ]
        verdicts = [compare(molecule, reference) for molecule in found]
        for key in ("identical", "tautomers", "stereo"):
            result[key] += any(key in verdict for verdict in verdicts)
        if not any("identical" in verdict for verdict in verdicts):
            differing.append(f"{name}: {[Chem.MolToSmiles(each) for each in found][:1]} {Chem.MolToSmiles(reference)}")
    result["differing"] = differing
    return result


def compare(molecule: Chem.Mol, reference: Chem.Mol) -> set[str]:
    """Return which of the three kinds of sameness hold."""
    verdict = set()
    if canonical(molecule, stereo=False) == canonical(reference, stereo=False):
        verdict = {"identical", "tautomers"}
        if canonical(molecule, stereo=True) == canonical(reference, stereo=True):
            verdict.add("stereo")
    elif skeleton(molecule) == skeleton(reference):
        verdict.add("tautomers")
        numbers = [atom.GetAtomicNum() for atom in reference.GetAtoms()]
        positions = [tuple(place) for place in np.array(reference.GetConformer().GetPositions()).tolist()]
        if apply_template(numbers, positions, molecule) == canonical(molecule, stereo=True):
            verdict.add("stereo")
    return verdict


def canonical(molecule: Chem.Mol, *, stereo: bool) -> str:
    """Return canonical SMILES by way of a SMILES, so that nothing of the file remains."""
    copy = Chem.MolFromSmiles(Chem.MolToSmiles(molecule))
    if not stereo:
        Chem.RemoveStereochemistry(copy)
    return Chem.MolToSmiles(copy)


# -- (c) formats and (d) robustness -----------------------------------------------------------------------------


def figure_formats(data: Path) -> tuple[int, int, list[str]]:
    """Return (entries given in several formats, those with the same sentences in all, what differs)."""
    groups: dict[str, list[Path]] = {}
    for path in sorted((data / "complexes/formats").iterdir()):
        groups.setdefault(path.name.split(".")[0], []).append(path)
    pairs = {name: paths for name, paths in groups.items() if len(paths) > 1}
    for path in sorted((data / "complexes/posebusters_raw_mmcif").glob("*.cif.gz")):
        code = path.name.split(".")[0]
        for other in (data / "complexes/posebusters").glob(f"{code}_*.pdb.gz"):
            pairs[f"{code} (PoseBusters)"] = [path, other]
    same, wrong = 0, []
    for name, paths in pairs.items():
        ligand = paths[1].name.split("_")[1].split(".")[0] if "PoseBusters" in name else None
        texts = [[record.text or record.reason for record in encode(str(path), ligand=ligand)] for path in paths]
        if all(each == texts[0] for each in texts):
            same += 1
        else:
            wrong.append(f"{name}: {[path.name for path in paths]} {[[len(t) for t in each] for each in texts]}")
    return len(pairs), same, wrong


def figure_robust(data: Path) -> tuple[int, Counter[str], list[str]]:
    """Encode every file of formats/ and plip/ under a time limit; count records and clear reasons."""
    signal.signal(signal.SIGALRM, _too_long)
    counts: Counter[str] = Counter()
    reasons = []
    paths = sorted([*(data / "complexes/formats").iterdir(), *(data / "complexes/plip").iterdir()])
    for path in paths:
        signal.alarm(SECONDS_PER_FILE)
        try:
            records = list(encode(str(path)))
            kind = "records" if any(record.status == "ok" for record in records) else "reason"
            reasons += [f"{path.name}: {record.reason}" for record in records if record.status != "ok"]
            if not records:
                kind = "nothing"
        except Exception as error:  # noqa: BLE001 - a figure counts whatever happens
            kind = "crash"
            reasons.append(f"{path.name}: CRASH {type(error).__name__}: {error}")
        finally:
            signal.alarm(0)
        counts[kind] += 1
    return len(paths), counts, reasons


def _too_long(*_: object) -> None:
    raise TimeoutError("the file took too long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--verbose", action="store_true", help="list what differs")
    parser.add_argument("--only", choices=("sites", "contacts", "ligands", "formats", "robust"))
    options = parser.parse_args()
    require_data(parser, options.data, "complexes/contacts.jsonl.xz")

    def say(title: str, total: int, same: int, wrong: list[str]) -> None:
        print(f"{title}: {same} of {total} ({same / max(1, total):.1%})", flush=True)
        for line in wrong if options.verbose else wrong[:0]:
            print("   ", line)

    started = time.monotonic()
    if options.only in (None, "sites"):
        say("(a) sites identical to Biopython's", *figure_sites(options.data))
    if options.only in (None, "contacts"):
        say("(a) sites identical to contacts.jsonl.xz", *figure_contacts(options.data))
    if options.only in (None, "ligands"):
        for kind in ("pdb", "mmcif"):
            found = figure_ligands(options.data, kind)
            total = int(found["total"])
            say(
                f"(b) {kind} ligands identical to the SDF without stereo",
                total,
                int(found["identical"]),
                found["differing"],
            )
            say(f"(b) {kind} ligands the same up to tautomerism", total, int(found["tautomers"]), [])
            say(f"(b) {kind} ligands the same up to tautomerism, with stereo", total, int(found["stereo"]), [])
    if options.only in (None, "formats"):
        say("(c) entries with the same sentences in every format", *figure_formats(options.data))
    if options.only in (None, "robust"):
        total, counts, reasons = figure_robust(options.data)
        print(f"(d) files of formats/ and plip/: {total}: {dict(counts)}")
        for line in reasons if options.verbose else ():
            print("   ", line)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
