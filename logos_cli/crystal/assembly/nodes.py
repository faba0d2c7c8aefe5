"""Metal nodes with their carboxylate carbons, in idealised geometry.

Distances are those of the parent frameworks: MOF-5 (Li et al. 1999), UiO-66 (Cavka et al. 2008), and paddle-wheels as in HKUST-1
(Chui et al. 1999), with nitrogens at their ends as in M2(bdc)2(dabco). A carboxylate is planar with C–O 1.27 Å and an O–C–O angle
of 124 degrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_O_O, _C_O, HALF_BOND = 2.24, 1.27, 0.75
"""Å: between the oxygens of a carboxylate, C–O, and half of the C–C bond to the linker."""
HALF_BOND_TO_NITROGEN: Final = 1.03
"""Å: half of the bond from a metal to the nitrogen of a pillar, where the point between node and pillar is."""
_O_H: Final = 0.97


@dataclass(slots=True)
class Block:
    """A part of a framework.

    Attributes
    ----------
    elements : list of str
    xyz : list of ndarray
        Positions in Å.
    points : list of ndarray
        Middles of the bonds to other parts.
    anchors : list of int
        The atom at each of them.
    """

    elements: list[str] = field(default_factory=list)
    xyz: list[Vector] = field(default_factory=list)
    points: list[Vector] = field(default_factory=list)
    anchors: list[int] = field(default_factory=list)

    def add(self, element: str, place: Vector) -> None:
        """Add an atom."""
        self.elements.append(element)
        self.xyz.append(place)

    def add_carboxylate(self, out: Vector, along: Vector, radius: float) -> None:
        """Add a bridging carboxylate.

        Parameters
        ----------
        out, along : ndarray
            Unit vectors from the middle to the carbon, and from one oxygen to the other.
        radius : float
            Distance of the oxygens from the middle, along ``out``.
        """
        for side in (-1, 1):
            self.add("O", radius * out + side * _O_O / 2 * along)
        carbon = radius + sqrt(_C_O**2 - (_O_O / 2) ** 2)
        self.anchors.append(len(self.elements))
        self.add("C", carbon * out)
        self.points.append((carbon + HALF_BOND) * out)


@dataclass(frozen=True, slots=True)
class Node:
    """A kind of node.

    Attributes
    ----------
    name : str
    charge : int
        Of the node without carboxylates.
    n_points : int
        Carboxylates around it.
    pillared : callable, optional
        The node with a nitrogen at each end as well; these two points are the last.
    """

    name: str
    charge: int
    n_points: int
    build: Callable[[], Block]
    pillared: Callable[[], Block] | None = None


def _axes() -> list[Vector]:
    return list(np.eye(3))


def _basic_zinc() -> Block:
    """Return Zn4O(CO2)6: zinc around an oxygen, a carboxylate over each edge of the tetrahedron."""
    block, corner = Block(), 1.94 / sqrt(3)
    block.add("O", np.zeros(3))
    for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
        block.add("Zn", corner * np.array(signs, float))
    radius = corner + sqrt(1.94**2 - (corner * sqrt(2) - _O_O / 2) ** 2)
    for place, axis in enumerate(_axes()):
        first, second = (other for number, other in enumerate(_axes()) if number != place)
        for sign in (1, -1):
            # the two zincs on this side have second coordinates of the same sign, or of opposite ones
            block.add_carboxylate(sign * axis, (first + sign * second) / sqrt(2), radius)
    return block


def _paddle_wheel(metal: str, metal_metal: float, metal_oxygen: float) -> Block:
    """Return M2(CO2)4."""
    block, axis = Block(), np.array([0.0, 0.0, 1.0])
    for side in (-1, 1):
        block.add(metal, side * metal_metal / 2 * axis)
    radius = sqrt(metal_oxygen**2 - ((metal_metal - _O_O) / 2) ** 2)
    for out in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        block.add_carboxylate(np.array([*out, 0], float), axis, radius)
    return block


def _zirconium_cluster() -> Block:
    """Return Zr6O4(OH)4(CO2)12: an octahedron, oxygens over its faces, a carboxylate over each edge."""
    block, edge = Block(), 3.53
    for axis in _axes():
        for sign in (1, -1):
            block.add("Zr", sign * edge / sqrt(2) * axis)
    for corner in product((1, -1), repeat=3):
        out = np.array(corner, float) / sqrt(3)
        is_oxide = corner[0] * corner[1] * corner[2] > 0
        height = edge / sqrt(6) + sqrt((2.06 if is_oxide else 2.26) ** 2 - edge**2 / 3)
        block.add("O", height * out)
        if not is_oxide:
            block.add("H", (height + _O_H) * out)
    radius = edge / 2 + sqrt(2.22**2 - (edge / 2 - _O_O / 2) ** 2)
    axes = _axes()
    for first, second in ((0, 1), (0, 2), (1, 2)):
        for one, two in product((1, -1), repeat=2):
            a, b = one * axes[first], two * axes[second]
            block.add_carboxylate((a + b) / sqrt(2), (a - b) / sqrt(2), radius)
    return block


def _paddle(metal: str, metal_metal: float, metal_oxygen: float, metal_nitrogen: float) -> Node:
    def build() -> Block:
        return _paddle_wheel(metal, metal_metal, metal_oxygen)

    def pillared() -> Block:
        block = build()
        for anchor, side in ((0, -1), (1, 1)):
            height = metal_metal / 2 + metal_nitrogen - HALF_BOND_TO_NITROGEN
            block.points.append(np.array([0, 0, side * height]))
            block.anchors.append(anchor)
        return block

    return Node(f"{metal}2 paddle-wheel", 4, 4, build, pillared)


NODES: Final = {
    "[Zn][O]([Zn])([Zn])[Zn]": Node("Zn4O", 6, 6, _basic_zinc),
    "[O]12[Zr]34[O]5[Zr]67[O]8[Zr]1([OH]36)[OH]1[Zr]23[O]2[Zr]5([OH]43)[OH]7[Zr]821": Node(
        "Zr6O4(OH)4", 12, 12, _zirconium_cluster
    ),
    "[Cu][Cu]": _paddle("Cu", 2.64, 1.95, 2.16),
    "[Zn][Zn]": _paddle("Zn", 2.98, 2.04, 2.04),
    "[Co][Co]": _paddle("Co", 2.75, 2.02, 2.07),
    "[Ni][Ni]": _paddle("Ni", 2.70, 2.00, 2.03),
    "[Fe][Fe]": _paddle("Fe", 2.80, 2.05, 2.10),
}
"""Nodes by their canonical SMILES in sentences; carboxylates are parts of the linkers there."""
