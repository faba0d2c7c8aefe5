"""What has come of the samples of one prompt so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from logos_cli.tasks.base import Collector
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.until import Counts, Until


@dataclass(slots=True, eq=False)
class PromptOutcome:
    """What has come of the samples of one prompt so far.

    Attributes
    ----------
    limit : int
        The most samples.
    until : Until, optional
        When it has enough.
    collector : Collector, optional
        Puts its samples together; None where they are the result.
    answers : set of str
        The different valid ones.
    """

    prompt: PreparedPrompt
    limit: int
    until: Until | None = None
    collector: Collector | None = None
    found: Counts = field(default_factory=Counts)
    answers: set[str] = field(default_factory=set)

    @property
    def has_enough(self) -> bool:
        """Whether it has yielded what is wanted of it, whatever is still under way."""
        return self.until is not None and self.until.reached(self.found)
