"""Figures on crystal CIFs: ``python -m tests.bench.figures_mofs --data ../shared/data``.

Every CIF of ``mofs/cif`` is read. Textbook frameworks must give their textbook nodes and linkers, frameworks
with a MOFid entry its linkers, and of the hypothetical ones at least 95 % must decompose: every atom in one
block, every linker accepted by RDKit, and the blocks' formulas adding up to the cell's.
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.crystal import PLUGIN
from logos_cli.io.input import Input
from logos_cli.objects.material import Material, material_from_blocks
from tests.bench.data import require_data

CU2 = "[Cu][Cu]"
ZN2 = "[Zn][Zn]"
ZN4O = "[Zn][O]([Zn])([Zn])[Zn]"
FE3O = "[Fe][O]([Fe])[Fe]"
ZR6 = "[O]12[Zr]34[O]5[Zr]62[O]2[Zr]71[O]4[Zr]14[O]3[Zr]35[O]6[Zr]2([O]71)[O]43"
ZR6_OH = "[O]12[Zr]34[OH]5[Zr]62[OH]2[Zr]71[OH]4[Zr]14[O]3[Zr]35[O]6[Zr]2([O]71)[OH]43"
BDC = "[O-]C(=O)c1ccc(cc1)C(=O)[O-]"
BTC = "[O-]C(=O)c1cc(cc(c1)C(=O)[O-])C(=O)[O-]"
BTB = "[O-]C(=O)c1ccc(cc1)c1cc(cc(c1)c1ccc(cc1)C(=O)[O-])c1ccc(cc1)C(=O)[O-]"
ZR6_NU1000 = "[OH][Zr]123[OH]4[Zr]56[O]3[Zr]37([OH]2[Zr]28[O]1[Zr]14([O]6[Zr]([OH]53)([OH]21)([O]78)[OH])[OH])[OH]"
TBAPY = "O=C([O-])c1ccc(cc1)c1cc(c2ccc(cc2)C(=O)[O-])c2ccc3c(cc(c4ccc1c2c34)c1ccc(cc1)C(=O)[O-])c1ccc(cc1)C(=O)[O-]"

TEXTBOOK: dict[str, tuple[list[str], list[str]]] = {
    "01_MIL-88": ([FE3O], ["[O-]C(=O)C=CC(=O)[O-]"] * 3),
    "07_MOF-802": ([ZR6_OH], ["O=C([O-])c1cc(C(=O)[O-])[nH]n1"] * 5 + ["[O-]C=O"] * 3),
    "29_DUT_42_metal_swap": (
        ["[Zn]"] * 2,
        [
            "O=C([O-])c1ccc(s1)C(=O)[O-]",
            "O=C([O-])c1ccc(cc1)c1ccc(cc1)c1cc(cc(c1)c1ccc(cc1)c1ccc(cc1)C(=O)[O-])c1ccc(cc1)c1ccc(cc1)C(=O)[O-]",
        ],
    ),
    "80_PCN-250": ([FE3O] * 2, ["O=C([O-])c1cc(cc(c1)C(=O)[O-])N=Nc1cc(cc(c1)C(=O)[O-])C(=O)[O-]"] * 3),
    "ABAVIJ_clean": (["[Co]"], ["[O-]C(=O)c1ccncc1"] * 2),
    "MIL-47-P1-RASPA": (["[V]"], [BDC, "[O-2]"]),
    "MIL-47-RASPA": (["[V]"], [BDC, "[O-2]"]),
    "P1-Cu-BTC": ([CU2] * 3, [BTC] * 4),
    "VUSKEA_clean": ([ZN4O], [BDC] * 3),
    "ZIF-69-RASPA": (["[Zn]"], ["Clc1ccc2c(c1)nc[n-]2", "O=[N+]([O-])c1ncc[n-]1"]),
    "ZIF-8-RASPA": (["[Zn]"], ["Cc1ncc[n-]1"] * 2),
    "hypotheticalMOF_1_i_0_j_0_k_0_m_0_cat_1": ([ZN4O], [BDC] * 3),
    "hypotheticalMOF_22242_0_0_1_0_9_0": ([ZN2], [BDC, "[O-]C(=O)C(=O)[O-]", "c1cnccn1"]),
    "hypotheticalMOF_2000756_0_0_2_32_32_0": ([CU2] * 3, [BTB] * 4),
    "hypotheticalMOF_27262_1_0_2_9_9_0": ([CU2], [BDC, BDC, "c1cnccn1"]),
    "hypotheticalMOF_5071180_i_2_j_25_k_1_m_0": (
        [CU2],
        ["[O-]C(=O)c1ccc(cc1)c1ccc(cc1)C(=O)[O-]"] * 2 + ["n1ccc(cc1)c1ccncc1"],
    ),
    "hypotheticalMOF_1003830_0_0_4_10_10_0": ([ZR6], ["[O-]C(=O)C=CC=CC(=O)[O-]"] * 6),
    "super_nu1000": ([ZR6_NU1000], [TBAPY] * 2),
    "super_hMOF_22242": ([ZN2], [BDC, "[O-]C(=O)C(=O)[O-]", "c1cnccn1"]),
}
"""Framework: metal nodes and linkers of one formula unit, as the literature draws them."""

EXPECTED_ERRORS = {"Zn4O_cluster_with_hydrogen": "discrete complex", "intentionally_messed_up_hmof1": "is no molecule"}
"""Files that must be refused, with a part of the reason."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one CIF."""

    name: str
    entry: Entry
    seconds: float

    @property
    def is_hypothetical(self) -> bool:
        """Whether the file is one of the generated frameworks."""
        return self.name.startswith(("hMOF", "hypotheticalMOF"))


