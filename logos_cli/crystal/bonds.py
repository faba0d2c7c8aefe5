"""Bonds of a periodic structure, from distances and covalent radii."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from logos_cli.crystal.distances import clash_limits, covalent_radii, near_pairs
from logos_cli.crystal.prune import Pruner, Shift, minus
from logos_cli.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from logos_cli.crystal.cell import UnitCell

_ORGANIC_FACTOR: Final = 1.2
"""A bond between nonmetals is at most this much longer than the sum of the radii: 1.75 Å for C-C."""
_HYDROGEN_TOLERANCE_ANGSTROM: Final = 0.27
_METAL_TOLERANCE_ANGSTROM: Final = 0.45
_METAL_CARBON_TOLERANCE_ANGSTROM: Final = 0.3
_METAL_METAL_TOLERANCE_ANGSTROM: Final = 0.2
_PADDLEWHEEL_TOLERANCE_ANGSTROM: Final = 0.65
_PADDLEWHEEL_BRIDGES: Final = 3
_DONORS: Final = frozenset("N O F P S Cl As Se Br Te I".split())  # noqa: SIM905


@dataclass(slots=True)
class BondGraph:
    """Bonds of one cell; every bond is listed from both its ends.

    Attributes
    ----------
    organic : list of dict
        Nonmetal neighbours ``(index, shift)`` of every heavy nonmetal atom, with the distance in Å.
    contacts : list of dict
        Metals bonded to every nonmetal atom, and nonmetal atoms bonded to every metal.
    metal_metal : list of dict
        Metals bonded to every metal without a bridging atom.
    hydrogens : list of list of int
        Hydrogens of every heavy atom.
    loose : list of int
        Hydrogens without a heavy nonmetal atom.
    clashes : list of (int, int, float)
        Pairs of atoms that are too near to each other, with the distance in Å.
    """

    n: int
    organic: list[dict[tuple[int, Shift], float]] = field(default_factory=list)
    contacts: list[dict[tuple[int, Shift], float]] = field(default_factory=list)
    metal_metal: list[dict[tuple[int, Shift], float]] = field(default_factory=list)
    hydrogens: list[list[int]] = field(default_factory=list)
    loose: list[int] = field(default_factory=list)
    clashes: list[tuple[int, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.organic = [{} for _ in range(self.n)]
        self.contacts = [{} for _ in range(self.n)]
        self.metal_metal = [{} for _ in range(self.n)]
        self.hydrogens = [[] for _ in range(self.n)]

    def organic_indices(self, atom: int) -> set[int]:
        """Return the nonmetal neighbours of an atom in any cell."""
        return {other for other, _ in self.organic[atom]}


def add(a: Shift, b: Shift) -> Shift:
    """Return the sum of two shifts."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def find_bonds(atoms: UnitCell) -> BondGraph:
    """Return the bonds of a unit cell with resolved disorder.

    Two nonmetals bond up to 1.2 times the sum of their covalent radii, a metal and a donor atom up to 0.45 Å
    beyond it. A hydrogen belongs to the nonmetal atom with the best bond length. If an atom would get more
    neighbours than it can have, the least plausible contacts are not bonds (:mod:`.prune`).
    """
    radii, special = covalent_radii(atoms.elements)
    largest = float(radii.max())
    cutoff = max(2 * largest + _PADDLEWHEEL_TOLERANCE_ANGSTROM, 2.0)
    first, second, shift, distance = near_pairs(atoms.fractional, atoms.matrix, min(cutoff, 4.6))
    total = radii[first] + radii[second]
    hydrogen = np.array([symbol == "H" for symbol in atoms.elements])
    metal = special & ~hydrogen
    graph = BondGraph(len(atoms))
    bad = (distance < clash_limits(radii, special, first, second)) & ~(hydrogen[first] & hydrogen[second])
    graph.clashes = [
        (int(a), int(b), float(d)) for a, b, d in zip(first[bad], second[bad], distance[bad], strict=True) if a <= b
    ]
    heavy = ~hydrogen & ~metal
    organic = heavy[first] & heavy[second] & (distance <= _ORGANIC_FACTOR * total)
    _fill(graph.organic, organic, first, second, shift, distance)
    donor = np.array([symbol in _DONORS for symbol in atoms.elements])
    carbon = np.array([symbol == "C" for symbol in atoms.elements])
    for acceptors, tolerance in ((donor, _METAL_TOLERANCE_ANGSTROM), (carbon, _METAL_CARBON_TOLERANCE_ANGSTROM)):
        bond = (metal[first] & acceptors[second]) | (acceptors[first] & metal[second])
        _fill(graph.contacts, bond & (distance <= total + tolerance), first, second, shift, distance)
    pruner = Pruner(graph.organic, graph.contacts, graph.hydrogens, atoms.elements, radii)
    n_pruned = pruner.drop_contacts_of_saturated_ends()
    _assign_hydrogens(graph, pruner, hydrogen, (heavy[second] & hydrogen[first]), (first, second, distance, total))
    n_pruned += pruner.drop_excess()
    if n_pruned:
        atoms.notes.append(f"{n_pruned} short contacts are not counted as bonds, since the valences do not allow them")
    _drop_chelated_carbons(graph, atoms.elements)
    close = metal[first] & metal[second] & (distance <= total + _PADDLEWHEEL_TOLERANCE_ANGSTROM)
    _bond_metals(graph, close, (first, second, shift, distance, total))
    return graph


