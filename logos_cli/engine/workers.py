"""Several engines in processes of their own, one a device, that share the requests of a run.

A sample depends on nothing but its request, the seed and the model: who makes it does not matter, and the
completions are those of a single engine. Each process loads the model, steps and samples for itself; only
requests and completions pass between them. What lies at a process that dies, or that loses its device, is made by
the others.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Final

from logos_cli.backends.base import Backend, LoadOptions, ModelInfo, open_model
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.errors import DeviceLostError, LogosError, UsageError, WorkerLostError
from logos_cli.processes.child import Child
from logos_cli.processes.environment import usable_cores
from logos_cli.processes.failure import Failure, describe_end

_AHEAD: Final = 2
"""So many times its batch lie at a worker, so that it never waits for work."""

_TOGETHER: Final = 8
"""Samples of one prompt go to one worker in groups of so many: it reads the prompt once for them."""

_EMPTY: Final = Request("", ())

LOG = logging.getLogger("logos_cli.workers")
"""Says which worker has been lost while the others go on."""


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """All that a worker is told before the requests."""

    load: LoadOptions
    backend: str
    sampling: Sampling
    batch_size: int
    seed: int


Message = ModelInfo | Completion | Failure
"""What a worker sends: first what it has loaded, or why it has not, then samples."""


@dataclass(slots=True, eq=False)
class Worker:
    """A process, and the requests that lie at it."""

    device: str
    child: Child
    outstanding: set[int] = field(default_factory=set)
    lost: bool = False

    def send(self, message: object) -> None:
        """Send a message; that the process has ended is found when the answer is read."""
        with suppress(OSError):
            self.child.connection.send(message)

    def receive(self) -> Message | None:
        """Return what it sends next, None if it has ended."""
        try:
            message: Message = self.child.connection.recv()
        except (EOFError, OSError):
            return None
        return message

    def error(self, message: Message | None) -> LogosError:
        """Return why it does not work."""
        if isinstance(message, Failure):
            return message.error
        return WorkerLostError(
            f"the worker on {self.device} ended {describe_end(self.child.end())}",
            hint="finished records are kept; see whether the device and its memory are in order",
        )


class WorkerProcesses:
    """Processes with a model each, one a device.

    Attributes
    ----------
    info : ModelInfo
        What the workers loaded; its device names all of theirs.
    """

    def __init__(self, setups: Iterable[WorkerSetup]) -> None:
        self._workers: list[Worker] = []
        try:
            for setup in setups:
                self._workers.append(Worker(setup.load.device, Child(serve)))
                self._workers[-1].send(setup)
            infos = list(map(self._info, self._workers))
        except BaseException:
            self.close()
            raise
        self.info = replace(infos[0], device=",".join(info.device for info in infos))

    @staticmethod
    def _info(worker: Worker) -> ModelInfo:
        message = worker.receive()
        if isinstance(message, ModelInfo):
            return message
        raise worker.error(message)

    @property
    def alive(self) -> list[Worker]:
        """The workers that have not been lost."""
        return [worker for worker in self._workers if not worker.lost]

    def receive(self) -> list[tuple[Worker, Message | None]]:
        """Wait for messages of workers, and return those that are there, what is not a failure first."""
        connections = {worker.child.connection: worker for worker in self.alive}
        ready = wait(list(connections))
        found = [(worker, worker.receive()) for connection, worker in connections.items() if connection in ready]
        return sorted(found, key=lambda pair: pair[1] is None or isinstance(pair[1], Failure))

    def lose(self, worker: Worker, message: Message | None) -> None:
        """Go on without a worker.

        Raises
        ------
        LogosError
            If there is no other, or the others cannot do what this one could not.
        """
        error = worker.error(message)
        if not isinstance(error, WorkerLostError | DeviceLostError) or len(self.alive) == 1:
            raise error
        LOG.warning("%s; its work goes to the others", error.message)
        worker.lost = True
        worker.child.end(0.0)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.child.end(0.0)


class Workers(WorkerProcesses):
    """Makes samples on several devices at once; used like :class:`~logos_cli.engine.scheduler.Engine`.

    Parameters
    ----------
    devices : sequence of str
        One a worker, as ``--device`` takes them; one may come twice.
    batch_size : int
        The most sequences at a time on each.
    """

    def __init__(
        self, devices: Sequence[str], load: LoadOptions, backend: str, sampling: Sampling, *, batch_size: int, seed: int
    ) -> None:
        self._batch_size = batch_size
        super().__init__(WorkerSetup(each, backend, sampling, batch_size, seed) for each in _each_device(load, devices))

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions as they are finished; requests are drawn as workers need them.

        The processes stay for another run, unless it is left early.

        Raises
        ------
        LogosError
            If a worker fails for a reason that the others share, or all have been lost.
        """
        numbered = enumerate(requests)
        deal = _Dispatcher(self, _AHEAD * self._batch_size)
        try:
            while deal.hand_out(numbered):
                for worker, message in self.receive():
                    if isinstance(message, Completion):
                        yield deal.take(worker, message)
                    else:
                        self.lose(worker, message)
                        deal.take_back(worker)
        except BaseException:
            self.close()
            raise


