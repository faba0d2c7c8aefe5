"""Benchmarks: cases with a known truth, the task that answers them, and the figures of a published protocol.

A benchmark does not sample: it yields cases, evaluates the records of each, and summarises. The outcome of a case is a
JSON object, so that a run can be stopped, resumed, and distributed over machines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from logos_cli.errors import InputError
from logos_cli.evaluators.base import Estimate
from logos_cli.formats.base import Entry
from logos_cli.io.json_types import JsonMapping, JsonObject
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.docking.options import DockOptions
    from logos_cli.report.page import Page

CaseOutcome = JsonObject
"""The outcome of one case as a JSON object: numbers, words and lists of them."""

SEED = 1
"""Seed of the cases that a limit selects, and of the baselines."""


@dataclass(frozen=True, slots=True)
class Case:
    """One prompt with its known answer.

    Attributes
    ----------
    id : str
        Unique in the benchmark and the same in every run.
    prompts : tuple of Entry or Record
        Prompts of the task: objects, or beginnings of sentences; a structure has one for each chain. Their ids are
        unique in the benchmark.
    truth : mapping
        The right answer, for :meth:`Benchmark.outcome`.
    """

    id: str
    prompts: tuple[Entry | Record, ...]
    truth: JsonMapping = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that a benchmark reports.

    Attributes
    ----------
    name, help : str
        Name and explanation in the report.
    unit : str
        ``%``, ``kcal/mol``, ``nat`` or empty.
    better : {"higher", "lower"}, optional
    published : mapping
        Published values by model: ``{"LOGOS-8B": 74.8}``.
    comparable : bool
        Whether it is measured as in the paper; if not, ``remark`` names the difference.
    remark : str
        Remark for the reader of the report.
    """

    name: str
    help: str
    unit: str = ""
    better: Literal["higher", "lower"] | None = "higher"
    published: Mapping[str, float] = field(default_factory=dict)
    comparable: bool = True
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    """How a protocol trains the measured model.

    Attributes
    ----------
    data : Path
        The data directory.
    model : str
        The measured model.
    revision : str, optional
    directory : Path
        Where the trained model is written, or was written by an earlier session.
    threads : int, optional
    offline : bool
    progress : callable, optional
        Called with the number of epochs that are done, and of all.
    """

    data: Path
    model: str
    revision: str | None
    directory: Path
    threads: int | None = None
    offline: bool = False
    progress: Callable[[int, int], None] | None = None


class Benchmark(ABC):
    """A published protocol; the ``PLUGIN`` of its module is an instance.

    Attributes
    ----------
    name, help : str
        Name and description on the command line.
    task : str
        The task that answers the cases.
    n_samples : int, optional
        Published number of samples of each case; None for answers without samples.
    task_options : mapping
        Options of the task.
    sampling : mapping
        Fields of ``GenerateOptions`` in which the protocol differs from the task's preset.
    adapted_sampling : mapping
        Further such fields if the model was trained by the protocol.
    trains : bool
        Whether the protocol trains the model before it answers.
    figures : tuple of Figure
        Figures in the order of the report.
    layout : str
        Files that it reads below the data directory.
    baseline_help : str
        Description of the trivial baseline.
    decides : str
        The figure that decides whether a model has the skill, compared with the baseline.
    question : str
        The question in the registry of a model's skills; empty for the name of the task.
    """

    name: str
    help: str
    task: ClassVar[str]
    n_samples: ClassVar[int | None]
    task_options: JsonMapping = MappingProxyType({})
    sampling: JsonMapping = MappingProxyType({})
    adapted_sampling: JsonMapping = MappingProxyType({})
    trains: ClassVar[bool] = False
    figures: tuple[Figure, ...]
    layout: ClassVar[str]
    baseline_help: str
    decides: ClassVar[str]
    question: ClassVar[str] = ""

    @abstractmethod
    def cases(self, data: Path) -> Iterator[Case]:
        """Yield the cases, in a fixed order.

        Raises
        ------
        InputError
            If a file is missing or damaged; see :func:`data_file`.
        """

    @abstractmethod
    def outcome(self, case: Case, records: Sequence[Record]) -> CaseOutcome:
        """Evaluate the records of a case.

        Parameters
        ----------
        records : sequence of Record
            All results of the task for this case, prompt by prompt; a prompt that could not be used has a record in
            error.
        """

    @abstractmethod
    def baseline(self, case: Case, data: Path, rng: np.random.Generator, /) -> CaseOutcome | None:
        """Evaluate a trivial answer in the same way; None if the case has none."""

    @abstractmethod
    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return the figures of all cases by name."""

    def adapted(self, _training: Training, /) -> str:
        """Return the model that the protocol trains from the measured one before it answers.

        Raises
        ------
        ModelError
            If the model cannot be trained.
        """
        raise NotImplementedError

    def remarks(self, _outcomes: Sequence[CaseOutcome], /) -> list[str]:
        """Return what the reader must know about these outcomes; by default nothing."""
        return []

    def adapted_options(self, _model: str, /) -> JsonMapping:
        """Return further options of the task if the protocol trained the model; by default none."""
        return {}

    def dock(self, case: Case, outcomes: Sequence[CaseOutcome], options: DockOptions) -> None:  # noqa: B027
        """Add docking scores to the outcomes of a case, if the protocol is about ligands.

        Raises
        ------
        MissingError
            If a package for docking is not installed.
        """

    def illustrate(  # noqa: B027
        self, page: Page, outcomes: Mapping[str, CaseOutcome], data: Path | None, /
    ) -> None:
        """Add pictures of some cases to a report; nothing by default.

        Parameters
        ----------
        outcomes : mapping
            Outcomes of the model by case id.
        data : Path, optional
            The data directory, if available.
        """


def percent(estimate: Estimate) -> Estimate:
    """Return a share in per cent."""
    parts = (estimate.value, estimate.low, estimate.high)
    value, low, high = (None if part is None else 100 * part for part in parts)
    return Estimate(value, estimate.n, low, high, estimate.reason)


def data_file(data: Path, *names: str, layout: str) -> Path:
    """Return the first of several files that exists below the data directory.

    Raises
    ------
    InputError
        If none exists.
    """
    for name in names:
        path = data / name
        if path.exists():
            return path
    raise InputError(f"the data directory has no {' or '.join(names)}", source=str(data), hint=layout)
