"""Starts of ``logos``: as a new process, or as a copy (fork) of an interpreter that has loaded its modules.

A copy is a process of its own, with the code of the program from its first line on. It saves the seconds in which Python
imports libraries, which is most of the time of a short command.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
LOGOS: Final = [sys.executable, "-m", "logos_cli"]
_SIGNALS: Final = {signal.SIGINT, signal.SIGTERM}

Prepare = Callable[[], None]


class Started:
    """A process of ``logos``.

    Attributes
    ----------
    pid : int
    returncode : int or None
        Negative for a signal; None while it runs.
    """

    def __init__(self, pid: int, errors: IO[bytes]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._errors = errors
        self._descriptor = os.pidfd_open(pid)

    def send_signal(self, number: int) -> None:
        """Send a signal, if the process has not ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end; return whether the process has ended by then."""
        if self.returncode is None and select.select([self._descriptor], [], [], seconds)[0]:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._descriptor)
        return self.returncode is not None

    def errors(self) -> str:
        """Return what it wrote on standard error."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        self._errors.close()
        return text


def environment() -> dict[str, str]:
    """Return the environment of the commands."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGOS_")}
    return kept | {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "TERM": "dumb", "COLUMNS": "100"}


def start_new(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str] | None = None, prepare: Prepare | None = None
) -> Started:
    """Start a new interpreter."""
    errors = _temporary()
    process = subprocess.Popen(
        [*LOGOS, *arguments],
        cwd=folder,
        env=environment() | dict(env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        preexec_fn=prepare,
    )
    started = Started(process.pid, errors)
    process.returncode = 0  # it is waited for by its descriptor
    return started


def start_copy(
    arguments: Sequence[str],
    folder: Path,
    env: Mapping[str, str] | None = None,
    prepare: Prepare | None = None,
    output: Path | None = None,
) -> Started:
    """Copy this process, which has loaded the modules, and run the program in the copy.

    Parameters
    ----------
    output : Path, optional
        File for standard output.
    """
    errors = _temporary()

    def run() -> int:
        _redirect(errors.fileno(), output)
        os.chdir(folder)
        found = environment() | dict(env or {})
        os.environ.clear()
        os.environ.update(found)
        sys.argv = ["logos", *arguments]
        return _run_program(prepare)

    return Started(_fork(run), errors)


def _temporary() -> IO[bytes]:
    """Open a file without a name: the process that writes it may outlive any block."""
    return os.fdopen(os.memfd_create("errors"), "r+b")


def _redirect(errors: int, output: Path | None) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null if output is None else os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(errors, 2)
    os.close(null)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)


def _run_program(prepare: Prepare | None) -> int:
    """Run the program, and do what the interpreter does at its end."""
    from logos_cli.__main__ import main

    code = 0
    try:
        if prepare is not None:
            prepare()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the copy must not go on with the code of its parent
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return code


def _fork(action: Callable[[], object]) -> int:
    """Run an action in a copy of this process, whose exit status is what it returns; return the process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return pid
    code = 1
    try:
        code = int(action() or 0)
    except BaseException:  # noqa: BLE001 - the copy must not go on with the code of its parent
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def run_apart(action: Callable[[], object]) -> int:
    """Run an action in a copy of this process, and return its exit status."""
    return os.waitstatus_to_exitcode(os.waitpid(_fork(action), 0)[1])


def loaded_by(arguments: Sequence[str], folder: Path) -> list[str]:
    """Run a command in a copy of this process, and return the modules that it has loaded, in their order."""
    found = folder / "modules.json"

    def run() -> None:
        atexit.register(lambda: found.write_text(json.dumps(list(sys.modules))))
        _run_here(arguments, folder)

    run_apart(run)
    modules: list[str] = json.loads(found.read_text())
    found.unlink()
    return modules


def _run_here(arguments: Sequence[str], folder: Path) -> None:
    """Run the program in this process, a copy, without output."""
    with _temporary() as errors:
        _redirect(errors.fileno(), None)
        os.chdir(folder)
        sys.argv = ["logos", *arguments]
        _run_program(None)


def load(modules: Sequence[str]) -> bool:
    """Load modules; return whether a copy of this process is safe, which has one thread only."""
    for name in modules:
        if name not in sys.modules and name.partition(".")[0] not in _WITH_THREADS:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()
    return len(list(Path("/proc/self/task").iterdir())) == 1


_WITH_THREADS: Final = frozenset({"meeko"})
"""Packages that start a thread where they are imported."""
