"""Where a ligand would lie that is lined by given residues: the centre of the free space in front of them.

The mean of the residues' own atoms lies in the wall of the pocket, not in it, and misses ligands that a method which
predicts points in space would hit with the same residues. So the centre is taken of a grid of points in free space,
each weighted by how many of the residues it is near to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SPACING_ANGSTROM: Final = 1.0
_MARGIN_ANGSTROM: Final = 4.0
_FREE_ANGSTROM: Final = (3.0, 6.0)
"""How far a point in a pocket is from the nearest heavy atom: no nearer than a ligand's atom, not out in solvent."""

_NEAR_ANGSTROM: Final = 5.5
_POWER: Final = 4
"""Residues that line one pocket are near to the same points; a stray residue is near to others, and counts little."""

_LONGEST_BOX_ANGSTROM: Final = 60.0


def site_centre(residues: Sequence[NDArray[np.float64]], protein: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centre of the site that residues line.

    Parameters
    ----------
    residues : sequence of ndarray, shape (n_atoms, 3)
        Positions of each residue's heavy atoms, Å.
    protein : ndarray, shape (n_atoms, 3)
        Positions of all heavy atoms of the protein.

    Returns
    -------
    ndarray, shape (3,)
        In the protein's frame. Residues too far apart to line one pocket, or without free space near them, have the
        mean of their atoms.
    """
    atoms = np.concatenate(list(residues))
    low, high = atoms.min(axis=0) - _MARGIN_ANGSTROM, atoms.max(axis=0) + _MARGIN_ANGSTROM
    mean: NDArray[np.float64] = atoms.mean(axis=0)
    if (high - low).max() > _LONGEST_BOX_ANGSTROM:
        return mean
    points = _free_points(low, high, atoms, protein)
    if not len(points):
        return mean
    counts = np.zeros(len(points))
    for residue in residues:
        counts[_near(points, residue)] += 1
    weights = counts**_POWER
    if not weights.any():
        return mean
    centre: NDArray[np.float64] = (points * weights[:, None]).sum(axis=0) / weights.sum()
    return centre


def _near(points: NDArray[np.float64], residue: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the points that are near to an atom of a residue."""
    low, high = residue.min(axis=0) - _NEAR_ANGSTROM, residue.max(axis=0) + _NEAR_ANGSTROM
    candidates = np.flatnonzero(((points > low) & (points < high)).all(axis=1))
    squares = ((points[candidates, None] - residue) ** 2).sum(axis=-1).min(axis=1)
    near: NDArray[np.intp] = candidates[squares < _NEAR_ANGSTROM**2]
    return near


def _free_points(
    low: NDArray[np.float64], high: NDArray[np.float64], atoms: NDArray[np.float64], protein: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the points of a grid in a box, near to some atom, that a ligand's atom could take."""
    nearest, farthest = _FREE_ANGSTROM
    axes = [np.arange(first, last, _SPACING_ANGSTROM) for first, last in zip(low, high, strict=True)]
    grid: NDArray[np.float64] = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # most of a wide box is far from every atom: that costs less to find than the nearest of all atoms
    grid = grid[np.isfinite(cKDTree(atoms).query(grid, distance_upper_bound=_NEAR_ANGSTROM)[0])]
    close = protein[((protein > low - farthest) & (protein < high + farthest)).all(axis=1)]
    if not len(grid) or not len(close):
        return np.zeros((0, 3))
    distances, _ = cKDTree(close).query(grid, distance_upper_bound=farthest)
    free: NDArray[np.float64] = grid[(distances > nearest) & np.isfinite(distances)]
    return free
