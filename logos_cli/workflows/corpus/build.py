"""Convert sources to parts of a corpus, in one process or several, as a run that can be divided and resumed.

The sources are cut into units, the entries of the run (:mod:`logos_cli.runs`): a large file, or several small ones. A
unit gives numbered parts of about :data:`PART_RECORDS` records. The content of a part follows from sources and options alone,
whatever the number of processes. The existing parts of an unfinished unit are not made again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO, Final, TypeAlias

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.io import places
from logos_cli.io.json_types import JsonObject
from logos_cli.processes.failure import Failure, result_of
from logos_cli.processes.pool import Pool
from logos_cli.records import Record, Status
from logos_cli.runs.directory import ShardRun
from logos_cli.training.corpus.encoder import SentenceEncoder
from logos_cli.training.corpus.parts import CorpusPart
from logos_cli.training.corpus.shards import file_sha256
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.workflows.corpus.sentences import SentenceOptions, Skipped, reason_of, sentences_of
from logos_cli.workflows.files import read_file

COMMAND: Final = "corpus build"
PARTS: Final = "parts"
"""Directory of the parts, inside that of a build."""
PART_RECORDS: Final = 4096
"""Records a part."""

_UNIT_BYTES: Final = 1 << 20
_UNIT_FILES: Final = 256
_AHEAD: Final = 3
# there are many small pieces of work: threads of the tokenizers library would only compete
_ENVIRONMENT: Final = {"TOKENIZERS_PARALLELISM": "false"}


def sizes_of(paths: Sequence[str]) -> dict[str, int]:
    """Return the size of each file in bytes; 0 if it is missing, which is a rejected record, as in every command."""
    return {path: Path(path).stat().st_size if path != "-" and places.exists(path) else 0 for path in paths}


def units_of(paths: Sequence[str], sizes: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Cut sources into units: consecutive small files share one."""
    units: list[tuple[str, ...]] = []
    unit: list[str] = []
    size = 0
    for path in paths:
        if unit and (size + sizes[path] > _UNIT_BYTES or len(unit) >= _UNIT_FILES):
            units.append(tuple(unit))
            unit, size = [], 0
        unit.append(path)
        size += sizes[path]
    return [*units, tuple(unit)] if unit else units


def part_of(directory: Path, unit: int, block: int) -> Path:
    """Return the path of a part in the directory of a build."""
    return directory / PARTS / f"{unit:06}-{block:06}.npz"