def _each_device(load: LoadOptions, devices: Sequence[str]) -> Iterator[LoadOptions]:
    """Yield the options of the model on each device; those on the CPU share its cores."""
    n_cpu = sum(device == "cpu" for device in devices)
    for device in devices:
        threads = load.threads
        if threads is None and device == "cpu" and n_cpu > 1:
            threads = max(1, usable_cores() // n_cpu)
        yield replace(load, device=device, threads=threads)


class _Dispatcher:
    """The requests of a run that lie at workers.

    Who has the least gets the next one, but samples of one prompt stay together.
    """

    def __init__(self, workers: WorkerProcesses, most: int) -> None:
        self._workers = workers
        self._most = most
        self._given: dict[int, Request] = {}
        self._again: deque[int] = deque()
        self._exhausted = self._told = False
        self._last: Worker | None = None
        self._prompt: tuple[int, ...] | None = None
        self._n_together = 0

    def hand_out(self, numbered: Iterator[tuple[int, Request]]) -> bool:
        """Send requests to all workers that have room; return whether any lies at one."""
        while not self._told:
            worker = min(self._workers.alive, key=lambda each: len(each.outstanding))
            if len(worker.outstanding) >= self._most:
                break
            if self._again:
                index = self._again.popleft()
                self._send(worker, index, self._given[index])
                continue
            drawn = None if self._exhausted else next(numbered, None)
            if drawn is None:
                self._exhausted = self._told = True
                for each in self._workers.alive:
                    each.send(None)  # nothing to wait for: go on with what is there
            else:
                self._given[drawn[0]] = drawn[1]
                self._send(worker, *drawn)
        return bool(self._given)

    def _send(self, worker: Worker, index: int, request: Request) -> None:
        same = request.prompt == self._prompt and self._n_together < _TOGETHER
        last = self._last
        if same and last is not None and not last.lost and len(last.outstanding) < self._most:
            worker = last
            self._n_together += 1
        else:
            self._n_together = 1
        self._last, self._prompt = worker, request.prompt
        worker.outstanding.add(index)
        worker.send((index, request))

    def take(self, worker: Worker, completion: Completion) -> Completion:
        """Note what a worker has finished; return it with its request."""
        worker.outstanding.discard(completion.index)
        return replace(completion, request=self._given.pop(completion.index))

    def take_back(self, worker: Worker) -> None:
        """Let the others make what lies at a worker that is lost."""
        self._again.extend(sorted(worker.outstanding))
        worker.outstanding.clear()
        self._told = self._told and not self._again


_Requests = queue.SimpleQueue[tuple[int, Request] | None]


def serve(connection: Connection) -> None:
    """Be a worker: read a setup and requests from the pipe, write completions to it."""
    setup: WorkerSetup = connection.recv()
    requests: _Requests = queue.SimpleQueue()
    try:
        engine = _engine(setup)
        connection.send(engine.backend.info)
        threading.Thread(target=_read, args=(connection, requests), daemon=True).start()
        while True:
            first = requests.get()
            if first is not None:
                _run(engine, first, requests, connection)
    except Exception as error:  # noqa: BLE001 - raised where the samples are drawn
        connection.send(Failure.of(error))


def _read(connection: Connection, requests: _Requests) -> None:
    """Take requests at once, so that who sends them never waits; end with the process that sends them."""
    try:
        while True:
            requests.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)


def _engine(setup: WorkerSetup) -> Engine:
    backend = open_model(setup.load, setup.backend).load()
    if not isinstance(backend, Backend):
        raise UsageError("a served model has no devices to choose", hint="leave out --devices")
    return Engine(backend, setup.sampling, batch_size=setup.batch_size, seed=setup.seed)


def _run(engine: Engine, first: tuple[int, Request], requests: _Requests, connection: Connection) -> None:
    """Make what is asked for until the parent has nothing more for now."""
    indices: list[int] = []

    def drawn() -> Iterator[Request]:
        pair: tuple[int, Request] | None = first
        while pair is not None:
            indices.append(pair[0])
            yield pair[1]
            pair = requests.get()

    for completion in engine.run(drawn()):
        connection.send(replace(completion, request=_EMPTY, index=indices[completion.index]))
