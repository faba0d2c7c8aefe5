"""Several engines in their own processes, one for each device, that share the requests of a run.

A sample depends only on its request, the seed and the model, not on the process: the completions are those of a single
engine. Each process loads the model and samples; only requests and completions pass between processes. If a process
ends or loses its device, the others take over its requests.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Final

from logos_cli.backends.base import Backend, LoadOptions, ModelInfo, open_model
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.errors import DeviceLostError, LogosError, UsageError
from logos_cli.processes.child import Child
from logos_cli.processes.environment import usable_cores
from logos_cli.processes.failure import Failure, describe_end

_AHEAD: Final = 2
"""Requests at a worker, as a multiple of its batch, so that it never waits."""

_TOGETHER: Final = 8
"""Size of the groups of samples of one prompt that go to one worker, which reads the prompt once."""

_EMPTY: Final = Request("", ())

LOG = logging.getLogger("logos_cli.workers")
"""Reports a lost worker while the others continue."""


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """The setup of a worker, sent before the requests."""

    load: LoadOptions
    backend: str
    sampling: Sampling
    batch_size: int
    seed: int


Message = ModelInfo | Completion | Failure
"""A message of a worker: first the loaded model or a failure, then samples."""


@dataclass(slots=True, eq=False)
class _Worker:
    """A process and its outstanding requests."""

    device: str
    child: Child
    outstanding: set[int] = field(default_factory=set)
    lost: bool = False

    def send(self, message: WorkerSetup | tuple[int, Request] | None) -> None:
        try:
            self.child.connection.send(message)
        except OSError:
            return  # the process has ended, as receive() will show

    def receive(self) -> Message | None:
        """Return its next message; None if it has ended."""
        try:
            message: Message = self.child.connection.recv()
        except (EOFError, OSError):
            return None
        return message

    def error(self, message: Failure | None) -> LogosError:
        """Return the error of a worker that has stopped."""
        if message is not None:
            return message.error
        return LogosError(
            f"the worker on {self.device} ended {describe_end(self.child.end())}",
            hint="finished records are kept; check the device and its memory",
        )


class Workers:
    """Samples on several devices at once, like :class:`~logos_cli.engine.scheduler.Engine`.

    Parameters
    ----------
    devices : sequence of str
        The device of each worker, as for ``--device``; a device may occur twice.
    batch_size : int
        Most sequences at a time on each device.

    Attributes
    ----------
    info : ModelInfo
        The loaded model, with the devices of all workers.
    """

    def __init__(
        self, devices: Sequence[str], load: LoadOptions, backend: str, sampling: Sampling, *, batch_size: int, seed: int
    ) -> None:
        n_cpu = sum(device == "cpu" for device in devices)
        self._batch_size = batch_size
        self._workers: list[_Worker] = []
        try:
            for device in devices:
                threads = load.threads
                if threads is None and device == "cpu" and n_cpu > 1:
                    threads = max(1, usable_cores() // n_cpu)
                setup = WorkerSetup(replace(load, device=device, threads=threads), backend, sampling, batch_size, seed)
                self._workers.append(_Worker(device, Child(serve)))
                self._workers[-1].send(setup)
            infos = [self._info(worker) for worker in self._workers]
        except BaseException:
            self.close()
            raise
        self.info = replace(infos[0], device=",".join(info.device for info in infos))

    @staticmethod
    def _info(worker: _Worker) -> ModelInfo:
        message = worker.receive()
        if isinstance(message, ModelInfo):
            return message
        raise worker.error(message if isinstance(message, Failure) else None)

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they finish, taking requests as workers need them.

        The processes stay for another run, unless this one ends early.

        Raises
        ------
        LogosError
            If a worker fails for a reason that applies to all, or all are lost.
        """
        numbered = enumerate(requests)
        dispatcher = _Dispatcher(self._workers, _AHEAD * self._batch_size)
        try:
            while dispatcher.hand_out(numbered):
                failed: list[tuple[_Worker, Failure | None]] = []
                for worker in dispatcher.ready():
                    message = worker.receive()
                    if isinstance(message, Completion):
                        yield dispatcher.take(worker, message)
                    else:
                        failed.append((worker, message if isinstance(message, Failure) else None))
                for worker, failure in failed:
                    self._lose(worker, failure, dispatcher)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _lose(worker: _Worker, failure: Failure | None, dispatcher: _Dispatcher) -> None:
        """Give the requests of a lost worker to the others, or raise its error."""
        error = worker.error(failure)
        if (failure is not None and not isinstance(error, DeviceLostError)) or len(dispatcher.alive) == 1:
            raise error
        LOG.warning("%s; the others take over its samples", error.message)
        dispatcher.lose(worker)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.child.end(0.0)


