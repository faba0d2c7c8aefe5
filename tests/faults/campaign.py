"""Faults at random moments of commands, and what is left of their results.

    python -m tests.faults.campaign --journal faults.jsonl --table docs/measurements/faults.md     (make faults)
    python -m tests.faults.campaign --times 1 --faults SIGKILL,ENOSPC --commands "encode, run"

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

Tries are noted in the journal, and are not made again: the tool can be stopped at any time. Those that found something
are. One try in ten starts a new interpreter; the others copy one that has loaded the modules of the command.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults import starts
from tests.faults.disturb import FAULTS, GRACE_S, NEED_SHIM, SECONDS, Attempt, compile_shim
from tests.faults.starts import Started
from tests.faults.subjects import N_MOLECULES, SUBJECTS, Subject, prepare, result, torn

BAD = ("lost", "doubled", "hung", "crashed", "torn")
_FRESH_EVERY = 10
_END = "## Found and mended"
Key = tuple[str, str, int]
"""Command, fault and number of a try."""
Found = dict[Key, Counter[str]]


def start(arguments: Sequence[str], folder: Path, output: Path | None) -> Started:
    """Start a command that is not disturbed."""
    return starts.start_copy(arguments, folder, output=output)


def _run(arguments: Sequence[str], folder: Path) -> None:
    process = starts.start_copy(arguments, folder)
    process.wait()
    if process.returncode not in (0, 3):
        sys.exit(f"{' '.join(arguments)}: {process.returncode}: {process.errors()}")


def run_try(attempt: Attempt, fault: str, whole: bytes) -> None:
    """Disturb a command, check what is left, run it again, and compare."""
    subject, folder = attempt.subject, attempt.folder
    FAULTS[fault](attempt)
    attempt.counts["torn"] += torn(folder, subject, whole)
    code = attempt.finish(attempt.start(arguments=[*subject.arguments, *subject.again]))
    if code not in (0, 3):
        attempt.notes.append(f"the second run ended with {code}: {attempt.errors[-1500:]}")
    try:
        found = result(folder, subject, start)
    except OSError:
        found = b""
    if found != whole:
        there, wanted = Counter(found.splitlines()), Counter(whole.splitlines())
        lost, extra = (wanted - there).total(), (there - wanted).total()
        attempt.counts["lost"] += lost
        attempt.counts["doubled"] += extra or not lost  # the same lines in another order
        attempt.notes.append(f"differs after the second run ({code})")


@dataclass(frozen=True)
class Plan:
    """What is tried.

    Attributes
    ----------
    times : mapping
        Tries by fault.
    copies : bool
        Start copies of an interpreter, mostly.
    """

    times: Mapping[str, int]
    seed: int
    shim: Path | None
    copies: bool = True


def disturb_all(subject: Subject, plan: Plan, root: Path, journal: Path, done: Found) -> None:
    """Try every fault with one command, and note each try in the journal."""
    inputs = root / "inputs"
    wanted = [
        (fault, number)
        for number in range(max(plan.times.values()))
        for fault, times in plan.times.items()
        if number < times and (subject.name, fault, number) not in done
        if (plan.shim is not None or fault not in NEED_SHIM) and (subject.workers or fault != "worker killed")
    ]
    if not wanted:
        return
    folder = Path(shutil.copytree(inputs, root / "whole"))
    begin = time.monotonic()
    modules = starts.loaded_by(subject.arguments, folder)
    typical_s = {False: time.monotonic() - begin}
    shutil.rmtree(folder)
    shutil.copytree(inputs, folder)
    can_copy = plan.copies and starts.load(modules)
    if plan.copies and not can_copy:
        print(f"{subject.name}: its modules run threads, so that every try is a new process", flush=True)
    quiet = Attempt(subject, folder, random.Random(0), 0, plan.shim, can_copy)
    begin = time.monotonic()
    code = quiet.finish(quiet.start())
    typical_s[can_copy] = time.monotonic() - begin
    if code not in (0, 3) or quiet.notes:
        sys.exit(f"{subject.name} fails undisturbed: {quiet.notes} {code}")
    whole = result(folder, subject, start)
    shutil.rmtree(folder)
    print(f"{subject.name}: {len(wanted)} tries, undisturbed {typical_s}", flush=True)
    for fault, number in wanted:
        folder = Path(shutil.copytree(inputs, root / "try"))
        rng = random.Random(f"{plan.seed} {subject.name} {fault} {number}")
        copies = can_copy and number % _FRESH_EVERY != _FRESH_EVERY - 1
        attempt = Attempt(subject, folder, rng, typical_s[copies], plan.shim, copies)
        run_try(attempt, fault, whole)
        counts = {name: count for name, count in attempt.counts.items() if count}
        bad = any(attempt.counts[each] for each in BAD)
        if bad:
            print(f"{subject.name}, {fault}, try {number}: {counts}", *attempt.notes, sep="\n", flush=True)
        line = {"command": subject.name, "fault": fault, "number": number, "new": not copies, "counts": counts}
        with journal.open("a") as stream:
            stream.write(json.dumps(line | ({"notes": attempt.notes} if bad else {})) + "\n")
        shutil.rmtree(folder)


def read_journal(journal: Path) -> Found:
    """Return the counts of the last try of each key, but for those that found nothing to disturb."""
    found: Found = {}
    journal.parent.mkdir(parents=True, exist_ok=True)
    for line in journal.read_text().splitlines() if journal.exists() else ():
        each: dict[str, Any] = json.loads(line)
        if "missed" not in each["counts"]:
            found[each["command"], each["fault"], each["number"]] = Counter(
                each["counts"], tried=1, new=int(each["new"])
            )
    return found


def is_bad(counts: Counter[str]) -> bool:
    """Return whether a try found something."""
    return any(counts[each] for each in BAD)


def campaign(subjects: Sequence[Subject], plan: Plan, journal: Path, page: Path | None, rounds: int = 3) -> Found:
    """Try faults with commands, some of each at a time; return all counts, and write the page after each command."""
    root = Path(tempfile.mkdtemp())  # a TemporaryDirectory would be removed at the end of each copy of this process
    try:
        if plan.shim is None:
            print("no C compiler: faults of disk and clock are not tried", flush=True)
        (root / "inputs").mkdir()
        if starts.run_apart(lambda: prepare(root / "inputs", _run)):
            sys.exit("no inputs")
        for part in range(1, rounds + 1):
            now = replace(plan, times={fault: -(-n * part // rounds) for fault, n in plan.times.items()})
            for subject in subjects:
                done = {key: each for key, each in read_journal(journal).items() if part > 1 or not is_bad(each)}
                if starts.run_apart(partial(disturb_all, subject, now, root, journal, done)):
                    print(f"{subject.name}: given up", flush=True)
                for rest in ("whole", "try"):
                    shutil.rmtree(root / rest, ignore_errors=True)
                if page is not None:
                    write_page(page, read_journal(journal), plan.seed)
    finally:
        shutil.rmtree(root)
    return read_journal(journal)


def table(found: Found) -> str:
    """Return the counts of all commands, a line for each fault."""
    names = ("fault", "commands", "tried", *BAD)
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    for fault in (fault for fault in FAULTS if any(key[1] == fault for key in found)):
        counts = Counter[str]()
        for key, each in found.items():
            if key[1] == fault:
                counts.update(each)
        n_commands = len({key[0] for key in found if key[1] == fault})
        lines.append(f"| {fault} | {n_commands} | " + " | ".join(str(counts[each]) for each in ("tried", *BAD)) + " |")
    return "\n".join(lines) + "\n"


def _tries(found: Found) -> str:
    """Return the number of tries of each command with each fault."""
    faults = [fault for fault in FAULTS if any(key[1] == fault for key in found)]
    lines = [f"| command | {' | '.join(faults)} |", f"|{' --- |' * (len(faults) + 1)}"]
    for subject in SUBJECTS:
        n_tried = Counter(fault for name, fault, _ in found if name == subject.name)
        if n_tried:
            cells = " | ".join(str(n_tried[fault] or "") for fault in faults)
            lines.append(f"| `logos {' '.join(subject.arguments)}` | {cells} |")
    return "\n".join(lines) + "\n"


def write_page(page: Path, found: Found, seed: int) -> None:
    """Write the page of the documentation; its section about what was found is kept."""
    kept = page.read_text().partition(_END)[2] if page.exists() else ""
    total = Counter[str]()
    for counts in found.values():
        total.update(counts)
    text = f"""# Faults

