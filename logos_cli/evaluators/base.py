"""Families of metrics: values of single records, and figures of the whole set.

Scoring is a map and a reduction. :meth:`Evaluator.score` returns the values of one record and
:meth:`Evaluator.observe` the small part of it that the figures of the set need; both run in any process, in any
order. :meth:`Evaluator.summarise` turns the observations of all records, in their order, into figures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from logos_cli.backends.base import LoadOptions
from logos_cli.errors import LogosError, with_hint
from logos_cli.grammar import Form
from logos_cli.objects.base import ScienceObject
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.checkpoints.skills import Skill
    from logos_cli.docking.options import ReceptorSpec
    from logos_cli.engine.likelihood import Likelihood
    from logos_cli.evaluators.reference import ReferenceSet


class Need(StrEnum):
    """A requirement of a metric besides the record itself."""

    MODEL = "model", "a language model"
    REQUEST = "request", "a request by its name"
    """It takes long, or a large package."""
    REFERENCE = "reference", "a reference set"
    """A set for comparison: training data, a base pool (``--reference``)."""
    TRUTH = "truth", "the right answers"
    """``--truth``."""
    WILD_TYPE = "wild_type", "the wild type"
    """The sequence of which the records are variants (``--wild-type``)."""
    RECEPTOR = "receptor", "a receptor"
    """The structure for docking (``--receptor``)."""

    what: str

    def __new__(cls, value: str, what: str) -> Self:
        """Return a member with its description in words."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.what = what
        return member


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the data dictionary that ``logos score --explain`` prints.

    Attributes
    ----------
    name : str
        Name in records, filters and tables; unique among all families.
    help : str
        The definition, in one or two sentences.
    unit : str, optional
        None for a number without a unit.
    better : {"higher", "lower"}, optional
        None where neither direction is better.
    version : str
        Changes whenever the value of a record can change.
    source : str
        Source of the definition: publication or program, and the part of it.
    needs : tuple of Need
        A metric without needs is computed by default; a metric that needs a reference set, the truth or a receptor,
        where that is given; a metric that needs a model or a request, if it is requested.
    question : str
        What it asks of the model, in the registry of its skills; empty if it asks for no answer.
    """

    name: str
    help: str
    unit: str | None = None
    better: Literal["higher", "lower"] | None = None
    version: str = "1"
    source: str = ""
    needs: tuple[Need, ...] = ()
    question: str = ""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A value that cannot be computed; a record reports null and the reason."""

    reason: str


Value = float | int | bool | str | Unavailable
Values = dict[str, Value]
"""Values by the name of the metric."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of a set: a rate, a mean, a correlation.

    Attributes
    ----------
    value : float, optional
        None if it cannot be computed; ``reason`` explains it.
    n : int
        Number of units (records, reactions, chains …).
    low, high : float, optional
        95 % interval over these units (Wilson's for a share, else of a bootstrap); None for a count.
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    @classmethod
    def unknown(cls, reason: str, n: int = 0) -> Estimate:
        """Return a figure that cannot be computed, with the reason."""
        return cls(None, n, reason=reason)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object, without an absent interval or reason."""
        out: dict[str, object] = {"value": self.value, "n": self.n}
        if self.low is not None:
            out |= {"low": self.low, "high": self.high}
        if self.reason is not None:
            out["reason"] = self.reason
        return out


@dataclass(frozen=True, slots=True)
class Context:
    """Inputs of the metrics of a run. Every process gets a copy: it is small, frozen and hashable.

    Attributes
    ----------
    reference, truth : ReferenceSet, optional
        Sets of objects in files; each process reads them at the first use.
    load : LoadOptions
        The language model, for metrics that need one.
    wild_type : str, optional
        The sentence of which the records are variants.
    receptor : ReceptorSpec, optional
        Structure and options for docking.
    blocks : bool
        Likelihood: also that of each block of the sentence, given the text before it.
    seed : int
        Seed of all random sampling.
    """

    reference: ReferenceSet | None = None
    truth: ReferenceSet | None = None
    wild_type: str | None = None
    receptor: ReceptorSpec | None = None
    load: LoadOptions = field(default_factory=LoadOptions)
    blocks: bool = False
    seed: int = 0

    def offers(self, need: Need) -> bool:
        """Whether the context fulfils a need of a metric."""
        return need in (Need.MODEL, Need.REQUEST) or getattr(self, need.value) is not None

    def skill_at(self, question: str) -> Skill | None:
        """Return what was measured of the language model at a question; None if nothing was."""
        if not question:
            return None
        from logos_cli.engine.start import checkpoint_of

        return checkpoint_of(self.load).skills.get(question)

    @property
    def model(self) -> str:
        """The name of the language model: of one on a server, that which the server gives it."""
        from logos_cli.engine.start import name_of

        return name_of(self.load)

    def likelihood(self) -> Likelihood:
        """Return the language model as a scorer of texts, loaded once a process."""
        from logos_cli.engine.start import likelihood_of

        return likelihood_of(self.load)


