"""Distances between the atoms of a periodic structure, and the radii that they are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import gemmi
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONMETALS: Final = frozenset(
    "H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Te I Xe At Rn".split()  # noqa: SIM905
)
_CLASH_FACTOR: Final = {False: 0.7, True: 0.6}
"""Atoms nearer than this part of the sum of their radii exclude each other (True: a metal or hydrogen)."""
_CLASH_REACH_ANGSTROM: Final = 1.6


def is_metal(symbol: str) -> bool:
    """Whether an element counts as a metal; B, Si, Ge, As, Se and Te do not, Sb and Po do."""
    return symbol not in NONMETALS


def near_pairs(
    fractional: NDArray[np.float64], matrix: NDArray[np.float64], cutoff_angstrom: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return all pairs of atoms, periodic images included, that are at most the cut-off apart.

    Returns
    -------
    first, second : ndarray of int, shape (n_pairs,)
        Atom indices; every pair appears in both directions.
    shift : ndarray of int, shape (n_pairs, 3)
        Cells to add to the second atom.
    distance : ndarray, shape (n_pairs,)
        In Å.
    """
    from scipy.spatial import cKDTree

    # The margin is the cut-off over the distance between opposite faces: right for any skewed or tiny cell.
    margin = cutoff_angstrom * np.linalg.norm(np.linalg.inv(matrix), axis=0)
    reach = np.ceil(margin).astype(int)
    steps = [np.arange(-n, n + 1) for n in reach]
    offsets = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    copies, owners, shifts = [], [], []
    for offset in offsets:
        moved = fractional + offset
        inside = ((moved >= -margin) & (moved <= 1 + margin)).all(axis=1)
        copies.append(moved[inside])
        owners.append(np.flatnonzero(inside))
        shifts.append(np.repeat(offset[None], inside.sum(), axis=0))
    owner, shift = np.concatenate(owners), np.concatenate(shifts)
    tree = cKDTree(fractional @ matrix)
    found = tree.sparse_distance_matrix(
        cKDTree(np.concatenate(copies) @ matrix), cutoff_angstrom, output_type="coo_matrix"
    )
    first, second = found.row.astype(np.int64), owner[found.col]
    shift = shift[found.col]
    itself = (first == second) & (shift == 0).all(axis=1)
    return first[~itself], second[~itself], shift[~itself], found.data[~itself]


def covalent_radii(elements: list[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return covalent radii in Å, and which atoms are hydrogens or metals."""
    radii = np.array([gemmi.Element(symbol).covalent_r for symbol in elements])
    special = np.array([symbol == "H" or is_metal(symbol) for symbol in elements])
    return radii, special


def clash_limits(
    radii: NDArray[np.float64], special: NDArray[np.bool_], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the distances in Å below which the atoms of each pair exclude each other."""
    factor = np.where(special[first] | special[second], _CLASH_FACTOR[True], _CLASH_FACTOR[False])
    return np.asarray(factor * (radii[first] + radii[second]))


def count_clashes(elements: list[str], fractional: NDArray[np.float64], matrix: NDArray[np.float64]) -> int:
    """Return how many pairs of atoms are too near to each other."""
    radii, special = covalent_radii(elements)
    first, second, _, distance = near_pairs(fractional, matrix, _CLASH_REACH_ANGSTROM)
    return int((distance < clash_limits(radii, special, first, second)).sum()) // 2