def _rows(mask: NDArray[np.bool_], *columns: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    """Return the masked rows of several columns as Python values."""
    return zip(*(column[mask].tolist() for column in columns), strict=True)


def _fill(
    lists: list[dict[tuple[int, Shift], float]],
    mask: NDArray[np.bool_],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    shift: NDArray[np.int64],
    distance: NDArray[np.float64],
) -> None:
    rows = _rows(mask, first, second, shift, distance)
    for a, b, (x, y, z), d in rows:
        lists[a][b, (x, y, z)] = d


def _assign_hydrogens(
    graph: BondGraph,
    pruner: Pruner,
    hydrogen: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Assign each hydrogen to the nonmetal atom with the best bond length, to saturated ones last."""
    first, second, distance, total = pairs
    mask = mask & (distance <= total + _HYDROGEN_TOLERANCE_ANGSTROM)
    misfit = np.abs(distance - total)[mask].tolist()
    best: dict[int, tuple[bool, float, int]] = {}
    for h, heavy, off in zip(first[mask].tolist(), second[mask].tolist(), misfit, strict=True):
        rank = (pruner.is_saturated(heavy), off, heavy)
        best[h] = min(best.get(h, rank), rank)
    for h, (_, _, heavy) in sorted(best.items()):
        graph.hydrogens[heavy].append(h)
    graph.loose = [int(h) for h in np.flatnonzero(hydrogen) if h not in best]


def _drop_chelated_carbons(graph: BondGraph, elements: list[str]) -> None:
    """Drop contacts of carbons to a metal bonded to their own donor atom, as in a chelating carboxylate."""
    for carbon, symbol in enumerate(elements):
        if symbol != "C":
            continue
        for metal, shift in list(graph.contacts[carbon]):
            held = any(
                (metal, add(shift, minus(to))) in graph.contacts[other]
                for other, to in graph.organic[carbon]
                if elements[other] != "C"
            )
            if held or len(graph.organic[carbon]) + len(graph.hydrogens[carbon]) > 3:
                del graph.contacts[carbon][metal, shift]
                graph.contacts[metal].pop((carbon, minus(shift)), None)


def _bond_metals(
    graph: BondGraph,
    mask: NDArray[np.bool_],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Bond two metals at bonding distance, or held together by the carboxylates of a paddlewheel."""
    first, second, shift, distance, total = pairs
    excess = (distance - total)[mask]
    rows = _rows(mask, first, second, shift, distance)
    for (a, b, (x, y, z), d), beyond in zip(rows, excess.tolist(), strict=True):
        to = (x, y, z)
        shared = [
            atom
            for atom, at in graph.contacts[a]
            if not graph.organic[atom] and (b, add(to, minus(at))) in graph.contacts[atom]
        ]
        if shared:
            continue
        if beyond <= _METAL_METAL_TOLERANCE_ANGSTROM or _n_bridges(graph, a, b, to) >= _PADDLEWHEEL_BRIDGES:
            graph.metal_metal[a][b, to] = d


def _n_bridges(graph: BondGraph, a: int, b: int, to: Shift) -> int:
    """Return the number of atoms with one neighbour bonded to each of two metals, as in carboxylates."""
    middles: list[set[tuple[int, Shift]]] = []
    for metal, at in ((a, (0, 0, 0)), (b, to)):
        found = set()
        for donor, donor_at in graph.contacts[metal]:
            for middle, middle_at in graph.organic[donor]:
                found.add((middle, add(at, add(donor_at, middle_at))))
        middles.append(found)
    return len(middles[0] & middles[1])


def check_no_clash(atoms: UnitCell, graph: BondGraph, among: set[int]) -> None:
    """Raise StructureError if atoms of the framework overlap.

    If one of two is a halogen or hydrogen with its own bond, as when generated substituents run into each other, the
    connections are clear, and a note is enough.
    """
    bad = [(a, b, d) for a, b, d in graph.clashes if a in among and b in among]
    fatal = [
        (a, b, d)
        for a, b, d in bad
        if b in graph.organic_indices(a) or not (_is_end(atoms, graph, a) or _is_end(atoms, graph, b))
    ]
    if fatal:
        shown = ", ".join(f"{atoms.labels[a]}-{atoms.labels[b]} {d:.2f} Å" for a, b, d in fatal[:3])
        raise StructureError(
            f"{len(fatal)} pairs of atoms overlap: {shown}{', …' if len(fatal) > 3 else ''}",
            hint="remove the second copy or the minor part of the disorder",
        )
    if bad:
        a, b, d = bad[0]
        atoms.notes.append(
            f"{len(bad)} pairs of atoms at the ends of substituents overlap, e.g. "
            f"{atoms.labels[a]}-{atoms.labels[b]} {d:.2f} Å: the geometry is not physical"
        )


def _is_end(atoms: UnitCell, graph: BondGraph, atom: int) -> bool:
    if atoms.elements[atom] == "H":
        return True
    return atoms.elements[atom] in {"F", "Cl", "Br", "I"} and len(graph.organic[atom]) == 1
