"""Molecular crystals without their hydrogens: neutral molecules, by charge, bond lengths and formula, or a refusal."""

from __future__ import annotations

import pytest
from rdkit import Chem

from logos_cli.errors import StructureError
from logos_cli.objects.molecule import Molecule
from tests.crystals import Atom, cif, embedded, only, read, shifted

BOX = (15.0, 16.0, 17.0)
LONG = (15.0, 16.0, 30.0)
FAR = (0.0, 0.0, 13.0)
HETERO = "NOSPB"


def smiles_of(text: str) -> list[str]:
    entries = read(text)
    assert [entry.error for entry in entries] == [None] * len(entries)
    return [entry.item.smiles for entry in entries if isinstance(entry.item, Molecule)]


def with_formula(formula: str, text: str) -> str:
    return text.replace("_cell_length_a", f"_chemical_formula_sum '{formula}'\n_cell_length_a", 1)


@pytest.mark.parametrize(
    "smiles",
    [
        "CCO",
        "OCC(O)CO",
        "Oc1ccccc1",
        "Oc1ccc(O)cc1",
        "NC(=O)c1ccccc1",
        "CC(=O)Nc1ccc(O)cc1",
        "O=C(O)c1ccccc1O",
        "C[C@H](N)C(=O)O",
        "CS(N)(=O)=O",
        "CP(=O)(O)O",
        "OB(O)c1ccccc1",
        "CCS",
        "O=c1cc[nH]c(=O)[nH]1",
        "O=[N+]([O-])c1ccc(O)cc1",
        "O/N=C/c1ccccc1",
    ],
)
@pytest.mark.parametrize("without", [HETERO, HETERO + "C"])
def test_hydrogens_that_are_missing_are_added_and_noted(smiles: str, without: str) -> None:
    text = cif(embedded(smiles, without), BOX)
    assert smiles_of(text) == [Chem.CanonSmiles(smiles)]
    assert any("missing from the file" in note for note in only(text).source["notes"])


@pytest.mark.parametrize("smiles", ["O=C1C=CC(=O)C=C1", "CC(=O)CC(C)=O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(=O)C#N"])
def test_molecules_that_lack_nothing_stay_as_they_are(smiles: str) -> None:
    entry = only(cif(embedded(smiles), BOX))
    assert isinstance(entry.item, Molecule)
    assert entry.item.smiles == Chem.CanonSmiles(smiles)
    assert entry.source["notes"] == []


@pytest.mark.parametrize(("smiles", "without"), [("OO", "O"), ("c1ccc(NNc2ccccc2)cc1", "N")])
def test_where_lengths_leave_it_open_it_is_refused(smiles: str, without: str) -> None:
    (entry,) = read(cif(embedded(smiles, without), BOX))
    assert isinstance(entry.error, StructureError)
    assert "do not decide where" in entry.error.message


def test_lone_oxygen_is_water() -> None:
    text = cif([*embedded("O=C(O)c1ccccc1"), Atom("O9", "O", FAR)], LONG)
    assert set(smiles_of(text)) == {"O", "O=C(O)c1ccccc1"}
    assert all(entry.source["notes"] for entry in read(text))


def test_ions_that_balance_stay_ions() -> None:
    text = cif([*embedded("CC[NH3+]"), *shifted(embedded("O=C([O-])c1ccccc1"), FAR)], LONG)
    assert set(smiles_of(text)) == {"CC[NH3+]", "O=C([O-])c1ccccc1"}


@pytest.mark.parametrize(
    "atoms",
    [
        [Atom("N1", "N", (0.0, 0.0, 0.0)), Atom("Cl1", "Cl", (0.0, 0.0, 4.0))],
        [*embedded("CN", "N"), Atom("Cl1", "Cl", (0.0, 0.0, 5.0))],
        embedded("Cc1ccc(S(=O)(=O)O)cc1", "O"),
    ],
)
def test_anions_of_strong_acids_take_no_hydrogen(atoms: list[Atom]) -> None:
    (entry,) = read(cif(atoms, BOX))
    assert isinstance(entry.error, StructureError)
    assert "the charge -1 together" in entry.error.message


def test_a_cation_alone_is_refused() -> None:
    (entry,) = read(cif(embedded("C[N+](C)(C)C"), BOX))
    assert isinstance(entry.error, StructureError)
    assert "the charge +1 together" in entry.error.message


@pytest.mark.parametrize(
    ("formula", "is_read"),
    [("C6 H4 O2", True), ("C6 H6 O2", False), ("C6 H6 O3", True), ("C12 H8 O4", True), ("?", True)],
)
def test_the_formula_of_the_file_is_compared(formula: str, is_read: bool) -> None:
    (entry,) = read(with_formula(formula, cif(embedded("O=C1C=CC(=O)C=C1"), BOX)))
    assert (entry.error is None) is is_read
    if entry.error is not None:
        assert "4 hydrogens" in entry.error.message
        assert "there are 6" in entry.error.message


def test_the_formula_decides_what_lengths_leave_open() -> None:
    atoms = embedded("Oc1ccc(O)cc1", "O")
    assert smiles_of(with_formula("C6 H6 O2", cif(atoms, BOX))) == ["Oc1ccc(O)cc1"]


def test_an_element_of_the_formula_without_atoms() -> None:
    text = cif(embedded("O=C(O)c1ccccc1"), BOX)
    assert "has Zn, but no atom has" in str(only(with_formula("C7 H6 O2 Zn", text)).error)
    assert any("has N, but no atom has" in note for note in only(with_formula("C7 H6 N O2", text)).source["notes"])


def test_a_radical_is_not_given_a_hydrogen() -> None:
    (entry,) = read(cif(embedded("CC1(C)CCCC(C)(C)N1[O]"), BOX))
    assert isinstance(entry.error, StructureError)


@pytest.mark.parametrize(("smiles", "gone"), [("C[C@H](N)C(=O)O", "N"), ("OC(=O)c1ccccc1", "O"), ("Oc1ccccc1", "O")])
def test_hydrogens_at_no_atom_show_that_one_is_missing(smiles: str, gone: str) -> None:
    atoms = embedded(smiles)
    lost = next(i for i, atom in enumerate(atoms) if atom.element == gone)
    (entry,) = read(cif(atoms[:lost] + atoms[lost + 1 :], (15.0, 15.0, 15.0)))
    assert "are at no other atom" in str(entry.error)
