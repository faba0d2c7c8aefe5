"""Remove residues and atoms that a file has twice at the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.structure.residues import residue_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEIGHTS = np.array([1.0, 3.1622776, 9.8696044])
"""A projection that few different places share; equal values are compared exactly."""


def has_repeats(positions: NDArray[np.float64]) -> bool:
    """Return whether two atoms have the same coordinates, or nearly so by chance."""
    projected = np.sort(positions @ _WEIGHTS)
    return bool((np.diff(projected) == 0).any())


def drop_repeats(model: gemmi.Model) -> list[str]:
    """Remove residues whose atoms all repeat those of another one, and atoms that a residue has twice.

    Atoms repeat others if name, alternative location and coordinates are the same. Water is left alone: on an axis of
    symmetry an assembly has it several times.

    Returns
    -------
    list of str
        What was removed, and what shares a place without being the same atom.
    """
    seen: dict[tuple[str, tuple[tuple[str, str, float, float, float], ...]], str] = {}
    n_residues = n_atoms = n_shared = 0
    for chain in model:
        for index in range(len(chain) - 1, -1, -1):
            residue = chain[index]
            if residue_names.is_water(residue.name):
                continue
            n_atoms += _drop_atoms(residue)
            places = [(atom.altloc, *atom.pos.tolist()) for atom in residue]
            n_shared += len(places) - len(set(places))
    for chain in model:
        repeated = []
        for index, residue in enumerate(chain):
            atoms = tuple(sorted((atom.name, atom.altloc, atom.pos.x, atom.pos.y, atom.pos.z) for atom in residue))
            if residue_names.is_water(residue.name) or not atoms:
                continue
            if (residue.name, atoms) in seen:
                repeated.append(index)
            seen.setdefault((residue.name, atoms), chain.name)
        n_residues += len(repeated)
        for index in reversed(repeated):
            del chain[index]
    counts = (
        (n_residues, "residues that repeat others at the same place are left out"),
        (n_atoms, "atoms that their residues have twice at the same place are used once"),
        (n_shared, "atoms lie at the place of another atom of their residue"),
    )
    return [f"{n} {what}" for n, what in counts if n]


def _drop_atoms(residue: gemmi.Residue) -> int:
    """Remove atoms with the name, alternative location and coordinates of an earlier one; return their number."""
    seen = set()
    repeated = []
    for index, atom in enumerate(residue):
        key = (atom.name, atom.altloc, *atom.pos.tolist())
        if key in seen:
            repeated.append(index)
        seen.add(key)
    for index in reversed(repeated):
        del residue[index]
    return len(repeated)
