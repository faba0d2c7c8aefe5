"""The number of threads to compute with: measured at first, then adapted by the times of the work.

The fastest number depends on the rows of a step and on the load of the machine. The logits do not depend on it, so
that it can change from step to step.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

LOG = logging.getLogger("logos_cli.threads")
LOG.addHandler(logging.NullHandler())  # without a handler, logging prints warnings of programs that configure none

WORTH = 0.75
"""Another number of threads must reduce the time of a step to less than this part: a second one that saves a tenth of the
time mostly waits, and takes a core from others."""

_TRIES = 3
_HOPELESS = 1.5
_FIRST_REST, _LONGEST_REST = 128, 1 << 13


def fastest_threads(most: int, time_step: Callable[[int], float]) -> tuple[int, float]:
    """Return the fastest number of threads and its time: 1, 2, 4 … are tried, as long as more are faster.

    Parameters
    ----------
    most : int
        The largest number.
    time_step : callable
        Returns the time of a step with a number of threads (s).
    """
    fastest, least_s = 1, time_step(1)
    for number in (*(2**i for i in range(1, most.bit_length()) if 2**i < most), most):
        seconds = time_step(number)
        if seconds > WORTH * least_s:
            break
        fastest, least_s = number, seconds
    return fastest, least_s


class Threads:
    """Chooses the next number of threads from the times of earlier work.

    Parameters
    ----------
    first : int
        The number measured when the model was loaded.
    most : int, optional
        Largest number to try; None keeps the first number, which is the user's choice.
    """

    def __init__(self, first: int, most: int | None) -> None:
        self._first = first
        self._most = most
        self._searches: dict[Hashable, _Search] = {}

    def number(self, kind: Hashable) -> int:
        """Return the number of threads for the next work of a kind."""
        if self._most is None:
            return self._first
        if kind not in self._searches:
            self._searches[kind] = _Search(self._first, self._most)
        return self._searches[kind].now

    def learn(self, kind: Hashable, seconds: float) -> None:
        """Record the time of a unit of work with the number last returned for its kind."""
        if kind in self._searches:
            self._searches[kind].learn(seconds)

    @contextmanager
    def measure(self, kind: Hashable, n_units: int, use: Callable[[int], object]) -> Iterator[None]:
        """Run work of a kind with the fastest known number of threads, and record its time.

        Parameters
        ----------
        n_units : int
            Amount of work.
        use : callable
            Sets the number of threads.
        """
        use(self.number(kind))
        start = time.perf_counter()
        yield
        self.learn(kind, (time.perf_counter() - start) / n_units)


class _Search:
    """Searches the fastest number for one kind of work, by trials of others in turns with it.

    Between trials it rests, longer after each that found nothing better: trials are costly where threads disturb each
    other.
    """

    def __init__(self, first: int, most: int) -> None:
        self._best = first
        self._most = most
        self._rest = _FIRST_REST
        self._left = 1  # the first time includes initialisation
        self._turns: list[int] = []
        self._times: dict[int, list[float]] = {}

    @property
    def now(self) -> int:
        """The number to use now."""
        return self._turns[-1] if self._turns else self._best

    def learn(self, seconds: float) -> None:
        """Record the time of the last work."""
        if not self._turns:
            self._left -= 1
            if self._left == 0:
                self._begin()
            return
        number = self._turns.pop()
        times = self._times.setdefault(number, [])
        times.append(seconds)
        known = self._times.get(self._best)
        if number != self._best and known and seconds > _HOPELESS * min(known):
            self._turns = [turn for turn in self._turns if turn != number]
        if not self._turns:
            self._decide()

    def _begin(self) -> None:
        """Begin trials of neighbouring numbers in turns with the best."""
        best = self._best
        others = {1, best // 2, min(2 * best, self._most)} - {0, best}
        self._times = {}
        self._turns = [number for other in sorted(others) for number in (other, best)] * _TRIES
        if not self._turns:
            self._left = -1  # there is no other number: no further trials

    def _decide(self) -> None:
        typical = {number: statistics.median(times) for number, times in self._times.items()}
        fastest = min(typical, key=typical.__getitem__)
        if typical[fastest] < WORTH * typical[self._best]:
            LOG.info("%d threads are now faster than %d", fastest, self._best)
            self._best, self._rest, self._left = fastest, _FIRST_REST, 1
        else:
            self._left, self._rest = self._rest, min(2 * self._rest, _LONGEST_REST)
