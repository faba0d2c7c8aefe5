"""Remove short contacts that are not bonds from the neighbours of atoms.

In generated frameworks, substituents touch each other or the next linker. The bonds among an atom's contacts then
follow from the valences of its neighbours without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shift = tuple[int, int, int]
"""Whole cells between an atom and its partner."""
Neighbours = dict[tuple[int, Shift], float]
"""Bonded atoms with their cells, and the distances in Å."""

_MOST_NEIGHBOURS: Final = {"C": 4, "N": 4, "O": 2, "F": 1, "Br": 4, "Cl": 4, "B": 6}
_HALOGENS: Final = frozenset(("F", "Cl", "Br", "I"))
_ENDS: Final = {"N": 1.20, "O": 1.27, "F": 0.0, "Cl": 0.0, "Br": 0.0}
"""Atoms that end a chain; nitrogen and oxygen do if their bond to carbon is shorter than this (Å)."""
_AZO_ANGSTROM: Final = 1.27
_ANY_LENGTH: Final = 9.0
_UNLIKELY: Final = 0.5
_NEEDED: Final = 1.0
_TRIGONAL: Final = 3


def minus(shift: Shift) -> Shift:
    """Return the opposite shift."""
    return (-shift[0], -shift[1], -shift[2])


class Pruner:
    """Removes contacts from the neighbour lists of a bond graph, both ends at once."""

    def __init__(
        self,
        organic: list[Neighbours],
        contacts: list[Neighbours],
        hydrogens: list[list[int]],
        elements: list[str],
        radii: NDArray[np.float64],
    ) -> None:
        self.organic, self.contacts, self.hydrogens = organic, contacts, hydrogens
        self.elements, self.radii = elements, radii

    def is_saturated(self, atom: int) -> bool:
        """Return whether an atom has so many bonds to heavy atoms that a hydrogen is unlikely."""
        symbol, n_heavy = self.elements[atom], len(self.organic[atom])
        if symbol in _HALOGENS or (symbol == "O" and self.contacts[atom]):
            return n_heavy > 0
        return n_heavy >= {"C": 4, "N": 4, "O": 2, "S": 2}.get(symbol, 4)

    def drop_contacts_of_saturated_ends(self) -> int:
        """Leave halogens on carbon, carbonyl oxygens and nitrile nitrogens only their bonds to carbon.

        Returns
        -------
        int
            The number of removed contacts.
        """
        n_removed = 0
        for atom, symbol in enumerate(self.elements):
            neighbours = self.organic[atom]
            if len(neighbours) < 2 or symbol not in _ENDS:
                continue
            carbons = [key for key in neighbours if self.elements[key[0]] == "C"]
            multiple = [key for key in carbons if neighbours[key] < _ENDS[symbol]]
            if symbol in _HALOGENS and carbons:
                spared = [min(carbons, key=lambda key: abs(self._stretch(atom, key) - 1))]
            elif len(multiple) == 1:
                spared = carbons if symbol == "N" else multiple
            else:
                continue
            for key in [key for key in neighbours if key not in spared]:
                if key in neighbours:  # a bond to the atom's own image goes in both directions at once
                    self._remove(atom, key)
                    n_removed += 1
        return n_removed

    def drop_excess(self) -> int:
        """Remove the least plausible contacts of atoms with too many neighbours; return their number."""
        n_removed = 0
        for atom in range(len(self.elements)):
            neighbours = self.organic[atom]
            while len(neighbours) > max(1, self._most_neighbours(atom) - len(self.hydrogens[atom])):
                self._remove(atom, max(neighbours, key=lambda key: self._doubt(atom, key)))
                n_removed += 1
        return n_removed

    def _most_neighbours(self, atom: int) -> int:
        """Return the largest number of an atom's neighbours, with hydrogens, by its shortest bonds."""
        symbol, neighbours = self.elements[atom], self.organic[atom]
        to_nitrogen = [d for (other, _), d in neighbours.items() if self.elements[other] == "N"]
        shortest = min(to_nitrogen, default=_ANY_LENGTH)
        if symbol == "C" and shortest < _ENDS["N"]:
            return 2
        if symbol == "N" and shortest < _ANY_LENGTH:
            return 2 if shortest < _AZO_ANGSTROM else 3
        return _MOST_NEIGHBOURS.get(symbol, 6)

    def _remove(self, atom: int, key: tuple[int, Shift]) -> None:
        del self.organic[atom][key]
        self.organic[key[0]].pop((atom, minus(key[1])), None)

    def _stretch(self, atom: int, key: tuple[int, Shift]) -> float:
        return self.organic[atom][key] / float(self.radii[atom] + self.radii[key[0]])

    def _doubt(self, atom: int, key: tuple[int, Shift]) -> float:
        """Return the doubt that a contact is a bond: it is long, between two heteroatoms, or not needed."""
        other = key[0]
        symbols = {self.elements[atom], self.elements[other]}
        doubt = self._stretch(atom, key)
        if symbols <= _HALOGENS | {"O"} or (symbols & _HALOGENS and symbols & {"N"}):
            doubt += _UNLIKELY
        if self.elements[other] == "O" and self.contacts[other] and len(self.organic[other]) > 1:
            doubt += _UNLIKELY
        n_neighbours = len(self.organic[other]) + len(self.hydrogens[other])
        if len(self.organic[other]) == 1 or (self.elements[other] == "C" and n_neighbours <= _TRIGONAL):
            doubt -= _NEEDED
        return doubt
