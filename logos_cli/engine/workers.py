"""Several engines in processes of their own, one a device, that share the requests of a run.

A sample depends on nothing but its request, the seed and the model: who makes it does not matter, and the
completions are those of a single engine. Each process loads the model, steps and samples for itself; only
requests and completions pass between them. What lies at a process that dies, or that loses its device, is made by
the others.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any, Literal, NoReturn

from logos_cli.backends.base import Backend, LoadOptions, ModelInfo, open_model
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.errors import DeviceLostError, DeviceMemoryError, LogosError, UsageError
from logos_cli.processes.environment import Failure, usable_cores, worker_environment

_PROGRAM = "from logos_cli.engine.workers import serve; serve()"
_AHEAD = 2
"""So many times its batch lie at a worker, so that it never waits for work."""

_TOGETHER = 8
"""Samples of one prompt go to one worker in groups of so many: it reads the prompt once for them."""

_EMPTY = Request("", ())

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


@dataclass(slots=True)
class _Worker:
    """A process, and the requests that lie at it."""

    device: str
    process: subprocess.Popen[bytes]
    outstanding: set[int] = field(default_factory=set)
    lost: bool = False

    def send(self, message: Any) -> None:
        assert self.process.stdin is not None
        try:
            pickle.dump(message, self.process.stdin)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died, which its reader tells


class Workers:
    """Makes samples on several devices at once; used like :class:`~logos_cli.engine.scheduler.Engine`.

    Parameters
    ----------
    devices : sequence of str
        One a worker, as ``--device`` takes them; one may come twice.
    batch_size : int
        The most sequences at a time on each.

    Attributes
    ----------
    info : ModelInfo
        What the workers loaded; its device names all of theirs.
    """

    def __init__(
        self, devices: Sequence[str], load: LoadOptions, backend: str, sampling: Sampling, *, batch_size: int, seed: int
    ) -> None:
        n_cpu = sum(device == "cpu" for device in devices)
        self._batch_size = batch_size
        self._messages: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        weakref.finalize(self, _end, self._workers)
        try:
            for device in devices:
                threads = load.threads
                if threads is None and device == "cpu" and n_cpu > 1:
                    threads = max(1, usable_cores() // n_cpu)
                job = WorkerSetup(replace(load, device=device, threads=threads), backend, sampling, batch_size, seed)
                self._start(device, job)
            self.info = self._await_all()
        except BaseException:
            self.close()
            raise

    def _start(self, device: str, job: WorkerSetup) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=worker_environment()
        )
        number = len(self._workers)
        self._workers.append(_Worker(device, process))
        assert process.stdout is not None
        heard = (number, process.stdout, self._messages)
        threading.Thread(target=_listen, args=heard, daemon=True).start()
        self._workers[number].send(job)

    def _await_all(self) -> ModelInfo:
        infos: dict[int, ModelInfo] = {}
        while len(infos) < len(self._workers):
            number, message = self._messages.get()
            if not isinstance(message, ModelInfo):
                raise self._failure(number, message)
            infos[number] = message
        return replace(infos[0], device=",".join(infos[number].device for number in sorted(infos)))

    def _give_up(self, number: int, message: Any) -> NoReturn:
        raise self._failure(number, message)

    def _failure(self, number: int, message: Any) -> LogosError:
        worker = self._workers[number]
        if isinstance(message, Failure):
            return message.error()
        code = worker.process.wait()
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        return LogosError(
            f"the worker on {worker.device} ended {how}",
            hint="finished records are kept; see whether the device and its memory are in order",
        )

    def run(
        self, requests: Iterable[Request], *, order: Literal["input", "completed"] = "input"
    ) -> Iterator[Completion]:
        """Yield the completions; requests are drawn as workers need them.

        What has been finished is yielded before an exception leaves. The processes stay for another run, unless it
        is left early.

        Raises
        ------
        LogosError
            If a worker fails for a reason that the others share, or all have been lost.
        """
        numbered = enumerate(requests)
        finished: dict[int, Completion] = {}
        turn = 0
        deal = _Dispatcher(self._workers, _AHEAD * self._batch_size)
        try:
            while deal.hand_out(numbered):
                number, message = self._messages.get()
                if self._workers[number].lost:
                    continue  # the others have been given what lay there
                if isinstance(message, Completion):
                    finished[message.index] = deal.take(number, message)
                elif self._is_lost(message) and len(deal.alive) > 1:
                    LOG.warning("%s; its samples go to the others", self._failure(number, message).message)
                    deal.lose(number)
                else:
                    yield from (finished.pop(each) for each in sorted(finished))
                    self._give_up(number, message)
                if order == "completed":
                    yield from (finished.pop(each) for each in list(finished))
                while turn in finished:
                    yield finished.pop(turn)
                    turn += 1
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _is_lost(message: Any) -> bool:
        return message is None or (isinstance(message, Failure) and message.kind == DeviceLostError.__name__)

    def close(self) -> None:
        """End the processes."""
        _end(self._workers)


def _listen(number: int, stream: IO[bytes], messages: queue.SimpleQueue[tuple[int, Any]]) -> None:
    """Pass on what a worker says, and None when it has gone."""
    try:
        while True:
            messages.put((number, pickle.load(stream)))  # noqa: S301 - a process of our own
    except (EOFError, OSError, ValueError, pickle.UnpicklingError):
        messages.put((number, None))


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()
        for stream in (worker.process.stdin, worker.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue  # what could not be sent any more


class _Dispatcher:
    """The requests of a run that lie at workers.

    Who has the least gets the next one, but samples of one prompt stay together.
    """

    def __init__(self, workers: Sequence[_Worker], most: int) -> None:
        self._workers = workers
        self._most = most
        self._given: dict[int, Request] = {}
        self._again: deque[int] = deque()
        self._exhausted = self._told = False
        self._last: _Worker | None = None
        self._prompt: tuple[int, ...] | None = None
        self._n_together = 0

    @property
    def alive(self) -> list[_Worker]:
        """The workers that have not been lost."""
        return [worker for worker in self._workers if not worker.lost]

    def hand_out(self, numbered: Iterator[tuple[int, Request]]) -> bool:
        """Send requests to all workers that have room; return whether any lies at one."""
        while not self._told:
            worker = min(self.alive, key=lambda each: len(each.outstanding))
            if len(worker.outstanding) >= self._most:
                break
            if self._again:
                index = self._again.popleft()
                self._send(worker, index, self._given[index])
                continue
            drawn = None if self._exhausted else next(numbered, None)
            if drawn is None:
                self._exhausted = self._told = True
                for each in self.alive:
                    each.send(None)  # nothing to wait for: go on with what is there
            else:
                self._given[drawn[0]] = drawn[1]
                self._send(worker, *drawn)
        return bool(self._given)

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

    def take(self, number: int, completion: Completion) -> Completion:
        """Note what a worker has finished; return it with its request."""
        self._workers[number].outstanding.discard(completion.index)
        return replace(completion, request=self._given.pop(completion.index))

    def lose(self, number: int) -> None:
        """Take back what lies at a worker that is gone, for the others to make."""
        worker = self._workers[number]
        worker.lost = True
        worker.process.kill()
        self._again.extend(sorted(worker.outstanding))
        worker.outstanding.clear()
        self._told = self._told and not self._again


def serve() -> None:
    """Be a worker: read a job and requests from standard input, write completions to standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between
    requests: _Requests = queue.SimpleQueue()
    job: WorkerSetup = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the parent

    def read() -> None:
        try:
            while True:
                requests.put(pickle.load(sys.stdin.buffer))  # noqa: S301 - from the parent
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)  # the parent is gone

    def send(message: Any) -> None:
        pickle.dump(message, answers)
        answers.flush()

    try:
        _work(job, requests, read, send)
    except LogosError as error:
        send(Failure.of(error))
    except MemoryError:
        send(Failure("out of memory", "use a smaller batch (-b)", DeviceMemoryError.__name__))
    # threads of libraries and of ours do not hold up the end
    os._exit(0)


_Requests = queue.SimpleQueue[tuple[int, Request] | None]


def _work(job: WorkerSetup, requests: _Requests, read: Any, send: Any) -> None:
    backend = open_model(job.load, job.backend).load()
    if not isinstance(backend, Backend):
        raise UsageError("a served model has no devices to choose", hint="leave out --devices")
    send(backend.info)
    threading.Thread(target=read, daemon=True).start()
    engine = Engine(backend, job.sampling, batch_size=job.batch_size, seed=job.seed)
    while True:
        first = requests.get()
        if first is not None:
            _run(engine, first, requests, send)


def _run(engine: Engine, first: tuple[int, Request], requests: _Requests, send: Any) -> None:
    """Make what is asked for until the parent has nothing more for now."""
    indices: list[int] = []

    def drawn() -> Iterator[Request]:
        pair: tuple[int, Request] | None = first
        while pair is not None:
            indices.append(pair[0])
            yield pair[1]
            pair = requests.get()

    for completion in engine.run(drawn(), order="completed"):
        send(replace(completion, request=_EMPTY, index=indices[completion.index]))
