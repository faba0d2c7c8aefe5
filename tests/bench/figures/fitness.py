"""Fitness of protein variants: rank correlation of measured fitness and the model's log-likelihood.

Beside it three scores that need no model: minus the number of mutations, their summed BLOSUM62 scores, and the
log-likelihood of the 5-gram model of the training proteins.
"""

from __future__ import annotations

import csv
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from logos_cli.grammar.spec import Kind
from tests.bench.figures.baselines import blosum_scores, mutation_scores
from tests.bench.figures.bench import SEED, Bench, HeldOut, say
from tests.bench.figures.likelihood import token_logps
from tests.bench.figures.statistics import Floats, spearman

N_VARIANTS: Final = 1000
N_TOKENS: Final = 120_000


@dataclass(frozen=True, slots=True)
class Assay:
    """One data set of variants.

    Attributes
    ----------
    file, column : str
        Where the measured fitness stands.
    wild_type : str
        Name in ``wildtypes.fasta`` of what the variants differ from.
    host, start : str, int
        The protein that the variants are a window of, and the window's place in it from 0.
    """

    file: str
    column: str
    wild_type: str
    host: str | None = None
    start: int = 0


ASSAYS: Final = {
    "avGFP": Assay("avgfp", "score", "avgfp"),
    "AAV": Assay("aav", "score", "aav2_window_561_588", "aav2_vp1_P03135", 560),
    "GB1": Assay("gb1_flip", "fitness", "gb1"),
    "Pab1": Assay("pab1", "score", "pab1"),
    "Bgl3": Assay("bgl3", "score", "bgl3"),
    "Ube4b": Assay("ube4b", "score", "ube4b"),
}


def fitness(bench: Bench) -> dict[str, Any]:
    """Spearman correlation of each score with the measured fitness, by assay."""
    wild_types = read_wild_types(bench.data / "fitness" / "wildtypes.fasta")
    result: dict[str, Any] = {}
    for name, assay in ASSAYS.items():
        reference = wild_types[assay.wild_type]
        host = wild_types[assay.host] if assay.host else ""
        before, after = host[: assay.start], host[assay.start + len(reference) :]
        length = len(reference) + len(after) + 3
        count = min(bench.size(N_VARIANTS), max(1, bench.size(N_TOKENS) // length))
        variants, truth = read_variants(bench.data / "fitness" / f"{assay.file}.csv.xz", assay.column, count)
        scores = {
            "model": model_scores(bench, variants, before, after),
            "fivegram": ngram_scores(bench.held_out, variants),
            "fewest_mutations": mutation_scores(variants, reference),
            "blosum62": blosum_scores(variants, reference),
        }
        result[name] = {f"{score}_spearman": spearman(values, truth) for score, values in scores.items()}
        say(f"  {name}, {len(variants)} variants: {result[name]['model_spearman']['value']}")
    return result


def read_wild_types(path: Path) -> dict[str, str]:
    """Return the sequences of a FASTA file by the first word of their names."""
    found: dict[str, str] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(">"):
            name = line[1:].split()[0]
            found[name] = ""
        else:
            found[name] += line.strip()
    return found


def read_variants(path: Path, column: str, count: int) -> tuple[list[str], list[float]]:
    """Return variants drawn at random and their measured fitness."""
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row[column]]
    order = np.random.default_rng(SEED).permutation(len(rows))[:count]
    return [rows[i]["sequence"] for i in order], [float(rows[i][column]) for i in order]


def model_scores(bench: Bench, variants: Sequence[str], before: str, after: str) -> Floats:
    """Return the log-likelihood of each variant as a protein, in its host where it is a window of one."""
    prefix = bench.ids(Kind.PROTEIN.start + before)
    rows = [bench.ids(f"{variant}{after}{Kind.PROTEIN.end}") for variant in variants]
    begin = len(bench.ids(""))  # what a sentence begins with comes once, before the prefix
    return np.array([row.sum() for row in token_logps(bench.network, [ids[begin:] for ids in rows], prefix)])


def ngram_scores(held_out: HeldOut, variants: Sequence[str]) -> Floats:
    """Return the log-likelihood of each variant under the 5-gram model of the training proteins."""
    encode = held_out.vocabulary.encode
    rows = [np.array(encode(f"{Kind.PROTEIN.start}{variant}{Kind.PROTEIN.end}")) for variant in variants]
    ends = np.cumsum([len(row) for row in rows])
    logps = held_out.ngram("protein", 5).logp(np.concatenate(rows), ends)
    return np.array([row.sum() for row in np.split(logps, ends[:-1])])
