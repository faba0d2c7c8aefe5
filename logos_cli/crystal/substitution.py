"""Choose among substituents and elements that share the positions of a molecule, so that the occupancies add up.

A linker with one amino group on any of its four carbons is refined with a quarter of a nitrogen on each. The occupancies
of the linker add up to one nitrogen, but the crystal does not define its carbon. So one position is filled, if every
choice gives the same molecule; anything else is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from logos_cli.crystal.cell import UnitCell, is_full
from logos_cli.crystal.distances import clash_limits, covalent_radii, is_metal, near_pairs
from logos_cli.errors import StructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REACH_ANGSTROM: Final = 2.6
_BOND_FACTOR: Final = 1.2
_HYDROGEN_TOLERANCE_ANGSTROM: Final = 0.25
_SAME_ANGSTROM: Final = 0.3
"""Atoms of different elements at a smaller distance share one site."""
_ALWAYS: Final = 0.97
"""Sum of the occupancies of an atom's substituents above which it always has one: they are its orientations."""
_WHOLE: Final = 0.12
"""Largest difference of a number of substituents from a whole number."""
_SAME_OCCUPANCY: Final = 0.04
_MAJORITY: Final = 0.9
"""Share of a metal site above which other occupants are ignored."""
_MOST_SHOWN: Final = 4


