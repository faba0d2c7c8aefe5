"""Work on many items in several processes, so that the run survives the loss of any of them.

A worker that is killed costs at most the item that it worked on, and is replaced. If the system has killed
the worker, as it does when memory runs out, the item is tried once more while no other worker is busy. Workers end when
the process that uses the pool ends, however it ends.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.reduction import send_handle
from typing import Any, Final, Generic, Self, TypeVar

from logos_cli.errors import LogosError, TimeLimitError, WorkerLostError
from logos_cli.processes._nursery import START, StartFailure, serve
from logos_cli.processes.child import Child
from logos_cli.processes.environment import may_fork
from logos_cli.processes.failure import Failure, describe_end
from logos_cli.processes.order import in_order

Setup = TypeVar("Setup")
Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD: Final = 64
"""Items per worker that may be finished or under way while the run waits for the first of them."""


MOST_LOST: Final = 3
"""How often the process that starts workers is replaced when the system kills it."""


class Pool(Generic[Setup, Item, Result]):
    """Processes that apply one function to many items; used as a context.

    Parameters
    ----------
    start : callable
        A function of a module that prepares the work: it gets ``setup``, and returns the function that is called with
        each item. It is called once, and the workers share the memory that it has filled. If the returned object has a
        method ``close``, that is called at the end.
    setup
        Sent to the processes, like the items: everything is pickled.
    n_workers : int
        Largest number of processes; they are started when there is work for them.
    inherit : bool
        Share the memory of this process, too, if a copy of it is safe.
    seconds_per_item : float, optional
        A worker that takes longer is ended.
    prefetch : bool
        Send each worker its next item before it has finished one. Good for work of milliseconds.
    environment : mapping, optional
        Added to the environment of the workers, unless they inherit.

    Raises
    ------
    LogosError
        The error that ``start`` raises.
    """

    def __init__(
        self,
        start: Callable[[Setup], Callable[[Item], Result]],
        setup: Setup,
        n_workers: int,
        *,
        inherit: bool = False,
        seconds_per_item: float | None = None,
        prefetch: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.n_workers = n_workers
        self.seconds_per_item = seconds_per_item
        self.depth = 2 if prefetch else 1
        self._workers: list[Worker] = []
        self._work = (start, setup)
        self._inherit = inherit
        self._environment = environment
        self._n_lost = 0
        self._nursery = self._begin()

    def _begin(self) -> Child:
        """Start the process that starts workers, and let it prepare the work.

        Raises
        ------
        LogosError
            If it cannot be prepared, or if the process is lost again and again.
        """
        while True:
            nursery = Child(serve, fork=self._inherit and may_fork(), environment=self._environment)
            try:
                nursery.connection.send(self._work)
                answer = nursery.connection.recv()
            except (EOFError, OSError):
                self._note_loss(nursery.end())
                continue
            except BaseException:
                nursery.end()
                raise
            if isinstance(answer, Failure):
                nursery.end()
                raise answer.error
            return nursery

    def _note_loss(self, status: int) -> None:
        """Count a lost process that starts workers.

        Raises
        ------
        LogosError
            If the system has not killed it, or has killed too many.
        """
        self._n_lost += 1
        if status != -signal.SIGKILL or self._n_lost > MOST_LOST:
            raise WorkerLostError(
                f"the process that starts workers ended {describe_end(status)}",
                hint="finished work is kept; is there enough memory?",
            )

    def run(self, items: Iterable[Item], *, ahead: int = AHEAD) -> Iterator[tuple[int, Result | Failure]]:
        """Yield the number of each item, from 0, with its result, in the order in which they finish.

        Items are drawn as needed. It may be called again after all results; if it is left before, the pool is closed.

        Parameters
        ----------
        ahead : int
            Largest number of items per worker between the first unfinished one and the next one to draw.

        Yields
        ------
        int, result or Failure
            A failure's error is the one that was raised, :class:`~logos_cli.errors.WorkerLostError`, or
            :class:`~logos_cli.errors.TimeLimitError`.

        Raises
        ------
        LogosError
            If processes cannot be started.
        """
        run = _Run[Item, Result](self, enumerate(items), ahead)
        try:
            while run.hand_out():
                yield from run.collect()
        finally:
            if not run.is_complete:
                self.close()

    def map(self, items: Iterable[Item], *, ahead: int = AHEAD) -> Iterator[Result | Failure]:
        """Yield the results in the order of the items; see :meth:`run`."""
        return in_order(self.run(items, ahead=ahead))

    def close(self) -> None:
        """End the processes at once."""
        for worker in self._workers:
            worker.connection.close()
        self._workers.clear()
        with suppress(OSError):
            self._nursery.connection.send(None)
        self._nursery.end()

    @property
    def is_running(self) -> bool:
        """Whether it has not been closed."""
        return self._nursery.is_running

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- workers -------------------------------------------------------------------------------------

    def _replace(self) -> None:
        """Replace the process that starts workers, whose workers have ended with it.

        Raises
        ------
        LogosError
            If it cannot be replaced.
        """
        self._note_loss(self._nursery.end())
        self._nursery = self._begin()

    def free_worker(self) -> Worker | None:
        """Return an idle worker, or a new one if there may be more; None if all are busy."""
        idle = next((worker for worker in self._workers if not worker.items), None)
        if idle is not None or len(self._workers) >= self.n_workers:
            return idle
        while True:
            here, there = Pipe()
            control = self._nursery.connection
            try:
                control.send(START)
                send_handle(control, there.fileno(), self._nursery.pid)
                worker = Worker(control.recv(), here, self._nursery.pid)
                break
            except (EOFError, OSError):
                self._replace()
            finally:
                there.close()
        self._workers.append(worker)
        return worker

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The running processes."""
        return tuple(self._workers)

    def end(self, worker: Worker) -> int:
        """End a worker that is lost or too slow; return its exit status."""
        self._workers.remove(worker)
        worker.connection.close()
        if worker.parent == self._nursery.pid:
            try:
                self._nursery.connection.send(worker.pid)
                return int(self._nursery.connection.recv())
            except (EOFError, OSError):
                self._replace()
        with suppress(ProcessLookupError, PermissionError):  # where the system has not ended it with its parent
            os.killpg(worker.pid, signal.SIGKILL)
        return -signal.SIGKILL


