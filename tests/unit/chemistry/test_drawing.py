"""Drawings are SVG that holds what was asked for."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from logos_cli.chemistry.drawing import draw_grid, draw_grid_png, draw_molecule, draw_reaction
from logos_cli.errors import InputError, MoleculeError
from logos_cli.evaluators.molecules.grid import _cells, draw_records, draw_records_png
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.records import Record


def bonds(svg: str) -> int:
    """Return how many different bonds are drawn."""
    names = (element.attrib.get("class", "") for element in ET.fromstring(svg).iter())
    return len({name.split()[0] for name in names if name.startswith("bond-")})


def test_a_molecule_has_its_bonds() -> None:
    svg = draw_molecule("CC(=O)Oc1ccccc1C(=O)O", "aspirin & friends")
    assert svg.startswith("<svg")
    assert bonds(svg) == 13


def test_a_metal_node_is_drawn_though_its_valences_are_none() -> None:
    assert bonds(draw_molecule("[Zn][O]([Zn])([Zn])[Zn]")) == 4


def test_a_grid_has_a_cell_for_each_molecule() -> None:
    root = ET.fromstring(draw_grid(["CCO", "CCN", "CCC"], ["a", "b", "c"], columns=2, size=(100, 80)))
    assert (root.attrib["width"], root.attrib["height"]) == ("200px", "160px")


def test_a_reaction_is_drawn_with_both_sides() -> None:
    alone = len(draw_molecule("CCO"))
    assert len(draw_reaction(["CC(=O)Cl", "OCC"], ["CCOC(C)=O"])) > 2 * alone


def test_what_is_no_smiles_is_not_drawn() -> None:
    with pytest.raises(MoleculeError, match="not a SMILES"):
        draw_molecule("C1CC")


def test_a_cell_may_be_empty_and_a_grid_may_be_a_png() -> None:
    assert bonds(draw_grid(["CCO", None], ["ethanol", "nothing"])) == 2
    png = draw_grid_png(["CCO", None, "CCN"], columns=2, size=(100, 80))
    assert png.startswith(b"\x89PNG")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (200, 160)


def record(text: str, **scores: object) -> Record:
    return Record("a & b" * 20, "molecule", text, scores={name: {"value": value} for name, value in scores.items()})


def test_records_are_drawn_with_what_they_score() -> None:
    def molecule(smiles: str) -> str:
        return f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}"

    reaction = molecule("CCO") + molecule("CC(=O)Cl") + Operator.REACT + molecule("CCOC(C)=O")
    good = [record(molecule("CCO"), qed=0.40681, molecule_valid=True, sa=None), record(reaction)]
    bad = [record(molecule("C1CC")), record(f"{Kind.PROTEIN.start}MK{Kind.PROTEIN.end}"), record("")]
    svg = draw_records([*good, *bad], ["qed", "molecule_valid", "sa"], columns=2)
    assert (ET.fromstring(svg).attrib["width"], ET.fromstring(svg).attrib["height"]) == ("500px", "600px")
    assert bonds(svg) == 5  # numbered anew in each cell: those of the ester
    legends = _cells([*good, *bad], ["qed", "molecule_valid", "sa"])[1]
    assert legends[0].splitlines()[1] == "qed 0.407, molecule_valid yes"
    assert [legend.splitlines()[1] for legend in legends[2:4]] == ["not a SMILES: C1CC", "no molecule to draw"]
    assert all(len(line) <= 38 for legend in legends for line in legend.splitlines())
    assert draw_records_png(good).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="1 to 1,000 records, not 0"):
        draw_records([])


def test_many_records_are_about_as_wide_as_high() -> None:
    root = ET.fromstring(draw_records([record(f"{Kind.MOLECULE.start}C{Kind.MOLECULE.end}")] * 48))
    assert (root.attrib["width"], root.attrib["height"]) == ("1750px", "1400px")