What is left of a command that is disturbed once at a random moment, and then run again (`--resume` for a run, `--overwrite`
for a file). `make faults` writes this page: {total["tried"]:,} tries, {total["new"]:,} of them of a new interpreter, the others
of a copy of one that has loaded the modules; seed {seed}; Python {platform.python_version()}, {platform.system()}.

{table(found)}
- **lost**, **doubled**: lines of the undisturbed result that are missing, and lines that are there too often, after the
  second run. **hung**: no end within {GRACE_S} s of a signal, or within {SECONDS} s. **crashed**: an internal error, a
  traceback, or a signal that nobody sent. **torn**: a file under its final name that is not whole.
- {total["early"]} of the interruptions (SIGINT) came before the program began: Python itself printed a traceback.
- ENOSPC, EIO, short writes and clock jumps come from a shim before libc (`tests/faults/shim.c`), after a random number of
  bytes; the file size limit is `ulimit -f`, the memory limit `ulimit -v`. Torn files are cut by up to 300 bytes after
  SIGKILL. A worker can only be killed where there are some (`-j 2`, `--cpu 2`, `--devices cpu,cpu`).

## Tries of each command

{_tries(found)}
The inputs are {N_MOLECULES} molecules, or 4 for what docks and explains.
"""
    page.write_text(text + (f"\n{_END}{kept}" if kept else ""))


def main() -> int:
    """Run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="tries of each fault with each command")
    parser.add_argument("--fewer", type=int, help="tries of SIGTERM and SIGINT, if not as many")
    parser.add_argument("--other", type=int, help="tries of the other faults, if not as many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", help="names, separated by commas")
    parser.add_argument("--commands", action="append", help="a name; may be repeated")
    parser.add_argument("--journal", type=Path, help="notes of the tries, to go on with")
    parser.add_argument("--table", type=Path, help="write the page of the documentation")
    args = parser.parse_args()
    faults = list(FAULTS) if args.faults is None else args.faults.split(",")
    fewer = {"SIGTERM": args.fewer, "SIGINT": args.fewer}
    times = {each: args.times if each == "SIGKILL" else fewer.get(each, args.other) or args.times for each in faults}
    subjects = [each for each in SUBJECTS if args.commands is None or each.name in args.commands]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts with & ignore it
    folder = Path(tempfile.mkdtemp())
    try:
        shim = compile_shim(folder)
        if shim is not None and "LD_PRELOAD" not in os.environ:
            # copies have the shim from the start; it does nothing until it is asked
            again = [sys.executable, "-m", "tests.faults.campaign", *sys.argv[1:]]
            return subprocess.run(again, env=starts.environment() | {"LD_PRELOAD": str(shim)}, check=False).returncode
        found = campaign(subjects, Plan(times, args.seed, shim), args.journal or folder / "journal.jsonl", args.table)
    finally:
        shutil.rmtree(folder)
    print(table(found))
    return 1 if any(is_bad(counts) for counts in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
