"""Scoring of batches of records, in this process or in several; the results come in order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Context, Evaluator, Metric, Need, Subject, Unavailable, Value
from logos_cli.workflows.score.metrics import Selection, evaluators, metric_of, pattern_of, unmet, why_unmet

BATCH: Final = 256
"""Records that a family is given together, in one process."""

_SMALL_BATCH: Final = 32
"""Of several processes, each is given so many at a time."""

_IN_FLIGHT: Final = 3
_DIGITS: Final = 6
_FORGOTTEN: Final = "the evaluator gives no value for this record"

T = TypeVar("T")


@dataclass(slots=True)
class Scored:
    """What became of one record.

    Attributes
    ----------
    scores : dict
        As records hold them: ``{"qed": {"value": 0.61, "version": "1"}}``.
    observations : dict
        By family.
    """

    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    observations: dict[str, Any] = field(default_factory=dict)


def score_batch(
    subjects: Sequence[Subject], selection: Selection, context: Context, families: Collection[str]
) -> list[Scored]:
    """Return what some families say of some records."""
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
    """Put a family's values into the outcomes, null with the reason where there is none."""
    wanted = selection.records.get(family.name, ())
    able: dict[str, Metric] = {}
    for name in wanted:
        metric = metric_of(name)
        assert metric is not None
        able[name] = metric
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
        told = set()
        for name, value in (found or {}).items():
            pattern = pattern_of(name)
            if pattern in asked:
                outcome.scores[name] = as_score(value, able[pattern], context)
                told.add(pattern)
        for name in wanted:
            if name in told or name.endswith("#") or (found is None and _has(subject, name, selection)):
                continue
            reason = _why_absent(subject, family, found is not None)
            if name in missing and subject.form in family.forms:
                reason = why_unmet(missing[name])
            if reason and (name in selection.named or subject.form in family.forms):
                outcome.scores[name] = as_score(Unavailable(reason), able[name], context)


def _lacks(subject: Subject, asked: Collection[str], selection: Selection) -> bool:
    """Whether a record has to be scored: not if only filters ask, and it has all that they need."""
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
        return f"{family.name} say nothing of {'this' if subject.form is None else f'the form {subject.form}'}"
    return _FORGOTTEN if scored else ""


def as_score(value: Value, metric: Metric, context: Context) -> dict[str, Any]:
    """Return a value as records hold it."""
    if isinstance(value, float):
        value = round(value, _DIGITS) if math.isfinite(value) else Unavailable("the value is not finite")
    if isinstance(value, Unavailable):
        score: dict[str, Any] = {"value": None, "reason": value.reason}
    else:
        score = {"value": value}
    if metric.unit is not None:
        score["unit"] = metric.unit
    if metric.better is not None:
        score["better"] = metric.better
    score["version"] = metric.version
    if Need.MODEL in metric.needs:
        score["model"] = context.load.model
    if Need.RECEPTOR in metric.needs and context.receptor is not None:
        score["receptor"] = context.receptor.receptor
    return score


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of a size."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


