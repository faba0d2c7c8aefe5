"""With how many threads to compute: what was found at first, and what the work itself teaches.

How many serve best depends on how many rows a step has, and on what else the machine does. The logits do not depend
on the number, so it can change from step to step.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

LOG = logging.getLogger("logos_cli.threads")
LOG.addHandler(logging.NullHandler())  # else logging itself prints warnings of a program that sets up none

WORTH = 0.9
"""Other threads must bring the time of a step below this part of what it was."""

_TRIES = 3
_HOPELESS = 1.5
_FIRST_REST, _LONGEST_REST = 128, 1 << 13


class Threads:
    """The number to compute with next; it learns from how long each piece of work took.

    Parameters
    ----------
    first : int
        What was measured at load.
    most : int, optional
        No more than that are ever tried; None keeps to the first number, which is the user's choice.
    """

    def __init__(self, first: int, most: int | None) -> None:
        self._first = first
        self._most = most
        self._searches: dict[Hashable, _Search] = {}

    def number(self, kind: Hashable) -> int:
        """Return how many threads the next work of a kind gets."""
        if self._most is None:
            return self._first
        if kind not in self._searches:
            self._searches[kind] = _Search(self._first, self._most)
        return self._searches[kind].now

    def learn(self, kind: Hashable, seconds: float) -> None:
        """Take note of how long a unit of work took with the number that was last returned for its kind."""
        if kind in self._searches:
            self._searches[kind].learn(seconds)

    @contextmanager
    def timed(self, kind: Hashable, n_units: int, use: Callable[[int], object]) -> Iterator[None]:
        """Let work of a kind be done with as many threads as serve it best, and learn from it.

        Parameters
        ----------
        n_units : int
            How much work it is.
        use : callable
            Sets the number of threads.
        """
        use(self.number(kind))
        start = time.perf_counter()
        yield
        self.learn(kind, (time.perf_counter() - start) / n_units)


class _Search:
    """The best number for one kind of work: others are tried in turns with it, now and then.

    Between trials it rests, the longer the more often nothing better was found: where threads disturb each other,
    trying them is costly.
    """

    def __init__(self, first: int, most: int) -> None:
        self._best = first
        self._most = most
        self._rest = _FIRST_REST
        self._left = 1  # the first time includes what is set up once
        self._turns: list[int] = []
        self._times: dict[int, list[float]] = {}

    @property
    def now(self) -> int:
        """The number to use."""
        return self._turns[-1] if self._turns else self._best

    def learn(self, seconds: float) -> None:
        """Take note of how long the last work took."""
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
        """Let each neighbour take turns with the best number so far."""
        best = self._best
        others = {1, best // 2, min(2 * best, self._most)} - {0, best}
        self._times = {}
        self._turns = [number for other in sorted(others) for number in (other, best)] * _TRIES
        if not self._turns:
            self._left = -1  # there is nothing else: never again

    def _decide(self) -> None:
        typical = {number: statistics.median(times) for number, times in self._times.items()}
        found = min(typical, key=typical.__getitem__)
        if typical[found] < WORTH * typical[self._best]:
            LOG.info("%d threads are faster than %d by now", found, self._best)
            self._best, self._rest, self._left = found, _FIRST_REST, 1
        else:
            self._left, self._rest = self._rest, min(2 * self._rest, _LONGEST_REST)
