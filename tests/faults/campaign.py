"""Faults at random moments of commands, and what is left of their results.

    python tests/faults/campaign.py --times 50 --table docs/measurements/faults.md     (make faults)
    python tests/faults/campaign.py --times 1 --faults SIGKILL,ENOSPC --commands "encode, run"

Each try disturbs one command once, checks what it left, runs it again as a user does (``--resume``, or ``--overwrite`` of
a file), and compares the result with that of an undisturbed run, byte by byte. Counted are:

lost, doubled
    Lines of the undisturbed result that are missing, and lines that are there too often or do not belong.
hung
    The command did not end: 10 s after a signal, or in ``SECONDS`` at all.
crashed
    It died of a signal that was not sent, or reported an internal error or a traceback.
torn
    A file under its final name that is neither whole nor the one of before.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 180
GRACE_S = 10
N_MOLECULES = 1500
LOGOS = [sys.executable, "-m", "logos_cli"]


@dataclass(frozen=True)
class Subject:
    """A command that is disturbed.

    Attributes
    ----------
    again : tuple of str
        Options with which a user runs it again.
    """

    name: str
    arguments: tuple[str, ...]
    output: str
    again: tuple[str, ...]
    workers: bool = False

    @property
    def is_run(self) -> bool:
        """Whether the output is the directory of a run."""
        return self.output.endswith("/")


SUBJECTS = (
    Subject("encode, file", ("encode", "x.smi", "-o", "out.jsonl"), "out.jsonl", ("--overwrite",)),
    Subject("encode, gzip", ("encode", "x.smi", "-o", "out.jsonl.gz"), "out.jsonl.gz", ("--overwrite",)),
    Subject("encode, run", ("encode", "x.smi", "-j", "2", "-o", "run/"), "run/", ("--resume",), workers=True),
    Subject("decode", ("decode", "x.jsonl", "--to", "smi", "-o", "out.smi"), "out.smi", ("--overwrite",)),
    Subject(
        "score, run",
        ("score", "x.smi", "--metrics", "qed", "-j", "2", "-o", "run/"),
        "run/",
        ("--resume",),
        workers=True,
    ),
    Subject("score, file", ("score", "x.smi", "--metrics", "qed", "-o", "out.csv"), "out.csv", ("--overwrite",)),
    Subject(
        "generate, run",
        ("generate", "molecule", "-n", "40", "--threads", "1", "-b", "8", "-o", "run/"),
        "run/",
        ("--resume",),
    ),
    Subject("runs merge", ("runs", "merge", "done/", "-o", "out.jsonl"), "out.jsonl", ("--overwrite",)),
    Subject("models convert", ("models", "convert", "logos-nano", "-o", "out.gguf"), "out.gguf", ("--overwrite",)),
)


@dataclass
class Attempt:
    """One try: a folder, the command in it, and what is counted."""

    subject: Subject
    folder: Path
    rng: random.Random
    typical_s: float
    shim: Path | None
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def start(
        self, env: dict[str, str] | None = None, prepare: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            [*LOGOS, *self.subject.arguments],
            cwd=self.folder,
            env=environment() | (env or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            preexec_fn=prepare,
        )

    def finish(self, process: subprocess.Popen[str], seconds: float = SECONDS, sent: Sequence[int] = ()) -> int:
        """Wait for the command, and count how it ended."""
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.counts["hung"] += 1
            process.kill()
            _, errors = process.communicate()
            self.notes.append(f"hung: {errors[-500:]}")
            return process.returncode
        died = process.returncode < 0 and -process.returncode not in sent
        # Python itself prints a traceback where it is interrupted before it has begun the program
        is_early = signal.SIGINT in sent and "KeyboardInterrupt" in errors and "logos_cli/" not in errors
        if died or "internal error" in errors or ("Traceback" in errors and not is_early):
            self.counts["crashed"] += 1
            self.notes.append(f"crashed ({process.returncode}): {errors[-1500:]}")
        return process.returncode

    def random_moment(self) -> None:
        """Wait until some moment of the command."""
        time.sleep(self.rng.uniform(0.05, 1.0) * self.typical_s)


def environment() -> dict[str, str]:
    """Return the environment of the commands."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOGOS_")}
    return kept | {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "TERM": "dumb", "COLUMNS": "100"}


# -- faults: each disturbs the command once ---------------------------------------------------------------------


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
    for path in sorted(attempt.folder.rglob("*")):
        is_open = path.name.endswith(".part") or (
            attempt.subject.is_run and path.suffix == ".jsonl" and "run" in path.parts
        )
        if is_open and path.is_file() and (size := path.stat().st_size):
            os.truncate(path, size - attempt.rng.randrange(min(size, 300) + 1))


