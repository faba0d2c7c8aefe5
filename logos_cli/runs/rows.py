"""Rows of the index of a shard's results, as they are written: without numpy, which takes longer to load than many a shard."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from logos_cli.io.selection import Unit

_WORDS: Final = 8
ROW_BYTES: Final = 4 * _WORDS
"""Length of a row: eight little-endian words of four bytes."""
_CLOSES: Final = 1 << 8


class Outcome(IntEnum):
    """Outcome of an entry, as a number in the index."""

    OK = 0
    INVALID = 1
    FAILED = 2
    SKIPPED = 3


@dataclass(frozen=True, slots=True)
class Block:
    """Records that are written together, column by column.

    Attributes
    ----------
    units : sequence of Unit
        Their entries.
    outcomes : sequence of int
        Their :class:`Outcome`.
    lines : sequence of str, optional
        The records without line feeds; None for entries without a record.
    attached : sequence of bytes
        Their bytes in the attached file, if there is one.
    part : int
        The number of the first record among the records of its entry, from 0.
    closes : bool
        The last record is the last of its entry; the others are in any case.
    """

    units: Sequence[Unit]
    outcomes: Sequence[int]
    lines: Sequence[str] | None
    attached: Sequence[bytes] = ()
    part: int = 0
    closes: bool = True

    def index(self, n_bytes: Sequence[int]) -> bytes:
        """Return the rows of the index, from the lengths of the records in the results."""
        _, files, ordinals, keys = zip(*self.units, strict=True)
        words = array("I", bytes(ROW_BYTES * len(files)))
        words[0::_WORDS] = array("I", files)
        words[1::_WORDS] = array("I", ordinals)
        words[2] = self.part
        words[3::_WORDS] = array("I", n_bytes)
        if self.attached:
            words[4::_WORDS] = array("I", list(map(len, self.attached)))
        words[5::_WORDS] = array("I", [outcome | _CLOSES for outcome in self.outcomes])
        words[6::_WORDS] = array("I", keys)
        if not self.closes:
            words[5 - _WORDS] ^= _CLOSES
        if sys.byteorder == "big":
            words.byteswap()
        return words.tobytes()
