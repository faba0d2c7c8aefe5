"""Score records and native files."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

from logos_cli.accounting import Account, account_line
from logos_cli.backends.base import LoadOptions
from logos_cli.errors import DefectError, UsageError
from logos_cli.evaluators.base import Context
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.io.selection import Selection
from logos_cli.options import nested, options_or_fields
from logos_cli.records import Record, Status
from logos_cli.workflows.inputs import Given, Givens, listed
from logos_cli.workflows.score.batches import BATCH, Scorer
from logos_cli.workflows.score.filter import Filter, Scalar
from logos_cli.workflows.score.items import ScoredRecord, entries_of
from logos_cli.workflows.score.metrics import catalogue, metric_of, pattern_of, select, unknown_name, unused_inputs
from logos_cli.workflows.score.summary import Collected, SummaryRow, as_json

if TYPE_CHECKING:
    from logos_cli.checkpoints.skills import Skill
    from logos_cli.docking.options import ReceptorSpec


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """The scores to compute, and the records to keep.

    Attributes
    ----------
    metrics : tuple of str, optional
        Names of metrics and of families, ``default``, ``all``, ``none``; None is ``default``: all metrics that
        need neither a model nor an input that was not given.
    where : str, optional
        A condition on the scores of kept records: ``qed>0.5 and sa<4``. A null value never meets it.
    top, by : int, str, optional
        Keep only the ``top`` best records by the score ``by``, best first.
    ascending : bool, optional
        Whether the smallest is the best; None: as the metric defines it.
    reference, truth : str, optional
        A file of known objects; a file with the right answers.
    wild_type : str, optional
        The sentence of the wild type, if records are variants.
    receptor : ReceptorSpec, optional
        The receptor that ligands are docked into, and how.
    blocks : bool
        Compute the likelihood of each block, too.
    jobs : int
        Number of processes.
    load : LoadOptions
        The language model, for scores that need one.
    read : ReadOptions
        How to read native files.
    """

    metrics: tuple[str, ...] | None = None
    where: str | None = None
    top: int | None = None
    by: str | None = None
    ascending: bool | None = None
    reference: str | None = None
    truth: str | None = None
    wild_type: str | None = None
    receptor: ReceptorSpec | None = None
    blocks: bool = False
    jobs: int = 1
    seed: int = 0
    load: LoadOptions = nested(LoadOptions)
    read: ReadOptions = nested(ReadOptions)

    def __post_init__(self) -> None:
        for name, value in (("top", self.top), ("jobs", self.jobs)):
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; it must be 1 or more")

    @property
    def context(self) -> Context:
        """What metrics may use."""
        return Context(
            reference=ReferenceSet(self.reference) if self.reference else None,
            truth=ReferenceSet(self.truth) if self.truth else None,
            wild_type=self.wild_type,
            receptor=self.receptor,
            load=self.load,
            blocks=self.blocks,
            seed=self.seed,
        )


@dataclass(slots=True)
class ScoreTally(Account):
    """The outcomes of all records, as counts that add up."""

    scored: int = 0
    malformed: int = 0
    failed: int = 0
    refused: int = 0
    without_value: int = 0
    below_top: int = 0
    written: int = 0
    filters: bool = False

    @property
    def requested(self) -> int:
        """All records."""
        return self.scored + self.malformed + self.failed

    @property
    def good(self) -> int:
        """Records without an error."""
        return self.scored + self.malformed

    @property
    def lost(self) -> int:
        """Records with an error."""
        return self.failed

    @property
    def kept_nothing(self) -> bool:
        """Whether there were records, and the conditions kept none."""
        return self.filters and self.requested > 0 and not self.written

    def check(self) -> None:
        """Check that every record was scored or lost, and then written or left out for a reason."""
        Account.check(self)
        if self.written + self.refused + self.without_value + self.below_top != self.requested:
            raise DefectError("the records that were written and left out do not sum to all that were read")

    def __str__(self) -> str:
        stages = [(self.requested, "record" if self.requested == 1 else "records"), (self.scored, "scored")]
        if self.filters:
            stages.append((self.written, "kept"))
        losses = (
            (self.malformed, "malformed"),
            (self.failed, "in error"),
            (self.refused, "refused by --where"),
            (self.without_value, "without a value"),
            (self.below_top, "below the top"),
        )
        return account_line(stages, losses)

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        names = (each.name for each in fields(self) if each.name not in ("asked", "filters"))
        return {"total": self.requested, **{name: getattr(self, name) for name in names}}


class Scoring:
    """A run that scores records and keeps some of them.

    Parameters
    ----------
    each : callable, optional
        Called with every scored record, whether or not it is kept.
    has_summary : bool
        Collect what :meth:`summary` needs: figures of the set take time and memory for each record.

    Attributes
    ----------
    tally : ScoreTally
        The outcomes of the records so far.
    unused : tuple of str
        Options of inputs that were given, and that no score of the run uses: ``--truth``.
    left_out : tuple of str
        Figures of the set that were named, and are not computed without a summary.

    Raises
    ------
    LogosError
        If a metric, condition, reference set or model cannot be used.
    """

    def __init__(
        self,
        options: ScoreOptions,
        *,
        tally: ScoreTally | None = None,
        each: Callable[[Record], None] | None = None,
        has_summary: bool = True,
    ) -> None:
        self.options = options
        self.context = options.context
        self.tally = ScoreTally() if tally is None else tally
        self._each = each
        self._filter = Filter.parse(options.where) if options.where else None
        self._by = _ranking(options)
        self.tally.filters = bool(self._filter or options.top)
        asked = (*(self._filter.names if self._filter else ()), *((self._by,) if self._by else ()))
        self._asked = asked
        self.selection = select(options.metrics, asked, self.context)
        for name in asked:
            entry = catalogue().get(pattern_of(name))
            if entry is not None and entry.of_set:
                raise UsageError(
                    f"{name} is a figure of the whole set: no single record has it",
                    hint="logos score --explain lists the scores of records and of sets",
                )
        self.unused = unused_inputs(self.selection, self.context)
        self.left_out: tuple[str, ...] = ()
        if not has_summary:
            sets = self.selection.sets
            self.left_out = tuple(name for names in sets.values() for name in names if name in self.selection.named)
            sets.clear()
        self._collected = Collected(self.selection, self.context) if has_summary else None
        self._scorer = Scorer(self.selection, self.context, options.read, options.jobs)

    def unskilled(self) -> list[Skill]:
        """Return the questions of the chosen metrics at which the model was measured to have no skill."""
        names = [name for family in self.selection.families for name in self.selection.wanted(family.name)]
        metrics = [catalogue()[pattern_of(name)].metric for name in names]
        questions = dict.fromkeys(each.question for each in metrics if all(map(self.context.offers, each.needs)))
        found = [self.context.skill_at(question) for question in questions]
        return [skill for skill in found if skill is not None and not skill.has]

    def records(
        self,
        inputs: Iterable[Given],
        stdin: IO[bytes] | None = None,
        selection: Selection | None = None,
        *,
        as_lines: bool = False,
    ) -> Iterator[ScoredRecord]:
        """Yield the records that are kept, in the order of the input, or best first with ``top``.

        Parameters
        ----------
        as_lines : bool
            Only their lines of JSON are wanted; then records may have nothing but their status.
        """
        read = replace(self.options.read, defers=self._scorer.has_pool)
        entries = self._counted(entries_of(inputs, read, stdin=stdin, selection=selection))
        first = list(islice(entries, BATCH))
        self._check_names(first)
        needs_values = self._filter or self.options.top or self._each or self._collected
        scored = self._scored(chain(first, entries), as_lines=as_lines and not needs_values)
        kept = scored if self._filter is None else self._kept(self._filter, scored)
        top, by = self.options.top, self._by
        chosen = kept if top is None or by is None else self._best(kept, top, by)
        for each in chosen:
            self.tally.written += 1
            yield each

    def summary(self) -> list[SummaryRow]:
        """Return the figures of all scored records, kept or not; none if they were not collected."""
        return self._collected.rows() if self._collected is not None else []

    def summary_json(self, rows: list[SummaryRow]) -> dict[str, object]:
        """Return the figures as one JSON object."""
        return as_json(rows, self.tally.to_dict(), self.context)

    # -- reading ---------------------------------------------------------------------------------------------

    def _counted(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self.tally.asked += 1
            yield entry

    def _check_names(self, first: list[Entry]) -> None:
        """Refuse names that are neither a known metric nor a score of the records."""
        known = {name for entry in first if entry.record is not None for name in entry.record.scores}
        for name in self._asked:
            if metric_of(name) is None and name not in known:
                raise unknown_name(name, known)

    # -- scoring ---------------------------------------------------------------------------------------------

    def _scored(self, entries: Iterable[Entry], *, as_lines: bool) -> Iterator[ScoredRecord]:
        try:
            for scored in self._scorer.run(entries, as_lines=as_lines):
                self._count(scored)
                if self._collected is not None:
                    self._collected.add(scored.outcome)
                if self._each is not None:
                    self._each(scored.record)
                yield scored
        finally:
            self._scorer.close()

    def _count(self, scored: ScoredRecord) -> None:
        if scored.has_object:
            self.tally.scored += 1
        elif scored.record.status is Status.INVALID:
            self.tally.malformed += 1
        else:
            self.tally.failed += 1

    # -- choosing --------------------------------------------------------------------------------------------

    def _kept(self, condition: Filter, scored: Iterable[ScoredRecord]) -> Iterator[ScoredRecord]:
        for each in scored:
            holds = condition.holds(_values(each.record))
            if holds:
                yield each
            elif holds is None:
                self.tally.without_value += 1
            else:
                self.tally.refused += 1

    def _best(self, scored: Iterable[ScoredRecord], top: int, by: str) -> Iterator[ScoredRecord]:
        heap: list[tuple[float, int, ScoredRecord]] = []
        ascending = self.options.ascending
        for number, each in enumerate(scored):
            value = _values(each.record).get(by)
            if value is None or isinstance(value, str):
                self.tally.without_value += 1
                continue
            if ascending is None:
                ascending = _lower_is_better(by, each.record)
            # the first of equal records is kept; the heap's root is the worst
            entry = (-float(value) if ascending else float(value), -number, each)
            if len(heap) < top:
                heapq.heappush(heap, entry)
            else:
                heapq.heappushpop(heap, entry)
                self.tally.below_top += 1
        yield from (each for _, _, each in sorted(heap, key=lambda entry: entry[:2], reverse=True))


def score(inputs: Givens, options: ScoreOptions | None = None, **choices: object) -> Iterator[Record]:
    """Score records, objects, or the contents of files.

    Parameters
    ----------
    inputs : path, Record, text, object, or iterable of these
        The input: records, and everything that ``encode`` takes: files, objects of other libraries, bare texts with a
        stated form. Only ``scores`` of a record changes.
    options : ScoreOptions, optional
        Its fields may be keywords instead: ``score("x.smi", metrics=("qed", "sa"), where="qed>0.5")``. So may those of
        ``load`` (a model) and ``read`` (files and objects): ``score("CCO", form="molecule")``.

    Yields
    ------
    Record
        The kept records. For figures of the whole set use :class:`Scoring`.

    Raises
    ------
    LogosError
        If a metric, condition, reference set or model cannot be used, or a string is neither a file nor a text with a
        stated form.
    TypeError
        If an object is of an unknown type.

    Examples
    --------
    >>> from logos_cli import score
    >>> [record] = score("CCO", form="molecule", metrics=("qed",))
    >>> record.scores["qed"]["value"]
    0.406808
    """
    if isinstance(metrics := choices.get("metrics"), str):
        choices["metrics"] = tuple(metrics.split(","))
    options = options_or_fields(ScoreOptions, options, choices, "score")
    given = listed(inputs, options.read.form, records=True)
    return (each.record for each in Scoring(options, has_summary=False).records(given))


def _ranking(options: ScoreOptions) -> str | None:
    """Return the score to rank by: the named one, or the only one that is computed."""
    if options.top is None:
        if options.by is not None or options.ascending is not None:
            raise UsageError("--by and --ascending rank records: they go with --top N")
        return None
    if options.by is not None:
        return options.by
    if options.metrics is not None and len(options.metrics) == 1 and metric_of(options.metrics[0]):
        return options.metrics[0]
    raise UsageError("--top needs a score to rank by", hint="add --by METRIC; logos score --explain lists them")


def _lower_is_better(name: str, record: Record) -> bool:
    metric = metric_of(name)
    stored = record.scores[name].get("better") if isinstance(record.scores[name], dict) else None
    better = metric.better if metric is not None else stored
    if better is None:
        raise UsageError(f"{name} has no better direction", hint="add --ascending or --descending")
    return bool(better == "lower")


def _values(record: Record) -> dict[str, Scalar]:
    """Return the values of a record by name; scores of other programs may be bare numbers."""
    found: dict[str, Scalar] = {}
    for name, score in record.scores.items():
        value = score.get("value") if isinstance(score, dict) else score
        found[name] = value if isinstance(value, (float, int, bool, str)) else None
    return found
