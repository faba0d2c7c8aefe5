"""Edits between a wild type and its variants: ``A45G``, and as HGVS writes them ``K23del`` and ``K23_L24insRS``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from logos_cli.errors import InputError, Span

WILD_TYPE_NAMES: Final = frozenset(("", "wt", "wild_type", "wildtype", "_wt"))
"""Names of the wild type in tables, in lower case."""

_SUBSTITUTION: Final = re.compile(r"([A-Z])(\d+)([A-Z])")
_EDIT: Final = re.compile(r"([A-Z])(\d+)(?:_([A-Z])(\d+))?(?:(del)|(dup)|(del)?ins([A-Z]+))")
_WORD: Final = re.compile(r"[^:;,+/\s]+")
_MOST_EDITED: Final = 0.5
"""Share of residues that an alignment may change: beyond it the variant is another protein."""


@dataclass(frozen=True, slots=True)
class Edit:
    """``wild_type[start:end]`` becomes ``text``; positions are zero-based."""

    start: int
    end: int
    text: str


def mutations(wild_type: str, variant: str, first: int = 1) -> tuple[str, ...]:
    """Return the edits that make a variant: ``("A45G", "K50del", "L60_V61insGS")``.

    If substitutions alone are the fewest edits, they are listed; else both are aligned (``Bio.Align``), and an
    insertion or deletion within a repeat is as near to the end as it can be, as HGVS asks for. At an end an insertion
    is the replacement of the last residue: ``M1delinsGSM``.

    Parameters
    ----------
    first : int
        The number of the wild type's first residue.

    Raises
    ------
    InputError
        If more than half of the residues differ in an alignment: the variant is another protein.
    """
    return tuple(_name(edit, wild_type, first) for edit in edits(wild_type, variant))


def edits(wild_type: str, variant: str) -> list[Edit]:
    """Return the edits that make a variant, in the order of their positions.

    Raises
    ------
    InputError
        If the variant is another protein.
    """
    if len(wild_type) == len(variant):
        pairs = enumerate(zip(wild_type, variant, strict=True))
        substitutions = [Edit(place, place + 1, after) for place, (before, after) in pairs if before != after]
        if len(substitutions) < 3 or _distance(wild_type, variant) == len(substitutions):
            return substitutions
    found = _aligned(wild_type, variant)
    n_edited = sum(max(edit.end - edit.start, len(edit.text)) for edit in found)
    if n_edited > _MOST_EDITED * max(len(wild_type), len(variant)):
        raise InputError(
            f"the variant ({len(variant):,} residues) differs from the wild type ({len(wild_type):,} residues) in "
            f"{n_edited:,} places: it is another protein",
            hint="is this the wild type of the variants?",
        )
    return found


def _distance(wild_type: str, variant: str) -> int:
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(wild_type, variant)


def _aligned(wild_type: str, variant: str) -> list[Edit]:
    """Return the edits of a global alignment in which a gap costs as much as a few substitutions."""
    from Bio.Align import PairwiseAligner

    if not wild_type or not variant:
        return [Edit(0, len(wild_type), variant)]
    aligner = PairwiseAligner(
        mode="global", match_score=1.0, mismatch_score=-1.0, open_gap_score=-2.0, extend_gap_score=-0.5
    )
    before, after = aligner.align(wild_type, variant)[0].coordinates.tolist()
    found: list[Edit] = []
    for place in range(len(before) - 1):
        start, end, left, right = before[place], before[place + 1], after[place], after[place + 1]
        if end > start and right > left:
            found += [
                Edit(start + step, start + step + 1, variant[left + step])
                for step in range(end - start)
                if wild_type[start + step] != variant[left + step]
            ]
        else:
            found.append(Edit(start, end, variant[left:right]))
    return _shifted(found, wild_type)


def _is_gap(edit: Edit) -> bool:
    return edit.end - edit.start != len(edit.text)


def _shifted(found: list[Edit], wild_type: str) -> list[Edit]:
    """Move insertions and deletions in repeats to the last place that gives the same variant."""
    shifted: list[Edit] = []
    limit = len(wild_type)
    for edit in reversed(found):
        start, end, text = edit.start, edit.end, edit.text
        while not text and end < limit and wild_type[start] == wild_type[end]:
            start, end = start + 1, end + 1
        while start == end and end < limit and text[0] == wild_type[end]:
            start, end, text = start + 1, end + 1, text[1:] + text[0]
        shifted.append(Edit(start, end, text))
        limit = start
    return _joined(shifted[::-1])


def _joined(found: list[Edit]) -> list[Edit]:
    """Join insertions and deletions with the edit that they touch: together they replace residues."""
    joined: list[Edit] = []
    for edit in found:
        last = joined[-1] if joined else None
        if last is not None and last.end == edit.start and (_is_gap(last) or _is_gap(edit)):
            joined[-1] = Edit(last.start, edit.end, last.text + edit.text)
        else:
            joined.append(edit)
    return joined


def _name(edit: Edit, wild_type: str, first: int) -> str:
    """Return an edit as it is written."""
    start, end, text = edit.start, edit.end, edit.text
    if start == end and 0 < start < len(wild_type):
        left, right = wild_type[start - 1], wild_type[start]
        return f"{left}{start - 1 + first}_{right}{start + first}ins{text}"
    if start == end == 0:
        end, text = 1, text + wild_type[0]
    elif start == end:
        start, text = start - 1, wild_type[start - 1] + text
    if end - start == 1 and len(text) == 1:
        return f"{wild_type[start]}{start + first}{text}"
    place = f"{wild_type[start]}{start + first}"
    if end - start > 1:
        place += f"_{wild_type[end - 1]}{end - 1 + first}"
    return f"{place}delins{text}" if text else f"{place}del"


def mutant(wild_type: str, mutations: str, first_residue: int = 1) -> str:
    """Return the sequence of a mutant.

    Parameters
    ----------
    mutations : str
        ``A45G:K50R``, ``K23del``, ``K23_V25del``, ``K23_L24insRS``, ``K23delinsRS``, ``K23_V25dup``; ``WT`` or an empty
        text is the wild type. Colons, commas, semicolons, pluses, slashes or spaces separate mutations.
    first_residue : int
        The number of the wild type's first residue.

    Raises
    ------
    InputError
        If a mutation does not fit the wild type; the message names the position and its residue.
    """
    if mutations.strip().lower() in WILD_TYPE_NAMES:
        return wild_type
    made: list[Edit] = []
    changed: set[int] = set()
    for item in _WORD.finditer(mutations):
        word, span = item.group(), Span(*item.span())
        try:
            edit = _parse(word, wild_type, first_residue)
        except InputError as error:
            error.text, error.span = mutations, span
            raise
        # an insertion stands between two residues, which others may change
        touched = set(range(edit.start, edit.end)) or {-1 - edit.start}
        if twice := changed & touched:
            number = min(place if place >= 0 else -1 - place for place in twice) + first_residue
            raise InputError(f"{mutations} changes position {number} twice", text=mutations, span=span)
        changed |= touched
        made.append(edit)
    letters = wild_type
    for edit in sorted(made, key=lambda edit: (edit.start, edit.end), reverse=True):
        letters = letters[: edit.start] + edit.text + letters[edit.end :]
    return letters


def _parse(word: str, wild_type: str, first: int) -> Edit:
    """Return the edit that a word describes.

    Raises
    ------
    InputError
        If it is none, or does not fit the wild type.
    """
    if match := _SUBSTITUTION.fullmatch(word):
        place = _place(word, match[1], int(match[2]), wild_type, first)
        return Edit(place, place + 1, match[3])
    match = _EDIT.fullmatch(word)
    if match is None:
        raise InputError(
            f"{word!r} is not a substitution, insertion or deletion",
            hint="write A45G, K23del, K23_V25del or K23_L24insRS, and several as A45G:K50R",
        )
    start = _place(word, match[1], int(match[2]), wild_type, first)
    last = start if match[3] is None else _place(word, match[3], int(match[4]), wild_type, first)
    if last < start:
        raise InputError(f"{word} ends before it begins", hint="write the smaller position first")
    if match[5]:
        return Edit(start, last + 1, "")
    if match[6]:
        return Edit(last + 1, last + 1, wild_type[start : last + 1])
    if match[7]:
        return Edit(start, last + 1, match[8])
    if last != start + 1:
        raise InputError(f"{word} does not name the two neighbours that it stands between", hint="write K23_L24insRS")
    return Edit(last, last, match[8])


def _place(word: str, letter: str, number: int, wild_type: str, first: int) -> int:
    """Return the zero-based position of a residue that a mutation names.

    Raises
    ------
    InputError
        If the wild type has no such position, or another residue there.
    """
    place = number - first
    if not 0 <= place < len(wild_type):
        last = first + len(wild_type) - 1
        raise InputError(f"{word} does not fit the wild type, whose positions are {first} to {last}", hint=_NUMBERS)
    if wild_type[place] != letter:
        raise InputError(
            f"{word} does not fit the wild type: position {number} is {wild_type[place]}, not {letter}",
            hint=_shift_hint(wild_type, letter, place),
        )
    return place


_NUMBERS: Final = "--first-residue sets the number of the first residue"


def _shift_hint(wild_type: str, letter: str, place: int) -> str:
    """Return a hint for a wrong residue: the numbering may start elsewhere, or the wild type be another."""
    for side, neighbour in (("before", place - 1), ("after", place + 1)):
        if 0 <= neighbour < len(wild_type) and wild_type[neighbour] == letter:
            return f"the position {side} it is {letter}: is the numbering shifted? {_NUMBERS}"
    return f"is this the wild type of the mutations? {_NUMBERS}"