@dataclass(frozen=True, slots=True)
class Work:
    """The setup of a process that makes parts.

    Attributes
    ----------
    directory : Path
    read : ReadOptions
    sentences : SentenceOptions
    context_length : int
    n_part_records : int
        Records a part, the same in every process and whenever the build goes on: parts are known by their numbers.
    """

    directory: Path
    read: ReadOptions
    sentences: SentenceOptions
    context_length: int
    n_part_records: int

    def part(self, unit: int, block: int) -> Path:
        """Return the path of a part."""
        return part_of(self.directory, unit, block)


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
    n_lost : int
        Records that ended the processes that worked on them.
    """

    n_records: int = 0
    n_sentences: int = 0
    n_lost: int = 0
    rejected: list[Record] = field(default_factory=list)


_REPORTED_REJECTS: Final = 20

Entries: TypeAlias = list[tuple[str, Entry]]
"""Entries with the paths of their files."""


class Maker:
    """Makes parts of blocks of records; each process has one."""

    def __init__(self, work: Work) -> None:
        from rdkit import rdBase

        rdBase.DisableLog("rdApp.*")
        self.work = work
        self.encoder = SentenceEncoder(Vocabulary.load(work.directory / "tokenizer"))

    def __call__(self, task: _Task) -> _Made:
        """Do one task of a pool."""
        return task.do(self)

    def make(self, block: _Block) -> BuiltPart:
        """Make the part of a block."""
        part, outcome = CorpusPart(), BuiltPart(n_lost=len(block.lost))
        files: dict[str, Counts] = {}
        rejects: list[JsonObject] = []
        for place, (path, entry) in enumerate(block.entries):
            counts = files.get(path)
            if counts is None:
                counts = files[path] = Counts()
            counts.read += 1
            try:
                if place in block.lost:
                    raise block.lost[place]
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
        part.write(self.work.part(block.unit, block.number), self.encoder, self.work.context_length)
        return outcome


def _reject(entry: Entry, error: LogosError) -> Record:
    record = Record.from_error(entry.id, entry.form or "", error.at(entry.id), entry.source)
    if entry.record is not None:
        record.extra = {**entry.record.extra, "rejected_text": entry.record.text}
    return record


class _Unit:
    """The blocks of a unit that still have no parts.

    Parameters
    ----------
    unreadable : mapping of str to LogosError
        Files that ended the process that read them; each is one rejected record.

    Attributes
    ----------
    n_parts : int
        Number of blocks that have been read so far, whether or not their parts existed.
    """

    def __init__(
        self,
        work: Work,
        number: int,
        paths: Sequence[str],
        stdin: IO[bytes] | None = None,
        unreadable: Mapping[str, LogosError] | None = None,
    ) -> None:
        self.n_parts = 0
        self._work = work
        self._number = number
        self._entries = (
            (path, entry)
            for path in paths
            for entry in (
                (entry for entry, _ in read_file(path, work.read, stdin))
                if unreadable is None or path not in unreadable
                else (Entry(path, None, {"path": path}, unreadable[path].at(path)),)
            )
        )

    def __iter__(self) -> Iterator[_Block]:
        while entries := list(islice(self._entries, self._work.n_part_records)):
            part = self.n_parts
            self.n_parts += 1
            if not self._work.part(self._number, part).exists():
                yield _Block(self._number, part, entries)


# -- tasks of a pool -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Made:
    """The outcome of a task: parts, and the number of blocks of a whole unit."""

    parts: tuple[BuiltPart, ...] = ()
    n_parts: int = 0


@dataclass(frozen=True, slots=True)
class _Block:
    """Make the part of one block; ``lost`` has the errors of records that must not be tried again, by their places."""

    unit: int
    number: int
    entries: Entries
    lost: dict[int, LogosError] = field(default_factory=dict)

    def do(self, maker: Maker) -> _Made:
        return _Made((maker.make(self),))


@dataclass(frozen=True, slots=True)
class _WholeUnit:
    """Read a unit and make its parts."""

    number: int
    paths: Sequence[str]

    def do(self, maker: Maker) -> _Made:
        unit = _Unit(maker.work, self.number, self.paths)
        parts = tuple(map(maker.make, unit))
        return _Made(parts, unit.n_parts)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Only read a file, which shows whether that ends the process."""

    path: str

    def do(self, maker: Maker) -> _Made:
        deque(read_file(self.path, maker.work.read), maxlen=0)
        return _Made()


@dataclass(frozen=True, slots=True)
class _Trial:
    """Only make the sentences of records, which shows whether one of them ends the process."""

    entries: Entries

    def do(self, maker: Maker) -> _Made:
        for _, entry in self.entries:
            with suppress(LogosError):
                sentences_of(entry, maker.work.sentences)
        return _Made()


_Task: TypeAlias = _Block | _WholeUnit | _Reading | _Trial
_Pool: TypeAlias = Pool[Work, _Task, _Made]


# -- making all parts ----------------------------------------------------------------------------------------


class _Journal:
    """Notes finished units in a run: the number of their parts, and the hashes of their files."""

    def __init__(self, run: ShardRun, units: Sequence[Sequence[str]]) -> None:
        self._run = run
        place = run.selection.of_file(0, COMMAND)
        self.waiting = [(number, paths) for number, paths in enumerate(units) if place.takes(f"{number}:{paths[0]}")]
        self._entries = {number: entry for (number, _), entry in zip(self.waiting, place.units, strict=True)}
        run.selection.note_end(0, len(units))

    def add(self, number: int, n_parts: int, paths: Sequence[str], n_lost: int) -> None:
        """Note that all parts of a unit exist."""
        entry = self._entries[number]
        facts = {"n_parts": n_parts, "sha256": {path: hash_of(path) for path in paths}}
        record = Record(entry[0], "", "", extra={"unit": number, **facts})
        if n_lost:
            record.status, record.reason = Status.ERROR, f"{n_lost:,} records ended the processes that worked on them"
        self._run.selection.pending.append(entry)
        self._run.write(entry[0], record.status, record.to_json())


