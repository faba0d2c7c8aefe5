"""The atoms of a crystal for a sentence: one cell, with one alternative of each disordered part."""

from __future__ import annotations

from typing import Any

from logos_cli.crystal.cell import UnitCell, read_unit_cell
from logos_cli.crystal.disorder import keep_major_groups, resolve_disorder
from logos_cli.crystal.substitution import choose_substituents
from logos_cli.crystal.sums import RefinedAtoms, check_sums


def resolved_cell(block: Any) -> UnitCell:
    """Return the atoms of a data block (gemmi), with expanded symmetry and resolved disorder.

    Raises
    ------
    StructureError
        If the cell, the symmetry or the atoms are missing or make no sense, or the disorder has no single structure.
    """
    atoms = read_unit_cell(block)
    refined = RefinedAtoms.of(atoms)
    choose_substituents(atoms)
    keep_major_groups(atoms)
    resolve_disorder(atoms)
    check_sums(refined, atoms)
    return atoms
