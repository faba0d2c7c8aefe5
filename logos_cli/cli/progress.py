"""The one progress bar: what a command does, how much of it is done, how fast, and how long it will still take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, Task, TaskID
    from rich.text import Text


class Bar:
    """Progress on stderr: of a known or unknown number of things, or of a phase without things to count.

    The bar moves by itself, also while a model is loaded. Without a console it shows nothing.

    Parameters
    ----------
    unit : str
        What is counted: ``samples``.
    """

    def __init__(self, console: Console | None, description: str, total: int | None = None, unit: str = "") -> None:
        self._n_done = 0
        self._task: TaskID | None = None
        self._progress: Progress | None = None
        if console is not None:
            self._progress = _columns(console, unit, self._count)
            self._task = self._progress.add_task(description, total=total)

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away for good."""
        if self._progress is not None:
            self._progress.stop()

    def update(self, n_done: int | None = None, total: int | None = None, description: str | None = None) -> None:
        """Set what is done, the total, and what is done now; None leaves each as it is."""
        if n_done is not None:
            self._n_done = n_done
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=total, description=description)

    def advance(self) -> None:
        """Count one thing, in no time: it is shown when the bar is drawn again."""
        self._n_done += 1

    def _count(self) -> None:
        if self._progress is not None and self._task is not None and self._progress.tasks[0].completed != self._n_done:
            self._progress.update(self._task, completed=self._n_done)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away while something is printed on the same terminal."""
        if self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


def _columns(console: Console, unit: str, count: Callable[[], None]) -> Progress:
    """Return the bar with its columns: it fits 80 characters, and counts whenever it is drawn."""
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Counts(ProgressColumn):
        """How many of how many, how fast, and how long it will take."""

        def render(self, task: Task) -> Text:
            """Return the text of a task; empty before there is something to count."""
            return Text(_counts(task.completed, task.total, task.speed, task.time_remaining, unit), style="cyan")

    class Counted(Progress):
        """Counts when it is drawn, ten times a second, and not for each of 20,000 records a second."""

        def get_renderables(self) -> Iterable[RenderableType]:
            """Return what is drawn."""
            count()
            yield from super().get_renderables()

    return Counted(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        Counts(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _counts(done: float, total: float | None, speed: float | None, left_s: float | None, unit: str) -> str:
    """Return the counts of a bar: ``12/40 samples, 3.1/s, 0:09 left``."""
    if not done and total is None:
        return ""
    text = f"{done:,.0f}" if total is None else f"{done:,.0f}/{total:,.0f}"
    text += f" {unit}" if unit else ""
    if speed:
        text += f", {speed:.3g}/s" if speed >= 1 else f", {1 / speed:.3g} s each"
    if left_s is not None and total is not None and done:
        minutes, seconds = divmod(round(left_s), 60)
        hours, minutes = divmod(minutes, 60)
        text += f", {f'{hours}:{minutes:02}' if hours else minutes}:{seconds:02} left"
    return text
