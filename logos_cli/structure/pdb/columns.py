"""Find the atom lines of a PDB file that do not keep to their columns, by a matrix of characters.

gemmi and others take the characters between two columns: a coordinate that begins one column late loses its last
digit to the next field, without an error. Here every field must be complete and of its format. All lines are checked
together, so that a good file costs a fraction of the time of parsing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH = 80
"""Columns of a line of the format."""

_LONGEST = 92
"""Longer atom lines are checked one by one: they may be two lines without a line break."""

_BLANK, _MINUS, _DIGIT, _POINT, _LETTER, _OTHER = range(6)


@dataclass(slots=True)
class AtomLines:
    """The lines of a file, those of atoms among them as a matrix.

    Attributes
    ----------
    starts, ends : ndarray of int, shape (n_lines,)
        Start of each line, and its end without the line break.
    heads : ndarray of uint32, shape (n_lines,)
        The first four characters of each line, as :func:`word` gives them; small letters count as capitals.
    rows : ndarray of int, shape (n_atoms,)
        The lines ``ATOM`` and ``HETATM``; zero-based.
    cells : ndarray of uint8, shape (n_atoms, 80)
        Their characters; short lines are filled up with blanks.
    """

    data: bytes
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    heads: NDArray[np.uint32]
    rows: NDArray[np.intp]
    cells: NDArray[np.uint8]

    def line(self, number: int) -> bytes:
        """Return one line, zero-based, without its end."""
        return self.data[int(self.starts[number]) : int(self.ends[number])]


def atom_lines(data: bytes) -> AtomLines:
    """Find the lines of a file, and copy those of atoms into a matrix."""
    buffer = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(buffer == ord("\n"))
    starts = np.concatenate((np.zeros(1, np.intp), breaks + 1))
    ends = np.concatenate((breaks, np.array([len(buffer)], np.intp)))
    if len(data) and b"\r" in data:
        last = np.maximum(ends - 1, 0)
        ends = ends - ((buffer[last] == ord("\r")) & (ends > starts))
    padded = np.concatenate((buffer, np.full(WIDTH, ord(" "), np.uint8)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WIDTH)
    lengths = ends - starts
    heads = _heads(windows[starts, :4], lengths)
    rows = np.flatnonzero((heads == word("ATOM")) | (heads == word("HETA")))
    cells = windows[starts[rows]]
    short = lengths[rows]
    for length in np.unique(short[short < WIDTH]).tolist():
        cells[short == length, length:] = ord(" ")
    return AtomLines(data, starts, ends, heads, rows, cells)


def has_points(lines: AtomLines) -> NDArray[np.bool_]:
    """Return which lines have two decimal points or more in columns 28 to 58, as coordinates do, shape (n_lines,)."""
    points = np.concatenate((np.zeros(1, np.int32), np.cumsum(np.frombuffer(lines.data, np.uint8) == ord("."))))
    first = np.minimum(lines.starts + 27, lines.ends)
    last = np.minimum(lines.starts + 58, lines.ends)
    found: NDArray[np.bool_] = points[last] - points[first] > 1
    return found


def _heads(characters: NDArray[np.uint8], lengths: NDArray[np.intp]) -> NDArray[np.uint32]:
    """Return the first four characters of lines, shape (n, 4), as one number each."""
    for length in range(4):
        characters[lengths == length, length:] = ord(" ")
    characters[(characters >= ord("a")) & (characters <= ord("z"))] -= 32
    words: NDArray[np.uint32] = characters.view(np.uint32).reshape(-1)
    return words


@cache
def word(name: str) -> int:
    """Return the first four characters of a record's name as one number."""
    return int(np.frombuffer(name.ljust(4)[:4].encode(), np.uint32)[0])


