"""Faults: each disturbs a command once."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import starts
from tests.faults.starts import Started
from tests.faults.subjects import Subject, open_files

SECONDS = 180
GRACE_S = 10


@dataclass
class Attempt:
    """One try: a folder, the command in it, and what is counted.

    Attributes
    ----------
    typical_s : float
        What the command takes undisturbed.
    copies : bool
        Start it as a copy of this process, not as a new one.
    """

    subject: Subject
    folder: Path
    rng: random.Random
    typical_s: float
    shim: Path | None
    copies: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    errors: str = ""

    def start(
        self,
        env: dict[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        arguments: Sequence[str] | None = None,
    ) -> Started:
        """Start the command, or one with other arguments."""
        start = starts.start_copy if self.copies else starts.start_new
        return start(self.subject.arguments if arguments is None else arguments, self.folder, env, prepare)

    def finish(self, process: Started, seconds: float = SECONDS, sent: Sequence[int] = ()) -> int:
        """Wait for the command, and count how it ended."""
        if not process.wait(seconds):
            self.counts["hung"] += 1
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.notes.append(f"hung: {process.errors()[-500:]}")
            return process.returncode or 0
        code = process.returncode or 0
        errors = self.errors = process.errors()
        # Python itself prints a traceback where it is interrupted before it has begun the program
        is_early = signal.SIGINT in sent and "KeyboardInterrupt" in errors and "logos_cli/" not in errors
        self.counts["early"] += is_early
        died = code < 0 and -code not in sent
        if died or "internal error" in errors or ("Traceback" in errors and not is_early):
            self.fail(f"crashed ({code}): {errors[-2500:]}")
        return code

    def fail(self, note: str) -> None:
        """Count a crash."""
        self.counts["crashed"] += 1
        self.notes.append(note)

    def random_moment(self) -> None:
        """Wait until some moment of the command."""
        time.sleep(self.rng.uniform(0.01, 1.0) * self.typical_s)


def _signal(number: int) -> Callable[[Attempt], None]:
    def disturb(attempt: Attempt) -> None:
        process = attempt.start()
        attempt.random_moment()
        process.send_signal(number)
        attempt.finish(process, GRACE_S, (number,))

    return disturb


def _torn(attempt: Attempt) -> None:
    """Kill the command, and cut the ends of what it was writing, as a crash of the machine does."""
    _signal(signal.SIGKILL)(attempt)
    for path in open_files(attempt.folder, attempt.subject):
        if size := path.stat().st_size:
            os.truncate(path, size - attempt.rng.randrange(min(size, 300) + 1))


def _shim(fault: str, least: int = 0, most: int = 0) -> Callable[[Attempt], None]:
    def disturb(attempt: Attempt) -> None:
        env = {"LD_PRELOAD": str(attempt.shim), "LOGOS_FAULT": fault}
        if most:
            env["LOGOS_FAULT_AFTER"] = str(attempt.rng.randrange(least, most))
        code = attempt.finish(attempt.start(env))
        if not most and code not in (0, 3):
            attempt.fail(f"ended with {code}: {attempt.errors[-1500:]}")

    return disturb


def _file_size(attempt: Attempt) -> None:
    """Bound the size of files (ulimit -f), as a quota does."""
    limit = attempt.rng.randrange(1_000, 200_000)
    process = attempt.start(prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    attempt.finish(process, sent=(signal.SIGXFSZ,))


def _memory(attempt: Attempt) -> None:
    """Bound the address space (ulimit -v)."""
    limit = attempt.rng.randrange(150, 1500) << 20
    if attempt.copies:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGESIZE") + (attempt.rng.randrange(1, 400) << 20)
    process = attempt.start(prepare=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    attempt.finish(process)


def _double_start(attempt: Attempt) -> None:
    first = attempt.start()
    time.sleep(attempt.rng.uniform(0, 0.5))
    second = attempt.start()
    codes = {attempt.finish(first), attempt.finish(second)}
    if not codes & {0, 3}:
        attempt.fail(f"neither of two ended well: {codes}")


def _kill_worker(attempt: Attempt) -> None:
    """Kill a worker at a random moment after the first of them has begun."""
    process = attempt.start()
    until = time.monotonic() + SECONDS
    while not process.wait(0.002) and not _descendants(process.pid) and time.monotonic() < until:
        pass
    time.sleep(attempt.rng.uniform(0.0, 0.3) * attempt.typical_s)
    workers = _descendants(process.pid)
    if workers:
        with suppress(ProcessLookupError):  # it has ended
            os.kill(attempt.rng.choice(workers), signal.SIGKILL)
    code = attempt.finish(process)
    attempt.counts["missed"] += not workers
    if code not in (0, 3):
        attempt.fail(f"ended with {code}: {attempt.errors[-1500:]}")


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in children for each in (child, *_descendants(child))]


FAULTS: dict[str, Callable[[Attempt], None]] = {
    "SIGKILL": _signal(signal.SIGKILL),
    "SIGTERM": _signal(signal.SIGTERM),
    "SIGINT": _signal(signal.SIGINT),
    "torn files": _torn,
    "ENOSPC": _shim("enospc", 1, 100_000),
    "EIO": _shim("eio", 1, 100_000),
    "file size limit": _file_size,
    "short writes": _shim("short"),
    "clock jumps": _shim("clock"),
    "memory limit": _memory,
    "double start": _double_start,
    "worker killed": _kill_worker,
}
NEED_SHIM = ("ENOSPC", "EIO", "short writes", "clock jumps")


def compile_shim(folder: Path) -> Path | None:
    """Compile the shim; None without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    target = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(target), str(source), "-ldl"], check=True)
    return target
