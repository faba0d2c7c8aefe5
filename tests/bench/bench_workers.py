"""How much faster two workers are than one, for ``score`` and ``dock``: ``python -m tests.bench.bench_workers [--small]``.

Run it alone on a machine with two free cores. The order alternates, and medians of the pairs are printed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
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


def main() -> None:
    """Print the times of one and of two workers, and their ratio."""
    is_small = "--small" in sys.argv
    n_scored, n_docked, n_pairs = (2000, 2, 1) if is_small else (40_000, 16, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "score.smi").write_text(molecules(n_scored))
        (folder / "dock.smi").write_text(molecules(n_docked))
        dock = ["dock", "-r", str(_RECEPTOR), "-l", "dock.smi", "-o", "dock/", "--exhaustiveness", "4", "--seed", "1"]
        commands = {
            "score": (["score", "score.smi", "--metrics", "qed,sa", "-o", "score/"], "-j"),
            "dock": (dock, "--cpu"),
        }
        for title, (command, option) in commands.items():
            pairs = [[seconds([*command, option, str(n)], folder) for n in (1, 2)] for _ in range(n_pairs)]
            one, two = (statistics.median(times) for times in zip(*pairs, strict=True))
            ratio = statistics.median(first / second for first, second in pairs)
            print(f"{title}: one worker {one:.1f} s, two {two:.1f} s: {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
