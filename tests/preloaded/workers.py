"""Workers that are forked from a process with the libraries loaded: a pool saves seconds at its start.

A process of tests has torch, which a fork does not survive, so that the program starts each pool in a new interpreter. Here
it is a copy of one that has loaded what docking and scoring need; the rest is that of the program.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import pytest

from logos_cli.processes import child
from logos_cli.processes.environment import become_worker

_PRELOADED = ["tests.preloaded.libraries"]


class _Worker:
    """What the program uses of a process that it has started."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = process.pid

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("worker", timeout or 0.0)
        return status

    def kill(self) -> None:
        self._process.kill()


def _run(serve: Callable[[Connection], None], there: Connection, variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    become_worker()
    child._serve(serve, there, None)


def _start(
    serve: Callable[[Connection], None], there: Connection, _parent: int | None, environment: Mapping[str, str]
) -> _Worker:
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_run, args=(serve, there, dict(os.environ) | dict(environment)), daemon=True)
    process.start()
    return _Worker(process)


@pytest.fixture
def preloaded_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start pools as copies of a process with the libraries loaded."""
    monkeypatch.setattr(child, "_spawned", _start)
    yield
