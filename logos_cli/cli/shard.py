"""Run a shard in a worker that stays for the next one: what it has loaded, the model above all, is kept."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from logos_cli.errors import ExitCode
from logos_cli.processes.environment import usable_cores
from logos_cli.workflows.submit.settings import Outcome, Settings

_TAIL: Final = 2000
_PAUSE_S: Final = 5.0
_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOGOS_THREADS")


def run_shard(settings: Settings, number: int) -> Outcome:
    """Run a shard of a submission in this process, as its command line would.

    It ends at a record, with exit code 143, some time before the end of the job.

    Parameters
    ----------
    number : int
        Number of the shard, from 1.
    """
    from logos_cli.cli.app import run_command
    from logos_cli.engine import start

    began = time.monotonic()
    os.chdir(settings.directory)
    for name in _THREADS:
        os.environ.setdefault(name, str(settings.n_threads))
    start.keep_models()
    accelerator = os.environ.get("CUDA_VISIBLE_DEVICES", "") if settings.n_gpus else ""
    worker = f"{socket.gethostname()}:{os.getpid()}{':' if accelerator else ''}{accelerator}"
    left_s = _left_s(settings)
    is_stopped = settings.stop_file.exists()
    if left_s <= 0 or is_stopped:  # the job takes no further shard
        time.sleep(0 if is_stopped else _PAUSE_S)
        return Outcome(ExitCode.TERMINATED, "", time.monotonic() - began, worker, usable_cores(), start.n_loaded())
    log = settings.folder / "workers" / f"{socket.gethostname()}-{os.getpid()}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [*settings.command, "--shard", f"{number}/{settings.n_shards}", "--resume"]
    sys.argv = ["logos", *words]
    with log.open("ab") as stream:
        stream.write(f"== shard {number}\n".encode())
        stream.flush()
        place = stream.tell()
        with _redirected(stream.fileno()), _stopped_after(left_s):
            code = run_command(words)
    with log.open("rb") as written:
        written.seek(place)
        message = written.read()[-_TAIL:].decode(errors="replace").strip()
    return Outcome(code, message, time.monotonic() - began, worker, usable_cores(), start.n_loaded())


def _left_s(settings: Settings) -> float:
    """Return the time until the command must stop; the job began when the worker's parent did."""
    from logos_cli.workflows.plan import lead_of

    if settings.walltime_s is None:
        return float("inf")
    import psutil

    since = psutil.Process(os.getppid()).create_time()
    return float(settings.walltime_s - lead_of(settings.walltime_s) - (time.time() - since))


@contextmanager
def _redirected(descriptor: int) -> Iterator[None]:
    """Let the command and its libraries write to a file, and read nothing."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    for stream in streams[1:]:
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    numbers = [os.dup(number) for number in range(3)]
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        for number, other in enumerate((null, descriptor, descriptor)):
            os.dup2(other, number)
        with (
            os.fdopen(0, encoding="utf-8", closefd=False) as sys.stdin,
            os.fdopen(1, "w", encoding="utf-8", closefd=False) as sys.stdout,
            os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1) as sys.stderr,
        ):
            yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        for number, before in enumerate(numbers):
            os.dup2(before, number)
            os.close(before)
        os.close(null)


@contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    """Send this process the signal that stops a command at its record, after some time; ignore it afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    timer = None
    if seconds < float("inf"):
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, handlers[signal.SIGTERM])
