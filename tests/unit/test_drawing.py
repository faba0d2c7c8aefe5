"""Drawings are SVG that holds what was asked for."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from logos_cli.errors import MoleculeError
from logos_cli.formats._drawing import draw_grid, draw_molecule, draw_reaction


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
