"""Convert sources to parts of a corpus, in one process or several, so that a killed build can be resumed.

The sources are cut into units: a large file, or several small ones. A unit gives numbered parts of about
:data:`BLOCK` records. The content of a part follows from sources and options alone, whatever the number of processes.
The ledger names the finished units. The existing parts of an unfinished unit are not made again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Final, TypeVar

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.io.json_types import JsonObject
from logos_cli.processes.failure import Failure, result_of
from logos_cli.processes.pool import Pool
from logos_cli.records import Record
from logos_cli.training.corpus.encoder import SentenceEncoder
from logos_cli.training.corpus.parts import CorpusPart, cannot_write
from logos_cli.training.corpus.shards import file_sha256
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.workflows.corpus.sentences import SentenceOptions, Skipped, reason_of, sentences_of
from logos_cli.workflows.files import read_file

BLOCK: Final = 4096
"""Records a part."""

_UNIT_BYTES: Final = 1 << 20
_UNIT_FILES: Final = 256
_AHEAD: Final = 3
# there are many small pieces of work: threads of the tokenizers library would only compete
_ENVIRONMENT: Final = {"TOKENIZERS_PARALLELISM": "false"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The sources of a build; it can be resumed only with the same ones.

    Attributes
    ----------
    units : tuple of tuple of str
        Paths of the files that belong together.
    stamps : dict
        Size in bytes and time of change of each file.
    """

    units: tuple[tuple[str, ...], ...]
    stamps: dict[str, tuple[int, int]]

    def to_dict(self) -> JsonObject:
        """Return the JSON object."""
        return {"units": [list(unit) for unit in self.units], "stamps": {k: list(v) for k, v in self.stamps.items()}}


def plan(paths: Sequence[str]) -> BuildPlan:
    """Cut sources into units: consecutive small files share one."""
    stamps = {path: _stamp(path) for path in paths}
    units: list[tuple[str, ...]] = []
    unit: list[str] = []
    size = 0
    for path in paths:
        if unit and (size + stamps[path][0] > _UNIT_BYTES or len(unit) >= _UNIT_FILES):
            units.append(tuple(unit))
            unit, size = [], 0
        unit.append(path)
        size += stamps[path][0]
    return BuildPlan((*units, tuple(unit)) if unit else tuple(units), stamps)


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat() if path != "-" else None
    except OSError:
        found = None  # a file that is missing is a rejected record, as in every command
    return (found.st_size, found.st_mtime_ns) if found else (0, 0)


@dataclass(frozen=True, slots=True)
class Work:
    """The setup of a process that makes parts."""

    directory: Path
    read: ReadOptions
    sentences: SentenceOptions
    context_length: int

    def part(self, unit: int, block: int) -> Path:
        """Return the path of a part."""
        return self.directory / "parts" / f"{unit:06}-{block:06}.npz"


@dataclass(slots=True)
class Counts:
    """The outcomes of the records of one source, or of all, as counts."""

    read: int = 0
    used: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts | JsonObject) -> None:
        """Add other counts, or their :meth:`to_dict`."""
        more = other if isinstance(other, Counts) else Counts(**other)
        self.read += more.read
        self.used += more.used
        self.rejected.update(more.rejected)
        self.left_out.update(more.left_out)

    def to_dict(self) -> JsonObject:
        """Return the JSON object."""
        reasons = {name: dict(sorted(getattr(self, name).items())) for name in ("rejected", "left_out")}
        return {"read": self.read, "used": self.used, **reasons}


@dataclass(slots=True)
class BuiltPart:
    """The outcome of a part that was just made, for a report on the progress.

    Attributes
    ----------
    n_records, n_sentences : int
    rejected : list of Record
        The first rejected records, with the reasons.
    """

    n_records: int = 0
    n_sentences: int = 0
    rejected: list[Record] = field(default_factory=list)


_REPORTED_REJECTS: Final = 20

_Block = list[tuple[str, Entry]]


class _Maker:
    """Makes parts of blocks of records; each process has one."""

    def __init__(self, work: Work) -> None:
        from rdkit import rdBase

        rdBase.DisableLog("rdApp.*")
        self.work = work
        self.encoder = SentenceEncoder(Vocabulary.load(work.directory / "tokenizer"))

    def make(self, unit: int, block: int, entries: _Block) -> BuiltPart:
        """Make the part of a block."""
        part, outcome = CorpusPart(), BuiltPart()
        files: dict[str, Counts] = {}
        rejects: list[JsonObject] = []
        for path, entry in entries:
            counts = files.get(path)
            if counts is None:
                counts = files[path] = Counts()
            counts.read += 1
            try:
                for made in sentences_of(entry, self.work.sentences):
                    part.add(*made)
                    outcome.n_sentences += 1
            except Skipped as error:
                counts.left_out[error.message] += 1
            except LogosError as error:
                counts.rejected[reason_of(error)] += 1
                record = _reject(entry, error)
                rejects.append(record.to_dict())
                if len(outcome.rejected) < _REPORTED_REJECTS:
                    outcome.rejected.append(record)
            else:
                counts.used += 1
        part.facts = {"files": {path: counts.to_dict() for path, counts in files.items()}, "rejects": rejects}
        outcome.n_records = sum(counts.read for counts in files.values())
        part.write(self.work.part(unit, block), self.encoder, self.work.context_length)
        return outcome


