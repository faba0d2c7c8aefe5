"""Compute the centre of a binding site from its residues: the centre of the free space in front of them.

The mean of the residues' own atoms lies in the wall of the pocket, and misses ligands that methods predicting points
in space hit with the same residues. So the centre is that of a grid of points in free space, weighted by the number of
site residues near each point.
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
"""Distances of a point in a pocket from the nearest heavy atom: as a ligand's atom, and not in solvent."""

_NEAR_ANGSTROM: Final = 5.5
_POWER: Final = 4
"""Power of the counts: residues of one pocket share points, so that a stray residue has little weight."""

_LONGEST_BOX_ANGSTROM: Final = 60.0


def site_centre(residues: Sequence[NDArray[np.float64]], protein: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centre of the site of some residues.

    Parameters
    ----------
    residues : sequence of ndarray, shape (n_atoms, 3)
        Positions of each residue's heavy atoms, Å.
    protein : ndarray, shape (n_atoms, 3)
        Positions of all heavy atoms of the protein.

    Returns
    -------
    ndarray, shape (3,)
        The centre in the protein's frame. It is the mean of the atoms if the residues are too far apart for one pocket,
        or have no free space near them.
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
    """Return the indices of the points near an atom of a residue."""
    low, high = residue.min(axis=0) - _NEAR_ANGSTROM, residue.max(axis=0) + _NEAR_ANGSTROM
    candidates = np.flatnonzero(((points > low) & (points < high)).all(axis=1))
    squares = ((points[candidates, None] - residue) ** 2).sum(axis=-1).min(axis=1)
    near: NDArray[np.intp] = candidates[squares < _NEAR_ANGSTROM**2]
    return near


def _free_points(
    low: NDArray[np.float64], high: NDArray[np.float64], atoms: NDArray[np.float64], protein: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the points of a grid in a box that are near some atom and free for a ligand's atom."""
    nearest, farthest = _FREE_ANGSTROM
    axes = [np.arange(first, last, _SPACING_ANGSTROM) for first, last in zip(low, high, strict=True)]
    grid: NDArray[np.float64] = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # most of a wide box is far from every atom, which is cheaper to find than the nearest of all atoms
    grid = grid[np.isfinite(cKDTree(atoms).query(grid, distance_upper_bound=_NEAR_ANGSTROM)[0])]
    close = protein[((protein > low - farthest) & (protein < high + farthest)).all(axis=1)]
    if not len(grid) or not len(close):
        return np.zeros((0, 3))
    distances, _ = cKDTree(close).query(grid, distance_upper_bound=farthest)
    free: NDArray[np.float64] = grid[(distances > nearest) & np.isfinite(distances)]
    return free
