"""The early end of a run, by a signal or the time limit."""

from __future__ import annotations

import signal
from enum import Enum
from types import FrameType, TracebackType
from typing import Any, Final, Self

_HANDLED: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name))


class RunEnd(Enum):
    """Why training ended."""

    FINISHED = "finished"
    TIME_UP = "time is up"
    TERMINATED = "terminated"
    INTERRUPTED = "interrupted"


class StopNow(BaseException):
    """Unwinds the stack at a signal when there is nothing to save."""


class Signals:
    """Records SIGTERM, SIGUSR1 (Slurm's warning) and Ctrl-C, so that they do not kill the process.

    Attributes
    ----------
    received : int or None
        The first signal.
    immediate : bool
        Nothing has been done since the last checkpoint: a signal raises :class:`StopNow` at once, even during
        compilation, which takes a minute. A second Ctrl-C always does.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.immediate = True
        self._before: dict[int, Any] = {}
        self._depth = 0

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        again = self.received is not None and number == signal.SIGINT
        if self.received is None:
            self.received = number
        if self.immediate or again:
            raise StopNow

    @property
    def outcome(self) -> RunEnd | None:
        """The meaning of the signal; None if there was none."""
        if self.received is None:
            return None
        return RunEnd.INTERRUPTED if self.received == signal.SIGINT else RunEnd.TERMINATED

    def __enter__(self) -> Self:
        if self._depth == 0:
            self._before = {number: signal.signal(number, self._handle) for number in _HANDLED}
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            for number, handler in self._before.items():
                signal.signal(number, handler)
