"""What a benchmark is: cases with a known truth, the task that answers them, and the figures of a published protocol.

A benchmark neither generates nor draws: it yields cases, judges what the model made of each, and sums up. What it
makes of one case is a JSON object, so that a run can be stopped, resumed, and spread over machines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from logos_cli.errors import InputError
from logos_cli.evaluators.base import Estimate
from logos_cli.formats.base import Entry
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.docking.options import DockOptions
    from logos_cli.report.page import Page

CaseOutcome = dict[str, Any]
"""What became of one case: numbers, words and lists of them, nothing that JSON has not."""

SEED = 1
"""Of everything random that is no model: which cases a limit takes, and the baselines."""


@dataclass(frozen=True, slots=True)
class Case:
    """One question with its known answer.

    Attributes
    ----------
    id : str
        Unique in the benchmark and the same in every run.
    prompts : tuple of Entry or Record
        What the task is given: objects, or beginnings of sentences; the chains of a structure are several. Their ids
        are unique in the benchmark.
    truth : mapping
        What :meth:`Benchmark.outcome` compares with.
    """

    id: str
    prompts: tuple[Entry | Record, ...]
    truth: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that a benchmark reports.

    Attributes
    ----------
    name, help : str
        As the report calls and explains it.
    unit : str
        ``%``, ``kcal/mol`` or empty.
    better : {"higher", "lower"}, optional
    published : mapping
        What the paper gives, by model: ``{"LOGOS-8B": 74.8}``.
    comparable : bool
        Whether ours is measured as the published one was; if not, ``remark`` says what differs.
    remark : str
        What a reader must know to read it.
    """

    name: str
    help: str
    unit: str = ""
    better: Literal["higher", "lower"] | None = "higher"
    published: Mapping[str, float] = field(default_factory=dict)
    comparable: bool = True
    remark: str = ""


class Benchmark(ABC):
    """A published protocol; the ``PLUGIN`` of its module is an instance.

    Attributes
    ----------
    name, help : str
        As the command line shows them.
    task : str
        The task that answers.
    n_samples : int
        Samples of each case, as published.
    task_options : mapping
        Options of the task.
    sampling : mapping
        Fields of ``GenerateOptions`` that the protocol wants otherwise than the task's preset.
    figures : tuple of Figure
        In the order of the report.
    layout : str
        Which files it reads, below the directory of the data.
    baseline_help : str
        What the trivial baseline does.
    """

    name: str
    help: str
    task: ClassVar[str]
    n_samples: ClassVar[int]
    task_options: ClassVar[Mapping[str, Any]] = {}
    sampling: Mapping[str, Any] = {}
    figures: tuple[Figure, ...]
    layout: ClassVar[str]
    baseline_help: str

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
        """Judge what the model made of a case.

        Parameters
        ----------
        records : sequence of Record
            All results of the task for this case, prompt after prompt; one in error for a prompt that could not be
            used.
        """

    @abstractmethod
    def baseline(self, case: Case, data: Path, rng: np.random.Generator) -> CaseOutcome | None:
        """Judge a trivial answer in the same way; None where the protocol has none for the case."""

    @abstractmethod
    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return the figures over all cases, by name."""

    def dock(self, case: Case, outcomes: Sequence[CaseOutcome], options: DockOptions) -> None:  # noqa: B027
        """Add docking scores to the outcomes of a case, where the protocol speaks of ligands; else nothing.

        Raises
        ------
        MissingError
            If what docking needs is not installed.
        """

    def illustrate(self, page: Page, outcomes: Mapping[str, CaseOutcome], data: Path | None) -> None:  # noqa: B027
        """Add to a report what shows some of the cases; nothing unless overridden.

        Parameters
        ----------
        outcomes : mapping
            Of the model, by case.
        data : Path, optional
            The data, where they are at hand.
        """


def percent(estimate: Estimate) -> Estimate:
    """Return a share as per cent."""
    parts = (estimate.value, estimate.low, estimate.high)
    value, low, high = (None if part is None else 100 * part for part in parts)
    return Estimate(value, estimate.n, low, high, estimate.reason)


def data_file(data: Path, *names: str, layout: str) -> Path:
    """Return the first of several files that exists below the directory of the data.

    Raises
    ------
    InputError
        If there is none, with what was looked for.
    """
    for name in names:
        path = data / name
        if path.exists():
            return path
    raise InputError(f"the data have no {' or '.join(names)}", source=str(data), hint=layout)
