"""Score batches of records, in this process or in several; the results come in order."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, tee
from typing import Final, TypeVar

from logos_cli.errors import LogosError, WorkerLostError, is_out_of_memory
from logos_cli.evaluators.base import Context, Evaluator, Metric, Need, Subject, Unavailable, Value
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.processes.failure import Failure, result_of
from logos_cli.processes.pool import Pool
from logos_cli.records import Record, Score
from logos_cli.workflows.score.items import Item, Line, Scored, ScoredRecord, item_of, scored
from logos_cli.workflows.score.metrics import Selection, catalogue, evaluators, metric_of, pattern_of, unmet, why_unmet

BATCH: Final = 256
"""Records that a family scores together, in one process."""

_SMALL_BATCH: Final = 32
"""Records that each of several processes scores together."""

_AHEAD: Final = 24
"""Small batches a process: enough for one large batch to be scored here while the next is scored there."""

_DIGITS: Final = 6
_NO_VALUE: Final = "the evaluator returned no value for this record"

T = TypeVar("T")


def score_batch(
    subjects: Sequence[Subject], selection: Selection, context: Context, families: Collection[str]
) -> list[Scored]:
    """Return the scores of some families for some records."""
    outcomes = [Scored() for _ in subjects]
    for name in families:
        family = evaluators()[name]
        _score_family(family, selection, context, subjects, outcomes)
        if name in selection.sets:
            for subject, outcome in zip(subjects, outcomes, strict=True):
                if subject.form in family.forms:
                    seen = family.observe(subject, context)
                    if seen is not None:
                        outcome.observations[name] = seen
    return outcomes


def _score_family(
    family: Evaluator, selection: Selection, context: Context, subjects: Sequence[Subject], outcomes: Sequence[Scored]
) -> None:
    """Add a family's values to the outcomes; a missing value is null with its reason."""
    wanted = selection.records.get(family.name, ())
    able = {name: catalogue()[pattern_of(name)].metric for name in wanted}
    missing = {name: need for name, metric in able.items() if (need := unmet(metric, context)) is not None}
    asked = [name for name in wanted if name not in missing]
    todo = [
        index
        for index, subject in enumerate(subjects)
        if asked and subject.item is not None and subject.form in family.forms and _lacks(subject, asked, selection)
    ]
    values = family.score_batch([subjects[index] for index in todo], asked, context) if todo else []
    given = dict(zip(todo, values, strict=True))
    for index, (subject, outcome) in enumerate(zip(subjects, outcomes, strict=True)):
        found = given.get(index)
        reported = set()
        for name, value in (found or {}).items():
            pattern = pattern_of(name)
            if pattern in asked:
                outcome.scores[name] = as_score(value, able[pattern], context)
                reported.add(pattern)
        for name in wanted:
            if name in reported or name.endswith("#") or (found is None and _has(subject, name, selection)):
                continue
            reason = _why_absent(subject, family, found is not None)
            if name in missing and subject.form in family.forms:
                reason = why_unmet(missing[name])
            if reason and (name in selection.named or subject.form in family.forms):
                outcome.scores[name] = as_score(Unavailable(reason), able[name], context)


def _lacks(subject: Subject, asked: Collection[str], selection: Selection) -> bool:
    """Return whether a record must be scored: not if only filters need the scores, and the record has them all."""
    return not all(_has(subject, name, selection) for name in asked)


def _has(subject: Subject, name: str, selection: Selection) -> bool:
    if name not in selection.implied:
        return False
    known = subject.record.scores.get(name)
    return isinstance(known, dict) and known.get("value") is not None


def _why_absent(subject: Subject, family: Evaluator, scored: bool) -> str:
    if subject.item is None:
        return subject.error.message if subject.error is not None else "the sentence is malformed"
    if subject.form not in family.forms:
        return f"{family.name} scores do not apply to {'this' if subject.form is None else f'the form {subject.form}'}"
    return _NO_VALUE if scored else ""


