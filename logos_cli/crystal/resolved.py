"""The atoms of a crystal for a sentence: one cell, with one alternative of each disordered part."""

from __future__ import annotations

from typing import Any

from logos_cli.crystal.cell import UnitCell, read_unit_cell
from logos_cli.crystal.disorder import resolve_disorder


def resolved_cell(block: Any) -> UnitCell:
    """Return the atoms of a data block (gemmi), with expanded symmetry and resolved disorder.

    Raises
    ------
    StructureError
        If the cell, the symmetry or the atoms are missing or make no sense.
    """
    atoms = read_unit_cell(block)
    resolve_disorder(atoms)
    return atoms
