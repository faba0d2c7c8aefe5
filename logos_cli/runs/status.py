"""Read the progress of a run, and check that its results are complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import FormatError
from logos_cli.io.json_types import JsonObject
from logos_cli.io.selection import Shard
from logos_cli.records import Record
from logos_cli.runs.content import ContentFile
from logos_cli.runs.directory import read_run, read_state
from logos_cli.runs.index import Index, Rows
from logos_cli.runs.journal import files_of
from logos_cli.runs.rows import Outcome

_MOST_REASONS: Final = 10_000
"""Most records in error that are read for their reasons."""
_NAMED: Final = 20
_ENTRIES: Final = {"generate": "prompt", "corpus": "list of units"}
"""What the entries of commands belong to, if it is not an input: samples of prompts, and the units of a build."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """The progress of a shard.

    Attributes
    ----------
    state : str
        ``waiting``, ``running``, ``interrupted`` or ``finished``, as the process wrote it last.
    n_per_s : float, optional
        Records a second in its last session.
    n_entries : int
        Entries that are done; one may have several records.
    """

    shard: Shard
    state: str
    counts: Counter[Outcome]
    host: str | None = None
    seen: str | None = None
    n_per_s: float | None = None
    n_entries: int = 0

    @property
    def n_done(self) -> int:
        """Number of records."""
        return self.counts.total()


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The progress of a run.

    Attributes
    ----------
    run : dict
        Content of ``run.json``.
    n_entries : dict of int to int
        Number of entries of each input that a shard has read to its end.
    reasons : Counter of str
        Reasons of records in error, with their counts; of the first 10,000 or so.
    """

    path: Path
    run: JsonObject
    shards: tuple[ShardStatus, ...]
    n_entries: dict[int, int] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> Counter[Outcome]:
        """Records of all shards by outcome."""
        return sum((shard.counts for shard in self.shards), Counter())

    @property
    def n_requested(self) -> int | None:
        """Entries of the inputs, as far as a shard has read them to their end; None if none has."""
        return sum(self.n_entries.values()) if self.n_entries else None

    @property
    def n_done(self) -> int:
        """Entries that are done."""
        return sum(shard.n_entries for shard in self.shards)

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the time until the running shards are done; None if it is not known."""
        if self.n_requested is None:
            return None
        share = self.n_requested / len(self.shards)
        left = [
            max(0.0, share - shard.n_entries) / shard.n_per_s
            for shard in self.shards
            if shard.state == "running" and shard.n_per_s
        ]
        return max(left, default=None)

    def n_in(self, state: str) -> int:
        """Return the number of shards in a state."""
        return sum(shard.state == state for shard in self.shards)

    @property
    def n_unfinished(self) -> int:
        """Number of shards that are not done."""
        return len(self.shards) - self.n_in("finished")


def status_of(path: Path, *, with_reasons: bool = True) -> RunStatus:
    """Return the progress of a run.

    Parameters
    ----------
    with_reasons : bool
        Read records in error for their reasons.

    Raises
    ------
    InputError
        If the path is not the directory of a run.
    """
    run = read_run(path)
    n_shards = int(str(run["n_shards"]))
    shards = tuple(_shard_status(path, Shard(number, n_shards)) for number in range(1, n_shards + 1))
    reasons: Counter[str] = Counter()
    for shard in shards if with_reasons else ():
        reasons.update(_reasons(path, shard.shard, _MOST_REASONS // n_shards + 1))
    return RunStatus(path, run, shards, _n_entries(path, n_shards), reasons)


def _n_entries(path: Path, n_shards: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for number in range(1, n_shards + 1):
        for file, n_entries in read_state(path, Shard(number, n_shards)).get("n_entries", {}).items():
            found[int(file)] = max(found.get(int(file), 0), n_entries)
    return found


def _shard_status(path: Path, shard: Shard) -> ShardStatus:
    if not files_of(path, shard)[1].exists():
        return ShardStatus(shard, "waiting", Counter())
    rows = _rows(path, shard)
    counts, n_entries = Counter(Index(rows).counts()), int(rows["closes"].sum())
    state = read_state(path, shard)
    try:
        new = sum(state["counts"].values()) - state["n_before"]
        rate = new / state["seconds"] if state["seconds"] > 0 and new > 0 else None
        return ShardStatus(shard, state["state"], counts, state["host"], state["seen"], rate, n_entries)
    except (KeyError, TypeError, AttributeError):
        return ShardStatus(shard, "running", counts, n_entries=n_entries)


def _reasons(path: Path, shard: Shard, limit: int) -> Iterator[str]:
    """Yield the reasons of a shard's records in error."""
    results, index, _ = files_of(path, shard)
    if not index.exists() or not results.exists():
        return
    content = ContentFile(results, stays_open=True)
    found = Index.read(index).within(content.n_bytes, 1 << 62)
    ends = found.ends("n_bytes")
    with closing(content):
        for row in islice(np.flatnonzero(found.rows["outcome"] == Outcome.FAILED).tolist(), limit):
            end = int(ends[row])
            try:
                record = Record.from_json(content.read(end - int(found.rows["n_bytes"][row]), end))
            except FormatError:
                continue
            yield record.reason or "no reason is given"