def read_one(path: Path) -> Entry:
    """Return the one entry of a CIF; an error that concerns the whole file becomes an entry too."""
    try:
        (entry,) = PLUGIN.read(Input(str(path)), ReadOptions())
    except LogosError as error:
        return Entry(path.name, None, {}, error)
    return entry


def read_all(folder: Path) -> list[Outcome]:
    """Read every CIF of a folder."""
    outcomes = []
    for path in sorted(folder.glob("*.cif.gz")):
        start = time.perf_counter()
        entry = read_one(path)
        outcomes.append(Outcome(path.name.removesuffix(".cif.gz"), entry, time.perf_counter() - start))
    return outcomes


def elements_of(smiles: str) -> Counter[str]:
    """Return the atoms of a SMILES, hydrogens included, independently of the reader's own counts."""
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles, sanitize=False)
    molecule.UpdatePropertyCache(strict=False)
    counts: Counter[str] = Counter()
    for atom in molecule.GetAtoms():
        counts[atom.GetSymbol()] += 1
        counts["H"] += atom.GetTotalNumHs()
    return +counts


def problem(entry: Entry) -> str | None:
    """Return what is wrong with the decomposition of a framework whose file lists all atoms, or None."""
    from rdkit import Chem

    if entry.error is not None:
        return entry.error.message
    source: dict[str, Any] = entry.source
    if sum(source["atoms"].values()) != source["n_atoms"]:
        return "atoms are not accounted for"
    if rejected := [block["smiles"] for block in source["linkers"] if Chem.MolFromSmiles(block["smiles"]) is None]:
        return f"RDKit rejects {rejected}"
    total: Counter[str] = Counter()
    for block in source["nodes"] + source["linkers"]:
        total.update({symbol: n * block["n_in_cell"] for symbol, n in elements_of(block["smiles"]).items()})
    for where in source["solvent"].values():
        for smiles, n_in_cell in where.items():
            total.update({symbol: n * n_in_cell for symbol, n in elements_of(smiles).items()})
    cell = Counter()
    for part in source["formula"].split():
        symbol = part.rstrip("0123456789")
        cell[symbol] += int(part[len(symbol) :] or 1)
    return None if total == cell else f"the blocks add up to {dict(total)}, the cell holds {dict(cell)}"


def mofid_records(data: Path) -> list[dict[str, Any]]:
    """Return all MOFid records, stray quotation marks of the source removed."""
    with lzma.open(data / "mofs" / "mofid.train.jsonl.xz", "rt") as lines:
        records = [json.loads(line) for line in lines]
    for record in records:
        for key in ("nodes", "linkers"):
            record[key] = [smiles.strip('"') for smiles in record[key]]
    return records


def is_in_mofid(item: Material, records: list[dict[str, Any]]) -> bool:
    """Whether a MOFid record gives the very same sentence, each block taken once."""
    wanted = item.distinct()
    metals = set(re.findall(r"[A-Z][a-z]?", wanted.metal))
    for record in records:
        likely = set(re.findall(r"[A-Z][a-z]?", "".join(record["nodes"]))) == metals
        if likely and len(set(record["linkers"])) == len(wanted.linkers):
            try:
                if material_from_blocks(record["nodes"], record["linkers"]).distinct() == wanted:
                    return True
            except LogosError:
                continue
    return False


BOND_LISTS = (
    "80_PCN-250",
    "MIL-47-P1-RASPA",
    "P1-Cu-BTC",
    "Zn4O_cluster_with_hydrogen",
    "ic101935f_si_002_tobacco",
    "ja_512311a_si_007_tobacco",
    "super_csq_sym_5_mc_2_sym_8_mc_9_L_12",
    "super_nu1000",
)
"""Files with a list of bonds of their own; those of MOF-802 and of the broken file are left out."""


