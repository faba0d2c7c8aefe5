"""Several engines in processes of their own, one a device, that share the requests of a run.

A sample depends on nothing but its request, the seed and the model: who makes it does not matter, and the
completions are those of a single engine. Each process loads the model, steps and samples for itself; only
requests and completions pass between them.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any, Literal

from logos_cli import errors
from logos_cli.backends.base import Backend, LoadOptions, ModelInfo, open_model
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.errors import LogosError, UsageError

_PROGRAM = "from logos_cli.engine.workers import serve; serve()"
_AHEAD = 2
"""So many times its batch lie at a worker, so that it never waits for work."""

_TOGETHER = 8
"""Samples of one prompt go to one worker in groups of so many: it reads the prompt once for them."""

_EMPTY = Request("", ())


@dataclass(frozen=True, slots=True)
class Job:
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
        self,
        devices: Sequence[str],
        load: LoadOptions,
        backend: str,
        sampling: Sampling,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        n_cpu = sum(device == "cpu" for device in devices)
        self._batch_size = batch_size
        self._messages: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        try:
            for device in devices:
                threads = load.threads
                if threads is None and device == "cpu" and n_cpu > 1:
                    threads = max(1, _usable_cores() // n_cpu)
                job = Job(replace(load, device=device, threads=threads), backend, sampling, batch_size, seed)
                self._start(device, job)
            self.info = self._await_all()
        except BaseException:
            self.close()
            raise

    def _start(self, device: str, job: Job) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        )
        number = len(self._workers)
        self._workers.append(_Worker(device, process))
        assert process.stdout is not None
        threading.Thread(target=self._listen, args=(number, process.stdout), daemon=True).start()
        self._workers[number].send(job)

    def _listen(self, number: int, stream: IO[bytes]) -> None:
        """Pass on what a worker says, and None when it has gone."""
        try:
            while True:
                self._messages.put((number, pickle.load(stream)))  # noqa: S301 - a process of our own
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self._messages.put((number, None))

    def _await_all(self) -> ModelInfo:
        infos: dict[int, ModelInfo] = {}
        while len(infos) < len(self._workers):
            number, message = self._messages.get()
            if not isinstance(message, ModelInfo):
                raise self._failure(number, message)
            infos[number] = message
        return replace(infos[0], device=",".join(infos[number].device for number in sorted(infos)))

    def _failure(self, number: int, message: Any) -> LogosError:
        worker = self._workers[number]
        if isinstance(message, _Failed):
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

        What has been finished is yielded before an exception leaves. Runs once: the workers end with it.
        """
        numbered = enumerate(requests)
        given: dict[int, Request] = {}
        finished: dict[int, Completion] = {}
        turn = 0
        dealer = _Dealer(self._workers, _AHEAD * self._batch_size)
        exhausted = False
        try:
            while True:
                while not exhausted and (worker := dealer.next_worker()) is not None:
                    drawn = next(numbered, None)
                    if drawn is None:
                        exhausted = True
                        for each in self._workers:
                            each.send(None)
                        break
                    given[drawn[0]] = drawn[1]
                    dealer.deal(worker, *drawn)
                if not given:
                    return
                number, message = self._messages.get()
                if not isinstance(message, Completion):
                    if message is None and exhausted and not self._workers[number].outstanding:
                        continue  # it has done its part
                    yield from (finished.pop(each) for each in sorted(finished))
                    raise self._failure(number, message)
                index = message.index
                self._workers[number].outstanding.discard(index)
                finished[index] = replace(message, request=given.pop(index))
                if order == "completed":
                    yield finished.pop(index)
                while turn in finished:
                    yield finished.pop(turn)
                    turn += 1
        finally:
            self.close()

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.kill()
            worker.process.wait()
            for stream in (worker.process.stdin, worker.process.stdout):
                if stream is not None:
                    try:
                        stream.close()
                    except OSError:
                        continue  # what could not be sent any more


class _Dealer:
    """Decides who gets the next request: who has the least, but samples of one prompt stay together."""

    def __init__(self, workers: Sequence[_Worker], most: int) -> None:
        self._workers = workers
        self._most = most
        self._last: _Worker | None = None
        self._prompt: tuple[int, ...] | None = None
        self._n_together = 0

    def next_worker(self) -> _Worker | None:
        """Return a worker with room; None if there is none."""
        least = min(self._workers, key=lambda worker: len(worker.outstanding))
        return least if len(least.outstanding) < self._most else None

    def deal(self, worker: _Worker, index: int, request: Request) -> None:
        """Send a request to the worker, or to the one that has its prompt."""
        same = request.prompt == self._prompt and self._n_together < _TOGETHER
        if same and self._last is not None and len(self._last.outstanding) < self._most:
            worker = self._last
            self._n_together += 1
        else:
            self._n_together = 1
        self._last, self._prompt = worker, request.prompt
        worker.outstanding.add(index)
        worker.send((index, request))


@dataclass(frozen=True, slots=True)
class _Failed:
    """An error of a worker, in a form that every error has."""

    kind: str
    message: str
    hint: str | None
    source: str | None

    def error(self) -> LogosError:
        kind = getattr(errors, self.kind, LogosError)
        if not issubclass(kind, LogosError) or kind is errors.GrammarError:
            kind = LogosError
        made: LogosError = kind(self.message, hint=self.hint, source=self.source)
        return made


def _usable_cores() -> int:
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores, int(slurm)) if slurm.isdigit() and int(slurm) else cores


def _environment() -> dict[str, str]:
    """Return the environment of a worker, which finds this package wherever it was started."""
    places = [place for place in sys.path if place]
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(places)}


def serve() -> None:
    """Be a worker: read a job and requests from standard input, write completions to standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between
    requests: queue.SimpleQueue[tuple[int, Request] | None] = queue.SimpleQueue()
    job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the parent

    def read() -> None:
        try:
            while (message := pickle.load(sys.stdin.buffer)) is not None:  # noqa: S301 - from the parent
                requests.put(message)
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)  # the parent is gone
        requests.put(None)

    def send(message: Any) -> None:
        pickle.dump(message, answers)
        answers.flush()

    try:
        _work(job, requests, read, send)
    except LogosError as error:
        send(_Failed(type(error).__name__, error.message, error.hint, error.source))
    except MemoryError:
        send(_Failed("DeviceMemoryError", "out of memory", "use a smaller batch (-b)", None))
    # threads of libraries and of ours do not hold up the end
    os._exit(0)


def _work(job: Job, requests: queue.SimpleQueue[tuple[int, Request] | None], read: Any, send: Any) -> None:
    backend = open_model(job.load, job.backend).load()
    if not isinstance(backend, Backend):
        raise UsageError("a served model has no devices to choose", hint="leave out --devices")
    send(backend.info)
    threading.Thread(target=read, daemon=True).start()
    engine = Engine(backend, job.sampling, batch_size=job.batch_size, seed=job.seed)
    indices: list[int] = []

    def drawn() -> Iterator[Request]:
        while (pair := requests.get()) is not None:
            indices.append(pair[0])
            yield pair[1]

    for completion in engine.run(drawn(), order="completed"):
        send(replace(completion, request=_EMPTY, index=indices[completion.index]))
