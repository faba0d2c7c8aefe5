"""The outcome of a prompt: its samples so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from logos_cli.tasks.base import Collector
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.until import Counts, Until


@dataclass(slots=True, eq=False)
class PromptOutcome:
    """The outcome of a prompt: its samples so far.

    Attributes
    ----------
    limit : int
        Largest number of samples.
    until : Until, optional
        The counts that are enough.
    collector : Collector, optional
        Combines the samples; None if each sample is a result.
    answers : set of str
        The different valid answers.
    is_computed : bool
        Whether the collector has its results without the model.
    beam : int
        Width of the beam search that finds the answers, which are then no samples; 0 without one.
    """

    prompt: PreparedPrompt
    limit: int
    until: Until | None = None
    collector: Collector | None = None
    found: Counts = field(default_factory=Counts)
    answers: set[str] = field(default_factory=set)
    is_computed: bool = False
    beam: int = 0

    @property
    def has_enough(self) -> bool:
        """Whether the wanted counts are reached, without the samples under way."""
        return self.until is not None and self.until.reached(self.found)
