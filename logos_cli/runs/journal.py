"""Write the results of one shard: append-only, and complete up to the last finished entry."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import numpy as np

from logos_cli.errors import OutputError
from logos_cli.io.selection import Shard, Unit
from logos_cli.runs.index import ROW, Index, Outcome

RESULTS: Final = "results"
_FLUSH_S: Final = 1.0
_FLUSH_BYTES: Final = 1 << 20
_FLUSH_ROWS: Final = 1 << 12


def files_of(run: Path, shard: Shard, attached: str | None = None) -> tuple[Path, Path, Path | None]:
    """Return the files of a shard: results, index, and the file attached to the results, if there is one."""
    base = run / RESULTS / str(shard)
    return Path(f"{base}.jsonl"), Path(f"{base}.index"), Path(f"{base}{attached}") if attached else None


class Journal:
    """Appends records to the results of a shard.

    The results are written before the index, so that every record in the index is there. A record that was cut off by the
    end of a process is removed when the journal is opened again.

    Parameters
    ----------
    run : Path
        The run's directory.
    shard : Shard
    attached : str, optional
        Ending of a second file that is written with the results: ``.sdf``.
    forget : frozenset of Outcome
        Records with these outcomes are removed, so that their entries are repeated.

    Attributes
    ----------
    index : Index
        The index when the journal was opened.
    counts : Counter of Outcome
        Outcomes of all flushed records, including those from before.

    Raises
    ------
    OutputError
        If the files cannot be written.
    """

    def __init__(
        self, run: Path, shard: Shard, *, attached: str | None = None, forget: frozenset[Outcome] = frozenset()
    ) -> None:
        self._paths = files_of(run, shard, attached)
        results, index, extra = self._paths
        try:
            results.parent.mkdir(parents=True, exist_ok=True)
            self.index = _recover(results, index, extra, forget)
            self._results: IO[bytes] = results.open("ab")
            self._index: IO[bytes] = index.open("ab")
            self._attached: IO[bytes] | None = extra.open("ab") if extra else None
        except OSError as error:
            raise _output_error(error, results) from error
        self.counts = Counter(self.index.counts())
        self._rows: list[tuple[int, ...]] = []
        self._n_bytes = 0
        self._flushed_at = time.monotonic()

    def write(
        self,
        unit: Unit,
        outcome: Outcome,
        line: bytes = b"",
        attached: bytes = b"",
        *,
        part: int = 0,
        closes: bool = True,
    ) -> None:
        """Append one record.

        Parameters
        ----------
        unit : Unit
            The entry of the record.
        line : bytes
            The record with its line feed; empty for an entry without a record.
        part : int
            Its number among the records of the entry, from 0.
        closes : bool
            It is the last record of the entry.
        """
        try:
            self._results.write(line)
            if self._attached is not None:
                self._attached.write(attached)
        except OSError as error:
            raise _output_error(error, self._paths[0]) from error
        rows = self._rows
        rows.append((unit.file, unit.ordinal, part, len(line), len(attached), outcome, closes, 0, unit.key))
        self._n_bytes += len(line) + len(attached)
        if self._n_bytes >= _FLUSH_BYTES or len(rows) >= _FLUSH_ROWS or time.monotonic() - self._flushed_at >= _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Hand all written records to the system."""
        try:
            self._results.flush()
            if self._attached is not None:
                self._attached.flush()
            rows = np.array(self._rows, ROW)
            self._index.write(rows.tobytes())
            self._index.flush()
        except OSError as error:
            raise _output_error(error, self._paths[0]) from error
        self.counts += Counter(Index(rows).counts())
        self._rows.clear()
        self._n_bytes = 0
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Write buffered records, and close the files."""
        failed: OSError | None = None
        try:
            self.flush()
        finally:
            for stream in (self._results, self._attached, self._index):
                try:
                    if stream is not None:
                        stream.close()
                except OSError as error:  # its buffer cannot be written either
                    failed = error
        if failed is not None:
            raise _output_error(failed, self._paths[0]) from failed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _recover(results: Path, index: Path, attached: Path | None, forget: frozenset[Outcome]) -> Index:
    """Remove incomplete records, and those to repeat; return the rest."""
    _finish_rewriting(results, index, attached)
    found = Index.read(index)
    kept = found.within(_size(results), _size(attached) if attached else 0)
    removed = np.isin(kept.rows["outcome"], [int(each) for each in forget])
    if removed.any():
        kept = _without(kept, results, attached, forget)
        written = index.with_name(f"{index.name}.new")
        written.write_bytes(kept.rows.tobytes())
        written.replace(_part(index))
        _finish_rewriting(results, index, attached)
        return kept
    _cut(index, len(kept.rows) * ROW.itemsize)
    _cut(results, kept.total("n_bytes"))
    if attached is not None:
        _cut(attached, kept.total("n_attached"))
    return kept


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _cut(path: Path, n_bytes: int) -> None:
    if _size(path) > n_bytes:
        os.truncate(path, n_bytes)


def _without(index: Index, results: Path, attached: Path | None, forget: frozenset[Outcome]) -> Index:
    """Rewrite the files without entries that have a record with one of these outcomes.

    All are written under other names first, the index last; then :func:`_finish_rewriting` renames them.
    """
    rows = index.rows
    places = rows["file"].astype(np.uint64) << np.uint64(32) | rows["ordinal"]
    forgotten = np.unique(places[np.isin(rows["outcome"], [int(each) for each in forget])])
    keep = ~np.isin(places, forgotten)
    for path, name in ((results, "n_bytes"), (attached, "n_attached")):
        if path is None or not path.exists():
            continue
        lengths = rows[name].tolist()
        with path.open("rb") as old, _part(path).open("wb") as new:
            for end, length, is_kept in zip(index.ends(name).tolist(), lengths, keep.tolist(), strict=True):
                if is_kept and length:
                    old.seek(end - length)
                    new.write(old.read(length))
    return Index(rows[keep])


def _finish_rewriting(results: Path, index: Path, attached: Path | None) -> None:
    """Rename rewritten files if they are complete, or remove them."""
    is_whole = _part(index).exists()
    for path in (results, attached, index):
        if path is not None and (part := _part(path)).exists():
            if is_whole:
                part.replace(path)
            else:
                part.unlink()


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _output_error(error: OSError, path: Path) -> OutputError:
    if error.errno == errno.ENOSPC:
        return OutputError(
            "no space is left on the device", source=str(path), hint="free some space, then go on with --resume"
        )
    return OutputError(f"cannot be written: {error.strerror}", source=str(path), hint="choose another place with -o")
