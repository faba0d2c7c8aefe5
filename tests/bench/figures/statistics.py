"""Figures with bootstrap 95 % intervals.

A figure is ``{"value", "low", "high", "n"}``: what was measured, its interval, and how many units (sentences,
samples, chains, reactions) it rests on. The units are drawn again with replacement; the seed is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata, wasserstein_distance

Figure = dict[str, Any]
Floats = NDArray[np.float64]

N_RESAMPLES: Final = 1000
SEED: Final = 20
_DIGITS: Final = 4
_Z95: Final = 1.96


def figure(value: float, resampled: ArrayLike, n: int) -> Figure:
    """Return the figure for a value and what resampling made of it."""
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return {"value": _short(value), "low": _short(low), "high": _short(high), "n": n}


def unknown() -> Figure:
    """Return the figure of something that there was no unit to measure on."""
    return {"value": None, "low": None, "high": None, "n": 0}


def _short(value: float) -> float | None:
    return round(float(value), _DIGITS) if np.isfinite(value) else None


def bootstrap(units: ArrayLike, statistic: Callable[[Floats], ArrayLike]) -> Figure:
    """Return a statistic of the sum over units.

    Parameters
    ----------
    units : array, shape (n, k)
        What each unit adds: hits and tries, summed losses and tokens, a confusion matrix.
    statistic : callable
        Takes sums, shape (..., k), and returns values, shape (...).
    """
    rows = np.asarray(units, dtype=np.float64)
    if not len(rows):
        return unknown()
    rng = np.random.default_rng(SEED)
    sums = np.stack([rows[rng.integers(len(rows), size=len(rows))].sum(axis=0) for _ in range(N_RESAMPLES)])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return figure(float(np.asarray(statistic(rows.sum(axis=0)))), statistic(sums), len(rows))


def ratio(sums: Floats) -> Floats:
    """Return the first sum over the second."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def percent(flags: Iterable[object]) -> Figure:
    """Return the share of the units that a flag holds for, in percent."""
    hits = np.array([bool(flag) for flag in flags], dtype=np.float64)
    return bootstrap(np.stack([100 * hits, np.ones_like(hits)], axis=1), ratio)


def mcc(sums: Floats) -> Floats:
    """Return the Matthews correlation coefficient of true and false positives, false and true negatives."""
    tp, fp, fn, tn = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.asarray(np.where(below > 0, (tp * tn - fp * fn) / np.where(below > 0, below, 1), 0.0))


def f1(sums: Floats) -> Floats:
    """Return the harmonic mean of precision and recall of the same four counts."""
    tp, fp, fn, _ = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    below = 2 * tp + fp + fn
    return np.asarray(np.where(below > 0, 2 * tp / np.where(below > 0, below, 1), 0.0))


def confusion(chosen: Iterable[int], truth: Iterable[int], n_places: int) -> tuple[int, int, int, int]:
    """Return true and false positives, false and true negatives among places from 0 to ``n_places``."""
    answer, wanted = set(chosen), set(truth)
    tp, fp, fn = len(answer & wanted), len(answer - wanted), len(wanted - answer)
    return tp, fp, fn, n_places - tp - fp - fn


def spearman(scores: ArrayLike, truth: ArrayLike) -> Figure:
    """Return the rank correlation of two series; ties share their rank."""
    first, second = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    n = len(first)
    if n < 3:
        return unknown()
    drawn = np.random.default_rng(SEED).integers(n, size=(N_RESAMPLES, n))
    resampled = _rank_correlation(first[drawn], second[drawn])
    return figure(float(_rank_correlation(first[None], second[None])[0]), resampled, n)


def _rank_correlation(first: Floats, second: Floats) -> Floats:
    ranks = [rankdata(rows, axis=1) for rows in (first, second)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    below = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray(np.where(below > 0, (a * b).sum(axis=1) / np.where(below > 0, below, 1), 0.0))


def distance(values: ArrayLike, reference: ArrayLike, n_resamples: int = 200) -> Figure:
    """Return the Wasserstein-1 distance of two samples, in the unit of the values.

    Noise makes distances of resampled values larger, never smaller: their spread is put around the value instead of
    taking their percentiles.
    """
    first, second = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if not len(first) or not len(second):
        return unknown()
    rng = np.random.default_rng(SEED)
    resampled = [
        wasserstein_distance(rng.choice(first, len(first)), rng.choice(second, len(second)))
        for _ in range(n_resamples)
    ]
    value = float(wasserstein_distance(first, second))
    half = _Z95 * float(np.std(resampled))
    return {
        "value": _short(value),
        "low": _short(max(0.0, value - half)),
        "high": _short(value + half),
        "n": len(first),
    }
