"""How far a run is, and whether all that was asked for has come out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from logos_cli.errors import FormatError
from logos_cli.io.json_types import JsonObject
from logos_cli.io.selection import Shard, Unit
from logos_cli.records import Record
from logos_cli.runs.directory import read_run
from logos_cli.runs.index import Index, Outcome
from logos_cli.runs.journal import RESULTS, files_of

_MOST_REASONS: Final = 10_000
"""So many records in error are read for their reasons."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """How far a shard is.

    Attributes
    ----------
    state : str
        ``waiting``, ``running``, ``interrupted`` or ``finished``; as the process wrote it last.
    n_per_s : float, optional
        Records a second in its last session.
    """

    shard: Shard
    state: str
    counts: Counter[Outcome]
    host: str | None = None
    seen: str | None = None
    n_per_s: float | None = None

    @property
    def n_done(self) -> int:
        """Records."""
        return self.counts.total()


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a run is.

    Attributes
    ----------
    run : dict
        ``run.json``.
    reasons : Counter of str
        Why records are in error, of the first some thousand.
    """

    path: Path
    run: JsonObject
    shards: tuple[ShardStatus, ...]
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def counts(self) -> Counter[Outcome]:
        """Records of all shards by outcome."""
        return sum((shard.counts for shard in self.shards), Counter())

    def n_in(self, state: str) -> int:
        """Return how many shards are in a state."""
        return sum(shard.state == state for shard in self.shards)


def status_of(path: Path) -> RunStatus:
    """Return how far a run is.

    Raises
    ------
    InputError
        If it is no directory of a run.
    """
    run = read_run(path)
    n_shards = int(str(run["n_shards"]))
    shards = tuple(_shard_status(path, Shard(number, n_shards)) for number in range(1, n_shards + 1))
    reasons: Counter[str] = Counter()
    for shard in shards:
        reasons.update(_reasons(path, shard.shard, _MOST_REASONS // n_shards + 1))
    return RunStatus(path, run, shards, reasons)


def _shard_status(path: Path, shard: Shard) -> ShardStatus:
    results, index, _ = files_of(path, shard)
    if not index.exists():
        return ShardStatus(shard, "waiting", Counter())
    n_bytes = results.stat().st_size if results.exists() else 0
    counts = Counter(Index.read(index).within(n_bytes, 1 << 62).counts())
    try:
        state = json.loads((path / RESULTS / f"{shard}.state.json").read_text(encoding="utf-8"))
        new = sum(state["counts"].values()) - state["n_before"]
        rate = new / state["seconds"] if state["seconds"] > 0 and new > 0 else None
        return ShardStatus(shard, state["state"], counts, state["host"], state["seen"], rate)
    except (OSError, ValueError, KeyError, TypeError):
        return ShardStatus(shard, "running", counts)


def _reasons(path: Path, shard: Shard, limit: int) -> Iterator[str]:
    """Yield why records of a shard are in error."""
    results, index, _ = files_of(path, shard)
    if not index.exists() or not results.exists():
        return
    found = Index.read(index).within(results.stat().st_size, 1 << 62)
    ends = found.ends("n_bytes")
    with results.open("rb") as stream:
        for row in islice(np.flatnonzero(found.rows["outcome"] == Outcome.FAILED).tolist(), limit):
            length = int(found.rows["n_bytes"][row])
            stream.seek(int(ends[row]) - length)
            try:
                record = Record.from_json(stream.read(length))
            except FormatError:
                continue
            yield record.reason or "no reason is given"


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether all entries of the inputs are in the results, once.

    Attributes
    ----------
    n_requested : int
        Entries of the inputs.
    missing : list of str
        Names of entries that are in no shard's results, the first of them; ``n_missing`` is how many there are.
    doubled : list of str
        Names of those that are there more than once.
    strange : int
        Results of entries that the inputs do not have.
    """

    n_requested: int
    counts: Counter[Outcome]
    missing: list[str]
    n_missing: int
    doubled: list[str]
    strange: int
    unfinished: list[str]

    @property
    def is_complete(self) -> bool:
        """Whether each entry is in exactly one of ok, invalid, failed and skipped, and nothing else is there."""
        return not (self.n_missing or self.doubled or self.strange or self.unfinished)


_NAMED: Final = 20


def verify(path: Path, requested: Iterable[tuple[str, Unit]]) -> Verification:
    """Compare the results of a run with its inputs.

    Parameters
    ----------
    path : Path
    requested : iterable of (str, Unit)
        Name and place of all entries of the inputs.

    Raises
    ------
    InputError
        If it is no directory of a run.
    """
    status = status_of(path)
    pieces, counts = [], Counter[Outcome]()
    for shard in status.shards:
        results, index, _ = files_of(path, shard.shard)
        n_bytes = results.stat().st_size if results.exists() else 0
        rows = Index.read(index).within(n_bytes, 1 << 62).rows
        rows = rows[rows["closes"] == 1]
        pieces.append(rows["file"].astype(np.uint64) << np.uint64(32) | rows["ordinal"])
        counts += Counter(Index(rows).counts())
    there, times = np.unique(np.concatenate(pieces), return_counts=True)
    has_been_asked = np.zeros(len(there), bool)
    missing: list[str] = []
    doubled: list[str] = []
    n_requested = n_missing = 0
    for name, unit in requested:
        n_requested += 1
        place = int(np.searchsorted(there, key := unit.file << 32 | unit.ordinal))
        if place == len(there) or int(there[place]) != key:
            n_missing += 1
            if len(missing) < _NAMED:
                missing.append(name)
            continue
        has_been_asked[place] = True
        if times[place] > 1 and len(doubled) < _NAMED:
            doubled.append(name)
    unfinished = [str(shard.shard) for shard in status.shards if shard.state != "finished"]
    strange = int((~has_been_asked).sum())
    return Verification(n_requested, counts, missing, n_missing, doubled, strange, unfinished)
