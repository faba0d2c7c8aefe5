"""Merge the results of all shards in the order of the input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from logos_cli.io.json_types import JsonObject
from logos_cli.io.selection import Shard
from logos_cli.records.json_text import parse_json
from logos_cli.runs.content import ContentFile
from logos_cli.runs.directory import read_run
from logos_cli.runs.index import ROW, Index, Rows
from logos_cli.runs.journal import RESULTS, begun_shards, files_of

_WINDOW: Final = 1 << 10
"""Most records of a shard that are sorted at a time."""
_LEAST_WINDOW: Final = 16
_BYTES: Final = 1 << 28
"""Bytes of records of all shards that are sorted at a time, about."""
_COPIED: Final = 1 << 22
"""Bytes that are copied at a time where nothing must be sorted."""
_OTHER_FILES: Final = 64
_ANY: Final = (1 << 64) - 1


class ShardResults:
    """The results of one shard, complete entries only.

    Parameters
    ----------
    run : Path
    shard : Shard
    attached : str, optional
        Read the file with this ending instead of the records.
    stays_open : bool
        Keep its files open between two reads.

    Attributes
    ----------
    n_records, n_bytes : int
        Records, and their size.
    window : int
        Records to sort at a time.
    """

    def __init__(self, run: Path, shard: Shard, attached: str | None = None, *, stays_open: bool = True) -> None:
        results, index, extra = files_of(run, shard, attached)
        self.window = _WINDOW
        self._lengths: Literal["n_attached", "n_bytes"] = "n_attached" if attached else "n_bytes"
        self._index = ContentFile(index, stays_open=stays_open)
        self._content = ContentFile(extra or results, stays_open=stays_open)
        sizes = [self._content.n_bytes if self._lengths == name else 1 << 62 for name in ("n_bytes", "n_attached")]
        rows = Index.read(index).within(*sizes).rows
        self.n_records = len(rows)
        self.n_bytes = int(rows[self._lengths].sum(dtype=np.uint64))
        self._order = _order(rows)
        self._rows: Rows | None = None
        """All rows, if they must be sorted; else they are read when they are needed."""
        self._place = 0
        self._read = 0
        """Start of the next record, if the records are in order."""
        self._starts = np.zeros(0, np.uint64)
        if self._order is not None:
            lengths = rows[self._lengths].astype(np.uint64)
            self._rows, self._starts = rows, np.cumsum(lengths) - lengths
        self._next: Rows | None = None

    @property
    def is_ended(self) -> bool:
        """Whether all records have been taken."""
        return self._place >= self.n_records

    def last_key(self) -> int:
        """Return the last place in the input of the next window of records; any, if these are the shard's last."""
        if self._place + self.window >= self.n_records:
            return _ANY
        return int(_keys(self._window())[-1])

    def take(self, limit: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32], list[bytes]]:
        """Return the next records up to a place in the input: their places, numbers within the entry, and contents."""
        rows = self._window()
        n_taken = int(np.searchsorted(_keys(rows), np.uint64(limit), "right"))
        rows = rows[:n_taken]
        lengths = rows[self._lengths].astype(np.uint64)
        if self._order is None:
            ends = np.cumsum(lengths).tolist()
            block = self._content.read(self._read, self._read + ends[-1]) if ends else b""
            self._read += len(block)
            pieces = [block[start:end] for start, end in zip((0, *ends), ends, strict=False)]
        else:
            starts = self._starts[self._order[self._place : self._place + n_taken]]
            spans = zip(starts.tolist(), (starts + lengths).tolist(), strict=True)
            pieces = [self._content.read(start, end) for start, end in spans]
        self._place += n_taken
        self._next = None
        return _keys(rows), rows["part"].copy(), pieces

    def rest(self) -> Iterator[bytes]:
        """Yield the rest of the content in blocks, if its records are in the order of the input; else nothing."""
        while self._order is None and self._read < self.n_bytes:
            block = self._content.read(self._read, min(self._read + _COPIED, self.n_bytes))
            self._read += len(block)
            self._place = self.n_records
            yield block

    def _window(self) -> Rows:
        """Return the rows of the next window; it is as long for all shards, so that they end near each other."""
        if self._next is None:
            end = min(self._place + self.window, self.n_records)
            if self._order is None or self._rows is None:
                found = self._index.read(self._place * ROW.itemsize, end * ROW.itemsize)
                self._next = np.frombuffer(found, ROW)
            else:
                self._next = self._rows[self._order[self._place : end]]
        return self._next

    def close(self) -> None:
        """Close the files."""
        self._index.close()
        self._content.close()


def _may_stay_open(n_files: int) -> bool:
    """Return whether so many files may be open at once; raise the limit of this process if the system permits it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_files + _OTHER_FILES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        return False
    if soft != resource.RLIM_INFINITY and wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return False
    return True


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

    It needs memory for some hundred megabytes of records, whatever the number of shards.

    Raises
    ------
    InputError
        If the path is not the directory of a run.
    """
    begun = begun_shards(run, int(str(read_run(run)["n_shards"])))
    with ExitStack() as stack:
        stays_open = _may_stay_open(2 * len(begun))
        shards = []
        for place in begun:
            shard = ShardResults(run, place, attached, stays_open=stays_open)
            stack.callback(shard.close)
            shards.append(shard)
        n_records = max(1, sum(shard.n_records for shard in shards))
        each = max(1, sum(shard.n_bytes for shard in shards) // n_records)
        for shard in shards:
            shard.window = min(_WINDOW, max(_LEAST_WINDOW, _BYTES // (each * len(shards))))
        while waiting := [shard for shard in shards if not shard.is_ended]:
            if len(waiting) == 1:  # nothing is left to sort
                yield from waiting[0].rest()
                if waiting[0].is_ended:
                    break
            limit = min(shard.last_key() for shard in waiting)
            taken = [shard.take(limit) for shard in waiting]
            keys = np.concatenate([keys for keys, _, _ in taken])
            parts = np.concatenate([parts for _, parts, _ in taken])
            content = [each for _, _, pieces in taken for each in pieces]
            order = np.lexsort((parts, keys)) if parts.any() else np.argsort(keys, kind="stable")
            yield b"".join(map(content.__getitem__, order.tolist()))


def merged_rows(run: Path) -> Iterator[JsonObject]:
    """Yield the results of all shards of a run, parsed, in the order of the input.

    Raises
    ------
    InputError
        If the path is not the directory of a run.
    """
    rest = b""
    for block in iter_merged(run):
        *lines, rest = (rest + block).split(b"\n")
        yield from map(parse_json, lines)
