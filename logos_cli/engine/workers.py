"""Several engines in their own processes, one for each device, that share the requests of a run.

A sample depends only on its request, the seed and the model, not on the process: the completions are those of a single
engine. Each process loads the model and samples; only requests and completions pass between processes. A process that the
system kills is started again, with half the batch; if one loses its device, the others take over its requests.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Final

from logos_cli.backends.base import Backend, LoadOptions, ModelInfo, Tokenizer, open_model
from logos_cli.engine.local import LocalEngine
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Request
from logos_cli.errors import DeviceLostError, LogosError, UsageError
from logos_cli.processes.child import Child
from logos_cli.processes.environment import usable_cores
from logos_cli.processes.failure import Failure, describe_end

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_AHEAD: Final = 2
"""Requests at a worker, as a multiple of its batch, so that it never waits."""

_TOGETHER: Final = 8
"""Size of the groups of samples of one prompt that go to one worker, which reads the prompt once."""

MOST_KILLED: Final = 3
"""How often a process is started again that the system has killed, as it does when memory runs out."""

_EMPTY: Final = Request("", ())

LOG = logging.getLogger("logos_cli.workers")
"""Reports a lost worker while the others continue."""


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """All that a worker receives before the requests.

    Attributes
    ----------
    load : LoadOptions
        With the worker's own device.
    sampling : Sampling, optional
        None where it only reads texts.
    """

    load: LoadOptions
    sampling: Sampling | None = None
    batch_size: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """Texts as tokens, and the tokens that are wanted at their places; the answer has log-probabilities."""

    sequences: Sequence[Sequence[int]] = ()
    wanted: Sequence[Sequence[int]] | None = None
    logps: Sequence[NDArray[np.float64]] = ()


Message = ModelInfo | Completion | Reading | Failure
"""What a worker sends: first the loaded model or the failure, then samples or log-probabilities."""


@dataclass(slots=True, eq=False)
class Worker:
    """A process with a model, and the requests that lie at it."""

    setup: WorkerSetup
    child: Child
    outstanding: set[int] = field(default_factory=set)
    lost: bool = False

    @classmethod
    def start(cls, setup: WorkerSetup) -> Worker:
        """Start a process."""
        worker = cls(setup, Child(serve))
        worker.send(setup)
        return worker

    @property
    def device(self) -> str:
        """Its device, as asked for."""
        return self.setup.load.device

    def start_again(self) -> None:
        """Start another process in place of one that has been killed, which needs less memory."""
        self.setup = replace(self.setup, batch_size=max(1, self.setup.batch_size // 2))
        self.child = Child(serve)
        self.send(self.setup)

    def send(self, message: WorkerSetup | tuple[int, Request] | Reading | None) -> None:
        """Write a message to its pipe."""
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


class WorkerProcesses:
    """Processes with a model each, one a device.

    Parameters
    ----------
    setup : WorkerSetup
        Each place of its ``load`` is one worker's; one may come twice.

    Attributes
    ----------
    info : ModelInfo
        The loaded model, with the devices of all workers.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        self._workers: list[Worker] = []
        self._n_killed = 0
        try:
            for load in each_device(setup.load):
                self._workers.append(Worker.start(replace(setup, load=load)))
            infos = [self._info(worker) for worker in self._workers]
        except BaseException:
            self.close()
            raise
        self.info = replace(infos[0], device=",".join(info.device for info in infos))

    def _info(self, worker: Worker) -> ModelInfo:
        """Wait until a worker has loaded the model; start it again if the system kills it meanwhile."""
        while True:
            message = worker.receive()
            if isinstance(message, ModelInfo):
                return message
            if not self._start_again(worker, message):
                raise worker.error(message if isinstance(message, Failure) else None)

    def _start_again(self, worker: Worker, message: Message | None) -> bool:
        """Start a worker again if the system has killed it, not too often; return whether."""
        if message is not None or worker.child.end() != -signal.SIGKILL or self._n_killed >= MOST_KILLED:
            return False
        self._n_killed += 1
        LOG.warning("the worker on %s ended %s; it is started again", worker.device, describe_end(-signal.SIGKILL))
        worker.start_again()
        return True

    @property
    def alive(self) -> list[Worker]:
        """The workers that have not been lost."""
        return [worker for worker in self._workers if not worker.lost]

    def lose(self, worker: Worker, failure: Failure | None) -> None:
        """Start a worker again, or do without it, if there are others, and they can do what lies at it."""
        if self._start_again(worker, failure):
            self._info(worker)
            return
        error = worker.error(failure)
        if (failure is not None and not isinstance(error, DeviceLostError)) or len(self.alive) == 1:
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
    batch_size : int
        The most sequences at a time on each.
    """

    def __init__(self, load: LoadOptions, sampling: Sampling, *, batch_size: int, seed: int) -> None:
        self._batch_size = batch_size
        super().__init__(WorkerSetup(load, sampling, batch_size, seed))

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
                failed: list[tuple[Worker, Failure | None]] = []
                for worker in ready(self.alive):
                    message = worker.receive()
                    if isinstance(message, Completion):
                        yield dispatcher.take(worker, message)
                    else:
                        failed.append((worker, message if isinstance(message, Failure) else None))
                for worker, failure in failed:
                    self.lose(worker, failure)
                    dispatcher.take_back(worker)
        except BaseException:
            self.close()
            raise


class Readers(WorkerProcesses):
    """Reads texts on several devices at once; what a backend is to :class:`~logos_cli.engine.likelihood.Likelihood`."""

    def __init__(self, load: LoadOptions, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        super().__init__(WorkerSetup(load))

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
    ) -> list[NDArray[np.float64]]:
        """Return how probable the tokens of texts are, as :meth:`Backend.token_logps` does.

        Raises
        ------
        LogosError
            If a worker fails for a reason that the others share, or all have been lost.
        """
        try:
            logps = self._read(sequences, wanted)
        except BaseException:
            self.close()
            raise
        return [logps[place] for place in range(len(sequences))]

    def _read(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None
    ) -> dict[int, NDArray[np.float64]]:
        waiting = deque(_shares(sequences, len(self.alive)))
        at: dict[Worker, range] = {}
        logps: dict[int, NDArray[np.float64]] = {}
        while waiting or at:
            for worker in self.alive:
                if waiting and worker not in at:
                    at[worker] = waiting.popleft()
                    share = at[worker]
                    targets = None if wanted is None else [wanted[place] for place in share]
                    worker.send(Reading([sequences[place] for place in share], targets))
            for worker in ready(list(at)):
                message, share = worker.receive(), at.pop(worker)
                if isinstance(message, Reading):
                    logps |= dict(zip(share, message.logps, strict=True))
                else:
                    self.lose(worker, message if isinstance(message, Failure) else None)
                    waiting.append(share)
        return logps


def _shares(sequences: Sequence[Sequence[int]], n_shares: int) -> Iterator[range]:
    """Yield ranges of texts with about equally many tokens; texts that follow each other share beginnings."""
    ends = list(accumulate(map(len, sequences)))
    start = 0
    for number in range(1, n_shares + 1):
        end = bisect_left(ends, ends[-1] * number / n_shares) + 1 if ends else 0
        end = min(end, len(ends))
        if end > start:
            yield range(start, end)
            start = end


def each_device(load: LoadOptions) -> list[LoadOptions]:
    """Return the options of the model on each device; those on the CPU share its cores."""
    n_cpu = load.places.count("cpu")
    threads = max(1, usable_cores() // n_cpu) if n_cpu > 1 else None
    return [load.on(device, threads if device == "cpu" else None) for device in load.places]


def ready(workers: Sequence[Worker]) -> list[Worker]:
    """Wait until one of some workers has sent something; return which have."""
    by_connection = {worker.child.connection: worker for worker in workers}
    sent = wait(list(by_connection))
    return [worker for connection, worker in by_connection.items() if connection in sent]


class _Dispatcher:
    """Distributes the requests of a run to workers.

    The worker with the fewest requests receives the next, but samples of one prompt stay together.
    """

    def __init__(self, workers: Sequence[Worker], most: int) -> None:
        self._workers = workers
        self._most = most
        self._outstanding: dict[int, Request] = {}
        self._returned: deque[int] = deque()
        self._exhausted = self._flushed = False
        self._last: Worker | None = None
        self._prompt: tuple[int, ...] | None = None
        self._n_together = 0

    @property
    def alive(self) -> list[Worker]:
        """The workers that have not been lost."""
        return [worker for worker in self._workers if not worker.lost]

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

    def _send(self, worker: Worker, index: int, request: Request) -> None:
        most = _TOGETHER if request.beam is None else request.beam.width
        same = request.prompt == self._prompt and self._n_together < most
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
        return replace(completion, request=self._outstanding.pop(completion.index))

    def take_back(self, worker: Worker) -> None:
        """Take back the requests of a lost worker, for the others."""
        self._returned.extend(sorted(worker.outstanding))
        worker.outstanding.clear()
        self._flushed = self._flushed and not self._returned


_Requests = queue.SimpleQueue[tuple[int, Request] | Reading | None]


def serve(connection: Connection) -> None:
    """Run a worker: read a setup and requests from the pipe, write completions to it."""
    setup: WorkerSetup = connection.recv()
    requests: _Requests = queue.SimpleQueue()
    try:
        backend = _backend(setup)
        connection.send(backend.info)
        engine = None
        if setup.sampling is not None:
            engine = LocalEngine(backend, setup.sampling, batch_size=setup.batch_size, seed=setup.seed)
        threading.Thread(target=_read, args=(connection, requests), daemon=True).start()
        while True:
            first = requests.get()
            if isinstance(first, Reading):
                connection.send(Reading(logps=backend.token_logps(first.sequences, first.wanted)))
            elif first is not None and engine is not None:
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


def _backend(setup: WorkerSetup) -> Backend:
    backend = open_model(setup.load).load()
    if not isinstance(backend, Backend):
        raise UsageError("a served model has no devices to choose", hint="leave out --devices")
    return backend


def _run(engine: LocalEngine, first: tuple[int, Request], requests: _Requests, connection: Connection) -> None:
    """Complete requests until the parent has no further one."""
    indices: list[int] = []

    def received() -> Iterator[Request]:
        pair: tuple[int, Request] | Reading | None = first
        while isinstance(pair, tuple):
            indices.append(pair[0])
            yield pair[1]
            pair = requests.get()

    for completion in engine.run(received()):
        connection.send(replace(completion, request=_EMPTY, index=indices[completion.index]))
