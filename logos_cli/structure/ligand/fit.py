"""Check whether the atoms of a residue fit the definition of its component, as equal names prove nothing.

MOL, LIG, UNK, CPD and a thousand others are names that programs give to any ligand, and that the Chemical Component
Dictionary has for one molecule. Atoms are often called C1, C2 … in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from logos_cli.structure.contacts import bond_radius, distance_matrix
from logos_cli.structure.ligand.build import Position
from logos_cli.structure.ligand.dictionary import Component

_GENERIC = "001 002 003 CMP CPD DRG DRU INH LDP LG1 LG2 LGA LGD LIG LIX LL1 MOL RES SUB UNK UNL UNN UNX X01 X02 XXX ZZZ"
GENERIC = frozenset(_GENERIC.split())
"""Names that programs give to ligands of all kinds."""

_TOO_LONG_ANGSTROM = 0.45
_TOO_NEAR_ANGSTROM = 0.2
_TOO_SHORT = 0.7
_MAX_SHARE_UNFIT = 0.2


def misfit(component: Component, positions: Mapping[str, Position]) -> str:
    """Return the reason why atoms do not fit a component; empty if they do.

    Parameters
    ----------
    positions : mapping
        Positions (Å) of heavy atoms by name; the component has all of these names.
    """
    placed = [row for row, atom in enumerate(component.atoms) if atom.name in positions]
    if len(placed) < len(component.atoms) and component.id in GENERIC:
        return f"{component.id} is a name for any ligand, and not all atoms of the component are there"
    if len(placed) < 2:
        return ""
    shortest, longest, n_bonds = _limits(component)
    if len(placed) < len(component.atoms):
        chosen = np.ix_(placed, placed)
        shortest, longest = shortest[chosen], longest[chosen]
        n_bonds = int(np.isfinite(longest).sum()) // 2
    places = np.array([positions[component.atoms[row].name] for row in placed])
    distances = distance_matrix(places, places)
    unfit = (distances < shortest) | (distances > longest)
    n_unfit = int(unfit.sum()) // 2
    if n_unfit <= _MAX_SHARE_UNFIT * max(n_bonds, 1):
        return ""
    one, other = np.argwhere(np.triu(unfit))[0].tolist()
    names = [component.atoms[placed[row]].name for row in (one, other)]
    away = f"{' and '.join(names)} are {distances[one, other]:.2f} Å apart"
    return f"{away}, unlike in component {component.id}"


@lru_cache(maxsize=512)
def _limits(component: Component) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the shortest and longest distance of each two atoms, and the number of bonds.

    Bonds of metals have no limits.
    """
    radii = np.array([bond_radius(atom.number) for atom in component.atoms])
    sums = radii[:, None] + radii[None, :]
    bonded = np.zeros(sums.shape, dtype=bool)
    for bond in component.bonds:
        bonded[bond.first, bond.second] = bonded[bond.second, bond.first] = True
    judged = (radii[:, None] > 0) & (radii[None, :] > 0) & ~np.eye(len(radii), dtype=bool)
    shortest = np.where(judged, np.where(bonded, _TOO_SHORT * sums, sums + _TOO_NEAR_ANGSTROM), -np.inf)
    longest = np.where(judged & bonded, sums + _TOO_LONG_ANGSTROM, np.inf)
    return shortest, longest, int((judged & bonded).sum()) // 2
