"""The syntax of CIF: slips that are put right, and errors with line and column."""

from __future__ import annotations

import pytest

from logos_cli.errors import FormatError
from tests.crystals import MOF5, Atom, cif, cubic, grid, only, read

TEXT = cubic("m", 25.832, MOF5)
GOOD = only(TEXT).item
OXYGEN = "O1 O2- 0.25 0.25 0.25 1"


def edited(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (edited("data_m", "data_my mof 1"), "line 1: the name of the data block has spaces"),
        (edited("data_m", "data_'my mof'"), "line 1: the name of the data block has spaces"),
        (edited("'F m -3 m'", "F m -3 m"), "line 8: the value of _symmetry_space_group_name_H-M has no quotes"),
        (edited("data_m\n", "data_m\n_chemical_name_common my own\n"), "line 2: the value of _chemical_name_common"),
        (edited("C3 C ", "C3 ? "), "elements are taken from the labels"),
        (edited("Zn1 Zn2+", "Zn1 ."), "elements are taken from the labels"),
        (edited("Zn1 Zn2+", "ZN1 ?"), "elements are taken from the labels"),
        (edited("_atom_site_occupancy", "_atom_site_occ"), "unknown columns of atoms"),
        (edited("C1 C ", "N1 C "), "an atom labelled N1 is C by its type symbol"),
    ],
)
def test_slips_are_put_right_and_noted(text: str, note: str) -> None:
    entry = only(text)
    assert entry.item == GOOD
    assert any(note in each for each in entry.source["notes"])


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        (TEXT.replace("data_m\n", "", 1), 1, 1, "expected block header"),
        (edited(OXYGEN, OXYGEN[:-2]), 17, 18, "a row of 5 values in a loop of 6 columns"),
        (edited(OXYGEN, OXYGEN + " 1"), 17, 25, "a row of 7 values in a loop of 6 columns"),
        (edited("_atom_site_occupancy\n", ""), 15, 34, "a row of 6 values in a loop of 5 columns"),
        (TEXT[:-12], 22, 13, "a row of 4 values in a loop of 6 columns"),
        (TEXT + "_x\n;\nabc\n", 26, 1, "unterminated text field"),
        (edited("loop_\n", "loop\n"), 9, 1, "not the syntax of CIF"),
        (edited("_cell_length_c 25.832\n", "_cell_length_c 25.832\n_cell_length_c 12.9\n"), 5, 1, "is given twice"),
    ],
)
def test_errors_of_syntax_have_line_and_column(text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(FormatError) as caught:
        only(text)
    assert what in caught.value.message
    assert str(caught.value.source) == f"<stdin>:{line}:{column}"
    assert f"line {line}" in caught.value.message


def test_a_value_that_is_given_twice_alike_is_read() -> None:
    assert only(edited("_cell_length_c 25.832\n", "_cell_length_c 25.832\n" * 2)).item == GOOD


@pytest.mark.parametrize(("formula", "element"), [("C24 H12 O13 Zn4", "C"), ("C24 Ca2 O13 Zn4", None), (None, None)])
def test_a_label_that_leaves_the_element_open(formula: str | None, element: str | None) -> None:
    text = edited("C3 C ", "CA3 ? ")
    if formula:
        text = text.replace("data_m\n", f"data_m\n_chemical_formula_sum '{formula}'\n", 1)
    entry = only(text)
    if element:
        assert entry.item == GOOD
    else:
        assert "atom CA3 has no type symbol, and its label does not decide its element: C or Ca?" in str(entry.error)


@pytest.mark.parametrize("symbol", ["Cnt", "CH3", "H2O", "NH", "O-H", "Du", "Wat", "Q", "Me"])
def test_a_type_symbol_that_is_no_element_is_refused(symbol: str) -> None:
    """A centroid is no copernicium, and a united atom no carbon."""
    (entry,) = read(cif([*grid("Zr"), Atom("X1", symbol, (3.0, 3.0, 3.0))]))
    assert f"atom X1 has the unknown element '{symbol}'" in str(entry.error)


@pytest.mark.parametrize("symbol", ["Zr4+", "Zr+4", "ZR", "zr", "Zr1", "Zr_4+"])
def test_type_symbols_with_charges_and_in_any_case(symbol: str) -> None:
    assert read(cif(grid(symbol)))[0].item == read(cif(grid("Zr")))[0].item
