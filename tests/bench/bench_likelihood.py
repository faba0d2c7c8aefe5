"""Speed of `score --metrics ppl` beside upstream's way: one forward pass of transformers for each text.

    python -m tests.bench.bench_likelihood [--threads 2] [--rounds 5] [--dtype bfloat16] [--backend onnxruntime]

Both read the same token ids with the same weights in the same type, in turns, and must agree in the logarithm of
every perplexity, to 1e-4 in float32. Texts are random. Reported is the median ratio of times, with its
95 % bootstrap interval over the rounds, and the bound: what the ratio would be if the matrix products of every token
ran at the rate that this machine reaches in a large one, and nothing else took time. Only where texts begin alike,
and tokens are computed once for several, can more be had.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.backends.torch.linear import Plain, make_linear
from logos_cli.grammar.spec import Kind
from logos_cli.resources import EMBEDDED, data_path

SEED = 7
_AGREEMENT = {"float32": 1e-4, "bfloat16": 0.05}
"""Of the logarithms of perplexities."""

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


def protein(generator: np.random.Generator, length: int) -> str:
    """Return a sentence of random residues."""
    return f"{Kind.PROTEIN.start}{''.join(generator.choice(list(RESIDUES), length))}{Kind.PROTEIN.end}"


def molecule(generator: np.random.Generator, length: int) -> str:
    """Return a sentence of random characters of SMILES."""
    return f"{Kind.MOLECULE.start}{''.join(generator.choice(list('CNOcn()=1'), length))}{Kind.MOLECULE.end}"


def workloads() -> dict[str, list[str]]:
    """Return the texts of each comparison."""
    draw = np.random.default_rng(SEED)
    pockets = [protein(draw, int(draw.integers(150, 400))) for _ in range(8)]
    ligands = [molecule(draw, int(draw.integers(15, 60))) for _ in range(10 * len(pockets))]
    lengths = np.clip(draw.lognormal(4.3, 1.0, 120), 8, 1200).astype(int)
    wild = protein(draw, 237)
    variants = []
    for _ in range(60):
        letters = list(wild)
        for place in draw.integers(len(Kind.PROTEIN.start), len(wild) - len(Kind.PROTEIN.end), 2):
            letters[place] = str(draw.choice(list(RESIDUES)))
        variants.append("".join(letters))
    return {
        "equal lengths: molecules of 50 characters": [molecule(draw, 50) for _ in range(200)],
        "equal lengths: proteins of 237 residues": [protein(draw, 237) for _ in range(60)],
        "mixed lengths: 10 ligands for each of 8 pockets": [
            pockets[number // 10] + ligand for number, ligand in enumerate(ligands)
        ],
        "mixed lengths: molecules of 10 to 80 characters": [
            molecule(draw, int(draw.integers(10, 81))) for _ in range(240)
        ],
        "mixed lengths: unrelated proteins of 8 to 1,200": [protein(draw, int(length)) for length in lengths],
        "equal lengths: double mutants of one protein of 237": variants,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=_AGREEMENT, default="float32", help="released checkpoints: bfloat16")
    parser.add_argument("--backend", default="torch", help="torch or onnxruntime")
    parser.add_argument("--only", default="", help="workloads whose name holds this")
    args = parser.parse_args()

    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        Path(data_path("tokenizers", EMBEDDED)), dtype=getattr(torch, args.dtype)
    ).eval()
    backend = open_model(LoadOptions(device="cpu", dtype=args.dtype, threads=args.threads, backend=args.backend)).load()
    assert isinstance(backend, Backend)
    torch.set_num_threads(args.threads)
    print(f"{args.threads} threads, {args.rounds} rounds")
    n_products = sum(weight.numel() for name, weight in model.named_parameters() if weight.ndim == 2)
    seconds_per_token = 2 * n_products / _rate(model.dtype)
    for name, texts in workloads().items():
        if args.only in name:
            rows = [backend.tokenizer.encode(text) for text in texts]
            compare(name, model, backend, rows, args.rounds, seconds_per_token)


def _rate(dtype: Any) -> float:
    """Return the operations per second of a large product, the best of several, in the faster of both layouts."""
    import torch

    size = 2048
    rows, weight = torch.randn(2, size, size).to(dtype)
    with torch.inference_mode():
        times = [_seconds(partial(product, rows)) for product in (Plain(weight), make_linear(weight)) * 10]
    return 2 * size**3 / min(times)


def compare(
    name: str, model: Any, backend: Backend, rows: Sequence[Sequence[int]], rounds: int, seconds_per_token: float
) -> None:
    """Time both ways in turns and print the ratio."""
    import torch

    def theirs() -> list[float]:
        with torch.inference_mode():
            ids = [torch.tensor([row]) for row in rows]
            return [math.exp(float(model(input_ids=each, labels=each).loss)) for each in ids]

    def ours() -> list[float]:
        return [math.exp(-float(logps.mean())) for logps in backend.token_logps(rows)]

    difference = max(abs(math.log(a / b)) for a, b in zip(theirs(), ours(), strict=True))
    assert difference < _AGREEMENT[backend.info.dtype], difference
    times = [(_seconds(theirs), _seconds(ours)) for _ in range(rounds)]
    ratios = np.array([a / b for a, b in times])
    drawn = np.median(np.random.default_rng(SEED).choice(ratios, (2000, rounds)), axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    n_tokens = sum(map(len, rows))
    theirs_took, ours_took = np.median(times, axis=0)
    bound = theirs_took / (n_tokens * seconds_per_token)
    print(
        f"{name:<52} {np.median(ratios):5.2f}x [{low:.2f}, {high:.2f}], bound {bound:.1f}x  {len(rows)} texts, "
        f"{n_tokens:,} tokens, {n_tokens / ours_took:,.0f} tokens/s, log perplexities within {difference:.0e}"
    )


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