@dataclass(slots=True, eq=False)
class Worker:
    """A process of a pool.

    Attributes
    ----------
    parent : int
        The process that has started it.
    items : deque of int
        The numbers of its items, the current one first.
    since : float
        Time at which it began the current one (monotonic, s).
    """

    pid: int
    connection: Connection
    parent: int
    items: deque[int] = field(default_factory=deque)
    since: float = 0.0

    def give(self, number: int, item: object) -> None:
        """Send an item."""
        if not self.items:
            self.since = time.monotonic()
        self.items.append(number)
        try:
            self.connection.send(item)
        except OSError:
            return  # it has ended, which the next read from it shows


class _Run(Generic[Item, Result]):
    """The items of one run.

    Attributes
    ----------
    unfinished : dict
        Items that have been drawn, by number, in the order of the numbers.
    """

    def __init__(self, pool: Pool[Any, Item, Result], source: Iterator[tuple[int, Item]], ahead: int) -> None:
        self._pool = pool
        self._source: Iterator[tuple[int, Item]] | None = source
        self._ahead = ahead * pool.n_workers
        self._n_drawn = 0
        self._error: Exception | None = None
        self.unfinished: dict[int, Item] = {}
        self._waiting: deque[int] = deque()
        self._again: deque[int] = deque()
        self._alone: set[int] = set()
        """Items that are or were tried while no other worker is busy."""

    @property
    def is_complete(self) -> bool:
        """Whether every item of the source has been drawn and finished."""
        return self._source is None and not self.unfinished

    # -- handing out ---------------------------------------------------------------------------------

    def hand_out(self) -> bool:
        """Send items to the workers with room; return whether any item is unfinished."""
        if self._again or any(worker.items and worker.items[0] in self._alone for worker in self._pool.workers):
            self._hand_out_alone()
            return True
        while self._draw():
            worker = self._pool.free_worker()
            if worker is None and len(self._waiting) > self._pool.n_workers:
                # the last items are kept for the first free worker
                least = min(self._pool.workers, key=lambda each: len(each.items))
                worker = least if len(least.items) < self._pool.depth else None
            if worker is None:
                break
            number = self._waiting.popleft()
            worker.give(number, self.unfinished[number])
        if self._error is not None and not self.unfinished:
            raise self._error  # after the results of all items before
        return bool(self.unfinished)

    def _draw(self) -> bool:
        """Draw items until there are enough for the workers; return whether any waits."""
        n_wanted = self._pool.n_workers + 1 if self._pool.depth > 1 else 1
        while self._source is not None and len(self._waiting) < n_wanted:
            if self.unfinished and self._n_drawn - next(iter(self.unfinished)) >= self._ahead:
                break
            drawn = self._next()
            if drawn is None:
                self._source = None
                break
            self._n_drawn += 1
            self.unfinished[drawn[0]] = drawn[1]
            self._waiting.append(drawn[0])
        return bool(self._waiting)

    def _next(self) -> tuple[int, Item] | None:
        if self._source is None:
            return None
        try:
            return next(self._source, None)
        except Exception as error:  # noqa: BLE001 - raised when the items before it are finished
            self._error = error
            return None

    def _hand_out_alone(self) -> None:
        is_busy = any(worker.items for worker in self._pool.workers)
        worker = None if is_busy else self._pool.free_worker()
        if worker is None:
            return
        number = self._again.popleft()
        self._alone.add(number)
        worker.give(number, self.unfinished[number])

    # -- collecting ----------------------------------------------------------------------------------

    def collect(self) -> Iterator[tuple[int, Result | Failure]]:
        """Wait for results, and yield those that have arrived."""
        busy = {worker.connection: worker for worker in self._pool.workers}
        ready = wait(list(busy), self._patience())
        for worker in (worker for connection, worker in busy.items() if connection in ready):
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                yield from self._lost(worker)
                continue
            if isinstance(message, StartFailure):
                raise message.failure.error
            number = worker.items.popleft()
            worker.since = time.monotonic()
            del self.unfinished[number]
            yield number, message
        yield from self._enforce_limit()

    def _patience(self) -> float | None:
        limit = self._pool.seconds_per_item
        begun = [worker.since for worker in self._pool.workers if worker.items]
        return max(0.0, min(begun) + limit - time.monotonic()) if begun and limit is not None else None

    def _enforce_limit(self) -> Iterator[tuple[int, Failure]]:
        limit = self._pool.seconds_per_item
        if limit is None:
            return
        for worker in self._pool.workers:
            if worker.items and time.monotonic() - worker.since >= limit:
                self._pool.end(worker)
                yield from self._give_up(worker, TimeLimitError(f"stopped after {limit:g} s"))

    def _lost(self, worker: Worker) -> Iterator[tuple[int, Failure]]:
        status = self._pool.end(worker)
        if not worker.items:
            return
        number = worker.items[0]
        if status == -signal.SIGKILL and number not in self._alone:
            self._again.append(worker.items.popleft())
            self._take_back(worker)
            return
        hint = "there may be too little memory" if status == -signal.SIGKILL else "the others went on"
        message = f"the process that worked on it ended {describe_end(status)}"
        yield from self._give_up(worker, WorkerLostError(message, hint=hint))

    def _give_up(self, worker: Worker, error: LogosError) -> Iterator[tuple[int, Failure]]:
        number = worker.items.popleft()
        self._take_back(worker)
        del self.unfinished[number]
        yield number, Failure(error)

    def _take_back(self, worker: Worker) -> None:
        """Give the worker's items that it has not begun to others."""
        self._waiting.extendleft(reversed(worker.items))
        worker.items.clear()