def bonds(path: Path) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """Return the bonds that a CIF lists and those that are found, as pairs of labels.

    Bonds between two metals are left out: what counts as one is a convention.
    """
    import gemmi

    from logos_cli.crystal.bonds import find_bonds
    from logos_cli.crystal.cell import read_unit_cell
    from logos_cli.crystal.distances import is_metal

    block = gemmi.cif.read_string(Input(str(path)).read().decode())[0]
    atoms = read_unit_cell(block)
    graph = find_bonds(atoms)
    metals = {label for label, symbol in zip(atoms.labels, atoms.elements, strict=True) if is_metal(symbol)}
    table = block.find(["_geom_bond_atom_site_label_1", "_geom_bond_atom_site_label_2"])
    listed = {tuple(sorted((row[0], row[1]))) for row in table}
    found = set()
    for i, label in enumerate(atoms.labels):
        near = [*graph.organic[i], *graph.contacts[i]]
        partners = [j for j, _ in near] + graph.hydrogens[i]
        found |= {tuple(sorted((label, atoms.labels[j]))) for j in partners}
    return {pair for pair in listed if not metals.issuperset(pair)}, found


def textbook_material(name: str) -> Material:
    """Return the textbook framework of a file name."""
    return material_from_blocks(*TEXTBOOK[name])


def main() -> int:
    """Print the figures; 1 if one is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = require_data(parser, parser.parse_args().data, "mofs/cif/*.cif.gz")
    read_one(min((data / "mofs" / "cif").glob("*.cif.gz")))  # imports are not part of the timing
    outcomes = read_all(data / "mofs" / "cif")
    by_name = {outcome.name: outcome for outcome in outcomes}
    failed = []

    wrong = [name for name in TEXTBOOK if by_name[name].entry.item != textbook_material(name)]
    print(f"textbook frameworks: {len(TEXTBOOK) - len(wrong)} of {len(TEXTBOOK)} as in the literature")
    failed += [f"textbook: {name}: {by_name[name].entry.error or by_name[name].entry.item}" for name in wrong]

    library = mofid_records(data)
    records = {name: record for record in library for name in record["ids"]}
    common = [name for name in by_name if name in records]
    same = 0
    for name in common:
        reference = material_from_blocks(records[name]["nodes"], records[name]["linkers"])
        item = by_name[name].entry.item
        same += isinstance(item, Material) and item.distinct().linkers == reference.linkers
    print(f"frameworks with a MOFid entry: {same} of {len(common)} with the same linkers ({', '.join(common)})")

    others = [outcome for outcome in outcomes if outcome.entry.item and not outcome.name.startswith("hMOF")]
    known = [outcome.name for outcome in others if is_in_mofid(outcome.entry.item, library)]
    print(f"frameworks whose whole sentence a MOFid record gives: {len(known)} of {len(others)} ({', '.join(known)})")

    pairs = {name: bonds(data / "mofs" / "cif" / f"{name}.cif.gz") for name in BOND_LISTS}
    differing = [name for name, (listed, found) in pairs.items() if listed != found]
    n_listed = sum(len(listed) for listed, _ in pairs.values())
    print(f"bonds: {len(pairs) - len(differing)} of {len(pairs)} files as their own lists say ({n_listed:,} bonds)")

    hypothetical = [outcome for outcome in outcomes if outcome.is_hypothetical]
    bad = {outcome.name: reason for outcome in hypothetical if (reason := problem(outcome.entry))}
    share = 100 * (1 - len(bad) / len(hypothetical))
    print(f"hypothetical frameworks: {len(hypothetical) - len(bad)} of {len(hypothetical)} ({share:.1f} %) complete")
    for name, reason in bad.items():
        print(f"  {name}: {reason}")

    errors = {outcome.name: outcome.entry.error for outcome in outcomes if outcome.entry.error}
    print(f"all files: {len(outcomes) - len(errors)} of {len(outcomes)} are frameworks; the others:")
    for name, error in errors.items():
        print(f"  {name}: {error.message}")
    seconds = [outcome.seconds for outcome in outcomes]
    print(f"time per CIF: median {1000 * statistics.median(seconds):.0f} ms, longest {1000 * max(seconds):.0f} ms")

    failed += [f"no error: {name}" for name in EXPECTED_ERRORS if name not in errors]
    failed += [f"unexpected error: {name}" for name in errors if name not in EXPECTED_ERRORS]
    failed += ["fewer than 95 % of the hypothetical frameworks"] if share < 95 else []
    failed += [f"other bonds than the file lists: {name}" for name in differing]
    failed += ["a MOFid entry has other linkers"] if same < len(common) else []
    print("\n".join(f"MISSED: {line}" for line in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
