"""Merge the results of all shards in the order of the input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Literal

import numpy as np
from numpy.typing import NDArray

from logos_cli.io.selection import Shard
from logos_cli.runs.directory import read_run
from logos_cli.runs.index import ROW, Index, Rows
from logos_cli.runs.journal import RESULTS, files_of

_WINDOW: Final = 1 << 14
"""Records of all shards that are sorted at a time, but some of each."""
_LEAST: Final = 1 << 7


class ShardResults:
    """The results of one shard, complete entries only.

    Parameters
    ----------
    run : Path
    shard : Shard
    attached : str, optional
        Read the file with this ending instead of the records.
    n_rows : int
        Records of a window.
    """

    def __init__(self, run: Path, shard: Shard, attached: str | None = None, n_rows: int = _WINDOW) -> None:
        results, index, extra = files_of(run, shard, attached)
        self.path = extra or results
        self._lengths: Literal["n_attached", "n_bytes"] = "n_attached" if attached else "n_bytes"
        size = index.stat().st_size // ROW.itemsize if index.exists() else 0
        self._rows: Rows = np.memmap(index, ROW, "r", shape=(size,)) if size else np.zeros(0, ROW)
        n_bytes = self.path.stat().st_size if self.path.exists() else 0
        sizes = [n_bytes if self._lengths == name else 1 << 62 for name in ("n_bytes", "n_attached")]
        self._rows = Index(self._rows).within(*sizes).rows
        self._order = _order(self._rows)
        self._n_rows = n_rows
        self._place = 0
        self._read = 0
        """Start of the next record, if the records are in order."""
        self._starts = self._all_starts() if self._order is not None else np.zeros(0, np.uint64)

    def _all_starts(self) -> NDArray[np.uint64]:
        lengths = self._rows[self._lengths].astype(np.uint64)
        starts: NDArray[np.uint64] = np.cumsum(lengths) - lengths
        return starts

    @property
    def is_ended(self) -> bool:
        """Whether all records have been taken."""
        return self._place >= len(self._rows)

    def last_key(self) -> int:
        """Return the last place in the input of the next window of records."""
        return int(_keys(self._window())[-1])

    def take(self, limit: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32], list[bytes]]:
        """Return the next records up to a place in the input: their places, numbers within the entry, and contents."""
        rows = self._window()
        n_taken = int(np.searchsorted(_keys(rows), limit, "right"))
        rows = rows[:n_taken]
        lengths = rows[self._lengths]
        # a file is opened for each window: there may be more shards than a process may have open files
        with self.path.open("rb") as stream:
            if self._order is None:
                stream.seek(self._read)
                ends = np.cumsum(lengths, dtype=np.int64)
                content = stream.read(int(ends[-1]) if n_taken else 0)
                self._read += len(content)
                pieces = [content[start:end] for start, end in zip([0, *ends.tolist()], ends.tolist(), strict=False)]
            else:
                starts = self._starts[self._order[self._place : self._place + n_taken]]
                pieces = [_read(stream, *span) for span in zip(starts.tolist(), lengths.tolist(), strict=True)]
        self._place += n_taken
        return _keys(rows), rows["part"].copy(), pieces

    def _window(self) -> Rows:
        span = slice(self._place, self._place + self._n_rows)
        found: Rows = self._rows[span] if self._order is None else self._rows[self._order[span]]
        return found


def _read(stream: IO[bytes], start: int, length: int) -> bytes:
    stream.seek(start)
    return stream.read(length)


def _keys(rows: Rows) -> NDArray[np.uint64]:
    keys: NDArray[np.uint64] = rows["file"].astype(np.uint64) << np.uint64(32) | rows["ordinal"]
    return keys


def _order(rows: Rows) -> NDArray[np.int64] | None:
    """Return the order of the input, or None if the rows are in this order."""
    last = -1
    for start in range(0, len(rows), _WINDOW):
        keys = _keys(rows[start : start + _WINDOW])
        if int(keys[0]) < last or (np.diff(keys.astype(np.int64)) < 0).any():
            return np.lexsort((rows["part"], rows["ordinal"], rows["file"]))
        last = int(keys[-1])
    return None


def has_attached(run: Path, ending: str) -> bool:
    """Return whether the shards of a run have files of an ending beside their records."""
    return any((run / RESULTS).glob(f"*-of-*{ending}"))


def iter_merged(run: Path, attached: str | None = None) -> Iterator[bytes]:
    """Yield the results of all shards of a run in the order of the input, many records at a time.

    It needs memory for some thousand records of each shard.

    Raises
    ------
    InputError
        If the path is not the directory of a run.
    """
    n_shards = int(str(read_run(run)["n_shards"]))
    n_rows = max(_LEAST, _WINDOW // n_shards)
    shards = [ShardResults(run, Shard(number, n_shards), attached, n_rows) for number in range(1, n_shards + 1)]
    while waiting := [shard for shard in shards if not shard.is_ended]:
        limit = min(shard.last_key() for shard in waiting)
        taken = [shard.take(limit) for shard in waiting]
        keys = np.concatenate([keys for keys, _, _ in taken])
        parts = np.concatenate([parts for _, parts, _ in taken])
        pieces = [piece for _, _, pieces in taken for piece in pieces]
        yield b"".join(map(pieces.__getitem__, np.lexsort((parts, keys)).tolist()))
