"""Show the progress of ``logos train``: a bar on a terminal, a line per so many steps elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from logos_cli.cli.terminal import terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from logos_cli.training.run.report import StepReport


def duration(seconds: float) -> str:
    """Return a time with units: ``2h05m``, ``3m10s``, ``8s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def count(number: float) -> str:
    """Return a number with three digits: ``12.5k``, ``3.1M``."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"


class Display:
    """Shows the reports of the training loop on stderr.

    Parameters
    ----------
    every_steps : int
        Steps per line, outside of a terminal.
    """

    def __init__(self, every_steps: int) -> None:
        self._every = every_steps
        self._speeds: list[float] = []
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not terminal().quiet:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._progress = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                console=terminal().console,
                transient=True,
            )
            self._task = self._progress.add_task("compiling and first step …", total=None)
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def stepped(self, report: StepReport) -> None:
        """Show a step."""
        self._speeds = [*self._speeds[-19:], report.tokens_per_s]
        speed = sorted(self._speeds)[len(self._speeds) // 2]
        remaining = report.remaining_s * report.tokens_per_s / speed
        text = (
            f"loss {report.loss:.3f}  {count(speed)} tokens/s  MFU {report.mfu * speed / report.tokens_per_s:.0%}"
            f"  {duration(remaining)} left"
        )
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=report.step, total=report.n_steps, description=text)
        elif report.step == 1 or report.step % self._every == 0 or report.step == report.n_steps:
            terminal().note(f"step {report.step}/{report.n_steps}  {text}")

    def evaluated(self, step: int, results: Mapping[str, Mapping[str, float]], mean_loss: float) -> None:
        """Show the results on held-out sentences."""
        terminal().note(f"step {step}: held-out loss {mean_loss:.4f}")
        for domain, found in results.items():
            samples = ""
            if "n_samples" in found:
                good = f", {found['well_formed']:.0%} of them well formed" if "well_formed" in found else ""
                samples = f"; {found['n_finished']} of {found['n_samples']} samples finished{good}"
            terminal().detail(f"  {domain}: loss {found['loss']:.4f}, perplexity {found['perplexity']:.3f}{samples}")

    def halved(self, step: int, n_tokens: int) -> None:
        """Show that micro batches are smaller now."""
        terminal().warning(
            f"step {step}: the device is out of memory; micro batches have at most {n_tokens:,} tokens from here "
            f"(data.n_micro_tokens)"
        )

    def saved(self, _step: int, path: Path, /) -> None:
        """Show a checkpoint."""
        terminal().detail(f"checkpoint {path}")
