"""The index of a shard's results: the entry of each record, its place in the results, and its outcome."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from logos_cli.io.selection import DoneEntries
from logos_cli.runs.rows import Outcome

ROW: Final = np.dtype(
    [
        ("file", "<u4"),
        ("ordinal", "<u4"),
        ("part", "<u4"),
        ("n_bytes", "<u4"),
        ("n_attached", "<u4"),
        ("outcome", "u1"),
        ("closes", "u1"),
        ("spare", "<u2"),
        ("key", "<u8"),
    ]
)
"""A record: its entry (file and ordinal), its number among the records of the entry, its length in the results and in
the attached file, its outcome, and whether it is the last of its entry."""

Rows: TypeAlias = "NDArray[np.void]"


@dataclass(frozen=True, slots=True)
class Index:
    """The rows of an index.

    Attributes
    ----------
    rows : ndarray, shape (n_records,)
        Rows of type :data:`ROW`, in the order of the results.
    """

    rows: Rows

    @classmethod
    def read(cls, path: Path) -> Index:
        """Read an index; an incomplete row is left out."""
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            size = 0
        return cls(np.fromfile(path, ROW, size // ROW.itemsize) if size >= ROW.itemsize else np.zeros(0, ROW))

    def within(self, n_bytes: int, n_attached: int) -> Index:
        """Return the rows of entries that are complete in files of these lengths."""
        rows = self.rows
        inside = (self.ends("n_bytes") <= n_bytes) & (self.ends("n_attached") <= n_attached)
        n_kept = int(inside.argmin()) if not inside.all() else len(rows)
        closed = np.flatnonzero(rows["closes"][:n_kept])
        return Index(rows[: int(closed[-1]) + 1] if closed.size else rows[:0])

    def ends(self, name: str) -> NDArray[np.uint64]:
        """Return the end of each record in the results (``n_bytes``) or in the attached file (``n_attached``)."""
        return np.cumsum(self.rows[name], dtype=np.uint64)

    def total(self, name: str) -> int:
        """Return the length of the results or of the attached file."""
        return int(self.rows[name].sum(dtype=np.uint64))

    def counts(self) -> dict[Outcome, int]:
        """Return the number of records by outcome."""
        found = np.bincount(self.rows["outcome"], minlength=len(Outcome))
        return {outcome: int(found[outcome]) for outcome in Outcome}

    def done(self) -> dict[int, DoneEntries]:
        """Return the finished entries of each file."""
        rows = self.rows[self.rows["closes"] == 1]
        rows = rows[np.lexsort((rows["ordinal"], rows["file"]))]
        if not rows.size:
            return {}
        files, starts = np.unique(rows["file"], return_index=True)
        parts = np.split(rows, starts[1:])
        return {
            int(file): DoneEntries(array("I", part["ordinal"].tobytes()), array("Q", part["key"].tobytes()))
            for file, part in zip(files, parts, strict=True)
        }