@dataclass(frozen=True, slots=True)
class Verification:
    """Comparison of a run's results with its inputs: each entry must be there once.

    Attributes
    ----------
    n_requested : int
        Entries of the inputs that have been read.
    counts : Counter of Outcome
        Outcomes of the entries in the results.
    missing, doubled, strange : list of str
        The first entries that are missing from the results, that are there more than once, or that the inputs do not have.
    n_missing, n_doubled, n_strange : int
    unfinished : tuple of ShardStatus
        Shards that are not done.
    """

    n_requested: int
    counts: Counter[Outcome]
    missing: list[str]
    n_missing: int
    doubled: list[str]
    n_doubled: int
    strange: list[str]
    n_strange: int
    unfinished: tuple[ShardStatus, ...]

    @property
    def is_complete(self) -> bool:
        """Whether each entry is in exactly one of ok, invalid, failed and skipped, and nothing else is there."""
        return not (self.n_missing or self.n_doubled or self.n_strange or self.unfinished)


def verify(path: Path) -> Verification:
    """Compare the results of a run with the entries of its inputs.

    Raises
    ------
    InputError
        If the path is not the directory of a run.
    """
    status = status_of(path, with_reasons=False)
    entries = _ENTRIES.get(str(status.run["command"]).partition(" ")[0])
    inputs = [] if entries else status.run["inputs"].get("files", [])
    pieces, counts = [], Counter[Outcome]()
    for shard in status.shards:
        rows = _rows(path, shard.shard)
        rows = rows[rows["closes"] == 1]
        pieces.append(rows["file"].astype(np.uint64) << np.uint64(32) | rows["ordinal"])
        counts += Counter(Index(rows).counts())
    found, times = np.unique(np.concatenate(pieces), return_counts=True)
    wanted = np.concatenate(
        [
            np.uint64(file << 32) + np.arange(number, dtype=np.uint64)
            for file, number in sorted(status.n_entries.items())
        ]
        or [np.zeros(0, np.uint64)]
    )
    missing, doubled = np.setdiff1d(wanted, found, assume_unique=True), found[times > 1]
    strange = np.setdiff1d(found, wanted, assume_unique=True) if not status.n_unfinished else found[:0]

    def named(places: NDArray[np.uint64]) -> list[str]:
        pairs = ((int(place) >> 32, (int(place) & 0xFFFFFFFF) + 1) for place in places[:_NAMED])
        return [
            f"{inputs[file] if file < len(inputs) else f'{entries} {file + 1}'}: entry {entry}" for file, entry in pairs
        ]

    unfinished = tuple(shard for shard in status.shards if shard.state != "finished")
    return Verification(
        n_requested=len(wanted),
        counts=counts,
        missing=named(missing),
        n_missing=len(missing),
        doubled=named(doubled),
        n_doubled=len(doubled),
        strange=named(strange),
        n_strange=len(strange),
        unfinished=unfinished,
    )


def _rows(path: Path, shard: Shard) -> Rows:
    """Return the rows of a shard's index for complete records."""
    results, index, _ = files_of(path, shard)
    return Index.read(index).within(ContentFile(results).n_bytes, 1 << 62).rows
