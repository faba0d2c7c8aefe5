"""The directory of a run: its description, and one journal for each shard."""

from __future__ import annotations

import gzip
import json
import os
import platform
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from logos_cli.errors import DefectError, InputError, OutputError, UsageError
from logos_cli.io.json_types import JsonObject, to_json
from logos_cli.io.selection import Selection, Shard, Unit
from logos_cli.processes.lock import locked
from logos_cli.records import Record, Status
from logos_cli.records.json_text import parse_json
from logos_cli.runs.content import GZIP
from logos_cli.runs.description import Description, differences
from logos_cli.runs.journal import RESULTS, Journal, files_of
from logos_cli.runs.rows import Block, Outcome

RUN_FILE: Final = "run.json"
_STATE_S: Final = 2.0
_BLOCK_S: Final = 1.0
_BLOCK_BYTES: Final = 1 << 20
_BLOCK_ROWS: Final = 512
_SINGLY: Final = 32
"""Records of each second that are written one by one, so that slow ones are on disk at once; the others come in blocks."""
_OUTCOMES: Final[dict[str, Outcome]] = {
    Status.OK: Outcome.OK,
    Status.INVALID: Outcome.INVALID,
    Status.ERROR: Outcome.FAILED,
}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a command works in the directory of a run.

    Attributes
    ----------
    shard : Shard
    resume : bool
        Go on where an earlier process ended.
    overwrite : bool
        Begin anew in a directory with a run.
    retry : {"failed"}, optional
        Also retry the records in error.
    force : bool
        Go on although arguments, version or inputs differ.
    compress : bool
        Compress the results of a new shard.
    """

    shard: Shard
    resume: bool = False
    overwrite: bool = False
    retry: Literal["failed"] | None = None
    force: bool = False
    compress: bool = False


def is_run(path: str | Path) -> bool:
    """Return whether a path is the directory of a run."""
    return (Path(path) / RUN_FILE).is_file() and (Path(path) / RESULTS).is_dir()


def read_run(path: Path) -> JsonObject:
    """Return the description of a run.

    Raises
    ------
    InputError
        If the path is not the directory of a run, or its file is damaged.
    """
    try:
        found = parse_json((path / RUN_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError("this is no directory of a run", source=str(path), hint=f"it has no {RUN_FILE}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{RUN_FILE} is damaged", source=str(path)) from error
    if not isinstance(found, dict) or not {"command", "arguments", "n_shards", "inputs"} <= found.keys():
        raise InputError(f"{RUN_FILE} is that of another program", source=str(path), hint="choose another directory")
    return found


def state_file(run: Path, shard: Shard) -> Path:
    """Return the file with the progress of a shard."""
    return run / RESULTS / f"{shard}.state.json"


def read_state(run: Path, shard: Shard) -> JsonObject:
    """Return the progress of a shard; empty if its process has not written it, or was killed while writing."""
    try:
        found = parse_json(state_file(run, shard).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class ShardRun:
    """One shard of a run, while a process works on it.

    Attributes
    ----------
    selection : Selection
        The entries that are not done.
    n_before : int
        Records that were there before.
    """

    def __init__(self, directory: Path, shard: Shard, journal: Journal) -> None:
        self.directory = directory
        self.shard = shard
        n_entries: dict[str, int] = read_state(directory, shard).get("n_entries", {})
        known = {int(file): number for file, number in n_entries.items()}
        self.selection = Selection(shard, journal.done, n_entries=known)
        self.n_before = journal.n_before
        self.is_cut = False
        """Whether the work ends before all entries are done; the rest is done when the run is resumed."""
        self._journal = journal
        self._state_path = state_file(directory, shard)
        self._began, self._began_at = time.time(), time.monotonic()
        self._stated_at = 0.0
        self.measured: dict[str, float] = {}
        """Times that the work took, by name: they go into the state, as results are the same whenever they are made."""
        self.statuses: Counter[str] = Counter()
        """Statuses of the records of this process, but for those that wait."""
        self._block: list[str] = []
        """Id, status and line of each record that waits, one after the other: no object is made for a record."""
        self._block_length = 3
        self._n_blocks = 0
        self._second = self._written_at = time.monotonic()
        self._part: _Part | None = None
        """One of the records of an entry, which waits until it is known whether it is the last."""
        self._left_out: list[Unit] = []
        """Entries without a record, so far: what is interrupted may give records out of order, and leave out none."""

    def write(self, id: str, status: Status, line: str) -> None:
        """Append the record of the entry with this id; entries before it, without a record, were left out.

        The first records of each second are on disk at once, the others in blocks: a block waits for a second at most
        while records come, else for the next record. What a kill finds waiting is done again when the run is resumed.

        Raises
        ------
        DefectError
            If no entry with an id is in work.
        OutputError
            If the records cannot be written.
        """
        block = self._block
        block += (id, status, line)
        if len(block) >= self._block_length or time.monotonic() - self._written_at >= _BLOCK_S:
            self.flush()

    def flush(self) -> None:
        """Write the records that wait.

        Raises
        ------
        DefectError
            If one belongs to no entry in work.
        OutputError
            If they cannot be written.
        """
        block, self._block = self._block, []
        self._pace()
        if block:
            statuses = block[1::3]
            n_bytes = self._append(
                Block(self._take_back(block[0::3]), [_OUTCOMES[status] for status in statuses], block[2::3])
            )
            self.statuses.update(statuses)
            if n_bytes > _BLOCK_BYTES:
                self._block_length = 1

    def before(self) -> Iterator[Record]:
        """Yield the records of earlier processes.

        Raises
        ------
        FormatError
            If one is damaged.
        """
        results = files_of(self.directory, self.shard)[0]
        with gzip.open(results) if results.suffix == GZIP else results.open("rb") as stream:
            for line in islice(stream, self.n_before):
                yield Record.from_json(line)

    def expects(self, id: str) -> bool:
        """Return whether an entry with that id is in work."""
        return any(unit[0] == id for unit in self.selection.pending)

    def write_part(self, id: str, status: Status, line: str, attached: bytes = b"") -> None:
        """Append one of several records of an entry; the next entry, or the end of the run, completes it."""
        part = _Part(id, _OUTCOMES[status], line, attached)
        last, self._part = self._part, part
        if last is not None and last.id == id:
            part.unit, part.number = last.unit, last.number + 1
            self._append(last.block(closes=False))
            return
        if last is not None:
            self._append(last.block())
        [part.unit] = self._take_back([id])

    def _append(self, block: Block) -> int:
        n_bytes = self._journal.write(block)
        if time.monotonic() - self._stated_at >= _STATE_S:
            self._write_state("running")
        return n_bytes

    def _take_back(self, ids: Sequence[str]) -> list[Unit]:
        """Return the entries of records; those before them have none."""
        try:
            units, left_out = self.selection.take_back(ids)
        except KeyError as error:
            raise DefectError(f"the record {error.args[0]!r} belongs to no entry of the inputs") from error
        self._left_out += left_out
        return units

    def _pace(self) -> None:
        """Set the number of records of the next block: one, unless many have come within this second."""
        self._written_at = now = time.monotonic()
        if now - self._second >= _BLOCK_S:
            self._second, self._n_blocks = now, 0
        self._n_blocks += 1
        self._block_length = 3 if self._n_blocks < _SINGLY else 3 * _BLOCK_ROWS

    def finish(self) -> None:
        """Note that all entries of the shard are done; those without a record were left out."""
        self.flush()
        if self._part is not None:
            self._append(self._part.block())
        left_out = (*self._left_out, *self.selection.pending)
        self._append(Block(left_out, [Outcome.SKIPPED] * len(left_out), None))
        self._write_state("finished")

    def interrupted(self) -> None:
        """Note that the process ends before the shard is done."""
        self.flush()
        self._write_state("interrupted")

    def _write_state(self, state: str) -> None:
        self._stated_at = time.monotonic()
        counts = self._journal.counts
        content = {
            "state": state,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "python": platform.python_version(),
            "began": _timestamp(self._began),
            "seen": _timestamp(time.time()),
            "seconds": round(time.monotonic() - self._began_at, 1),  # whatever is done to the clock
            **self.measured,
            "n_before": self.n_before,
            "n_entries": {str(file): number for file, number in self.selection.n_entries.items()},
            "counts": {outcome.name.lower(): counts[outcome] for outcome in Outcome},
        }
        part = self._state_path.with_name(f"{self._state_path.name}.part")
        try:
            part.write_text(json.dumps(content) + "\n", encoding="utf-8")
            part.replace(self._state_path)
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", source=str(self._state_path)) from error


@contextmanager
def open_shard(
    path: Path, description: Description, options: RunOptions, *, attached: str | None = None
) -> Iterator[ShardRun]:
    """Open the directory of a run for one shard; make it if it does not exist.

    Parameters
    ----------
    path : Path
    description : Description
        Description of the run; a directory with another description is refused.
    attached : str, optional
        Ending of a file that is written beside the records.

    Raises
    ------
    UsageError
        If it has results and neither ``resume`` nor ``overwrite`` is chosen, or if it has another description.
    LockedError
        If another process works on the shard.
    OutputError
        If it cannot be written.
    """
    shard = options.shard
    try:
        _check_directory(path)
        (path / RESULTS).mkdir(parents=True, exist_ok=True)
        results = files_of(path, shard)[0]
        with locked(results.with_name(f"{shard}.jsonl"), "working on this shard"):
            if options.overwrite:
                _remove_shard(path, shard)
            _describe(path, description, options)
            if not (options.resume or options.retry) and results.exists() and results.stat().st_size:
                raise UsageError(
                    f"shard {shard.number} of {shard.count} has results", source=str(path),
                    hint="add --resume to go on, or --overwrite to begin anew",
                )  # fmt: skip
            forget = frozenset({Outcome.FAILED}) if options.retry == "failed" else frozenset[Outcome]()
            with Journal(path, shard, attached=attached, forget=forget, compress=options.compress) as journal:
                run = ShardRun(path, shard, journal)
                try:
                    yield run
                except BaseException:
                    run.interrupted()
                    raise
                if run.is_cut:
                    run.interrupted()
                else:
                    run.finish()
    except (FileNotFoundError, NotADirectoryError, PermissionError, FileExistsError) as error:
        raise OutputError(
            f"cannot be written: {error.strerror}", source=str(path), hint="choose another place"
        ) from error


@dataclass(slots=True)
class _Part:
    """One of the records of an entry."""

    id: str
    outcome: Outcome
    line: str
    attached: bytes
    unit: Unit = ("", 0, 0, 0)
    number: int = 0

    def block(self, *, closes: bool = True) -> Block:
        return Block([self.unit], [self.outcome], [self.line], [self.attached], self.number, closes)


def _check_directory(path: Path) -> None:
    """Refuse a directory that holds other files than those of a run."""
    if path.is_dir() and not (path / RESULTS).is_dir() and any(path.iterdir()):
        raise UsageError(
            "the output is a directory with other files", source=str(path), hint="give a new directory, or a file name"
        )


def _describe(path: Path, description: Description, options: RunOptions) -> None:
    """Write ``run.json``, or compare with the one that is there."""
    now = description.to_dict()
    file = path / RUN_FILE
    if not file.exists() or (options.overwrite and description.n_shards == 1):
        content = {**now, "began": _timestamp(time.time()), "host": socket.gethostname()}
        part = file.with_name(f"{RUN_FILE}.{socket.gethostname()}-{os.getpid()}.part")
        try:
            part.write_text(to_json(content, indent=1) + "\n", encoding="utf-8")
            try:
                os.link(part, file)  # the first of several shards writes it
            except FileExistsError:
                if options.overwrite and description.n_shards == 1:
                    part.replace(file)
            except OSError:  # a file system without hard links
                part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    before = read_run(path)
    found = list(differences({name: before.get(name) for name in now}, now))
    if found and not options.force:
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise UsageError(
            f"the run was begun differently: {'; '.join(found[:4])}{more}",
            source=str(path),
            hint="give the same arguments and inputs, choose another directory, or mix them knowingly with --force",
        )


def _remove_shard(path: Path, shard: Shard) -> None:
    for file in (path / RESULTS).glob(f"{shard}.*"):
        if not file.name.endswith(".lock"):
            file.unlink()


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