class Scorer:
    """Scores batches; families that use a model or processes of their own run in this one, whatever ``jobs`` is."""

    def __init__(self, selection: Selection, context: Context, jobs: int = 1) -> None:
        self.selection = selection
        self.context = context
        self._unready: dict[str, LogosError] = {}
        names = [family.name for family in selection.families]
        self._here_only = [name for name in names if _stays_here(name, selection)]
        self._others = [name for name in names if name not in self._here_only]
        for name in self._others:
            self._prepare(name)
        # what takes seconds a record is written soon
        self._batch = _SMALL_BATCH if any(evaluators()[name].has_processes for name in names) else BATCH
        self._jobs = jobs if self._others else 1
        self._pool = _pool(self._jobs, selection, context, self._others) if self._jobs > 1 else None
        for name in self._here_only:
            self._prepare(name)

    def _prepare(self, name: str) -> None:
        """Prepare a family; what is wrong with one that nobody named matters when a record of its forms comes."""
        wanted = self.selection.wanted(name)
        if set(wanted) <= self.selection.implied:
            return
        try:
            evaluators()[name].prepare(wanted, self.context)
        except LogosError as error:
            if not self.selection.named.isdisjoint(wanted):
                raise
            self._unready[name] = error

    def _check_ready(self, subjects: Sequence[Subject]) -> None:
        for name, error in self._unready.items():
            if any(subject.form in evaluators()[name].forms for subject in subjects):
                raise error

    def run(self, items: Iterable[T], subject_of: Callable[[T], Subject]) -> Iterator[tuple[T, Scored]]:
        """Yield every item with its outcome, in order; only a few batches are held at a time."""
        if self._pool is None:
            for batch in batches(items, self._batch):
                subjects = [subject_of(item) for item in batch]
                self._check_ready(subjects)
                outcomes = self._here(subjects, (*self._others, *self._here_only))
                yield from zip(batch, outcomes, strict=True)
            return
        yield from self._in_processes(items, subject_of)

    def _here(self, subjects: Sequence[Subject], families: Collection[str]) -> list[Scored]:
        return score_batch(subjects, self.selection, self.context, families)

    def _in_processes(self, items: Iterable[T], subject_of: Callable[[T], Subject]) -> Iterator[tuple[T, Scored]]:
        assert self._pool is not None
        pending: deque[tuple[list[T], list[Subject], Any]] = deque()
        try:
            for batch in batches(items, self._batch if self._here_only else _SMALL_BATCH):
                subjects = [subject_of(item) for item in batch]
                self._check_ready(subjects)
                parts = [
                    self._pool.submit(_score_there, subjects[start : start + _SMALL_BATCH])
                    for start in range(0, len(subjects), _SMALL_BATCH)
                ]
                pending.append((batch, subjects, parts))
                if len(pending) >= _IN_FLIGHT * self._jobs:
                    yield from self._joined(*pending.popleft())
            while pending:
                yield from self._joined(*pending.popleft())
        except BrokenProcessPool as error:
            raise LogosError(
                "a scoring process was killed, perhaps for want of memory", hint="use fewer --jobs"
            ) from error
        finally:
            self.close()

    def _joined(self, batch: list[T], subjects: list[Subject], parts: Sequence[Any]) -> Iterator[tuple[T, Scored]]:
        outcomes = [outcome for part in parts for outcome in part.result()]
        if self._here_only:
            for outcome, more in zip(outcomes, self._here(subjects, self._here_only), strict=True):
                outcome.scores |= more.scores
                outcome.observations |= more.observations
        yield from zip(batch, outcomes, strict=True)

    def close(self) -> None:
        """End the processes."""
        for name in self._here_only:
            evaluators()[name].close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _stays_here(name: str, selection: Selection) -> bool:
    """Whether a family is asked in this process only."""
    return evaluators()[name].has_processes or _uses_model(name, selection)


def _uses_model(name: str, selection: Selection) -> bool:
    metrics = map(metric_of, selection.wanted(name))
    return any(metric is not None and Need.MODEL in metric.needs for metric in metrics)


_job: tuple[Selection, Context, tuple[str, ...]] | None = None


def _pool(jobs: int, selection: Selection, context: Context, families: Sequence[str]) -> ProcessPoolExecutor:
    """Start the processes, before any thread of ours: a fork shares the reference sets that have been read."""
    import sys
    import threading
    from multiprocessing import get_context

    lone = threading.active_count() == 1 and "torch" not in sys.modules and sys.platform == "linux"
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=get_context("fork" if lone else "spawn"),
        initializer=_begin,
        initargs=(selection, context, tuple(families)),
    )
    pool.submit(_nothing).result()
    return pool


def _nothing() -> None:
    """Do nothing: the first piece of work starts the processes."""


def _begin(selection: Selection, context: Context, families: tuple[str, ...]) -> None:
    """Set up a process; Ctrl-C and SIGTERM are the parent's business."""
    import signal

    global _job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _job = selection, context, families


def _score_there(subjects: Sequence[Subject]) -> list[Scored]:
    assert _job is not None
    return score_batch(subjects, *_job)
