"""Resolve disorder: keep one of the atoms that exclude each other."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from logos_cli.crystal.cell import SAME_SITE_ANGSTROM, UnitCell, is_full
from logos_cli.crystal.distances import clash_limits, covalent_radii, near_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REACH_ANGSTROM: Final = 1.9
_ALTERNATIVE_ANGSTROM: Final = 1.75
"""Nearer atoms with different occupancies that add up to 1 are alternatives, not bonded."""
_OCCUPANCY_STEP: Final = 0.03
_SMALLEST_ANGLE_DEGREES: Final = 80.0
"""Two partly occupied neighbours of an atom with a smaller angle between them are alternatives."""
_BOND_FACTOR: Final = 1.2


@dataclass(slots=True)
class _Pairs:
    """Pairs of near atoms: those that exclude each other, and the others."""

    excludes: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    beside: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def exclude(self, a: int, b: int) -> None:
        """Mark two atoms as alternatives."""
        for one, other in ((a, b), (b, a)):
            self.excludes[one].add(other)
            self.beside[one].discard(other)


def keep_major_groups(atoms: UnitCell) -> None:
    """Keep the group with the highest occupancy of each disorder assembly, and note it.

    Its atoms become fully occupied; those of a group without alternative keep their occupancy.
    """
    weight: dict[str, Counter[int]] = {}
    count: Counter[tuple[str, int]] = Counter()
    for (assembly, group), occupancy in zip(atoms.groups, atoms.occupancy.tolist(), strict=True):
        if group:
            weight.setdefault(assembly, Counter())[group] += occupancy
            count[assembly, group] += 1
    best = {
        assembly: max(groups, key=lambda group: (groups[group] / count[assembly, group], -group))
        for assembly, groups in weight.items()
    }
    kept = np.array([not group or group == best[assembly] for assembly, group in atoms.groups], dtype=bool)
    if kept.all():
        return
    for place, (assembly, group) in enumerate(atoms.groups):
        if group and len(weight[assembly]) > 1:
            atoms.occupancy[place] = 1.0
    atoms.notes.append(
        f"disorder: {int((~kept).sum())} atoms of minor alternatives left out "
        "(kept the group of highest occupancy of each assembly)"
    )
    atoms.keep(kept)


def resolve_disorder(atoms: UnitCell) -> None:
    """Merge atoms that are written twice, and keep one of the partly occupied atoms that exclude each other.

    Atoms are kept in the order of their occupancy. Among equal ones, neighbours of kept atoms come first, so that one
    whole orientation of a disordered group is kept rather than parts of two. Hydrogens are dropped with the atom that
    carries them. The notes list the dropped atoms.
    """
    first, second, shift, distance = near_pairs(atoms.fractional, atoms.matrix, _REACH_ANGSTROM)
    elements = np.array(atoms.elements)
    radii, special = covalent_radii(atoms.elements)
    partial = ~is_full(atoms.occupancy)
    same = (elements[first] == elements[second]) & (distance < SAME_SITE_ANGSTROM) & (first != second)
    clash = (distance < clash_limits(radii, special, first, second)) & (partial[first] | partial[second])
    total = atoms.occupancy[first] + atoms.occupancy[second]
    unequal = np.abs(atoms.occupancy[first] - atoms.occupancy[second]) > _OCCUPANCY_STEP
    heavy = (elements[first] != "H") & (elements[second] != "H")
    clash |= (
        (partial[first] & partial[second] & heavy & unequal)
        & (np.abs(total - 1) < _OCCUPANCY_STEP)
        & (distance < _ALTERNATIVE_ANGSTROM)
    )
    clash = (clash | same) & (first != second)
    pairs = _Pairs()
    for a, b, excluded in zip(first.tolist(), second.tolist(), clash.tolist(), strict=True):
        (pairs.excludes if excluded else pairs.beside)[a].add(b)
    if partial.any():
        bond = heavy & ~special[first] & ~clash & (distance < _BOND_FACTOR * (radii[first] + radii[second]))
        vectors = (atoms.fractional[second] + shift - atoms.fractional[first]) @ atoms.matrix
        _exclude_by_angle(pairs, partial, first[bond], second[bond], vectors[bond])
    if not pairs.excludes:
        _note_partial(atoms)
        return
    kept = _keep_greedily(atoms.occupancy, pairs)
    _drop_orphaned_hydrogens(kept, elements, partial, first, second, distance)
    merged = {int(a) for a in first[same] if not kept[a]}
    n_dropped = int((~kept).sum()) - len(merged)
    if n_dropped > 0:
        atoms.notes.append(
            f"disorder: {n_dropped} partly occupied atoms of the cell left out "
            "because they overlap others of higher or equal occupancy"
        )
    if merged:
        atoms.notes.append(f"{len(merged)} atoms of the cell lie on one of the same element and were merged with it")
    atoms.keep(kept)
    _note_partial(atoms)


def _note_partial(atoms: UnitCell) -> None:
    n_partial = int((~is_full(atoms.occupancy)).sum())
    if n_partial:
        atoms.notes.append(f"{n_partial} atoms of the cell are only partly occupied and are kept")


def _exclude_by_angle(
    pairs: _Pairs,
    partial: NDArray[np.bool_],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    vectors: NDArray[np.float64],
) -> None:
    """Mark two partly occupied neighbours of one atom as alternatives if the angle is too small."""
    around: dict[int, list[int]] = defaultdict(list)
    for row, (atom, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if partial[other]:
            around[atom].append(row)
    limit = np.cos(np.radians(_SMALLEST_ANGLE_DEGREES))
    for rows in around.values():
        unit = vectors[rows] / np.linalg.norm(vectors[rows], axis=1, keepdims=True)
        for i, j in np.argwhere(np.triu(unit @ unit.T > limit, 1)).tolist():
            a, b = int(second[rows[i]]), int(second[rows[j]])
            if a != b:
                pairs.exclude(a, b)


def _keep_greedily(occupancy: NDArray[np.float64], pairs: _Pairs) -> NDArray[np.bool_]:
    """Return which atoms are kept; every kept atom drops the atoms that it excludes."""
    kept = np.zeros(len(occupancy), dtype=bool)
    level = np.round(occupancy, 3)
    dropped: set[int] = set()
    for height in sorted(set(level.tolist()), reverse=True):
        waiting = dict.fromkeys(np.flatnonzero(level == height).tolist())
        while waiting:
            anchored = (i for i in waiting if any(kept[j] for j in pairs.beside.get(i, ())))
            front = deque([next(anchored, next(iter(waiting)))])
            while front:
                atom = front.popleft()
                if atom not in waiting:
                    continue
                del waiting[atom]
                if atom in dropped:
                    continue
                kept[atom] = True
                dropped |= pairs.excludes.get(atom, set())
                front += [i for i in sorted(pairs.beside.get(atom, ())) if i in waiting]
    return kept


def _drop_orphaned_hydrogens(
    kept: NDArray[np.bool_],
    elements: NDArray[np.str_],
    partial: NDArray[np.bool_],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    distance: NDArray[np.float64],
) -> None:
    """Drop partly occupied hydrogens if their nearest heavy atom was dropped."""
    carrier: dict[int, tuple[float, int]] = {}
    rows = np.flatnonzero((elements[first] == "H") & (elements[second] != "H") & partial[first])
    for row in rows.tolist():
        here = (float(distance[row]), int(second[row]))
        carrier[int(first[row])] = min(carrier.get(int(first[row]), here), here)
    for hydrogen, (_, heavy) in carrier.items():
        if not kept[heavy]:
            kept[hydrogen] = False