def hash_of(path: str) -> str | None:
    """Return the hash of a source; None of standard input, and of what cannot be read."""
    try:
        return file_sha256(Path(path)) if path != "-" and places.is_file(path) else None
    except OSError:
        return None


def make_parts(
    work: Work,
    units: Sequence[Sequence[str]],
    run: ShardRun,
    jobs: int,
    stdin: IO[bytes] | None = None,
    *,
    anew: bool = False,
) -> Iterator[BuiltPart]:
    """Make every part of a shard that does not exist yet, and yield its outcome.

    Each of several processes takes one unit at a time. If there are too few units to keep them busy, this process
    reads the records and the others make the parts. A record that ends the processes that work on it is rejected.

    Parameters
    ----------
    anew : bool
        Make the parts of unfinished units again.
    """
    journal = _Journal(run, units)
    waiting = journal.waiting
    for number, _ in waiting if anew else ():
        for path in work.directory.glob(f"{PARTS}/{number:06}-*.npz"):
            path.unlink()
    if jobs > 1 and waiting:
        with Pool(Maker, work, jobs, environment=_ENVIRONMENT) as pool:
            yield from _in_processes(pool, work, journal, stdin)
        return
    maker: Maker | None = None
    for number, paths in waiting:
        maker = maker or Maker(work)
        unit = _Unit(work, number, paths, stdin)
        yield from map(maker.make, unit)
        journal.add(number, unit.n_parts, paths, 0)


def _in_processes(pool: _Pool, work: Work, journal: _Journal, stdin: IO[bytes] | None) -> Iterator[BuiltPart]:
    left = journal.waiting
    unreadable: dict[str, LogosError] = {}
    if len(left) >= 2 * pool.n_workers and not any("-" in paths for _, paths in left):
        tasks = [_WholeUnit(number, paths) for number, paths in left]
        left = []
        for task, outcome in zip(tasks, pool.map(tasks, ahead=_AHEAD), strict=True):
            if isinstance(outcome, Failure) and outcome.is_lost:
                left.append((task.number, task.paths))
                continue
            made = result_of(outcome)
            journal.add(task.number, made.n_parts, task.paths, 0)
            yield from made.parts
        files = [_Reading(path) for _, paths in left for path in paths]
        for reading, outcome in zip(files, pool.map(files), strict=True):
            if isinstance(outcome, Failure) and outcome.is_lost:
                unreadable[reading.path] = outcome.error
    for number, paths in left:
        unit = _Unit(work, number, paths, stdin, unreadable)
        n_lost = sum(path in unreadable for path in paths)
        for part in _blocks(pool, unit):
            n_lost += part.n_lost
            yield part
        journal.add(number, unit.n_parts, paths, n_lost)


def _blocks(pool: _Pool, unit: _Unit) -> Iterator[BuiltPart]:
    """Make the parts of a unit that this process reads."""
    under_way: deque[_Block] = deque()

    def noted() -> Iterator[_Block]:
        for block in unit:
            under_way.append(block)
            yield block

    lost: list[_Block] = []
    for outcome in pool.map(noted(), ahead=_AHEAD):
        block = under_way.popleft()
        if isinstance(outcome, Failure) and outcome.is_lost:
            lost.append(block)
        else:
            yield from result_of(outcome).parts
    for block in lost:
        again = replace(block, lost=_find_lost(pool, block.entries))
        for outcome in pool.map([again]):
            yield from result_of(outcome).parts


def _find_lost(pool: _Pool, entries: Entries) -> dict[int, LogosError]:
    """Return the errors of the records that end the processes that work on them, by their places: halves are tried."""
    found: dict[int, LogosError] = {}
    spans = [range(len(entries))]
    while spans:
        halves: list[range] = []
        trials = [_Trial([entries[place] for place in span]) for span in spans]
        for span, outcome in zip(spans, pool.map(trials), strict=True):
            if not (isinstance(outcome, Failure) and outcome.is_lost):
                result_of(outcome)
            elif len(span) == 1:
                found[span[0]] = outcome.error
            else:
                halves += [span[: len(span) // 2], span[len(span) // 2 :]]
        spans = halves
    return found
