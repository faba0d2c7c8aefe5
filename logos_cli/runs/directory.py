"""The directory of a run: its description, and one journal for each shard."""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple

from logos_cli.errors import DefectError, InputError, OutputError, UsageError
from logos_cli.io.json_types import JsonObject
from logos_cli.io.selection import Selection, Shard, Unit
from logos_cli.processes.lock import locked
from logos_cli.records import Record, Status
from logos_cli.runs.description import Description, differences
from logos_cli.runs.index import Outcome
from logos_cli.runs.journal import RESULTS, Journal, files_of

RUN_FILE: Final = "run.json"
_STATE_S: Final = 2.0


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
    """

    shard: Shard
    resume: bool = False
    overwrite: bool = False
    retry: Literal["failed"] | None = None
    force: bool = False


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
        found = json.loads((path / RUN_FILE).read_text(encoding="utf-8"))
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
        found = json.loads(state_file(run, shard).read_text(encoding="utf-8"))
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
        self.selection = Selection(shard, journal.index.done(), n_entries=known)
        self.n_before = int((journal.index.rows["n_bytes"] > 0).sum())
        self._journal = journal
        self._state_path = state_file(directory, shard)
        self._began = time.time()
        self._stated_at = 0.0
        self.is_cut = False
        """Whether the work ends before all entries are done; the rest is done when the run is resumed."""
        self._part: _Part | None = None
        self._left_out: list[Unit] = []
        """Entries without a record, so far: what is interrupted may give records out of order, and leave out none."""

    def write(self, id: str, status: Status, line: str, attached: bytes = b"") -> None:
        """Append the record of the entry with this id; entries before it, without a record, were left out.

        Raises
        ------
        DefectError
            If no entry with that id is in work.
        OutputError
            If it cannot be written.
        """
        self._journal.write(self._take_back(id), _outcome(status), _line(line), attached)
        if time.monotonic() - self._stated_at >= _STATE_S:
            self._write_state("running")

    def before(self) -> Iterator[Record]:
        """Yield the records of earlier processes.

        Raises
        ------
        FormatError
            If one is damaged.
        """
        with files_of(self.directory, self.shard)[0].open("rb") as stream:
            for line in islice(stream, self.n_before):
                yield Record.from_json(line)

    def expects(self, id: str) -> bool:
        """Return whether an entry with that id is in work."""
        return any(unit.id == id for unit in self.selection.pending)

    def write_part(self, id: str, status: Status, line: str, attached: bytes = b"") -> None:
        """Append one of several records of an entry; the next entry, or the end of the run, completes it."""
        last = self._part
        if last is not None and last.unit.id == id:
            self._journal.write(last.unit, last.outcome, last.line, last.attached, part=last.number, closes=False)
            self._part = _Part(last.unit, last.number + 1, _outcome(status), _line(line), attached)
            return
        self._close_part()
        self._part = _Part(self._take_back(id), 0, _outcome(status), _line(line), attached)
        if time.monotonic() - self._stated_at >= _STATE_S:
            self._write_state("running")

    def _close_part(self) -> None:
        if self._part is not None:
            last = self._part
            self._journal.write(last.unit, last.outcome, last.line, last.attached, part=last.number)
            self._part = None

    def _take_back(self, id: str) -> Unit:
        """Return the entry of a record; those before it have none."""
        pending = self.selection.pending
        if pending and pending[0].id == id:
            return pending.popleft()
        try:
            before, unit = self.selection.take_back(id)
        except KeyError as error:
            raise DefectError(f"the record {id!r} belongs to no entry of the inputs") from error
        self._left_out += before
        return unit

    def finish(self) -> None:
        """Note that all entries of the shard are done; those without a record were left out."""
        self._close_part()
        for unit in (*self._left_out, *self.selection.pending):
            self._journal.write(unit, Outcome.SKIPPED)
        self.selection.pending.clear()
        self._journal.flush()
        self._write_state("finished")

    def interrupted(self) -> None:
        """Note that the process ends before the shard is done."""
        self._journal.flush()
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
            "seconds": round(time.time() - self._began, 1),
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
        with locked(results, "working on this shard"):
            if options.overwrite:
                _remove_shard(path, shard)
            _describe(path, description, options)
            if not (options.resume or options.retry) and results.exists() and results.stat().st_size:
                raise UsageError(
                    f"shard {shard.number} of {shard.count} has results", source=str(path),
                    hint="add --resume to go on, or --overwrite to begin anew",
                )  # fmt: skip
            forget = frozenset({Outcome.FAILED}) if options.retry == "failed" else frozenset[Outcome]()
            with Journal(path, shard, attached=attached, forget=forget) as journal:
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


class _Part(NamedTuple):
    """One of the records of an entry, which waits until it is known whether it is the last."""

    unit: Unit
    number: int
    outcome: Outcome
    line: bytes
    attached: bytes


def _line(text: str) -> bytes:
    return (text + "\n").encode("utf-8", "surrogatepass")


def _outcome(status: Status) -> Outcome:
    if status is Status.OK:
        return Outcome.OK
    return Outcome.INVALID if status is Status.INVALID else Outcome.FAILED


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
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        try:
            os.link(part, file)  # the first of several shards writes it
        except FileExistsError:
            if options.overwrite and description.n_shards == 1:
                part.replace(file)
        except OSError:  # a file system without hard links
            part.replace(file)
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
