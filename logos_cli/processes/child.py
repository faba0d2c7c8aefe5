"""A child process that serves this one through a pipe, and ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Mapping
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import ForkProcess
from typing import Final, NoReturn

from logos_cli.processes.environment import become_worker, end_with_parent, worker_environment

PATIENCE_S: Final = 3.0
"""Time for a process to end by itself after its pipe is closed."""

Serve = Callable[[Connection], None]
_Process = subprocess.Popen[bytes] | ForkProcess


class Child:
    """A process that runs one function of this package.

    Its standard input and output are the null device; standard error is that of this process.

    Parameters
    ----------
    serve : callable
        A function of a module. It gets its end of the pipe, and should return when the other end is closed.
    fork : bool
        Copy this process, with all that it has loaded, instead of starting a new one: only if it is safe by
        :func:`~logos_cli.processes.environment.may_fork`.
    environment : mapping, optional
        Added to the environment of a new process.

    Attributes
    ----------
    connection : Connection
        This end of the pipe.
    pid : int
    """

    def __init__(self, serve: Serve, *, fork: bool = False, environment: Mapping[str, str] | None = None) -> None:
        self.connection, there = Pipe()
        parent = os.getpid() if threading.current_thread() is threading.main_thread() else None
        self._process = (
            _forked(serve, self.connection, there, parent)
            if fork
            else _spawned(serve, there, parent, environment or {})
        )
        there.close()
        pid = self._process.pid
        assert pid is not None  # it has been started
        self.pid = pid
        weakref.finalize(self, _end, self._process, self.connection, PATIENCE_S)

    @property
    def is_running(self) -> bool:
        """Whether the process is still running."""
        return _wait(self._process, 0.0) is None

    def end(self, patience_s: float = PATIENCE_S) -> int:
        """Close the pipe and return the exit status, negative for a signal.

        A process that has not ended by itself in this time is killed.
        """
        return _end(self._process, self.connection, patience_s)


def _spawned(
    serve: Serve, there: Connection, parent: int | None, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    arguments = f"{there.fileno()}, {parent}, {serve.__module__!r}, {serve.__qualname__!r}"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"from logos_cli.processes.child import main; main({arguments})"],
        pass_fds=(there.fileno(),),
        env=worker_environment(environment),
    )


def _forked(serve: Serve, here: Connection, there: Connection, parent: int | None) -> ForkProcess:
    process = get_context("fork").Process(target=_serve_copy, args=(serve, here, there, parent), daemon=True)
    process.start()
    return process


def _serve_copy(serve: Serve, here: Connection, there: Connection, parent: int | None) -> None:
    become_worker()
    here.close()  # the parent's end must close when the parent ends
    _serve(serve, there, parent)


def main(descriptor: int, parent: int | None, module: str, name: str) -> None:
    """Run the child: import the function and serve."""
    become_worker()
    _serve(getattr(import_module(module), name), Connection(descriptor), parent)


def _serve(serve: Serve, connection: Connection, parent: int | None) -> NoReturn:
    if parent is not None:
        end_with_parent(parent)
    status = 1
    try:
        serve(connection)
        status = 0
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent has ended, and nobody waits for a message
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        os._exit(status)  # threads of libraries must not delay the end


def _wait(process: _Process, patience_s: float | None) -> int | None:
    """Return the exit status; None if the process is still running by then."""
    if isinstance(process, ForkProcess):
        process.join(patience_s)
        return process.exitcode
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return None


def _end(process: _Process, connection: Connection, patience_s: float) -> int:
    connection.close()
    status = _wait(process, patience_s)
    if status is None:
        process.kill()
        status = _wait(process, None)
    assert status is not None  # it was waited for
    return status
