"""Parse residue numbers in the four columns of PDB files: decimal, hybrid-36, or hexadecimal as VMD writes them.

A number of digits can be hexadecimal, too: after 9999 VMD writes 2710. The residue before it in the chain decides. If
both are possible, the number is refused.
"""

from __future__ import annotations

import string
from collections.abc import Iterable

from logos_cli.structure.pdb.fields import UncertainError

LARGEST_DECIMAL = 9999
_DIGITS = string.digits + string.ascii_uppercase
_FIRST = 10 * 36**3
"""Value of ``A000`` in base 36, which means 10,000."""

_LARGEST = LARGEST_DECIMAL + 26 * 36**3
_HEXADECIMAL = frozenset(string.hexdigits)
_NEAR = 1000
"""Largest step from one residue number of a chain to a hexadecimal one after it."""


def hybrid36(number: int) -> str:
    """Return a residue number in four columns.

    Raises
    ------
    UncertainError
        If it has no room in four columns.
    """
    if -999 <= number <= LARGEST_DECIMAL:
        return f"{number:4d}"
    if not LARGEST_DECIMAL < number <= _LARGEST:
        raise UncertainError(f"the residue number {number} is out of range")
    value = number - LARGEST_DECIMAL - 1 + _FIRST
    text = ""
    while value:
        value, digit = divmod(value, 36)
        text = _DIGITS[digit] + text
    return text


def _from_hybrid36(text: str) -> int | None:
    """Return the value of four characters that begin with a letter, all capital or all small."""
    if len(text) != 4 or not text[0].isalpha() or not text.isalnum() or text != text.upper():
        return None
    value = 0
    for character in text:
        value = value * 36 + _DIGITS.index(character)
    return value - _FIRST + LARGEST_DECIMAL + 1


def _from_hexadecimal(text: str) -> int | None:
    """Return the value of a hexadecimal number of VMD, which has more than four decimal digits."""
    if len(text) != 4 or not _HEXADECIMAL.issuperset(text) or text != text.lower():
        return None
    value = int(text, 16)
    return value if value > LARGEST_DECIMAL else None


def _from_capital_hexadecimal(text: str) -> int | None:
    """Return the value of a hexadecimal number with ``A000`` for 10,000, as some programs write them."""
    if len(text) != 4 or not _HEXADECIMAL.issuperset(text) or not "A" <= text[0] <= "F" or text != text.upper():
        return None
    return int(text, 16) - 0xA000 + LARGEST_DECIMAL + 1


def read_numbers(residues: Iterable[tuple[str, str]]) -> list[int]:
    """Return the numbers of residues, given as (chain, number as written) in the order of the file.

    Raises
    ------
    NumberError
        If one is not a number, or can be two.
    """
    last: dict[str, int] = {}
    found: list[int] = []
    listed = list(residues)
    is_hexadecimal = any(_from_hexadecimal(text) is not None and not text.isdigit() for _, text in listed)
    for place, (chain, text) in enumerate(listed):
        try:
            number = _read(text, last.get(chain), is_hexadecimal)
        except UncertainError as error:
            raise NumberError(place, str(error), error.hint) from error
        last[chain] = number
        found.append(number)
    return found


class NumberError(UncertainError):
    """A residue number that cannot be read; ``place`` counts the residues from 0."""

    def __init__(self, place: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.place = place


def _read(text: str, before: int | None, is_hexadecimal: bool) -> int:
    """Return a number; ``is_hexadecimal`` means that other numbers of the file certainly are."""
    decimal = int(text) if text.lstrip("-").isdigit() else None
    if before is None or before <= LARGEST_DECIMAL - _NEAR or (decimal is not None and len(text) > 4):
        value = decimal if decimal is not None else _from_hybrid36(text)
        if value is None:
            raise UncertainError(
                f"{text!r} is not a residue number",
                "numbers beyond 9999 are written in hybrid-36 or with five digits; give the structure as mmCIF",
            )
        return value
    plain = decimal if decimal is not None else _from_hybrid36(text)
    hexadecimal = _from_hexadecimal(text)
    if follows := {before, before + 1} & {plain, hexadecimal, _from_capital_hexadecimal(text)} - {None}:
        return max(value for value in follows if value is not None)
    if hexadecimal is not None and not before < hexadecimal <= before + _NEAR:
        hexadecimal = None
    if hexadecimal is not None and (decimal is None or before > LARGEST_DECIMAL or is_hexadecimal):
        return hexadecimal
    if plain is None or hexadecimal is not None:
        what = "is no number" if plain is None else f"can be {plain} or, in hexadecimal, {hexadecimal}"
        raise UncertainError(
            f"the residue number {text!r} after {before} {what}",
            "numbers beyond 9999 are written in hybrid-36 or with five digits; give the structure as mmCIF",
        )
    return plain
