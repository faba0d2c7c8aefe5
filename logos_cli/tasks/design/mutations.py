"""Substitutions between a wild type and its variants, in the usual writing: ``A45G``."""

from __future__ import annotations

import re
from typing import Final

from logos_cli.errors import InputError, Span

WILD_TYPE_NAMES: Final = frozenset(("", "wt", "wild_type", "wildtype", "_wt"))
"""What tables write for the wild type itself, in whatever case."""

_MUTATION: Final = re.compile(r"([A-Z])(\d+)([A-Z])")
_WORD: Final = re.compile(r"[^:;,+/\s]+")


def mutations(wild_type: str, variant: str, first: int = 1) -> tuple[str, ...]:
    """Return how a variant of the same length differs: ``("A45G", "K50R")``; ``first`` numbers the first residue.

    Raises
    ------
    InputError
        If the lengths differ.
    """
    if len(wild_type) != len(variant):
        raise InputError(
            f"the variant has {len(variant):,} residues, the wild type {len(wild_type):,}",
            hint="insertions and deletions are no substitutions",
        )
    pairs = enumerate(zip(wild_type, variant, strict=True), first)
    return tuple(f"{before}{place}{after}" for place, (before, after) in pairs if before != after)


def mutant(wild_type: str, mutations: str, first_residue: int = 1) -> str:
    """Return the sequence of a mutant.

    Parameters
    ----------
    mutations : str
        ``A45G:K50R``; ``WT`` or nothing is the wild type. Separated by colons, commas, semicolons, pluses, slashes
        or spaces.
    first_residue : int
        The number of the wild type's first residue.

    Raises
    ------
    InputError
        If a mutation does not fit the wild type: says which position, and what stands there.
    """
    letters = list(wild_type)
    if mutations.strip().lower() in WILD_TYPE_NAMES:
        return wild_type
    changed: set[int] = set()
    for found in _WORD.finditer(mutations):
        word, span = found.group(), Span(*found.span())
        match = _MUTATION.fullmatch(word)
        if match is None:
            raise InputError(
                f"{word!r} is no substitution", hint="write A45G, and several as A45G:K50R", text=mutations, span=span
            )
        before, number, after = match[1], int(match[2]), match[3]
        place = number - first_residue
        if not 0 <= place < len(wild_type):
            last = first_residue + len(wild_type) - 1
            raise InputError(
                f"{word} does not fit the wild type: it has no position {number}, but {first_residue} to {last}",
                hint=_NUMBERS,
                text=mutations,
                span=span,
            )
        if wild_type[place] != before:
            raise InputError(
                f"{word} does not fit the wild type: position {number} is {wild_type[place]}, not {before}",
                hint=_shift_hint(wild_type, before, place),
                text=mutations,
                span=span,
            )
        if place in changed:
            raise InputError(f"{mutations} changes position {number} twice", text=mutations, span=span)
        changed.add(place)
        letters[place] = after
    return "".join(letters)


_NUMBERS: Final = "--first-residue says which number the first residue has"


def _shift_hint(wild_type: str, letter: str, place: int) -> str:
    """Return what may be wrong where another residue stands: positions are counted from 0, or from elsewhere."""
    for side, neighbour in (("before", place - 1), ("after", place + 1)):
        if 0 <= neighbour < len(wild_type) and wild_type[neighbour] == letter:
            return f"the position {side} it is {letter}; {_NUMBERS}"
    return f"is it the wild type of this table? {_NUMBERS}"
