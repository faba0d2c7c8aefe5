"""Measured fitness of protein variants: tables that are checked, and how well scores rank them.

NDCG and top recall are those of ProteinGym (Notin et al. 2023): both look at the best tenth.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError, Span
from logos_cli.evaluators._statistics import N_RESAMPLES, SEED, estimate, spearman
from logos_cli.evaluators.base import Estimate

Floats = NDArray[np.float64]

TOP_SHARE: Final = 0.1
WILD_TYPE_NAMES: Final = frozenset(("", "WT", "_wt"))
"""What tables write for the wild type itself."""

_MUTATION: Final = re.compile(r"([A-Z])(\d+)([A-Z])")


def mutant(wild_type: str, mutations: str, first: int = 1) -> str:
    """Return the sequence of a mutant.

    Parameters
    ----------
    mutations : str
        ``A45G:K50R``; ``WT`` or nothing is the wild type. Separated by colons, commas, semicolons, pluses, slashes
        or spaces.
    first : int
        The number of the wild type's first residue.

    Raises
    ------
    InputError
        If a mutation does not fit the wild type: says which position, and what stands there.
    """
    if mutations.strip() in WILD_TYPE_NAMES:
        return wild_type
    letters = list(wild_type)
    seen: dict[int, str] = {}
    for found in re.finditer(r"[^:;,+/\s]+", mutations):
        word, span = found.group(), Span(*found.span())
        match = _MUTATION.fullmatch(word)
        if match is None:
            raise InputError(
                f"{word!r} is no mutation", hint="write A45G: what was there, where, and what is there now",
                text=mutations, span=span,
            )  # fmt: skip
        before, number, after = match[1], int(match[2]), match[3]
        place = number - first
        if not 0 <= place < len(wild_type):
            last = first + len(wild_type) - 1
            raise InputError(
                f"{word} is outside the wild type, whose residues are {first} to {last}",
                hint="check whether positions are counted from 0 or 1, and the first residue's number",
                text=mutations, span=span,
            )  # fmt: skip
        if wild_type[place] != before:
            raise InputError(
                f"{word} does not fit the wild type: position {number} is {wild_type[place]}, not {before}",
                hint=_shift_hint(wild_type, before, place), text=mutations, span=span,
            )  # fmt: skip
        if place in seen:
            raise InputError(f"{seen[place]} and {word} are of one position", text=mutations, span=span)
        seen[place] = word
        letters[place] = after
    return "".join(letters)


def _shift_hint(wild_type: str, letter: str, place: int) -> str:
    if place > 0 and wild_type[place - 1] == letter:
        return "the position before it fits: positions may be counted from another first residue"
    if place + 1 < len(wild_type) and wild_type[place + 1] == letter:
        return "the position after it fits: positions may be counted from 0, or from another first residue"
    return "check that this is the wild type of the table"


def checked_fitness(values: Iterable[float], source: str | None = None) -> Floats:
    """Return measured values as an array.

    Raises
    ------
    InputError
        If one is not a finite number (says which row), or there is none.
    """
    found = np.asarray(list(values), dtype=np.float64)
    if not len(found):
        raise InputError("the fitness table has no rows", source=source)
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        rows = ", ".join(str(row + 1) for row in bad[:5])
        more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        raise InputError(
            f"the fitness of row {rows}{more} is not a finite number",
            source=source,
            hint="leave out variants that were not measured",
        )
    return found


@dataclass(frozen=True, slots=True)
class RankQuality:
    """How well scores rank measured values.

    Attributes
    ----------
    spearman : Estimate
        Rank correlation.
    ndcg : Estimate
        Normalised discounted cumulative gain of the best-scored tenth, gains being values scaled to 0 to 1.
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
        If a score or a fitness is not finite, or there are not as many of one as of the other.
    """
    truth = checked_fitness(fitness)
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
    found = [
        estimate(function(guess, truth), [function(guess[rows], truth[rows]) for rows in drawn], n)
        for function in (ndcg, top_recall)
    ]
    return RankQuality(spearman(guess, truth), *found)


def ndcg(scores: Floats, fitness: Floats, share: float = TOP_SHARE) -> float:
    """Return the normalised discounted cumulative gain of the best-scored part; NaN if all are equally fit."""
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
    """Return the share of the fittest part that is in the best-scored part; both take ties in."""
    fittest = fitness >= np.percentile(fitness, 100 * (1 - share))
    best = scores >= np.percentile(scores, 100 * (1 - share))
    return float((fittest & best).sum() / fittest.sum())