def as_score(value: Value, metric: Metric, context: Context) -> Score:
    """Return a value in the form of records."""
    if isinstance(value, float):
        value = round(value, _DIGITS) if math.isfinite(value) else Unavailable("the value is not finite")
    if isinstance(value, Unavailable):
        score: Score = {"value": None, "reason": value.reason}
    else:
        score = {"value": value}
    if metric.unit is not None:
        score["unit"] = metric.unit
    if metric.better is not None:
        score["better"] = metric.better
    score["version"] = metric.version
    if Need.MODEL in metric.needs:
        score["model"] = context.model
        skill = None if isinstance(value, Unavailable) else context.skill_at(metric.question)
        if skill is not None:
            score["skill"] = "measured" if skill.has else "none"
    if Need.RECEPTOR in metric.needs and context.receptor is not None:
        score["receptor"] = context.receptor.receptor
    return score


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of ``size``; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


Results = list[ScoredRecord | Line]


@dataclass(frozen=True, slots=True)
class Task:
    """Entries that a process scores together.

    Attributes
    ----------
    as_lines : bool
        Only lines of JSON are wanted.
    lost : str, optional
        Why the scores are missing, which are not tried again.
    """

    entries: Sequence[Entry]
    as_lines: bool = False
    lost: str | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What a process needs for scoring.

    Attributes
    ----------
    families : tuple of str
        The families that it scores.
    unready : dict
        Errors of families that could not be prepared, and were not named.
    """

    selection: Selection
    context: Context
    read: ReadOptions
    families: tuple[str, ...]
    unready: dict[str, LogosError]

    def run(self, items: Sequence[Item], families: Collection[str], lost: str | None = None) -> list[ScoredRecord]:
        """Return the records with the scores of some families.

        Raises
        ------
        LogosError
            If a family could not be prepared, and there is a record of its forms.
        """
        for name, error in self.unready.items():
            if any(item.subject.form in evaluators()[name].forms for item in items):
                raise error
        subjects = [item.subject for item in items]
        if lost is None:
            outcomes = score_batch(subjects, self.selection, self.context, families)
        else:
            outcomes = [self._without_values(subject, families, lost) for subject in subjects]
        return list(map(scored, items, outcomes))

    def _without_values(self, subject: Subject, families: Collection[str], reason: str) -> Scored:
        metrics = {
            name: metric
            for family in map(evaluators().__getitem__, families)
            for name in self.selection.records.get(family.name, ())
            if subject.form in family.forms and (metric := metric_of(name)) is not None
        }
        return Scored({name: as_score(Unavailable(reason), each, self.context) for name, each in metrics.items()})


class Scorer:
    """Reads and scores entries, in several processes; families with a model or own processes always run in this one.

    Attributes
    ----------
    has_pool : bool
        Whether other processes read and score.
    """

    def __init__(self, selection: Selection, context: Context, read: ReadOptions, jobs: int = 1) -> None:
        unready: dict[str, LogosError] = {}
        self._selection = selection
        self._context = context
        names = [family.name for family in selection.families]
        self._here_only = [name for name in names if _stays_here(name, selection)]
        others = tuple(name for name in names if name not in self._here_only)
        self._setup = Setup(selection, context, read, others, unready)
        for name in others:
            self._prepare(name)
        # a slow family has small batches, so that its records are written soon
        self._batch = _SMALL_BATCH if any(evaluators()[name].has_processes for name in names) else BATCH
        self._pool = self._start_pool(jobs) if jobs > 1 and others else None
        for name in self._here_only:
            self._prepare(name)

    @property
    def has_pool(self) -> bool:
        """Whether other processes read and score."""
        return self._pool is not None

    def _prepare(self, name: str) -> None:
        """Prepare a family; the error of one that was not named is raised when a record of its forms comes."""
        try:
            _prepare(name, self._selection, self._context)
        except LogosError as error:
            if is_out_of_memory(error) or not self._selection.named.isdisjoint(self._selection.wanted(name)):
                raise
            self._setup.unready[name] = error

    def run(self, entries: Iterable[Entry], *, as_lines: bool = False) -> Iterator[ScoredRecord]:
        """Yield the record of every entry with its scores, in order; only a few batches are held at a time.

        Parameters
        ----------
        as_lines : bool
            Only lines of JSON are wanted; then other processes may return no more: see :meth:`ScoredRecord.as_line`.
        """
        try:
            if self._pool is None:
                for batch in batches(entries, self._batch):
                    items = [item_of(entry, self._setup.read) for entry in batch]
                    yield from self._setup.run(items, (*self._setup.families, *self._here_only))
            elif self._here_only:
                for pairs in batches(self._in_processes(self._pool, entries, as_lines=False), self._batch):
                    yield from self._completed(pairs)
            else:
                yield from (made for _, made in self._in_processes(self._pool, entries, as_lines=as_lines))
        finally:
            self.close()

    def _completed(self, pairs: Sequence[tuple[Entry, ScoredRecord]]) -> Iterator[ScoredRecord]:
        """Yield records that other processes have scored, with the scores of the families that run in this one."""
        items = [self._item_again(entry, made) for entry, made in pairs]
        before = [made for _, made in pairs]
        for made, each in zip(before, self._setup.run(items, self._here_only), strict=True):
            each.outcome.scores = made.outcome.scores | each.outcome.scores
            each.outcome.observations |= made.outcome.observations
            yield each

    def _item_again(self, entry: Entry, made: ScoredRecord) -> Item:
        if isinstance(made.error, WorkerLostError):  # its reading ended another process
            subject = Subject(made.record, None, None, made.error)
        else:
            subject = item_of(entry, self._setup.read).subject
        return Item(made.record, subject, made.line)

    def _in_processes(
        self, pool: _ScorePool, entries: Iterable[Entry], *, as_lines: bool
    ) -> Iterator[tuple[Entry, ScoredRecord]]:
        groups, sent = tee(batches(entries, _SMALL_BATCH))
        results = pool.map((Task(group, as_lines) for group in sent), ahead=_AHEAD)
        for group, result in zip(groups, results, strict=True):
            is_lost = isinstance(result, Failure) and result.is_lost
            made = self._one_by_one(group, as_lines=as_lines) if is_lost else result_of(result)
            yield from zip(group, map(ScoredRecord.of_line, made), strict=True)

    def _one_by_one(self, entries: Sequence[Entry], *, as_lines: bool) -> Results:
        """Score records one by one after a process has died; only the records that end it again get no values."""
        made: Results = []
        with self._start_pool(1) as pool:

            def tried(entry: Entry, lost: str | None = None) -> Results | Failure:
                [result] = pool.map([Task([entry], as_lines, lost)])
                return result

            for entry in entries:
                result = tried(entry)
                if isinstance(result, Failure) and result.is_lost:
                    result = tried(entry, lost=result.error.message)
                if isinstance(result, Failure) and result.is_lost:  # it cannot even be read
                    record = Record.from_error(entry.id, self._setup.read.form or "", result.error, entry.source)
                    made.append(ScoredRecord(record, None, result.error))
                else:
                    made += result_of(result)
        return made

    def _start_pool(self, jobs: int) -> _ScorePool:
        # before this process starts threads: so the others share the reference sets that it has read
        return Pool(_BatchScorer, self._setup, jobs, inherit=True)

    def close(self) -> None:
        """End the processes."""
        for name in self._here_only:
            evaluators()[name].close()
        if self._pool is not None:
            self._pool.close()


def _stays_here(name: str, selection: Selection) -> bool:
    """Return whether a family runs in this process only."""
    return evaluators()[name].has_processes or _uses_model(name, selection)


def _uses_model(name: str, selection: Selection) -> bool:
    metrics = map(metric_of, selection.wanted(name))
    return any(metric is not None and Need.MODEL in metric.needs for metric in metrics)


def _prepare(name: str, selection: Selection, context: Context) -> None:
    wanted = selection.wanted(name)
    if not set(wanted) <= selection.implied:
        evaluators()[name].prepare(wanted, context)


_ScorePool = Pool[Setup, Task, Results]


class _BatchScorer:
    """Reads and scores one batch after another in a process of a pool."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        for name in setup.families:
            with suppress(LogosError):  # the process that owns the pool has raised it, or it does not matter
                _prepare(name, setup.selection, setup.context)

    def __call__(self, task: Task) -> Results:
        items = [item_of(entry, self._setup.read) for entry in task.entries]
        made = self._setup.run(items, self._setup.families, task.lost)
        return [each.as_line() for each in made] if task.as_lines else [*made]
