"""Find the connected pieces of a periodic bond graph, finite or endless, and unwrap them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import gcd

from logos_cli.crystal.bonds import add
from logos_cli.crystal.prune import Shift, minus

ORIGIN: Shift = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Piece:
    """A connected set of atoms.

    Attributes
    ----------
    atoms : tuple of int
        Atom indices, ascending.
    shifts : dict
        The cell of each atom in the unwrapped piece.
    loops : tuple of Shift
        Translations that map the endless piece onto itself; empty if the piece is finite.
    """

    atoms: tuple[int, ...]
    shifts: dict[int, Shift]
    loops: tuple[Shift, ...]


def pieces(atoms: Iterable[int], neighbours: Callable[[int], Iterable[tuple[int, Shift]]]) -> list[Piece]:
    """Return the connected pieces of the atoms, in the order of their first atoms."""
    allowed = sorted(set(atoms))
    members = set(allowed)
    seen: set[int] = set()
    found = []
    for start in allowed:
        if start in seen:
            continue
        shifts, loops, front = {start: ORIGIN}, set(), [start]
        while front:
            atom = front.pop()
            for other, to in neighbours(atom):
                if other not in members:
                    continue
                at = add(shifts[atom], to)
                if other not in shifts:
                    shifts[other] = at
                    front.append(other)
                elif shifts[other] != at:
                    loops.add(add(at, minus(shifts[other])))
        seen |= shifts.keys()
        found.append(Piece(tuple(sorted(shifts)), shifts, tuple(sorted(loops))))
    return found


def lattice(translations: Iterable[Shift]) -> list[list[int]]:
    """Return a basis, in echelon form, of the lattice of integer translations."""
    rows = [list(translation) for translation in translations]
    basis = []
    for column in range(3):
        while True:
            nonzero = sorted((row for row in rows if row[column]), key=lambda row: abs(row[column]))
            if len(nonzero) <= 1:
                break
            pivot = nonzero[0]
            for row in nonzero[1:]:
                factor = row[column] // pivot[column]
                for k in range(3):
                    row[k] -= factor * pivot[k]
        if nonzero:
            basis.append(nonzero[0])
            rows = [row for row in rows if row is not nonzero[0] and any(row)]
    return basis


def n_nets(loops: Iterable[Shift]) -> tuple[int, int]:
    """Return the number of directions in which a piece is endless, and the number of interpenetrating copies.

    The number of copies is 1 unless the piece is endless in three directions.
    """
    basis = lattice(loops)
    if len(basis) < 3:
        return len(basis), 1
    return 3, abs(basis[0][0] * basis[1][1] * basis[2][2])


def lowest_terms(counts: Iterable[int]) -> int:
    """Return the greatest common divisor of counts, at least 1."""
    return gcd(*counts) or 1