class _Dispatcher:
    """Distributes the requests of a run to workers.

    The worker with the fewest requests receives the next, but samples of one prompt stay together.
    """

    def __init__(self, workers: Sequence[_Worker], most: int) -> None:
        self._workers = workers
        self._most = most
        self._outstanding: dict[int, Request] = {}
        self._returned: deque[int] = deque()
        self._exhausted = self._flushed = False
        self._last: _Worker | None = None
        self._prompt: tuple[int, ...] | None = None
        self._n_together = 0

    @property
    def alive(self) -> list[_Worker]:
        """The workers that are not lost."""
        return [worker for worker in self._workers if not worker.lost]

    def ready(self) -> list[_Worker]:
        """Wait for messages; return the workers that sent one."""
        alive = {worker.child.connection: worker for worker in self.alive}
        return [worker for connection, worker in alive.items() if connection in wait(list(alive))]

    def hand_out(self, numbered: Iterator[tuple[int, Request]]) -> bool:
        """Send requests to the workers; return whether any is outstanding."""
        while not self._flushed:
            worker = min(self.alive, key=lambda worker: len(worker.outstanding))
            if len(worker.outstanding) >= self._most:
                break
            if self._returned:
                index = self._returned.popleft()
                self._send(worker, index, self._outstanding[index])
                continue
            request = None if self._exhausted else next(numbered, None)
            if request is None:
                self._exhausted = self._flushed = True
                for worker in self.alive:
                    worker.send(None)  # no further requests: finish the outstanding ones
            else:
                self._outstanding[request[0]] = request[1]
                self._send(worker, *request)
        return bool(self._outstanding)

    def _send(self, worker: _Worker, index: int, request: Request) -> None:
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

    def take(self, worker: _Worker, completion: Completion) -> Completion:
        """Record a finished completion of a worker; return it with its request."""
        worker.outstanding.discard(completion.index)
        return replace(completion, request=self._outstanding.pop(completion.index))

    def lose(self, worker: _Worker) -> None:
        """Take back the requests of a lost worker for the others."""
        worker.lost = True
        worker.child.end(0.0)
        self._returned.extend(sorted(worker.outstanding))
        worker.outstanding.clear()
        self._flushed = self._flushed and not self._returned


_Requests = queue.SimpleQueue[tuple[int, Request] | None]


def serve(connection: Connection) -> None:
    """Run a worker: read a setup and requests from the pipe, write completions to it."""
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
    except Exception as error:  # noqa: BLE001 - raised in Workers.run()
        connection.send(Failure.of(error))


def _read(connection: Connection, requests: _Requests) -> None:
    """Read requests at once, so that the parent never waits; end with the parent process."""
    try:
        while True:
            requests.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)


def _engine(setup: WorkerSetup) -> Engine:
    backend = open_model(setup.load, setup.backend).load()
    if not isinstance(backend, Backend):
        raise UsageError("a model on a server has no --devices", hint="remove --devices")
    return Engine(backend, setup.sampling, batch_size=setup.batch_size, seed=setup.seed)


def _run(engine: Engine, first: tuple[int, Request], requests: _Requests, connection: Connection) -> None:
    """Complete requests until the parent has no further one."""
    indices: list[int] = []

    def received() -> Iterator[Request]:
        pair: tuple[int, Request] | None = first
        while pair is not None:
            indices.append(pair[0])
            yield pair[1]
            pair = requests.get()

    for completion in engine.run(received()):
        connection.send(replace(completion, request=_EMPTY, index=indices[completion.index]))
