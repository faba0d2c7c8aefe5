"""Score batches of records, in this process or in several; the results come in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, tee
from typing import Final, TypeVar

from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Context, Evaluator, Metric, Need, Subject, Unavailable, Value
from logos_cli.processes.failure import Failure, result_of
from logos_cli.processes.pool import Pool
from logos_cli.records import Score, Scores
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


@dataclass(slots=True)
class Scored:
    """The scores of one record.

    Attributes
    ----------
    scores : dict
        In the form of records: ``{"qed": {"value": 0.61, "version": "1"}}``.
    observations : dict
        Observations for the figures of the set, by family.
    """

    scores: Scores = field(default_factory=dict)
    observations: dict[str, object] = field(default_factory=dict)


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
        score["model"] = context.load.model
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


class Scorer:
    """Scores batches, in several processes; families with a model or own processes always run in this one."""

    def __init__(self, selection: Selection, context: Context, jobs: int = 1) -> None:
        self.selection = selection
        self.context = context
        self._unready: dict[str, LogosError] = {}
        names = [family.name for family in selection.families]
        self._here_only = [name for name in names if _stays_here(name, selection)]
        self._others = [name for name in names if name not in self._here_only]
        for name in self._others:
            self._prepare(name)
        # a slow family has small batches, so that its records are written soon
        self._batch = _SMALL_BATCH if any(evaluators()[name].has_processes for name in names) else BATCH
        self._jobs = jobs if self._others else 1
        self._pool = self._start_pool(self._jobs) if self._jobs > 1 else None
        for name in self._here_only:
            self._prepare(name)

    def _prepare(self, name: str) -> None:
        """Prepare a family; the error of one that was not named is raised when a record of its forms comes."""
        try:
            _prepare(name, self.selection, self.context)
        except LogosError as error:
            if not self.selection.named.isdisjoint(self.selection.wanted(name)):
                raise
            self._unready[name] = error

    def _check_ready(self, subjects: Sequence[Subject]) -> None:
        for name, error in self._unready.items():
            if any(subject.form in evaluators()[name].forms for subject in subjects):
                raise error

    def run(self, items: Iterable[T], subject_of: Callable[[T], Subject]) -> Iterator[tuple[T, Scored]]:
        """Yield every item with its outcome, in order; only a few batches are held at a time."""
        try:
            subjects = ((item, subject_of(item)) for item in items)
            if self._pool is None:
                for batch in self._checked(batches(subjects, self._batch)):
                    outcomes = self._here([subject for _, subject in batch], (*self._others, *self._here_only))
                    yield from zip((item for item, _ in batch), outcomes, strict=True)
            else:
                for scored in batches(self._in_processes(self._pool, subjects), self._batch if self._here_only else 1):
                    if self._here_only:
                        self._add_here(scored)
                    yield from ((item, outcome) for item, _, outcome in scored)
        finally:
            self.close()

    def _here(self, subjects: Sequence[Subject], families: Collection[str]) -> list[Scored]:
        return score_batch(subjects, self.selection, self.context, families)

    def _add_here(self, scored: Sequence[tuple[T, Subject, Scored]]) -> None:
        more = self._here([subject for _, subject, _ in scored], self._here_only)
        for (_, _, outcome), each in zip(scored, more, strict=True):
            outcome.scores |= each.scores
            outcome.observations |= each.observations

    def _checked(self, groups: Iterable[list[tuple[T, Subject]]]) -> Iterator[list[tuple[T, Subject]]]:
        for group in groups:
            self._check_ready([subject for _, subject in group])
            yield group

    def _in_processes(
        self, pool: _ScorePool, subjects: Iterable[tuple[T, Subject]]
    ) -> Iterator[tuple[T, Subject, Scored]]:
        groups, sent = tee(self._checked(batches(subjects, _SMALL_BATCH)))
        results = pool.map(([subject for _, subject in group] for group in sent), ahead=_AHEAD)
        for group, result in zip(groups, results, strict=True):
            if isinstance(result, Failure) and result.is_lost:
                outcomes = self._one_by_one([subject for _, subject in group])
            else:
                outcomes = result_of(result)
            yield from ((item, subject, outcome) for (item, subject), outcome in zip(group, outcomes, strict=True))

    def _one_by_one(self, subjects: Sequence[Subject]) -> list[Scored]:
        """Score records one by one after a process has died; only the records that end it again get no values."""
        outcomes: list[Scored] = []
        with self._start_pool(1) as pool:
            for subject, result in zip(subjects, pool.map([subject] for subject in subjects), strict=True):
                if isinstance(result, Failure) and result.is_lost:
                    outcomes.append(self._without_values(subject, result.error.message))
                else:
                    outcomes += result_of(result)
        return outcomes

    def _without_values(self, subject: Subject, reason: str) -> Scored:
        metrics = {
            name: metric
            for family in map(evaluators().__getitem__, self._others)
            for name in self.selection.records.get(family.name, ())
            if subject.form in family.forms and (metric := metric_of(name)) is not None
        }
        return Scored({name: as_score(Unavailable(reason), each, self.context) for name, each in metrics.items()})

    def _start_pool(self, jobs: int) -> _ScorePool:
        setup = (self.selection, self.context, tuple(self._others))
        # before this process starts threads: so the others share the reference sets that it has read
        return Pool(_BatchScorer, setup, jobs, inherit=True)

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


_ScoreSetup = tuple[Selection, Context, tuple[str, ...]]
_ScorePool = Pool[_ScoreSetup, Sequence[Subject], list[Scored]]


class _BatchScorer:
    """Scores one batch after another in a process of a pool."""

    def __init__(self, setup: _ScoreSetup) -> None:
        self._selection, self._context, self._families = setup
        for name in self._families:
            with suppress(LogosError):  # the process that owns the pool has raised it, or it does not matter
                _prepare(name, self._selection, self._context)

    def __call__(self, subjects: Sequence[Subject]) -> list[Scored]:
        return score_batch(subjects, self._selection, self._context, self._families)