@cache
def _classes() -> NDArray[np.uint8]:
    table = np.full(256, _OTHER, np.uint8)
    table[ord(" ")] = _BLANK
    table[ord("-")] = _MINUS
    table[ord("0") : ord("9") + 1] = _DIGIT
    table[ord(".")] = _POINT
    table[ord("A") : ord("Z") + 1] = _LETTER
    table[ord("a") : ord("z") + 1] = _LETTER
    return table


@cache
def _elements() -> NDArray[np.bool_]:
    """Return which pairs of characters (first * 256 + second) are an element, or deuterium, right-justified."""
    import gemmi

    table = np.zeros(1 << 16, dtype=bool)
    for number in range(1, 120):
        symbol = gemmi.Element(number).name if number < 119 else "D"
        for text in {symbol, symbol.upper(), symbol.lower()}:
            first, second = f"{text:>2}".encode()
            table[first * 256 + second] = True
    return table


def _in_order(kinds: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Return whether columns have blanks, at most one minus and digits, in this order, right-justified."""
    good = kinds[-1] <= _DIGIT
    for before, after in pairwise(kinds):
        good &= before <= after
        good &= (before != _MINUS) | (after != _MINUS)
    return good


def _is_number(kinds: Sequence[NDArray[np.uint8]], decimals: int) -> NDArray[np.bool_]:
    """Return whether columns have one number with these decimals, right-justified."""
    good = _in_order(kinds[: -decimals - 1])
    for kind in (kinds[-decimals - 2], *kinds[-decimals:]):
        good &= kind == _DIGIT
    good &= kinds[-decimals - 1] == _POINT
    return good


def _is_blank(kinds: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    good: NDArray[np.bool_] = kinds[0] == _BLANK
    for kind in kinds[1:]:
        good &= kind == _BLANK
    return good


def misplaced(lines: AtomLines) -> NDArray[np.bool_]:
    """Return which atom lines do not keep to the columns of the format, shape (n_atoms,).

    The fields of a line are: a serial number of digits; one blank; a name; a residue name without blanks inside,
    right-justified; a blank before the chain; a residue number, right-justified (decimal, or hybrid-36 from 10,000 on);
    an insertion code that is a letter; three blanks; three coordinates with three decimals; occupancy and B-factor with
    two, or blank; an element; and a charge, or the text of old files in its place.
    """
    # column by column: each is one run of memory, whatever the number of atoms
    cells = lines.cells
    kinds: list[NDArray[np.uint8]] = list(_classes().take(np.ascontiguousarray(cells.T)))
    good = (lines.ends - lines.starts)[lines.rows] <= _LONGEST
    # a small letter is its capital with one bit more
    is_hetatm = ((cells[:, 4] | 32) == ord("t")) & ((cells[:, 5] | 32) == ord("m"))
    good &= np.where(lines.heads[lines.rows] == word("HETA"), is_hetatm, _is_blank(kinds[4:6]))
    good &= _is_number(kinds[30:38], 3) & _is_number(kinds[38:46], 3) & _is_number(kinds[46:54], 3)
    for field in (kinds[54:60], kinds[60:66]):
        good &= _is_number(field, 2) | _is_blank(field)
    good &= _in_order(kinds[6:11]) & (kinds[10] == _DIGIT)
    good &= _is_blank((kinds[11], kinds[20], *kinds[27:30], *kinds[66:72]))
    good &= _in_order(kinds[22:26]) & (kinds[25] == _DIGIT)
    good &= (kinds[26] == _BLANK) | (kinds[26] == _LETTER)
    good &= (kinds[19] != _BLANK) & ((kinds[18] != _BLANK) | (kinds[17] == _BLANK))
    good &= ~_is_blank(kinds[12:16])
    good &= (kinds[78] != _LETTER) & (kinds[79] != _LETTER)
    good &= (kinds[76] != _LETTER) & (kinds[77] != _LETTER) | has_element(cells)
    return ~good


def has_element(cells: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which atom lines have an element, right-justified in columns 77 and 78."""
    found: NDArray[np.bool_] = _elements()[cells[:, 76].astype(np.uint16) * 256 + cells[:, 77]]
    return found
