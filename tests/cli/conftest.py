"""The program as a user starts it, outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.cli.in_process import Finished, run_here

TIMEOUT_S = 120


class Logos(Protocol):
    """Signature of the ``logos`` fixture."""

    def __call__(
        self,
        *arguments: str | Path,
        stdin: str | bytes | None = "",
        env: Mapping[str, str] | None = None,
        code: int | None = None,
    ) -> subprocess.CompletedProcess[str]: ...


def environment(checkout: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment in which a child runs this checkout, without colour or a user's settings."""
    env = {name: value for name, value in os.environ.items() if name not in ("LOGOS_TRACEBACK", "FORCE_COLOR")}
    env |= {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "COLUMNS": "100", "TERM": "dumb"}
    return env | dict(extra or {})


@pytest.fixture
def logos_env(checkout: Path) -> dict[str, str]:
    """Environment for tests that start the program themselves."""
    return environment(checkout)


@pytest.fixture
def logos_argv() -> list[str]:
    """How to start the program as a user does: see also :func:`preloaded_argv`."""
    return [sys.executable, "-m", "logos_cli"]


@pytest.fixture(scope="session")
def preloaded_argv(checkout: Path) -> Iterator[list[str]]:
    """How to start the program as a process that is forked from one with the libraries loaded.

    It saves seconds a start. Not for tests of the start itself, of the terminal, of process trees and limits.
    """
    folder = tempfile.mkdtemp(prefix="logos-")  # a socket's path must be short
    command = [sys.executable, "-m", "tests.preloaded.server", f"{folder}/socket"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=checkout, env=environment(checkout)) as server:
        while not Path(folder, "socket.torch").exists():
            assert server.poll() is None
            time.sleep(0.01)
        client = Path(__file__).resolve().parent.parent / "preloaded" / "client.py"
        yield [sys.executable, "-I", "-S", str(client), f"{folder}/socket"]
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(30) == 0
    shutil.rmtree(folder)


@pytest.fixture
def logos_process(checkout: Path, tmp_path: Path, preloaded_argv: list[str]) -> Logos:
    """Run ``logos ARGUMENTS`` in a process of its own, in an empty directory, and return the finished process.

    For tests of what only a process has: workers that are forked, settings that libraries read once.
    """

    def run(command: list[str], stdin: bytes | None, env: Mapping[str, str]) -> Finished:
        done = subprocess.run(
            [*preloaded_argv, *command],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            cwd=tmp_path,
            env=env,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return _checked(run, checkout)


@pytest.fixture
def logos(checkout: Path, tmp_path: Path) -> Logos:
    """Do what :func:`logos_process` does within this process, where libraries and models are loaded already."""

    def run(command: list[str], stdin: bytes | None, env: Mapping[str, str]) -> Finished:
        return run_here(command, stdin, env, tmp_path)

    return _checked(run, checkout)


def _checked(run: Callable[[list[str], bytes | None, Mapping[str, str]], Finished], checkout: Path) -> Logos:
    """Return the fixture's function.

    Its ``stdin`` is text or bytes to pipe in; None closes it. ``code`` is the exit code that the test counts on.
    """

    def logos(
        *arguments: str | Path,
        stdin: str | bytes | None = "",
        env: Mapping[str, str] | None = None,
        code: int | None = None,
    ) -> subprocess.CompletedProcess[str]:
        command = [str(argument) for argument in arguments]
        given = stdin.encode() if isinstance(stdin, str) else stdin
        returned, stdout, stderr = run(command, given, environment(checkout, env))
        out = subprocess.CompletedProcess(command, returned, stdout.decode(), stderr.decode(errors="replace"))
        if code is not None:
            assert out.returncode == code, f"exit {out.returncode}\n{out.stdout[-2000:]}\n{out.stderr[-4000:]}"
        return out

    return logos