@dataclass(frozen=True, slots=True)
class Subject:
    """A record to score, with the object of its sentence.

    Attributes
    ----------
    record : Record
        Sentence, provenance, sample; evaluators do not change it.
    item : ScienceObject, optional
        The object of the sentence; None if the sentence is malformed.
    form : Form, optional
        The form of the sentence, or the form that it should have; None if unknown.
    error : LogosError, optional
        The reason why there is no item.
    """

    record: Record
    item: ScienceObject | None
    form: Form | None = None
    error: LogosError | None = None

    def require_item(self) -> ScienceObject:
        """Return the object of the sentence.

        Raises
        ------
        LogosError
            If the sentence is malformed.
        """
        if self.item is None:
            raise self.error or LogosError("the sentence is malformed")
        return self.item


class Evaluator(ABC):
    """A family of metrics; the ``PLUGIN`` of its module is an instance, without state of its own.

    Functions under ``functools.lru_cache``, with parts of the context as keys, keep what is costly (the keys of a
    reference set, a loaded model). The module imports heavy libraries at their first use.

    Attributes
    ----------
    name, help : str
        Name and description on the command line; the name is that of the file.
    forms : frozenset of Form
        The sentence forms that it scores; it receives no subjects of other forms.
    metrics : tuple of Metric
        Metrics of one record.
    may_use : frozenset of Need
        Inputs that its metrics use where they are given, and do without otherwise.
    has_processes : bool
        Whether it starts processes of its own: only one process calls it, whatever ``--jobs`` is.
    summary_metrics : tuple of Metric
        Metrics of a set, besides the means and rates of ``metrics``, which every family gets.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    forms: ClassVar[frozenset[Form]]
    may_use: ClassVar[frozenset[Need]] = frozenset()
    has_processes: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]]
    summary_metrics: ClassVar[tuple[Metric, ...]] = ()

    def prepare(self, wanted: Collection[str], context: Context, /) -> None:  # noqa: B027 - most have nothing to do
        """Check and load the inputs before the first record; worker processes inherit them.

        Parameters
        ----------
        wanted : collection of str
            Names among ``metrics`` and ``summary_metrics`` that the run computes.

        Raises
        ------
        LogosError
            If a requested metric cannot be computed for any record: a package is missing, the reference set is of
            another kind.
        """

    @abstractmethod
    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the values of one record.

        Parameters
        ----------
        subject : Subject
            Well formed: it has an ``item``, which need not be valid.
        wanted : collection of str
            Names among ``metrics``. Values of others are ignored.

        Returns
        -------
        dict
            A missing name, a number that is not finite, or a raised :class:`LogosError` counts as
            :class:`Unavailable`.
        """

    def score_batch(self, subjects: Sequence[Subject], wanted: Collection[str], context: Context) -> list[Values]:
        """Return the values of several records; families that are faster on batches override it."""
        return [self._score_or_explain(subject, wanted, context) for subject in subjects]

    def _score_or_explain(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        try:
            return self.score(subject, wanted, context)
        except LogosError as error:
            return dict.fromkeys(wanted, Unavailable(with_hint(error)))

    def observe(self, _subject: Subject, _context: Context, /) -> object:
        """Return the part of a record that :meth:`summarise` needs, small and picklable, or None.

        The run calls it for every subject of its forms, malformed ones (without an ``item``) included, so that a
        rate can count them. The call follows :meth:`score` of the same subjects, so that costly values can be
        cached.
        """
        return None

    def summarise(
        self, _observations: Iterable[Any], _wanted: Collection[str], _context: Context, /
    ) -> Mapping[str, Estimate]:
        """Return the figures of the set.

        Parameters
        ----------
        observations : iterable
            The values of :meth:`observe`, without the Nones, in the order of the records.
        wanted : collection of str
            Names among ``summary_metrics``.
        """
        return {}

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End its processes after the run."""