@dataclass(slots=True)
class _Neighbours:
    """Atoms of the cell near to each other, periodic images included.

    Attributes
    ----------
    bonded : dict of int to dict
        Heavy nonmetal atoms at bonding distance, with the distance in Å.
    hydrogens, carriers : dict of int to set
        Hydrogens that fit a heavy nonmetal atom best, and all such atoms near a hydrogen.
    same : dict of int to set
        Atoms of other elements on the same site.
    """

    bonded: dict[int, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    hydrogens: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    carriers: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    same: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


@dataclass(slots=True)
class _Branch:
    """A substituent at one atom of a molecule; its first atom is bonded to the ``anchor``."""

    anchor: int
    atoms: list[int]
    kind: str


def choose_substituents(atoms: UnitCell) -> None:
    """Fill the number of positions of each molecule that its occupancies add up to; drop and note the others.

    Raises
    ------
    StructureError
        If the occupancies do not add up to whole numbers, or do not decide which positions are filled.
    """
    partial = ~is_full(atoms.occupancy)
    if not partial.any():
        return
    near = _neighbours(atoms)
    _check_metals(atoms, near, partial)
    chooser = _Chooser(atoms, near, partial)
    chooser.choose_elements()
    chooser.choose_branches()
    chooser.finish()


def _neighbours(atoms: UnitCell) -> _Neighbours:
    first, second, _, distance = near_pairs(atoms.fractional, atoms.matrix, _REACH_ANGSTROM)
    radii, special = covalent_radii(atoms.elements)
    elements = np.array(atoms.elements)
    hydrogen = elements == "H"
    heavy = ~special
    apart = first != second
    near = _Neighbours()
    total = radii[first] + radii[second]
    bond = heavy[first] & heavy[second] & apart & (distance <= _BOND_FACTOR * total)
    bond &= distance >= clash_limits(radii, special, first, second)
    for a, b, d in _rows(bond, first, second, distance):
        near.bonded[a][b] = min(d, near.bonded[a].get(b, d))
    at_hydrogen = heavy[first] & hydrogen[second] & (distance <= total + _HYDROGEN_TOLERANCE_ANGSTROM)
    misfit: dict[int, tuple[float, int]] = {}
    for a, b, d in _rows(at_hydrogen, first, second, distance):
        near.carriers[b].add(a)
        here = (abs(d - float(radii[a] + radii[b])), a)
        misfit[b] = min(misfit.get(b, here), here)
    for b, (_, a) in misfit.items():
        near.hydrogens[a].add(b)
    same = (elements[first] != elements[second]) & ~hydrogen[first] & ~hydrogen[second] & (distance < _SAME_ANGSTROM)
    for a, b, _ in _rows(same, first, second, distance):
        near.same[a].add(b)
    return near


def _rows(
    mask: NDArray[np.bool_], first: NDArray[np.int64], second: NDArray[np.int64], distance: NDArray[np.float64]
) -> Iterable[tuple[int, int, float]]:
    return zip(first[mask].tolist(), second[mask].tolist(), distance[mask].tolist(), strict=True)


def _check_metals(atoms: UnitCell, near: _Neighbours, partial: NDArray[np.bool_]) -> None:
    """Refuse a site that two metals share, unless one of them has nearly all of it."""
    for atom, others in sorted(near.same.items()):
        if not is_metal(atoms.elements[atom]) or not partial[atom]:
            continue
        shares = {atoms.elements[i]: float(atoms.occupancy[i]) for i in sorted({atom, *others})}
        if max(shares.values()) < _MAJORITY:
            listed = ", ".join(f"{symbol} {share:.2f}" for symbol, share in shares.items())
            raise StructureError(
                f"different elements share the site of {atoms.labels[atom]} ({listed}): no single structure",
                hint="keep one of them",
            )


class _Chooser:
    def __init__(self, atoms: UnitCell, near: _Neighbours, partial: NDArray[np.bool_]) -> None:
        self.atoms, self.near, self.partial = atoms, near, partial
        self.heavy = [i for i, symbol in enumerate(atoms.elements) if symbol != "H" and not is_metal(symbol)]
        self.kept = np.ones(len(atoms), dtype=bool)
        self.chosen: set[int] = set()

    # -- elements that share a site ----------------------------------------------------------------------------

    def choose_elements(self) -> None:
        """Choose one element for each site that two share; each is chosen as often as the occupancies add up to."""
        shared = {i for i in self.heavy if self.near.same.get(i, set()).intersection(self.heavy) and self.partial[i]}
        if not shared:
            return

        def beside(atom: int) -> Iterable[int]:
            yield from self.near.bonded.get(atom, ())
            yield from self.near.same.get(atom, ())

        for group in _connected(self.heavy, beside):
            sites = _connected([i for i in group if i in shared], lambda atom: self.near.same.get(atom, ()))
            if sites:
                self._share_out(sites, self._classes(group, dict.fromkeys(shared, "*")))

    def _share_out(self, sites: list[list[int]], classes: Mapping[int, int]) -> None:
        kinds = {tuple(sorted(self.atoms.elements[i] for i in site)) for site in sites}
        totals: dict[str, float] = defaultdict(float)
        for site in sites:
            if abs(float(self.atoms.occupancy[site].sum()) - 1) > _WHOLE:
                raise self._refusal("the elements that share a site do not fill it", site)
            for i in site:
                totals[self.atoms.elements[i]] += float(self.atoms.occupancy[i])
        if len(kinds) > 1 or len(next(iter(kinds))) != 2:
            raise self._refusal("different elements share the sites of one molecule", sites[0])
        rarer = min(totals, key=lambda symbol: (totals[symbol], symbol))
        count = self._whole(totals[rarer], rarer, sites[0])
        holders = [i for site in sites for i in site if self.atoms.elements[i] == rarer]
        chosen = self._pick({i: float(self.atoms.occupancy[i]) for i in holders}, count, classes, rarer)
        for site in sites:
            has_rarer = not chosen.isdisjoint(site)
            for i in site:
                (self._keep if (self.atoms.elements[i] == rarer) == has_rarer else self._drop)([i])

    # -- substituents --------------------------------------------------------------------------------------------

    def choose_branches(self) -> None:
        """Fill the number of anchors of each molecule that the occupancies of its substituents add up to."""
        full = [i for i in self.heavy if not self.partial[i] or i in self.chosen]
        members = set(full)
        branches: dict[int, list[_Branch]] = defaultdict(list)
        for branch in self._branches(members):
            branches[branch.anchor].append(branch)
        for core in _connected(full, lambda atom: self.near.bonded.get(atom, ())):
            found = [branch for atom in core for branch in self._alternatives(branches.get(atom, []))]
            if found and any(self.atoms.elements[i] == "C" for i in core):
                self._fill(core, found)

    def _alternatives(self, branches: list[_Branch]) -> list[_Branch]:
        """Return the substituents of one anchor if it is sometimes without one."""
        return branches if sum(map(self._occupancy, branches)) < _ALWAYS else []

    def _occupancy(self, branch: _Branch) -> float:
        return float(self.atoms.occupancy[branch.atoms[0]])

    def _branches(self, core: set[int]) -> list[_Branch]:
        """Return the partly occupied groups at one atom each; an atom belongs to the nearest root."""
        others = {i for i in self.heavy if i not in core and self.kept[i]}
        roots = {i: [a for a in self.near.bonded.get(i, ()) if a in core] for i in sorted(others)}
        owner = {root: root for root, anchors in roots.items() if anchors}
        grown: dict[int, list[int]] = {root: [root] for root in owner}
        front = list(owner)
        while front:
            reached: dict[int, tuple[float, int]] = {}
            for atom in front:
                for other, length in self.near.bonded.get(atom, {}).items():
                    if other in others and other not in owner and self._go_together(atom, other):
                        reached[other] = min(reached.get(other, (length, owner[atom])), (length, owner[atom]))
            for other, (_, root) in reached.items():
                owner[other] = root
                grown[root].append(other)
            front = list(reached)
        found = []
        for members in grown.values():
            anchors = {a for i in members for a in self.near.bonded.get(i, ()) if a in core}
            if len(anchors) == 1:
                kind = "".join(sorted(self.atoms.elements[i] for i in members))
                found.append(_Branch(anchors.pop(), members, kind))
        return found

    def _go_together(self, first: int, second: int) -> bool:
        return abs(float(self.atoms.occupancy[first] - self.atoms.occupancy[second])) < _SAME_OCCUPANCY

    def _fill(self, core: list[int], branches: list[_Branch]) -> None:
        """Fill the anchors of one molecule, beginning with the most frequent substituent."""
        by_kind: dict[str, list[_Branch]] = defaultdict(list)
        for branch in branches:
            by_kind[branch.kind].append(branch)
        taken: dict[int, _Branch] = {}
        for kind, found in sorted(by_kind.items(), key=lambda item: (-sum(map(self._occupancy, item[1])), item[0])):
            best: dict[int, _Branch] = {}
            for branch in sorted(found, key=lambda branch: (-self._occupancy(branch), branch.anchor)):
                best.setdefault(branch.anchor, branch)
            count = self._whole(sum(map(self._occupancy, found)), kind, found[0].atoms)
            classes = self._classes(core, {anchor: branch.kind for anchor, branch in taken.items()})
            shares = {anchor: self._occupancy(branch) for anchor, branch in best.items() if anchor not in taken}
            chosen = self._pick(shares, count, classes, kind)
            taken |= {anchor: best[anchor] for anchor in chosen}
            for branch in found:
                (self._keep if taken.get(branch.anchor) is branch else self._drop)(branch.atoms)
        for anchor in {branch.anchor for branch in branches}:
            hydrogens = self.near.hydrogens.get(anchor, set())
            if anchor in taken:
                root = taken[anchor].atoms[0]
                self._drop({h for h in hydrogens if self.partial[h] or root in self.near.carriers[h]}, carried=False)
            else:
                self._keep({h for h in hydrogens if self.partial[h]}, carried=False)

    # -- shared -------------------------------------------------------------------------------------------------

    def _classes(self, group: Collection[int], marks: Mapping[int, str]) -> dict[int, int]:
        """Return a number for each atom; atoms with the same number have the same neighbourhood in the whole molecule."""
        inside = set(group)
        beside = {i: [j for j in self.near.bonded.get(i, ()) if j in inside] for i in group}
        classes = _ranks({i: marks.get(i, self.atoms.elements[i]) for i in group})
        while True:
            finer = _ranks({i: (classes[i], tuple(sorted(classes[j] for j in beside[i]))) for i in group})
            if len(set(finer.values())) == len(set(classes.values())):
                return finer
            classes = finer

    def _pick(self, shares: Mapping[int, float], count: int, classes: Mapping[int, int], what: str) -> set[int]:
        """Return the positions of highest occupancy; any of equal ones, if every choice gives the same molecule.

        Raises
        ------
        StructureError
            If the choice changes the molecule.
        """
        ranked = sorted(shares, key=lambda place: (-shares[place], place))
        if 0 < count < len(ranked):
            limit = shares[ranked[count - 1]]
            if limit - shares[ranked[count]] < _SAME_OCCUPANCY:
                above = [place for place in ranked if shares[place] >= limit + _SAME_OCCUPANCY]
                equal = [place for place in ranked if abs(shares[place] - limit) < _SAME_OCCUPANCY]
                n_open = count - len(above)
                is_open = n_open not in {1, len(equal) - 1} or len({classes[place] for place in equal}) > 1
                if is_open:
                    raise self._refusal(
                        f"{count} of {len(ranked)} positions have {what}, the file does not define which", ranked
                    )
        elif count > len(ranked):
            raise self._refusal(f"{count} {what} for {len(ranked)} positions", shares or classes)
        return set(ranked[:count])

    def _whole(self, number: float, what: str, members: list[int]) -> int:
        count = round(number)
        if abs(number - count) > _WHOLE:
            raise self._refusal(f"the occupancies give {number:.2f} {what} for one molecule or linker", members)
        return count

    def _refusal(self, what: str, members: Iterable[int]) -> StructureError:
        labels = list(dict.fromkeys(self.atoms.labels[i] for i in members))
        return StructureError(
            f"{what} (atoms {', '.join(labels[:_MOST_SHOWN])}): the disorder has no single structure",
            hint="write one of its structures, without partial occupancies",
        )

    def _keep(self, members: Iterable[int], *, carried: bool = True) -> None:
        """Make atoms, and the hydrogens on them, fully occupied."""
        for i in members:
            self.chosen.add(i)
            for atom in (i, *(self._hydrogens(i) if carried else ())):
                self.atoms.occupancy[atom] = 1.0
                self.atoms.groups[atom] = ("", 0)

    def _hydrogens(self, carrier: int) -> list[int]:
        """Return the number of hydrogens of an atom that their occupancies add up to; drop the others."""
        shares = {h: float(self.atoms.occupancy[h]) for h in self.near.hydrogens.get(carrier, ())}
        ranked = sorted(shares, key=lambda h: (-shares[h], h))
        count = round(sum(shares.values()) / float(self.atoms.occupancy[carrier]))
        self.kept[[h for h in ranked[count:] if self.partial[h]]] = False
        return ranked[:count]

    def _drop(self, members: Collection[int], *, carried: bool = True) -> None:
        for i in members:
            self.kept[i] = False
        for i in members:
            for h in self.near.hydrogens.get(i, ()) if carried else ():
                if self.partial[h] and not any(self.kept[carrier] for carrier in self.near.carriers[h]):
                    self.kept[h] = False

    def finish(self) -> None:
        """Drop the atoms that were not chosen, and note it."""
        n_dropped = int((~self.kept).sum())
        if not self.chosen and not n_dropped:
            return
        self.atoms.notes.append(
            f"disorder: {n_dropped} partly occupied atoms of the cell left out, so that each molecule has as many atoms "
            "as its occupancies add up to, at the positions of highest occupancy; any of equivalent positions is used"
        )
        self.atoms.keep(self.kept)


def _ranks(keys: Mapping[int, Any]) -> dict[int, int]:
    numbers = {key: number for number, key in enumerate(sorted(set(keys.values())))}
    return {atom: numbers[key] for atom, key in keys.items()}


def _connected(members: Iterable[int], beside: Callable[[int], Iterable[int]]) -> list[list[int]]:
    """Return the connected groups of atoms, each in ascending order."""
    allowed = sorted(set(members))
    inside, seen = set(allowed), set[int]()
    groups = []
    for start in allowed:
        if start in seen:
            continue
        group, front = {start}, [start]
        while front:
            for other in beside(front.pop()):
                if other in inside and other not in group:
                    group.add(other)
                    front.append(other)
        seen |= group
        groups.append(sorted(group))
    return groups
