"""What a family of metrics is: values of single records, and figures of the set that they make.

Scoring is a map and a reduction. :meth:`Evaluator.score` gives the values of one record and
:meth:`Evaluator.observe` the little that the figures of the set need to know of it; both run in any process, in
any order. :meth:`Evaluator.summarise` turns the observations of all records, in their order, into figures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from logos_cli.backends.base import LoadOptions
from logos_cli.errors import LogosError
from logos_cli.grammar import Form
from logos_cli.objects.base import ScienceObject
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.docking.options import ReceptorSpec
    from logos_cli.engine.likelihood import Likelihood
    from logos_cli.evaluators.reference import ReferenceSet


class Need(StrEnum):
    """What a metric cannot do without, beyond the record itself."""

    MODEL = "model", "a language model"
    REFERENCE = "reference", "a reference set"
    """Something to compare with: training data, a base pool (``--reference``)."""
    TRUTH = "truth", "the right answers"
    """``--truth``."""
    WILD_TYPE = "wild_type", "the wild type"
    """What the records are variants of (``--wild-type``)."""
    RECEPTOR = "receptor", "a receptor"
    """What ligands are docked into (``--receptor``)."""

    what: str

    def __new__(cls, value: str, what: str) -> Self:
        """Make a member that says in words what it is."""
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
        As in records, filters and tables; unique among all families.
    help : str
        The definition, in one or two sentences.
    unit : str, optional
        None for a bare number.
    better : {"higher", "lower"}, optional
        None where more is neither a merit nor a fault.
    version : str
        Changes whenever the same record can get another value.
    source : str
        Where the definition comes from: publication, program, and what of it.
    needs : tuple of Need
        A metric without needs is computed unless told otherwise; one that needs a reference set, the truth or a
        receptor, where that is given; one that needs a model, when it is asked for.
    """

    name: str
    help: str
    unit: str | None = None
    better: Literal["higher", "lower"] | None = None
    version: str = "1"
    source: str = ""
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Stands for a value that cannot be computed; a record says null and the reason."""

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
        None if it cannot be computed; ``reason`` says why.
    n : int
        How many units (records, reactions, chains …) it rests on.
    low, high : float, optional
        95 % bootstrap interval over these units; None for a figure that no resampling applies to (a count).
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    @classmethod
    def unknown(cls, reason: str, n: int = 0) -> Estimate:
        """Return the figure of something that cannot be computed."""
        return cls(None, n, reason=reason)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; an interval or reason that there is none of is left out."""
        out: dict[str, Any] = {"value": self.value, "n": self.n}
        if self.low is not None:
            out |= {"low": self.low, "high": self.high}
        if self.reason is not None:
            out["reason"] = self.reason
        return out


@dataclass(frozen=True, slots=True)
class Context:
    """What the metrics of a run may use. It travels to every process: it is small, frozen and hashable.

    Attributes
    ----------
    reference, truth : ReferenceSet, optional
        Sets of objects in files; read when first asked for, once a process.
    load, backend : LoadOptions, str
        The language model, for metrics that need one.
    wild_type : str, optional
        The sentence that records are variants of.
    receptor : Destination, optional
        What ligands are docked into, and how.
    blocks : bool
        Likelihood: each block of the sentence as well, given what precedes it.
    seed : int
        Of whatever is drawn at random.
    """

    reference: ReferenceSet | None = None
    truth: ReferenceSet | None = None
    wild_type: str | None = None
    receptor: ReceptorSpec | None = None
    load: LoadOptions = field(default_factory=LoadOptions)
    backend: str = "auto"
    blocks: bool = False
    seed: int = 0

    def offers(self, need: Need) -> bool:
        """Whether this need of a metric is met."""
        return need is Need.MODEL or getattr(self, need.value) is not None

    def likelihood(self) -> Likelihood:
        """Return the language model as a scorer of texts, loaded once a process."""
        from logos_cli.engine.start import likelihood_of

        return likelihood_of(self.load, self.backend)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is scored.

    Attributes
    ----------
    record : Record
        Sentence, provenance, sample; never changed by an evaluator.
    item : ScienceObject, optional
        What the sentence speaks of; None if it is malformed.
    form : Form, optional
        The sentence's form, or what it should have been; None if nobody knows.
    error : LogosError, optional
        Why there is no item.
    """

    record: Record
    item: ScienceObject | None
    form: Form | None = None
    error: LogosError | None = None


class Evaluator(ABC):
    """A family of metrics; the ``PLUGIN`` of its module is an instance, without state of its own.

    What is costly to make (a reference set's keys, a loaded model) is kept by functions under
    ``functools.lru_cache`` with the context's parts as keys. The module imports no heavy library before it is
    used.

    Attributes
    ----------
    name, help : str
        As the command line shows them; the name is the file's.
    forms : frozenset of Form
        The sentence forms that it has something to say of; subjects of other forms do not come here.
    metrics : tuple of Metric
        Of one record.
    has_processes : bool
        It shares its work among processes of its own: it is asked in one, whatever ``--jobs`` is.
    summary_metrics : tuple of Metric
        Of a set. Means and rates of ``metrics`` over the records come by themselves and are not repeated here.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    forms: ClassVar[frozenset[Form]]
    has_processes: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]]
    summary_metrics: ClassVar[tuple[Metric, ...]] = ()

    def prepare(self, wanted: Collection[str], context: Context) -> None:  # noqa: B027 - most have nothing to do
        """Check and load what the run needs, before any record is read; worker processes inherit it.

        Parameters
        ----------
        wanted : collection of str
            Names among ``metrics`` and ``summary_metrics`` that the run computes.

        Raises
        ------
        LogosError
            If a metric that was asked for cannot be had at all: a package is missing, the reference set is of
            another kind.
        """

    @abstractmethod
    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the values of one record.

        Parameters
        ----------
        subject : Subject
            Well formed: its ``item`` is there. It need not be valid.
        wanted : collection of str
            Names among ``metrics``. Others may be returned; they are dropped.

        Returns
        -------
        dict
            A name that is left out, a number that is not finite, or a :class:`LogosError` that is raised, counts
            as :class:`Unavailable`.
        """

    def score_batch(self, subjects: Sequence[Subject], wanted: Collection[str], context: Context) -> list[Values]:
        """Return the values of several records; overridden by families that are faster on many at a time."""
        return [self._scored(subject, wanted, context) for subject in subjects]

    def _scored(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        try:
            return self.score(subject, wanted, context)
        except LogosError as error:
            return {name: Unavailable(error.message) for name in wanted}

    def observe(self, subject: Subject, context: Context) -> Any:  # noqa: ARG002
        """Return what :meth:`summarise` needs to know of a record, or None: small, and able to be pickled.

        It is asked of every subject of its forms, malformed ones (without an ``item``) too, so that a rate can
        count them; directly after :meth:`score` of the same subjects, so that what is costly can be cached.
        """
        return None

    def summarise(
        self,
        observations: Iterable[Any],  # noqa: ARG002
        wanted: Collection[str],  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> Mapping[str, Estimate]:
        """Return the figures of the set.

        Parameters
        ----------
        observations : iterable
            What :meth:`observe` returned, without the Nones, in the order of the records.
        wanted : collection of str
            Names among ``summary_metrics``.
        """
        return {}

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what runs for it; the run is over."""
