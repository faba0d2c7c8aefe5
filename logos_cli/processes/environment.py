"""Cores of a process, and the environment of the processes that it starts."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def usable_cores() -> int:
    """Return the number of cores that this process may use, by its affinity and by Slurm."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(cores, int(slurm)) if slurm.isdigit() and int(slurm) else cores


def worker_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker, in which it finds this package in any directory."""
    places = [place or os.getcwd() for place in sys.path]  # noqa: PTH109 - a path as text
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(places), **variables}


_STARTS_THREADS: Final = frozenset({"torch", "onnxruntime", "jax"})
"""Libraries that start threads which Python does not count."""


def may_fork() -> bool:
    """Return whether a fork of this process is safe: no thread holds a lock that the copy would wait for."""
    return sys.platform == "linux" and threading.active_count() == 1 and _STARTS_THREADS.isdisjoint(sys.modules)


def become_worker() -> None:
    """Leave Ctrl-C and SIGTERM to the parent, and redirect standard input and output to the null device.

    The output of libraries must not come between the records of the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    if null > 2:
        os.close(null)


def end_with_parent(parent: int | None) -> None:
    """Let the system kill this process when its parent ends, whatever it does at that moment.

    If the system cannot (macOS), the pipe to the parent closes instead. The signal comes when the thread that started
    this process ends, so it is only used if that is the parent's main thread.

    Parameters
    ----------
    parent : int, optional
        The parent's process id; None lets this process outlive the parent again.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL) if parent is not None else 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)  # the parent has ended already
