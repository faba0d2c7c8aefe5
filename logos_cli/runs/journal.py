"""Write the results of one shard: append-only, and complete up to the last finished entry."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Self

from logos_cli.errors import OutputError
from logos_cli.io.selection import DoneEntries, Shard
from logos_cli.runs.content import GZIP, ContentFile, compress
from logos_cli.runs.rows import ROW_BYTES, Block, Outcome

if TYPE_CHECKING:
    from logos_cli.runs.index import Index

RESULTS: Final = "results"
_REWRITTEN: Final = 512
"""Records that are written together when others are removed."""


def files_of(
    run: Path, shard: Shard, attached: str | None = None, *, compress: bool = False
) -> tuple[Path, Path, Path | None]:
    """Return the files of a shard: results, index, and the file attached to the results, if there is one.

    Parameters
    ----------
    compress : bool
        Name a new file of results ``.jsonl.gz``; one that exists keeps its name.
    """
    base = run / RESULTS / str(shard)
    plain, packed = Path(f"{base}.jsonl"), Path(f"{base}.jsonl{GZIP}")
    results = packed if packed.exists() or (compress and not plain.exists()) else plain
    return results, Path(f"{base}.index"), Path(f"{base}{attached}") if attached else None


def begun_shards(run: Path, n_shards: int) -> list[Shard]:
    """Return the shards of a run that have results, in the order of their numbers."""
    names = (path.name.partition("-of-")[0] for path in (run / RESULTS).glob(f"*-of-{n_shards}.index"))
    return [Shard(number, n_shards) for number in sorted(int(name) for name in names if name.isdigit())]


class Journal:
    """Appends records to the results of a shard, in blocks.

    A block of results is written before its rows of the index, so that every record in the index is there. A record that
    was cut off by the end of a process is removed when the journal is opened again.

    Parameters
    ----------
    run : Path
        The run's directory.
    shard : Shard
    attached : str, optional
        Ending of a second file that is written with the results: ``.sdf``.
    forget : frozenset of Outcome
        Records with these outcomes are removed, so that their entries are repeated.
    compress : bool
        Compress the results, unless they were begun otherwise.

    Attributes
    ----------
    done : mapping of int to DoneEntries
        The entries that were finished when the journal was opened, by file.
    n_before : int
        Records that were there.
    counts : Counter of Outcome
        Outcomes of all written records, including those from before.

    Raises
    ------
    OutputError
        If the files cannot be written.
    """

    def __init__(
        self,
        run: Path,
        shard: Shard,
        *,
        attached: str | None = None,
        forget: frozenset[Outcome] = frozenset(),
        compress: bool = False,
    ) -> None:
        results, index, extra = self._paths = files_of(run, shard, attached, compress=compress)
        self._packs = results.suffix == GZIP
        self.done: Mapping[int, DoneEntries] = {}
        self.n_before = 0
        self.counts: Counter[int] = Counter()
        try:
            results.parent.mkdir(parents=True, exist_ok=True)
            if any(path is not None and _size(path) for path in self._paths):
                found = _recover(results, index, extra, forget)
                self.done = found.done()
                self.n_before = int((found.rows["n_bytes"] > 0).sum())
                self.counts.update(found.counts())
            self._files = [_open(path) for path in (results, extra, index) if path is not None]
        except OSError as error:
            raise _output_error(error, results) from error
        self._is_cut = False
        """A block is being written, or its writing failed: nothing may follow until it is removed."""

    def write(self, block: Block) -> int:
        """Append a block of records; return their length in the results.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        if not block.units or self._is_cut:
            return 0
        self._is_cut = True
        results, n_bytes = _joined(block)
        attached = [b"".join(block.attached)] if self._paths[2] is not None else []
        written = compress(results) if self._packs else results
        try:
            for descriptor, content in zip(self._files, (written, *attached, block.index(n_bytes)), strict=True):
                _append(descriptor, content)
        except OSError as error:
            raise _output_error(error, self._paths[0]) from error
        self.counts.update(block.outcomes)
        self._is_cut = False
        return len(results)

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _joined(block: Block) -> tuple[bytes, list[int]]:
    """Return the lines of records, and their lengths in bytes."""
    if block.lines is None:
        return b"", [0] * len(block.units)
    text = "\n".join((*block.lines, ""))
    results = text.encode("utf-8", "surrogatepass")
    if len(results) == len(text):
        return results, [length + 1 for length in map(len, block.lines)]
    return results, [len(line.encode("utf-8", "surrogatepass")) + 1 for line in block.lines]


def _append(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _recover(results: Path, index: Path, attached: Path | None, forget: frozenset[Outcome]) -> Index:
    """Remove incomplete records, and those to repeat; return the rest."""
    import numpy as np

    from logos_cli.runs.index import Index

    _finish_rewriting(results, index, attached)
    content = ContentFile(results)
    found = Index.read(index)
    kept = found.within(content.n_bytes, _size(attached) if attached else 0)
    removed = np.isin(kept.rows["outcome"], [int(each) for each in forget])
    if removed.any():
        kept = _without(kept, results, attached, forget)
        written = index.with_name(f"{index.name}.new")
        written.write_bytes(kept.rows.tobytes())
        written.replace(_part(index))
        _finish_rewriting(results, index, attached)
        return kept
    content.cut(kept.total("n_bytes"))
    if attached is not None:
        ContentFile(attached).cut(kept.total("n_attached"))
    ContentFile(index).cut(len(kept.rows) * ROW_BYTES)
    return kept


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _without(index: Index, results: Path, attached: Path | None, forget: frozenset[Outcome]) -> Index:
    """Rewrite the files without entries that have a record with one of these outcomes.

    All are written under other names first, the index last; then :func:`_finish_rewriting` renames them.
    """
    import numpy as np

    rows = index.rows
    places = rows["file"].astype(np.uint64) << np.uint64(32) | rows["ordinal"]
    forgotten = np.unique(places[np.isin(rows["outcome"], [int(each) for each in forget])])
    keep = ~np.isin(places, forgotten)
    for path, name in ((results, "n_bytes"), (attached, "n_attached")):
        if path is None or not path.exists():
            continue
        lengths = rows[name].tolist()
        old = ContentFile(path, stays_open=True)
        block: list[bytes] = []
        with closing(old), _part(path).open("wb") as new:
            for end, length, is_kept in zip(index.ends(name).tolist(), lengths, keep.tolist(), strict=True):
                if is_kept and length:
                    block.append(old.read(end - length, end))
                if len(block) == _REWRITTEN:
                    _write(new, path, block)
            _write(new, path, block)
    return type(index)(rows[keep])


def _write(stream: IO[bytes], path: Path, block: list[bytes]) -> None:
    """Write records that are kept, compressed if the file is, and empty the list."""
    content = b"".join(block)
    stream.write(compress(content) if path.suffix == GZIP else content)
    block.clear()


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
