"""Symmetry by operations, name, Hall symbol or number; what is not complete or contradicts itself is refused."""

from __future__ import annotations

import gemmi
import pytest

from logos_cli.errors import StructureError
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.objects.molecule import Molecule
from tests.crystals import MOF5, cif, cubic, embedded, only

NAME = "_symmetry_space_group_name_H-M 'F m -3 m'\n"
TEXT = cubic("m", 25.832, MOF5)
GOOD = material_from_blocks(["[Zn][O]([Zn])([Zn])[Zn]"], ["O=C([O-])c1ccc(C(=O)[O-])cc1"] * 3)
OPERATIONS = [operation.triplet() for operation in gemmi.SpaceGroup("F m -3 m").operations()]


def listed(operations: list[str], quote: str = "'", before: str = "") -> str:
    rows = "".join(f"{quote}{operation}{quote}\n" for operation in operations)
    return TEXT.replace(NAME, f"{before}loop_\n_symmetry_equiv_pos_as_xyz\n{rows}", 1)


@pytest.mark.parametrize(
    ("symmetry", "note"),
    [
        ("_symmetry_Int_Tables_number 225\n", "read as F m -3 m"),
        ("_space_group_IT_number 225\n_space_group_name_H-M_alt ?\n", "read as F m -3 m"),
        ("_space_group_name_Hall '-F 4 2 3'\n", None),
        ("_symmetry_space_group_name_H-M '-F 4 2 3'\n", "is a Hall symbol"),
        ("_symmetry_space_group_name_H-M Fm-3m\n", None),
        ("_symmetry_space_group_name_H-M 'F m 3 m'\n", None),
        ("_symmetry_space_group_name_H-M F m -3 m\n", "has no quotes"),
    ],
)
def test_symmetry_without_operations(symmetry: str, note: str | None) -> None:
    entry = only(TEXT.replace(NAME, symmetry, 1))
    assert entry.item == GOOD
    assert any(note in each for each in entry.source["notes"]) if note else entry.source["notes"] == []


@pytest.mark.parametrize(
    ("symmetry", "reason"),
    [
        ("_symmetry_Int_Tables_number 231\n", "no space group with number 231"),
        ("_symmetry_space_group_name_H-M 'P 1'\n_symmetry_Int_Tables_number 225\n", "225 by its number"),
        ("_symmetry_space_group_name_H-M 'F m -3 n'\n", "is unknown"),
    ],
)
def test_symmetry_that_is_none_is_refused(symmetry: str, reason: str) -> None:
    error = only(TEXT.replace(NAME, symmetry, 1)).error
    assert isinstance(error, StructureError)
    assert reason in error.message


@pytest.mark.parametrize("quote", ["'", '"', ""])
@pytest.mark.parametrize("comma", [",", ", "])
def test_listed_operations_with_and_without_quotes(quote: str, comma: str) -> None:
    assert only(listed([operation.replace(",", comma) for operation in OPERATIONS], quote)).item == GOOD


@pytest.mark.parametrize("operations", [OPERATIONS[:-1], OPERATIONS[1:], OPERATIONS[:96]])
def test_operations_that_are_no_group(operations: list[str]) -> None:
    error = only(listed(operations)).error
    assert error is not None
    assert f"the {len(operations)} symmetry operations are no group" in error.message
    entry = only(listed(operations, before=NAME))
    assert entry.item == GOOD
    assert (
        f"the file lists {len(operations)} of the 192 operations of its space group: all were used"
        in (entry.source["notes"])
    )


def test_fewer_operations_than_the_space_group_has() -> None:
    error = only(listed(["x,y,z"], before=NAME)).error
    assert error is not None
    assert "lists 1 symmetry operations, but the space group that it names has 192" in error.message


def test_a_space_group_by_name_whose_atoms_are_all_listed() -> None:
    text = cif(embedded("c1ccccc1"), (15.0, 15.0, 15.0)).replace(
        "_cell", "_symmetry_space_group_name_H-M 'P 1'\n_cell", 1
    )
    assert only(text).item == Molecule("c1ccccc1")


@pytest.mark.parametrize(("old", "new"), [("_cell_length_a 25.832", "_cell_length_a 27.0"), ("gamma 90", "gamma 85")])
def test_a_cell_without_the_symmetry_is_refused(old: str, new: str) -> None:
    error = only(TEXT.replace(old, new, 1)).error
    assert error is not None
    assert "the cell does not have the symmetry" in error.message


@pytest.mark.parametrize(("number", "other", "n_atoms"), [(146, "R", 6), (146, "H", 18), (155, "H", 36)])
def test_hexagonal_or_rhombohedral_axes_by_the_cell(number: int, other: str, n_atoms: int) -> None:
    angles = ("90", "90", "120") if other == "H" else ("80", "80", "80")
    lines = [f"data_r\n_symmetry_Int_Tables_number {number}", *(f"_cell_length_{axis} 20" for axis in "abc")]
    lines += [f"_cell_angle_{name} {angle}" for name, angle in zip(("alpha", "beta", "gamma"), angles, strict=True)]
    lines += ["loop_", "_atom_site_label", *(f"_atom_site_fract_{axis}" for axis in "xyz")]
    lines += ["C1 0.30 0.10 0.20", "N1 0.35 0.10 0.20"]
    source = only("\n".join(lines) + "\n").source
    assert any(note.endswith(f":{other}") for note in source["notes"])
    assert source["n_atoms"] == n_atoms


def test_only_cartesian_coordinates() -> None:
    lengths = (15.0, 16.0, 17.0)
    text = cif(embedded("CC(=O)Oc1ccccc1C(=O)O"), lengths)
    rows = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 7:
            words[2:5] = [f"{float(word) * length:.5f}" for word, length in zip(words[2:5], lengths, strict=True)]
        rows.append(" ".join(words).replace("_fract_", "_Cartn_"))
    entry = only("\n".join(rows) + "\n")
    assert entry.item == Molecule("CC(=O)Oc1ccccc1C(=O)O")
    assert any("only Cartesian coordinates" in note for note in entry.source["notes"])
    framed = "\n".join(rows).replace("_cell", "_atom_sites_Cartn_tran_matrix_11 0.5\n_cell", 1) + "\n"
    assert "in a frame of their own" in str(only(framed).error)


def test_charges_that_do_not_add_up_are_noted() -> None:
    text = TEXT.replace("O1 O2- 0.25 0.25 0.25 1\n", "", 1)
    entry = only(text)
    assert isinstance(entry.item, Material)
    assert any("charges do not add up: nodes +64, linkers -48" in note for note in entry.source["notes"])
