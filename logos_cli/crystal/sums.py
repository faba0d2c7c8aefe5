"""Check that as many atoms of a disordered molecule are kept as its occupancies in the file add up to."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from logos_cli.crystal.cell import SAME_SITE_ANGSTROM, UnitCell, is_full
from logos_cli.crystal.distances import covalent_radii, is_metal, near_pairs
from logos_cli.errors import StructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REACH_ANGSTROM: Final = 3.3
_BOND_FACTOR: Final = 1.2
_METAL_TOLERANCE_ANGSTROM: Final = 0.45
_MOST_SHOWN: Final = 4
_TOLERANCE, _TOLERANCE_PER_ATOM = 0.15, 0.02
"""Largest difference of an element's occupancies from its number of atoms: thirds are written 0.33."""


@dataclass(frozen=True, slots=True)
class RefinedAtoms:
    """The atoms of a cell in the file, before any is chosen."""

    elements: tuple[str, ...]
    labels: tuple[str, ...]
    fractional: NDArray[np.float64]
    occupancy: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @classmethod
    def of(cls, atoms: UnitCell) -> RefinedAtoms:
        """Return a copy of the atoms of a cell."""
        elements, labels = tuple(atoms.elements), tuple(atoms.labels)
        return cls(elements, labels, atoms.fractional.copy(), atoms.occupancy.copy(), atoms.matrix)


def check_sums(refined: RefinedAtoms, atoms: UnitCell) -> None:
    """Compare the kept atoms of each linker or molecule with the occupancies of all its alternatives.

    Ligands of one metal and free molecules of a framework are not compared: the sentence does not have them.

    Raises
    ------
    StructureError
        If an element has another number of atoms.
    """
    if is_full(refined.occupancy).all():
        return
    elements = np.array(refined.elements)
    group, n_contacts, shares = _clusters(refined)
    has_metal = any(map(is_metal, refined.elements))
    kept = np.zeros(len(elements), dtype=bool)
    kept[atoms.places] = True
    for number in np.flatnonzero((n_contacts > 1) | (not has_metal)).tolist():
        members = np.flatnonzero(group == number)
        if kept[members].any():
            _check(refined, members, shares, Counter(elements[members[kept[members]]].tolist()))


def _clusters(refined: RefinedAtoms) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the cluster of each heavy nonmetal atom, the number of bonds to metals of each cluster, and atom shares.

    Atoms of one cluster are bonded, or alternatives of each other; the cluster of other atoms is -1. The shares of one
    atom that is written several times add up to one at most.
    """
    symbols = list(refined.elements)
    first, second, _, distance = near_pairs(refined.fractional, refined.matrix, _REACH_ANGSTROM)
    radii, special = covalent_radii(symbols)
    metal = np.array([is_metal(symbol) for symbol in symbols])
    total = radii[first] + radii[second]
    joined = ~special[first] & ~special[second] & (distance <= _BOND_FACTOR * total)
    labels = _connected(first[joined], second[joined], len(symbols))
    names = np.array(symbols)
    again = (names[first] == names[second]) & (distance < SAME_SITE_ANGSTROM)
    site = _connected(first[again], second[again], len(symbols))
    share = refined.occupancy / np.maximum(np.bincount(site, refined.occupancy), 1.0)[site]
    bound = ~special[first] & metal[second] & (distance <= total + _METAL_TOLERANCE_ANGSTROM)
    n_contacts = np.bincount(labels[first[bound]], minlength=labels.max() + 1)
    return np.where(special, -1, labels), n_contacts, share


def _connected(first: NDArray[np.int64], second: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the number of the connected part of each of ``n`` atoms; ``first`` and ``second`` are joined pairs."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, labels = connected_components(coo_matrix((np.ones(len(first), dtype=bool), (first, second)), shape=(n, n)))
    return np.asarray(labels, dtype=np.int64)


def _check(refined: RefinedAtoms, members: NDArray[np.int64], shares: NDArray[np.float64], kept: Counter[str]) -> None:
    is_whole = is_full(refined.occupancy[members]).any()
    scale = 1.0 if is_whole else float(shares[members].sum()) / kept.total()
    sums: dict[str, float] = defaultdict(float)
    for atom, share in zip(members.tolist(), shares[members].tolist(), strict=True):
        sums[refined.elements[atom]] += share
    for symbol, total in sorted(sums.items()):
        number = scale * kept[symbol]
        if abs(total - number) > _TOLERANCE + _TOLERANCE_PER_ATOM * number:
            own = [i for i in members.tolist() if refined.elements[i] == symbol and not is_full(refined.occupancy[i])]
            labels = ", ".join(list(dict.fromkeys(refined.labels[i] for i in own or members.tolist()))[:_MOST_SHOWN])
            raise StructureError(
                f"the occupancies of a molecule or linker add up to {total:.2f} {symbol}, but {number:g} would be kept "
                f"(atoms {labels}): the disorder has no single structure",
                hint="write one of its structures, without partial occupancies",
            )
