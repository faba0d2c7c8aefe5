"""How much faster two workers are than one, for ``score`` and ``dock``: ``python -m tests.bench.bench_workers [--small]``.

Workers are shards side by side, as the tasks of a job array are, or the processes of one command. Run it alone on a machine
with two free cores: it takes a quarter of an hour.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_RECEPTOR: Final = Path(__file__).resolve().parents[2] / "examples" / "complex.cif"
_FRAGMENTS: Final = ("c1ccccc1", "CC(=O)N", "C1CCNCC1", "OC(=O)C", "c1ccncc1", "CS(=O)(=O)N")


def molecules(n: int) -> str:
    """Return lines of SMILES that all differ."""
    return "".join(f"{'C' * (k % 5 + 1)}{_FRAGMENTS[k % 6]}{'C' * (k // 5 % 7)}O m{k}\n" for k in range(n))


def seconds(command: list[str], folder: Path) -> float:
    """Return the time of a command on the clock."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "logos_cli", *command, "-q", "--overwrite"], cwd=folder, check=True)
    return time.perf_counter() - began


def together(command: list[str], folder: Path, count: int) -> float:
    """Return the time on the clock of all shards of a run, side by side as the tasks of an array are."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "logos_cli", *command, "-q", "--overwrite"]
    shards = [subprocess.Popen([*words, "--shard", f"{number}/{count}"], cwd=folder) for number in range(1, count + 1)]
    if any(shard.wait() for shard in shards):
        raise SystemExit("a shard failed")
    return time.perf_counter() - began


def alongside(command: list[str], count: int, of: int) -> float:
    """Return the time on the clock of a command that is run ``of`` times, ``count`` at a time."""
    began = time.perf_counter()
    for _ in range(of // count):
        running = [subprocess.Popen(command) for _ in range(count)]
        if any(each.wait() for each in running):
            raise SystemExit("a loop failed")
    return time.perf_counter() - began


def main() -> None:
    """Print the times of one and of two workers, and their ratio."""
    is_small = "--small" in sys.argv
    n_cheap, n_scored, n_docked = (2000, 500, 2) if is_small else (250_000, 250_000, 6)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, count in (("cheap.smi", n_cheap), ("score.smi", n_scored), ("dock.smi", n_docked)):
            (folder / file).write_text(molecules(count))
        cheap = ["score", "cheap.smi", "--metrics", "qed,sa", "-o"]
        score = ["score", "score.smi", "-o"]
        dock = ["dock", "-r", str(_RECEPTOR), "-l", "dock.smi", "--exhaustiveness", "8", "--seed", "1", "-o"]
        loop = [sys.executable, "-c", "s = 0\nfor i in range(12_000_000): s += i * i % 7"]
        trials: dict[str, Callable[[int], float]] = {
            "two loops of Python, the most that this machine can gain": lambda n: alongside(loop, n, of=2),
            "score, two cheap metrics, shards": lambda n: together([*cheap, f"cheap-{n}/"], folder, n),
            "score, all metrics, shards": lambda n: together([*score, f"score-{n}/"], folder, n),
            "score, all metrics, --jobs": lambda n: seconds([*score, "jobs/", "-j", str(n)], folder),
            "dock, shards": lambda n: together([*dock, f"dock-{n}/", "--cpu", "1"], folder, n),
            "dock, --cpu": lambda n: seconds([*dock, "cpu/", "--cpu", str(n)], folder),
        }
        for title, trial in trials.items():
            one, two = trial(1), trial(2)
            print(f"{title}: one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
