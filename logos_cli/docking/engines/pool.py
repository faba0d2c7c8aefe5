"""Docking many ligands: a server process with one worker a core."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import IO, Any, Self

from logos_cli.docking.engines.server import Docked, Result, ServerSetup, Task
from logos_cli.errors import LogosError
from logos_cli.processes.environment import Failure, worker_environment

__all__ = ["Docked", "Failure", "Pool", "Result", "ServerSetup", "Task"]

_AHEAD = 2
"""So many ligands a worker lie at the server, so that no worker waits."""

_PATIENCE_S = 3.0
"""So long may the server take to end: it cannot hear while it makes maps."""


class Pool:
    """Docks ligands in other processes; used as a context.

    Parameters
    ----------
    job : Job
        What to dock to, and how.

    Raises
    ------
    LogosError
        If the engine refuses the receptor or cannot be started.
    """

    def __init__(self, job: ServerSetup) -> None:
        self.job = job
        self._messages: SimpleQueue[Any] = SimpleQueue()
        task_end, self._tasks_fd = os.pipe()
        self._results_fd, result_end = os.pipe()
        program = f"from logos_cli.docking.engines.server import serve; serve({task_end}, {result_end})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            pass_fds=(task_end, result_end),
            env=worker_environment(OMP_NUM_THREADS="1"),
        )
        os.close(task_end)
        os.close(result_end)
        self._tasks = Connection(self._tasks_fd, readable=False)
        self._answers = os.fdopen(self._results_fd, "rb")
        self._reader = threading.Thread(target=self._listen, args=(self._answers,), daemon=True)
        self._reader.start()
        try:
            self._tasks.send(job)
            self._expect_ready()
        except BaseException:
            self.close()
            raise

    def _listen(self, stream: IO[bytes]) -> None:
        try:
            while True:
                self._messages.put(pickle.load(stream))  # noqa: S301 - a process of our own
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self._messages.put(None)

    def _expect_ready(self) -> None:
        message = self._messages.get()
        if isinstance(message, Failure):
            raise message.error()
        if message != "ready":
            raise self._gone()

    def _gone(self) -> LogosError:
        code = self._end()
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        return LogosError(f"the docking process ended {how}", hint="finished ligands are kept; is there enough memory?")

    def run(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the results as they come; tasks are drawn as workers need them.

        May be called again when all results have been taken; if it is left early, the pool has to be closed.
        """
        source = iter(tasks)
        outstanding = 0
        exhausted = False
        most = _AHEAD * self.job.n_workers
        while True:
            while not exhausted and outstanding < most:
                task = next(source, None)
                if task is None:
                    exhausted = True
                    break
                outstanding += 1
                try:
                    self._tasks.send(task)
                except (BrokenPipeError, OSError) as error:
                    raise self._gone() from error
            if not outstanding:
                return
            message = self._messages.get()
            if not isinstance(message, Result):
                raise self._gone()
            outstanding -= 1
            yield message

    def close(self) -> None:
        """End the processes: the server notices that nobody asks any more, and ends its workers."""
        with suppress(OSError):
            self._tasks.send(None)  # idle, it ends in order
        self._tasks.close()
        self._end()
        self._reader.join(_PATIENCE_S)
        self._answers.close()

    def _end(self) -> int:
        """Return the server's exit status; it is killed if it does not end by itself."""
        try:
            return self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