def _reject(entry: Entry, error: LogosError) -> Record:
    record = Record.from_error(entry.id, entry.form or "", error.at(entry.id), entry.source)
    if entry.record is not None:
        record.extra = {**entry.record.extra, "rejected_text": entry.record.text}
    return record


class _Unit:
    """The blocks of a unit that still have no parts.

    Attributes
    ----------
    n_parts : int
        Number of blocks that have been read so far, whether or not their parts existed.
    """

    def __init__(self, work: Work, number: int, paths: Sequence[str], stdin: IO[bytes] | None = None) -> None:
        self.n_parts = 0
        self._work = work
        self._number = number
        self._entries = ((path, entry) for path in paths for entry, _ in read_file(path, work.read, stdin))

    def __iter__(self) -> Iterator[tuple[int, int, _Block]]:
        while block := list(islice(self._entries, BLOCK)):
            part = self.n_parts
            self.n_parts += 1
            if not self._work.part(self._number, part).exists():
                yield self._number, part, block


# -- the ledger ----------------------------------------------------------------------------------------------


class Ledger:
    """Which units are finished: one line of JSON each, appended when the last part of a unit exists."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.done: dict[int, JsonObject] = {}
        if path.exists():
            for line in path.read_bytes().splitlines():
                try:
                    row = json.loads(line)
                    self.done[row["unit"]] = row
                except (ValueError, KeyError):  # the line that was being written when the build was killed
                    continue

    def add(self, unit: int, n_parts: int, paths: Sequence[str]) -> None:
        """Record that a unit is finished."""
        row = {"unit": unit, "n_parts": n_parts, "sha256": {path: _hash_of(path) for path in paths}}
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                # a new line, as an earlier run may have left a torn one
                stream.write(("\n" if stream.tell() else "") + json.dumps(row))
        except OSError as error:
            raise cannot_write(error, self._path) from error
        self.done[unit] = row


def _hash_of(path: str) -> str | None:
    try:
        return file_sha256(Path(path)) if path != "-" and Path(path).is_file() else None
    except OSError:
        return None


# -- making all parts ----------------------------------------------------------------------------------------


def make_parts(
    work: Work, units: Sequence[Sequence[str]], jobs: int, stdin: IO[bytes] | None = None
) -> Iterator[BuiltPart]:
    """Make every part that does not exist yet, and yield its outcome.

    Each of several processes takes one unit at a time. If there are too few units to keep them busy, this process
    reads the records and the others make the parts.
    """
    ledger = Ledger(work.directory / "ledger.jsonl")
    waiting = [(number, paths) for number, paths in enumerate(units) if number not in ledger.done]
    if jobs > 1 and waiting:
        if len(waiting) >= 2 * jobs and not any("-" in paths for _, paths in waiting):
            yield from _units_in_processes(work, waiting, ledger, jobs)
        else:
            yield from _blocks_in_processes(work, waiting, ledger, jobs, stdin)
        return
    maker: _Maker | None = None
    for number, paths in waiting:
        maker = maker or _Maker(work)
        unit = _Unit(work, number, paths, stdin)
        yield from (maker.make(*each) for each in unit)
        ledger.add(number, unit.n_parts, paths)


def _blocks_in_processes(
    work: Work, waiting: Sequence[tuple[int, Sequence[str]]], ledger: Ledger, jobs: int, stdin: IO[bytes] | None
) -> Iterator[BuiltPart]:
    with Pool(_BlockMaker, work, jobs, environment=_ENVIRONMENT) as pool:
        for number, paths in waiting:
            unit = _Unit(work, number, paths, stdin)
            yield from map(_result, pool.map(unit, ahead=_AHEAD))
            ledger.add(number, unit.n_parts, paths)


def _units_in_processes(
    work: Work, waiting: Sequence[tuple[int, Sequence[str]]], ledger: Ledger, jobs: int
) -> Iterator[BuiltPart]:
    with Pool(_UnitMaker, work, jobs, environment=_ENVIRONMENT) as pool:
        for (number, paths), outcome in zip(waiting, pool.map(waiting, ahead=_AHEAD), strict=True):
            n_parts, parts = _result(outcome)
            ledger.add(number, n_parts, paths)
            yield from parts


def _result(outcome: T | Failure) -> T:
    if isinstance(outcome, Failure) and outcome.is_lost:
        outcome.error.hint = "it may have run out of memory: go on with --resume and fewer --jobs"
    return result_of(outcome)


class _BlockMaker(_Maker):
    """Makes the part of one block after another."""

    def __call__(self, item: tuple[int, int, _Block]) -> BuiltPart:
        return self.make(*item)


class _UnitMaker(_Maker):
    """Makes all parts of one unit after another."""

    def __call__(self, item: tuple[int, Sequence[str]]) -> tuple[int, list[BuiltPart]]:
        unit = _Unit(self.work, *item)
        parts = [self.make(*each) for each in unit]
        return unit.n_parts, parts