def _shim(fault: str, least: int = 0, most: int = 0) -> Callable[[Attempt], None]:
    def disturb(attempt: Attempt) -> None:
        env = {"LD_PRELOAD": str(attempt.shim), "LOGOS_FAULT": fault}
        if most:
            env["LOGOS_FAULT_AFTER"] = str(attempt.rng.randrange(least, most))
        code = attempt.finish(attempt.start(env))
        if not most and code != 0:
            attempt.counts["crashed"] += 1
            attempt.notes.append(f"ended with {code}")

    return disturb


def _file_size(attempt: Attempt) -> None:
    """Bound the size of files (ulimit -f), as a quota does."""
    limit = attempt.rng.randrange(1_000, 200_000)
    process = attempt.start(prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    attempt.finish(process, sent=(signal.SIGXFSZ,))


def _memory(attempt: Attempt) -> None:
    """Bound the address space (ulimit -v)."""
    limit = attempt.rng.randrange(150, 1500) << 20
    process = attempt.start(prepare=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    attempt.finish(process)


def _double_start(attempt: Attempt) -> None:
    first = attempt.start()
    time.sleep(attempt.rng.uniform(0, 0.5))
    second = attempt.start()
    codes = {attempt.finish(first), attempt.finish(second)}
    if 0 not in codes:
        attempt.counts["crashed"] += 1
        attempt.notes.append(f"neither of two ended well: {codes}")


def _kill_worker(attempt: Attempt) -> None:
    process = attempt.start()
    attempt.random_moment()
    workers = _descendants(process.pid)
    if workers:
        with suppress(ProcessLookupError):  # it has ended
            os.kill(attempt.rng.choice(workers), signal.SIGKILL)
    code = attempt.finish(process)
    if code != 0:
        attempt.counts["crashed"] += 1
        attempt.notes.append(f"ended with {code}")


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
    "ENOSPC": _shim("enospc", 1, 200_000),
    "EIO": _shim("eio", 1, 200_000),
    "file size limit": _file_size,
    "short writes": _shim("short"),
    "clock jumps": _shim("clock"),
    "memory limit": _memory,
    "double start": _double_start,
    "worker killed": _kill_worker,
}
Found = dict[tuple[str, str], Counter[str]]
"""Counts by command and fault."""

_NEED_SHIM = ("ENOSPC", "EIO", "short writes", "clock jumps")


# -- the campaign ------------------------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Write the inputs of all commands."""
    lines = [f"{'C' * (n % 11 + 1)}Oc1ccccc1{'N' * (n % 3)} m{n}\n" for n in range(N_MOLECULES)]
    (folder / "x.smi").write_text("".join(lines))
    for arguments in (("encode", "x.smi", "-o", "x.jsonl"), ("encode", "x.smi", "-o", "done/")):
        subprocess.run([*LOGOS, *arguments], cwd=folder, env=environment(), check=True, capture_output=True)


def result(folder: Path, subject: Subject) -> bytes:
    """Return the result of a command that has ended."""
    if not subject.is_run:
        return (folder / subject.output).read_bytes()
    return subprocess.run(
        [*LOGOS, "runs", "merge", subject.output], cwd=folder, env=environment(), check=False, capture_output=True
    ).stdout


def run_try(attempt: Attempt, fault: str, whole: bytes) -> None:
    """Disturb a command, check what is left, run it again, and compare."""
    subject, folder = attempt.subject, attempt.folder
    FAULTS[fault](attempt)
    target = folder / subject.output
    if not subject.is_run and target.exists() and target.read_bytes() != whole:
        attempt.counts["torn"] += 1
    for path in folder.glob("*.lock"):
        attempt.counts["locks left"] += path.exists()
    process = subprocess.run(
        [*LOGOS, *subject.arguments, *subject.again],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if process.returncode not in (0, 3):
        attempt.notes.append(f"the second run ended with {process.returncode}: {process.stderr[-500:]}")
    try:
        found = result(folder, subject)
    except OSError:
        found = b""
    if found != whole:
        there, wanted = Counter(found.splitlines()), Counter(whole.splitlines())
        lost, extra = (wanted - there).total(), (there - wanted).total()
        attempt.counts["lost"] += lost
        attempt.counts["doubled"] += extra or not lost  # the same lines in another order
        attempt.notes.append(f"differs: {process.stderr[-500:]}")


def compile_shim(folder: Path) -> Path | None:
    """Compile the shim; None without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    target = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(target), str(source), "-ldl"], check=True)
    return target


def campaign(subjects: Sequence[Subject], faults: Sequence[str], times: int, seed: int, report: Path | None) -> Found:
    """Try every fault with every command; return the counts, and write the page after each command."""
    found: Found = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        shim = compile_shim(root)
        if shim is None:
            print("no C compiler: faults of disk and clock are not tried", flush=True)
        inputs = root / "inputs"
        inputs.mkdir()
        prepare(inputs)
        for subject in subjects:
            folder = Path(shutil.copytree(inputs, root / "whole"))
            begin = time.monotonic()
            quiet = Attempt(subject, folder, random.Random(0), 0, shim)
            code = quiet.finish(quiet.start())
            typical_s = time.monotonic() - begin
            if code not in (0, 3):
                sys.exit(f"{subject.name} fails undisturbed: {quiet.notes} {code}")
            whole = result(folder, subject)
            shutil.rmtree(folder)
            for fault in faults:
                if (fault in _NEED_SHIM and shim is None) or (fault == "worker killed" and not subject.workers):
                    continue
                counts = found[subject.name, fault] = Counter()
                for number in range(times):
                    folder = Path(shutil.copytree(inputs, root / "try"))
                    rng = random.Random(f"{seed} {subject.name} {fault} {number}")
                    attempt = Attempt(subject, folder, rng, typical_s, shim)
                    run_try(attempt, fault, whole)
                    counts["tried"] += 1
                    counts.update(attempt.counts)
                    bad = [note for note in attempt.notes if sum(attempt.counts[each] for each in _BAD)]
                    if bad:
                        print(
                            f"{subject.name}, {fault}, try {number}: {dict(attempt.counts)}", *bad, sep="\n", flush=True
                        )
                    shutil.rmtree(folder)
            if report is not None:
                report.write_text(page(found, times, seed))
            print(f"{subject.name}: done, {typical_s:.1f} s undisturbed", flush=True)
    return found


_BAD = ("lost", "doubled", "hung", "crashed", "torn")


def table(found: Found) -> str:
    """Return the counts of all commands, a line for each fault."""
    names = ("fault", "commands", "tried", *_BAD)
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    for fault in dict.fromkeys(fault for _, fault in found):
        counts = Counter[str]()
        disturbed = [name for name, each in found if each == fault]
        for name in disturbed:
            counts.update(found[name, fault])
        lines.append(
            f"| {fault} | {len(disturbed)} | " + " | ".join(str(counts[each]) for each in ("tried", *_BAD)) + " |"
        )
    return "\n".join(lines) + "\n"


def page(found: Found, times: int, seed: int) -> str:
    """Return the page of the documentation."""
    subjects = dict.fromkeys(name for name, _ in found)
    arguments = {each.name: " ".join(each.arguments) for each in SUBJECTS}
    listed = "\n".join(f"- {name}: `logos {arguments[name]}`" for name in subjects)
    return f"""# Faults

What is left of a command that is disturbed once at a random moment, and then run again (`--resume` for a run, `--overwrite`
for a file). `make faults` writes this page: {times} tries of each fault with each command, seed {seed};
Python {platform.python_version()}, {platform.system()}.

{table(found)}
- **lost**, **doubled**: lines of the undisturbed result that are missing, and lines that are there too often, after the
  second run.
- **hung**: no end within {GRACE_S} s of a signal, or within {SECONDS} s. **crashed**: an internal error, a traceback, or a
  signal that nobody sent (an interruption of Python before the program begins is none). **torn**: a file under its final
  name that is not whole.
- ENOSPC, EIO, short writes and clock jumps come from a shim before libc (`tests/faults/shim.c`), after a random number of
  bytes; the file size limit is `ulimit -f`, the memory limit `ulimit -v` of 150 to 1,500 MB. Torn files are cut by up to 300
  bytes after SIGKILL.

## Commands

{listed}

The inputs are {N_MOLECULES:,} molecules. A worker can only be killed where there are some (`-j 2`).
"""


def main() -> int:
    """Run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="tries of each fault with each command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", help="names, separated by commas")
    parser.add_argument("--commands", action="append", help="a name; may be repeated")
    parser.add_argument("--table", type=Path, help="write the page of the documentation")
    args = parser.parse_args()
    faults = list(FAULTS) if args.faults is None else args.faults.split(",")
    subjects = [each for each in SUBJECTS if args.commands is None or each.name in args.commands]
    found = campaign(subjects, faults, args.times, args.seed, args.table)
    print(table(found))
    return 1 if any(counts[name] for counts in found.values() for name in _BAD) else 0


if __name__ == "__main__":
    sys.exit(main())
