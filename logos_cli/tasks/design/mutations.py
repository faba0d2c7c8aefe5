"""Substitutions between a wild type and its variants, in the usual notation: ``A45G``."""

from __future__ import annotations

import re
from typing import Final

from logos_cli.errors import InputError, Span

WILD_TYPE_NAMES: Final = frozenset(("", "wt", "wild_type", "wildtype", "_wt"))
"""Names of the wild type in tables, in lower case."""

_MUTATION: Final = re.compile(r"([A-Z])(\d+)([A-Z])")
_WORD: Final = re.compile(r"[^:;,+/\s]+")


def mutations(wild_type: str, variant: str, first: int = 1) -> tuple[str, ...]:
    """Return the substitutions of a variant of the same length: ``("A45G", "K50R")``; ``first`` numbers the first residue.

    Raises
    ------
    InputError
        If the lengths differ.
    """
    if len(wild_type) != len(variant):
        raise InputError(
            f"the variant has {len(variant):,} residues, the wild type {len(wild_type):,}",
            hint="align the variant: only substitutions are supported, no insertions or deletions",
        )
    pairs = enumerate(zip(wild_type, variant, strict=True), first)
    return tuple(f"{before}{place}{after}" for place, (before, after) in pairs if before != after)


def mutant(wild_type: str, mutations: str, first_residue: int = 1) -> str:
    """Return the sequence of a mutant.

    Parameters
    ----------
    mutations : str
        ``A45G:K50R``; ``WT`` or an empty text is the wild type. Colons, commas, semicolons, pluses, slashes or
        spaces separate mutations.
    first_residue : int
        The number of the wild type's first residue.

    Raises
    ------
    InputError
        If a mutation does not fit the wild type; the message names the position and its residue.
    """
    letters = list(wild_type)
    if mutations.strip().lower() in WILD_TYPE_NAMES:
        return wild_type
    changed: set[int] = set()
    for item in _WORD.finditer(mutations):
        word, span = item.group(), Span(*item.span())
        match = _MUTATION.fullmatch(word)
        if match is None:
            raise InputError(
                f"{word!r} is not a substitution",
                hint="write A45G, and several as A45G:K50R",
                text=mutations,
                span=span,
            )
        before, number, after = match[1], int(match[2]), match[3]
        place = number - first_residue
        if not 0 <= place < len(wild_type):
            last = first_residue + len(wild_type) - 1
            raise InputError(
                f"{word} does not fit the wild type, whose positions are {first_residue} to {last}",
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


_NUMBERS: Final = "--first-residue sets the number of the first residue"


def _shift_hint(wild_type: str, letter: str, place: int) -> str:
    """Return a hint for a wrong residue: the numbering may start elsewhere, or the wild type be another."""
    for side, neighbour in (("before", place - 1), ("after", place + 1)):
        if 0 <= neighbour < len(wild_type) and wild_type[neighbour] == letter:
            return f"the position {side} it is {letter}: is the numbering shifted? {_NUMBERS}"
    return f"is this the wild type of the mutations? {_NUMBERS}"
