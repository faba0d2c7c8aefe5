"""Protein editing as GGS measures it (Kirjner et al. 2024, arXiv 2307.00494): base pools, fitness, diversity, novelty.

Distances are Levenshtein distances. An oracle predicts fitness, which is scaled so that the lowest and highest measured
values of the table are 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from logos_cli.errors import InputError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.proteins.tables import check_fitness
from logos_cli.evaluators.statistics import N_RESAMPLES, SEED, estimate

Floats = NDArray[np.float64]

N_SEQUENCES: Final = 128
"""Number of designs of a method."""

_TOP_PERCENTILE: Final = 99
_AT_ONCE: Final = 2048


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The variants of a table that a method may start from.

    Attributes
    ----------
    low, high : float
        Percentiles of the measured fitness, inclusive.
    gap : int
        Smallest number of mutations to any variant of the best percent.
    """

    low: float
    high: float
    gap: int


class Pool(Enum):
    """The two pools that GGS reports on."""

    MEDIUM = Difficulty(20, 40, 6)
    HARD = Difficulty(0, 30, 7)


def distances(first: Sequence[str], second: Sequence[str], most: int | None = None) -> NDArray[np.int32]:
    """Return the Levenshtein distances of two lists of sequences, shape (len(first), len(second)).

    Parameters
    ----------
    most : int, optional
        Larger distances become ``most + 1``, which saves time.
    """
    return cdist(first, second, scorer=Levenshtein.distance, score_cutoff=most, dtype=np.int32, workers=1)


def nearest(sequences: Sequence[str], pool: Sequence[str], most: int | None = None) -> list[int]:
    """Return the distance of each sequence to the nearest one of a pool.

    Raises
    ------
    InputError
        If the pool is empty.
    """
    if not pool:
        raise InputError("there is no sequence to compare with")
    gaps: list[int] = []
    for start in range(0, len(sequences), _AT_ONCE):
        gaps += distances(sequences[start : start + _AT_ONCE], pool, most).min(axis=1).tolist()
    return gaps


def base_pool(sequences: Sequence[str], fitness: Sequence[float] | Floats, difficulty: Difficulty) -> list[int]:
    """Return the rows of a table that a method may start from.

    Raises
    ------
    InputError
        If a fitness is not finite, or no variant qualifies.
    """
    values = check_fitness(fitness)
    low, high, best = np.percentile(values, [difficulty.low, difficulty.high, _TOP_PERCENTILE])
    rows: list[int] = np.flatnonzero((values >= low) & (values <= high)).tolist()
    fittest = [sequences[row] for row in np.flatnonzero(values >= best).tolist()]
    gaps = nearest([sequences[row] for row in rows], fittest, difficulty.gap)
    kept = [row for row, gap in zip(rows, gaps, strict=True) if gap >= difficulty.gap]
    if not kept:
        raise InputError(
            f"no variant between the {difficulty.low:g}th and {difficulty.high:g}th percentile is {difficulty.gap} "
            "mutations or more from the best percent",
            hint="the table's variants have too few mutations for this pool",
        )
    return kept


def diversity(sequences: Sequence[str]) -> Estimate:
    """Return the mean distance of all pairs of distinct sequences; resampling ignores pairs of a sequence with itself."""
    unique = list(dict.fromkeys(sequences))
    n = len(unique)
    if n < 2:
        return Estimate.unknown("diversity needs two distinct sequences", n)
    matrix = distances(unique, unique).astype(np.float64)
    counts = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES).astype(np.float64)
    sums = np.einsum("ri,ij,rj->r", counts, matrix, counts, optimize=True)
    pairs = n**2 - (counts**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return estimate(float(matrix.sum() / (n * (n - 1))), sums / pairs, n)


def median(values: Sequence[float]) -> Estimate:
    """Return the median with its bootstrap interval."""
    units = np.asarray(values, dtype=np.float64)
    if not len(units):
        return Estimate.unknown("there is no value")
    drawn = np.random.default_rng(SEED).integers(len(units), size=(N_RESAMPLES, len(units)))
    return estimate(float(np.median(units)), np.median(units[drawn], axis=1), len(units))
