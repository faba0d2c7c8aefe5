"""How fast SMILES are read, and that nothing RDKit rejects gets through.

python -m tests.bench.bench_smiles speed --data ../shared/data       # 1,000,000 SMILES through encode
python -m tests.bench.bench_smiles soundness --data ../shared/data   # 1,000,000 mutated SMILES against RDKit
"""

from __future__ import annotations

import argparse
import lzma
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.data import require_data

ALPHABET = "CNOSFcnos()[]=#-+12345%/\\@.HBrlIP*:~"
FRAGMENTS = (
    "c1ccccc1",
    "[N+](=O)[O-]",
    "C(=O)O",
    "[nH]",
    "n1",
    "C#N",
    "(=O)",
    "[C@@H]",
    "-c2ccccc2",
    "N=N",
    "c",
    "[O-]",
    "1",
    "2",
)


def molecules(data: Path, count: int, seed: int = 0) -> list[str]:
    """Return SMILES of the data set in random order, again from the beginning where more are asked for."""
    with lzma.open(data / "molecules" / "molecules.train.smi.xz", "rt") as stream:
        found = [line.split("\t", 1)[0] for line in stream]
    random.Random(seed).shuffle(found)
    return [found[index % len(found)] for index in range(count)]


def mutated(smiles: list[str], seed: int = 0) -> Iterator[str]:
    """Yield each SMILES with one to three random edits."""
    rng = random.Random(seed)
    for one in smiles:
        text = one
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            text = _edit(text, rng, smiles)
        yield text


def _edit(text: str, rng: random.Random, pool: list[str]) -> str:
    at = rng.randrange(len(text) + 1)
    kind = rng.randrange(8)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + rng.choice(ALPHABET) + text[at:]
    if kind == 2:
        return text[:at] + rng.choice(ALPHABET) + text[at + 1 :]
    if kind == 3:
        return text[:at] + rng.choice(FRAGMENTS) + text[at:]
    end = min(len(text), at + rng.randrange(1, 12))
    if kind == 4:
        return text[:end] + text[at:end] + text[end:]
    if kind == 5:
        return text[:at] + text[end:]
    if kind == 6:
        return text[:at] + text[at:end].swapcase() + text[end:]
    other = rng.choice(pool)
    return text[:at] + other[rng.randrange(len(other)) :]


def soundness(data: Path, count: int, seed: int) -> int:
    """Compare the fast answer with RDKit's on mutated SMILES; return the number of wrong acceptances."""
    from rdkit import Chem, rdBase

    from logos_cli.chemistry.smiles_check import is_surely_valid

    accepted = rejected = sure = 0
    wrong: list[str] = []
    with rdBase.BlockLogs():
        for text in mutated(molecules(data, count, seed), seed):
            fast = is_surely_valid(text)
            valid = Chem.MolFromSmiles(text) is not None
            accepted += valid
            rejected += not valid
            sure += fast
            if fast and not valid:
                wrong.append(text)
    print(f"{count:,} mutated SMILES (seed {seed}): RDKit accepts {accepted:,} and rejects {rejected:,}")
    print(
        f"surely valid: {sure:,} ({sure / max(accepted, 1):.1%} of those accepted); of these RDKit rejects {len(wrong)}"
    )
    for text in wrong[:20]:
        print("  wrong:", text)
    return len(wrong)


def speed(data: Path, count: int) -> int:
    """Encode a file of SMILES in a process of its own; print rate and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.smi"
        path.write_text("\n".join(molecules(data, count)) + "\n")
        code = f"from tests.bench.bench_smiles import encode_file; encode_file({str(path)!r})"
        subprocess.run([sys.executable, "-c", code], check=True)
    return 0


def encode_file(path: str) -> None:
    """Encode one file to nowhere, as ``logos encode FILE`` does, and print what it took."""
    import os

    from logos_cli.records import Record, write_records
    from logos_cli.workflows.encode import encode

    chunks: list[float] = []

    def timed(records: Iterator[Record], size: int = 50_000) -> Iterator[Record]:
        mark = time.process_time()
        for number, record in enumerate(records, 1):
            yield record
            if number % size == 0:
                now = time.process_time()
                chunks.append(size / (now - mark))
                mark = now

    began, cpu = time.perf_counter(), time.process_time()
    with Path(os.devnull).open("w") as sink:
        count = write_records(timed(encode(path)), sink)
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (10 if sys.platform != "darwin" else 20))
    rates = f"{count / used:,.0f}/s of processor time, {count / wall:,.0f}/s of wall time"
    print(f"{count:,} SMILES: {rates}, {peak:.0f} MiB at most")
    if chunks:
        middle = sorted(chunks)[len(chunks) // 2]
        print(f"by 50,000: first {chunks[0]:,.0f}/s, median {middle:,.0f}/s, best {max(chunks):,.0f}/s")
    print(f"for comparison, RDKit parsing and sanitizing alone, now: {_rdkit_rate(path):,.0f}/s of processor time")


def _rdkit_rate(path: str, count: int = 5000) -> float:
    """Return how many SMILES RDKit does per second of processor time while the machine is as busy as now."""
    from rdkit import Chem

    with Path(path).open() as stream:
        sample = [line.strip() for line, _ in zip(stream, range(count), strict=False)]
    began = time.process_time()
    for smiles in sample:
        Chem.MolFromSmiles(smiles)
    return len(sample) / (time.process_time() - began)


def main() -> int:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "soundness"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    require_data(parser, options.data, "molecules/molecules.train.smi.xz")
    if options.what == "speed":
        return speed(options.data, options.count)
    return min(1, soundness(options.data, options.count, options.seed))


if __name__ == "__main__":
    sys.exit(main())
