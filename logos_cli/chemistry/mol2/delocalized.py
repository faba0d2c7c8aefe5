"""Place double bonds and charges among aromatic or delocalized bonds, at the least cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from logos_cli.chemistry.bond_orders import STATES
from logos_cli.chemistry.integer_program import IntegerProgram

_ONE_DOUBLE: Final = frozenset("CNOB")
_HYDROGEN_COSTS: Final = {"C": 0.0, "N": 2.0, "O": 2.0}
"""Cost of a hydrogen that the file leaves out; other elements of delocalized bonds have none."""
_LIKELY_HYDROGEN: Final = frozenset(("N.pl3", "N.am", "N.3"))
_NO_DOUBLE_COST: Final = 8.0
"""Cost of a carbon of delocalized bonds without a double bond."""


class Choice(NamedTuple):
    """One state of an atom: its double bonds among the delocalized ones, its charge, and the cost."""

    n_doubles: int
    charge: int
    cost: float


Site = tuple[Choice, ...]


def site(element: str, kind: str, n_bonds: int, charge: int | None, *, is_open: bool) -> Site:
    """Return the possible states of an atom of delocalized bonds.

    Parameters
    ----------
    element, kind : str
        Symbol and SYBYL type.
    n_bonds : int
        Sum of its bond orders, with delocalized bonds as single ones and hydrogens included.
    charge : int, optional
        The charge in the file; None if it has none.
    is_open : bool
        Whether missing hydrogens are added.
    """
    found = []
    for state in STATES.get(element, ()):
        room = state.valence - n_bonds
        if room < 0 or (charge is not None and state.charge != charge):
            continue
        if room <= 1 or element not in _ONE_DOUBLE:
            found.append(Choice(room, state.charge, state.cost))
        if is_open and element in _HYDROGEN_COSTS:
            cost = _HYDROGEN_COSTS[element] - (kind in _LIKELY_HYDROGEN)
            missing = _NO_DOUBLE_COST if element == "C" else 0.0
            found += [
                Choice(n, state.charge, state.cost + (room - n) * cost + (0.0 if n else missing))
                for n in range(min(room, 2))
                if n < room
            ]
    return tuple(found)


@lru_cache(maxsize=4096)
def place_double_bonds(
    sites: tuple[Site, ...], bonds: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the order (1 or 2) of each bond and the charge of each site; None if there is no solution."""
    if not all(sites):
        return None
    program = IntegerProgram()
    doubles = [program.column(0.0) for _ in bonds]
    columns = [[program.column(choice.cost) for choice in choices] for choices in sites]
    for atom, (choices, chosen) in enumerate(zip(sites, columns, strict=True)):
        program.row([(column, 1) for column in chosen], 1, 1)
        own = [(double, 1.0) for double, bond in zip(doubles, bonds, strict=True) if atom in bond]
        wanted = [(column, -float(choice.n_doubles)) for column, choice in zip(chosen, choices, strict=True)]
        program.row([*own, *wanted], 0, 0)
    values = program.solve()
    if values is None:
        return None
    charges = tuple(
        _charge(choices, [values[column] for column in chosen]) for choices, chosen in zip(sites, columns, strict=True)
    )
    return tuple(1 + values[double] for double in doubles), charges


def _charge(choices: Site, taken: Sequence[int]) -> int:
    return next(choice.charge for choice, is_taken in zip(choices, taken, strict=True) if is_taken)
