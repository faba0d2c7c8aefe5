"""All that a GPU is needed for, in one command: correctness first, then speed, against the targets.

python -m tests.gpu                                   # tests, then the 1B and 8B shapes; exit code 1 if anything misses
python -m tests.gpu --shapes 1b --write docs/measurements/performance.md

Needs a CUDA device (80 GB for both shapes beside their plain scripts), `pip install -e '.[train,test]'`, no network.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from logos_cli.backends.base import LoadOptions
from logos_cli.workflows.bench.throughput import ThroughputOptions, as_markdown, throughput

SLOTS = 256
TIMES_NAIVE, OF_BANDWIDTH, OF_MATMUL = 25.0, 0.6, 0.4
"""At 256 slots end to end; of the memory bandwidth in steps of one sequence; of a large product's rate in prefill."""


def measure(shape: str) -> dict[str, Any]:
    """Return the measurement of one shape in bfloat16."""
    options = ThroughputOptions(
        shape,
        LoadOptions(backend="torch", device="cuda", dtype="bfloat16"),
        batches=(1, 64, SLOTS),
        n_samples=2 * SLOTS,
        prompt_tokens=256,
        naive=True,
        naive_samples=64,
        repeats=2,
    )
    return throughput(options, lambda text: print(f"{shape}: {text}", file=sys.stderr, flush=True))


def verdicts(result: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return what is aimed at: name, value and target."""
    alone, full = result["rows"][0], result["rows"][-1]
    return [
        (f"times the plain script at {SLOTS} slots", full["times_naive"], TIMES_NAIVE),
        ("part of the memory bandwidth at batch 1", alone["decode_of_roofline"], OF_BANDWIDTH),
        ("part of the matmul rate in prefill", full["prefill_of_matmul"], OF_MATMUL),
    ]


def main() -> int:
    """Run the tests, then the measurements; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shapes", default="1b,8b")
    parser.add_argument("--write", type=Path, help="append the table to a Markdown file")
    parser.add_argument("--no-tests", action="store_true")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no CUDA device here", file=sys.stderr)
        return 2
    failed = not args.no_tests and pytest.main(["-q", "-m", "gpu", str(Path(__file__).parent)]) != 0
    results = []
    for shape in args.shapes.split(","):
        results.append(measure(shape))
        for name, value, target in verdicts(results[-1]):
            failed |= value < target
            print(f"{shape}  {name:<42} {value:8.2f}  target {target:5.2f}  {'ok' if value >= target else 'MISSED'}")
    machine = results[0]["machine"]
    table = (
        f"\n{machine['device']}, PyTorch {machine['torch']}, Python {machine['python']}; memory "
        f"{machine['bandwidth_bytes_per_s'] / 1e9:,.0f} GB/s, matrix products "
        f"{machine['matmul_flop_per_s'] / 1e12:,.0f} Tflop/s:\n\n{as_markdown(results)}\n"
    )
    print(table)
    if args.write is not None:
        with args.write.open("a", encoding="utf-8") as out:
            out.write(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
