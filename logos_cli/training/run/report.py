"""Reports of a run during training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StepReport:
    """Figures of a step.

    Attributes
    ----------
    step, n_steps : int
        Steps done, and in all.
    loss : float
        Nats per token in the loss.
    tokens_per_s : float
        Sentence tokens (no padding) of all processes.
    mfu : float
        Floating-point operations of the model over those of pure matrix products in the same time.
    remaining_s : float
        Time to the end at this speed.
    """

    step: int
    n_steps: int
    n_tokens: int
    loss: float
    gradient_norm: float
    learning_rate_factor: float
    tokens_per_s: float
    mfu: float
    remaining_s: float


class Listener(Protocol):
    """Receives the reports of a run; only the first process sends them."""

    def stepped(self, report: StepReport) -> None:
        """Report a step."""

    def evaluated(self, step: int, results: Mapping[str, Mapping[str, float]], mean_loss: float) -> None:
        """Report an evaluation on held-out sentences."""

    def saved(self, step: int, path: Path) -> None:
        """Report a checkpoint."""

    def halved(self, step: int, n_tokens: int) -> None:
        """Report that the memory ran out: micro batches have at most so many tokens from this step on."""


class Silent:
    """A listener that does nothing."""

    def stepped(self, report: StepReport) -> None:
        """Do nothing."""

    def evaluated(self, step: int, results: Mapping[str, Mapping[str, float]], mean_loss: float) -> None:
        """Do nothing."""

    def saved(self, step: int, path: Path) -> None:
        """Do nothing."""

    def halved(self, step: int, n_tokens: int) -> None:
        """Do nothing."""
