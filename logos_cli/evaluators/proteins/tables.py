"""Measured fitness of protein variants: checked tables, and how well scores rank them.

NDCG and top recall are those of ProteinGym (Notin et al. 2023): both use the best tenth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import N_RESAMPLES, SEED, estimate, spearman

Floats = NDArray[np.float64]

TOP_SHARE: Final = 0.1


def check_fitness(values: Iterable[float], source: str | None = None) -> Floats:
    """Return measured values as an array.

    Raises
    ------
    InputError
        If a value is not a finite number (the message names the rows), or there is none.
    """
    fitness = np.asarray(list(values), dtype=np.float64)
    if not len(fitness):
        raise InputError("the fitness table has no rows", source=source)
    bad = np.flatnonzero(~np.isfinite(fitness))
    if len(bad):
        rows = ", ".join(str(row + 1) for row in bad[:5])
        more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        raise InputError(
            f"the fitness of row {rows}{more} is not a finite number",
            source=source,
            hint="remove variants without a measured value",
        )
    return fitness


@dataclass(frozen=True, slots=True)
class RankQuality:
    """How well scores rank measured values.

    Attributes
    ----------
    spearman : Estimate
        Rank correlation.
    ndcg : Estimate
        Normalised discounted cumulative gain of the best-scored tenth; gains are values scaled to 0 to 1.
    top_recall : Estimate
        Share of the fittest tenth that is in the best-scored tenth.
    """

    spearman: Estimate
    ndcg: Estimate
    top_recall: Estimate


def rank_quality(scores: Sequence[float] | Floats, fitness: Sequence[float] | Floats) -> RankQuality:
    """Return Spearman, NDCG and top recall with bootstrap intervals over the variants.

    Raises
    ------
    InputError
        If a score or a fitness is not finite, or their numbers differ.
    """
    truth = check_fitness(fitness)
    guess = np.asarray(scores, dtype=np.float64)
    if guess.shape != truth.shape:
        raise InputError(f"there are {len(guess):,} scores for {len(truth):,} measured variants")
    if not np.isfinite(guess).all():
        row = int(np.flatnonzero(~np.isfinite(guess))[0]) + 1
        raise InputError(f"the score of row {row} is not a finite number")
    n = len(truth)
    if n < 10:
        few = Estimate.unknown("the best tenth needs ten variants or more", n)
        return RankQuality(spearman(guess, truth), few, few)
    rng = np.random.default_rng(SEED)
    drawn = [rng.integers(n, size=n) for _ in range(N_RESAMPLES)]
    ndcg_and_recall = [
        estimate(function(guess, truth), [function(guess[rows], truth[rows]) for rows in drawn], n)
        for function in (ndcg, top_recall)
    ]
    return RankQuality(spearman(guess, truth), *ndcg_and_recall)


def ndcg(scores: Floats, fitness: Floats, share: float = TOP_SHARE) -> float:
    """Return the normalised discounted cumulative gain of the best-scored part; NaN if all values are equal."""
    low, high = float(fitness.min()), float(fitness.max())
    if high == low:
        return math.nan
    gains = (fitness - low) / (high - low)
    k = max(1, int(len(fitness) * share))
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    order = np.argsort(-scores, kind="stable")[:k]
    ideal = np.sort(gains)[::-1][:k]
    return float((gains[order] * discounts).sum() / (ideal * discounts).sum())


def top_recall(scores: Floats, fitness: Floats, share: float = TOP_SHARE) -> float:
    """Return the share of the fittest part that is in the best-scored part; both include ties."""
    fittest = fitness >= np.percentile(fitness, 100 * (1 - share))
    best = scores >= np.percentile(scores, 100 * (1 - share))
    return float((fittest & best).sum() / fittest.sum())
