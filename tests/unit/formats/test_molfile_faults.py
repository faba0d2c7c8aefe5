"""Faults of mol blocks that RDKit would read as another molecule: refused with the line, or noted."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from logos_cli.objects.molecule import Molecule
from tests.structures import notes, one, read


def block(smiles: str, *, v3000: bool = False) -> str:
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=7)
    return str(Chem.MolToV3KMolBlock(molecule) if v3000 else Chem.MolToMolBlock(molecule))


def without_bonds(smiles: str, *, hydrogens: bool) -> str:
    """Return a mol block with coordinates only, as converters of XYZ files write it."""
    molecule = Chem.MolFromMolBlock(block(smiles), removeHs=not hydrogens)
    atoms = Chem.RWMol()
    for atom in molecule.GetAtoms():
        atoms.AddAtom(Chem.Atom(atom.GetAtomicNum()))
    atoms.AddConformer(molecule.GetConformer())
    return str(Chem.MolToMolBlock(atoms))


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (changed(block("CO"), " C   0", " CA  0"), "the element CA is Ca, or C with a name"),
        (changed(block("CO"), " C   0", " C   7"), "the mass difference 7"),
        (changed(block("CO", v3000=True), "M  V30 1 C ", "M  V30 1 CA "), "the element CA"),
        (changed(block("CO", v3000=True), "M  V30 1 C ", "M  V30 1 "), "no atom"),
        (changed(block("CO", v3000=True), "M  V30 1 1 1 2", "M  V30 1 Xx 1 2"), "no bond"),
        (changed(block("CO", v3000=True), "M  V30 1 1 1 2", "M  V30 1 1 1"), "no bond"),
        (changed(block("C[O-]", v3000=True), " CHG=-1", " XHG=-1"), "the keyword XHG is unknown"),
        (changed(block("C[O-]"), "  2  -1", "  2  -9"), "has the charge -9"),
        (changed(block("Cc1ccccc1"), "  1  2  1  0", "  1  2  4  0"), "is in no aromatic ring"),
        (changed(block("CCO", v3000=True), "M  V30 1 1 1 2", "M  V30 1 4 1 2"), "is in no aromatic ring"),
        (changed(block("CO"), "  1  3  1  0", "  1  3  6  0"), "a bond of type 6, a pattern, leads to hydrogen"),
        (changed(block("CO", v3000=True), "M  V30 2 1 1 3", "M  V30 2 6 1 3"), "a bond of type 6, a pattern"),
        (changed(block("CO"), " H   0", " LP  0"), "a lone pair (LP) is no atom"),
        (without_bonds("C[C@H](N)C(=O)O", hydrogens=True), "hydrogen atom 7 has no bond"),
        (without_bonds("CCN", hydrogens=False), "the molecule has carbons, but no bonds"),
        (without_bonds("CO", hydrogens=False), "at the length of a bond have none"),
        (block("CO") + "> <ID>\na\n\n$\n" + block("CN"), "'$' is no end of a record"),
        (block("CO") + "> <ID>\na\n\n9999\n" + block("CN"), "'9999' is no end of a record"),
        (block("CO") + "> <ID>\na\n\n $$$$\n" + block("CN"), "'$$$$' is no end of a record"),
    ],
)
def test_faults_are_refused(text: str, reason: str) -> None:
    first = read(text)[0]
    assert first.error is not None
    assert reason in first.error.message


@pytest.mark.parametrize("symbol", ["CL", "BR"])
def test_capitals_that_leave_nothing_open_are_read(symbol: str) -> None:
    text = changed(block(f"C{symbol.capitalize()}"), f" {symbol.capitalize()}  0", f" {symbol}  0")
    assert one(text).item == Molecule(f"C{symbol.capitalize()}")


def test_bonds_that_the_coordinates_do_not_show_are_noted() -> None:
    ring = block("Cc1ccccc1")
    assert notes(one(ring)) == ""
    wrong = changed(ring, "  1  2  1  0", "  1  4  1  0")
    assert "1 bonds are longer than bonds are (C-C " in notes(one(wrong))
    flat = Chem.MolToMolBlock(Chem.MolFromSmiles("Cc1ccccc1"))
    assert notes(one(changed(flat, "  1  2  1  0", "  1  4  1  0"))) == ""


def test_atoms_that_overlap_are_noted() -> None:
    ring = block("Cc1ccccc1")
    lines = ring.split("\n")
    lines[5] = lines[4][:30] + lines[5][30:]
    assert "pairs of atoms overlap (atoms 1 and 2)" in notes(one("\n".join(lines)))


def test_a_charge_that_no_atom_has_is_refused() -> None:
    text = (
        "@<TRIPOS>MOLECULE\nx\n 2 1 0 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n1 C1 0 0 0 C.3\n2 O2 1.4 0 0 O.3\n"
        "@<TRIPOS>UNITY_ATOM_ATTR\n2 1\ncharge -6\n@<TRIPOS>BOND\n1 1 2 1\n"
    )
    (entry,) = read(text)
    assert entry.error is not None
    assert "the charge -6 is higher than atoms of molecules have" in entry.error.message


def test_numbers_of_atoms_in_reactions_are_left_out_and_noted() -> None:
    entry = one(
        changed(block("CO"), " C   0  0  0  0  0  0  0  0  0  0  0  0", " C   0  0  0  0  0  0  0  0  0  6  0  0")
    )
    assert entry.item == Molecule("CO")
    assert notes(entry) == "atom maps removed"


def test_a_row_inside_a_quoted_cell_is_refused_whatever_follows_it() -> None:
    entries = read('id,smiles,comment\nM1,CCO,"a,\nM2,CCN,  , b"\n')
    assert [entry.error is not None for entry in entries] == [True]
    assert "is closed in a later line" in str(entries[0].error)


def test_one_missing_bond_is_noted() -> None:
    lines = block("CCO").split("\n")
    bond = next(n for n, line in enumerate(lines) if line.startswith("  2  3  1"))
    counts = lines[3].replace("  9  8", "  9  7")
    entry = one("\n".join([*lines[:3], counts, *lines[4:bond], *lines[bond + 1 :]]))
    assert "1 pairs of atoms are as near as bonded ones (atoms 2 and 3): bonds may be missing" in notes(entry)
    assert notes(one(block("CC(=O)[O-].[Na+]"))).count("as near as bonded") == 0


@pytest.mark.parametrize("alias", ["Ph", "Boc"])
def test_an_abbreviation_in_place_of_an_atom_is_noted(alias: str) -> None:
    """ISIS and ChemDraw write a carbon, and the text that is drawn there."""
    entry = one(block("CO").replace("M  END", f"A    1\n{alias}\nM  END"))
    assert f"not carried: the alias {alias} of atom 1, written C" in notes(entry)
    assert notes(one(block("CO").replace("M  END", "A    1\nC\nM  END"))) == ""
