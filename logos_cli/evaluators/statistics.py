"""Figures with 95 % intervals: Wilson's for the share of units with a property, else of the bootstrap.

The bootstrap resamples the units (records, reactions, chains) with replacement and a fixed seed, so that the same units
have the same interval. It is vectorised: a resample is a row of counts, and its sums are one matrix product. Of units
that are all alike it knows nothing: three misses of three are no rate of exactly 0. A rate of 0 or 1 therefore always
has Wilson's interval (Wilson 1927, 10.1080/01621459.1927.10502953).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from logos_cli.evaluators.base import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = NDArray[np.float64]

N_RESAMPLES: Final = 1000
SEED: Final = 20
_Z95: Final = 1.96
_N_DRAWN_AT_ONCE: Final = 4_000_000
_MOST_KEPT: Final = 20_000_000
"""Most counts, of two bytes each, in the cache."""
_EMPTY: Final = "there is no value"


def estimate(value: float, resampled: ArrayLike, n: int) -> Estimate:
    """Return the figure for a value and its resampled values; values that are not finite are ignored."""
    if not np.isfinite(value):
        return Estimate.unknown("undefined for these units", n)
    drawn = np.asarray(resampled, dtype=np.float64)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Estimate(float(value), n)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(value), n, float(low), float(high))


def wilson(hits: float, n: int) -> Estimate:
    """Return the share of ``n`` units that are hits, with Wilson's score interval."""
    if not n:
        return Estimate.unknown(_EMPTY)
    value, square = hits / n, _Z95 * _Z95
    middle = (value + square / (2 * n)) / (1 + square / n)
    half = _Z95 * math.sqrt(value * (1 - value) / n + square / (4 * n * n)) / (1 + square / n)
    # rounding must not move a limit past the value: the interval of 0 begins at 0
    return Estimate(value, n, min(value, max(0.0, middle - half)), max(value, min(1.0, middle + half)))


def rate(units: ArrayLike) -> Estimate:
    """Return hits per try, summed over units, each a row of hits and tries; the tries of a unit are not independent."""
    found = bootstrap(units, ratio)
    return wilson(found.value * found.n, found.n) if found.value in (0.0, 1.0) else found


def bootstrap(units: ArrayLike, statistic: Callable[[Floats], ArrayLike], n_resamples: int = N_RESAMPLES) -> Estimate:
    """Return a statistic of the sum over units.

    Parameters
    ----------
    units : array, shape (n, k)
        Summands of each unit: hits and tries, a value and one, a confusion matrix.
    statistic : callable
        Takes sums, shape (..., k), and returns values, shape (...).
    """
    rows = np.asarray(units, dtype=np.float64)
    if not len(rows):
        return Estimate.unknown(_EMPTY)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = float(np.asarray(statistic(rows.sum(axis=0))))
        return estimate(value, statistic(resampled_sums(rows, n_resamples)), len(rows))


def resampled_sums(rows: Floats, n_resamples: int = N_RESAMPLES) -> Floats:
    """Return the sums over the resampled units, shape (n_resamples, k)."""
    n = len(rows)
    drawn = _cached_counts(n, n_resamples) if n * n_resamples <= _MOST_KEPT else _counts(n, n_resamples)
    return np.concatenate([counts.astype(np.float64) @ rows for counts in drawn])


def _counts(n: int, n_resamples: int) -> Iterator[NDArray[np.uint16]]:
    """Yield the counts of each unit, some resamples at a time."""
    rng = np.random.default_rng(SEED)
    at_once = max(1, _N_DRAWN_AT_ONCE // n)
    for start in range(0, n_resamples, at_once):
        count = min(at_once, n_resamples - start)
        places = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        yield np.bincount(places.ravel(), minlength=count * n).reshape(count, n).astype(np.uint16)


@lru_cache(maxsize=2)
def _cached_counts(n: int, n_resamples: int) -> tuple[NDArray[np.uint16], ...]:
    """Return the counts from a cache: most figures of a run have the same number of units."""
    return tuple(_counts(n, n_resamples))


def means(columns: ArrayLike) -> list[Estimate]:
    """Return the mean of each column over the rows where it has a value.

    Parameters
    ----------
    columns : array, shape (n, k)
        One row for each unit; NaN where a unit has no value. All columns share the resamples; a column of zeros and
        ones is a share.
    """
    values = np.asarray(columns, dtype=np.float64)
    if not values.size:
        return [Estimate.unknown(_EMPTY) for _ in range(values.shape[1] if values.ndim > 1 else 0)]
    present = ~np.isnan(values)
    k = values.shape[1]
    sums = resampled_sums(np.concatenate([np.where(present, values, 0.0), present], axis=1))
    estimates = []
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = sums[:, :k] / sums[:, k:]
    for column in range(k):
        known = values[present[:, column], column]
        if not len(known):
            estimates.append(Estimate.unknown(_EMPTY))
        elif np.isin(known, (0.0, 1.0)).all():
            estimates.append(wilson(float(known.sum()), len(known)))
        else:
            estimates.append(estimate(float(known.mean()), drawn[:, column], len(known)))
    return estimates


def mean(values: Iterable[float]) -> Estimate:
    """Return the mean of the values of the units."""
    column = np.fromiter(values, dtype=np.float64)
    return means(column[:, None])[0] if len(column) else Estimate.unknown(_EMPTY)


def share(flags: Iterable[object]) -> Estimate:
    """Return the share (0 to 1) of the units with a true flag."""
    found = [bool(flag) for flag in flags]
    return wilson(sum(found), len(found))


def ratio(sums: Floats) -> Floats:
    """Return the first sum over the second."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def mcc(sums: Floats) -> Floats:
    """Return the Matthews correlation coefficient of true and false positives, false and true negatives."""
    tp, fp, fn, tn = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.asarray(np.where(below > 0, (tp * tn - fp * fn) / np.where(below > 0, below, 1), 0.0))


def f1(sums: Floats) -> Floats:
    """Return the harmonic mean of precision and recall from the same four counts."""
    tp, fp, fn, _ = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    below = 2 * tp + fp + fn
    return np.asarray(np.where(below > 0, 2 * tp / np.where(below > 0, below, 1), 0.0))


def iou(sums: Floats) -> Floats:
    """Return intersection over union from the same four counts."""
    tp, fp, fn, _ = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    below = tp + fp + fn
    return np.asarray(np.where(below > 0, tp / np.where(below > 0, below, 1), 0.0))


def confusion(predicted: Iterable[int], truth: Iterable[int], n_places: int) -> tuple[int, int, int, int]:
    """Return true and false positives, false and true negatives among positions from 0 to ``n_places``."""
    positives, right = set(predicted), set(truth)
    tp, fp, fn = len(positives & right), len(positives - right), len(right - positives)
    return tp, fp, fn, n_places - tp - fp - fn


def spearman(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> Estimate:
    """Return the rank correlation of two series; ties share their rank."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    n = len(a)
    if n < 3:
        return Estimate.unknown("a rank correlation needs three values or more", n)
    value = float(_rank_correlation(a[None], b[None])[0])
    if np.isnan(value):
        return Estimate.unknown("all values are equal: there is no rank correlation", n)
    rng = np.random.default_rng(SEED)
    at_once = max(1, _N_DRAWN_AT_ONCE // n)
    resampled = []
    for start in range(0, N_RESAMPLES, at_once):
        drawn = rng.integers(n, size=(min(at_once, N_RESAMPLES - start), n))
        resampled.append(_rank_correlation(a[drawn], b[drawn]))
    return estimate(value, np.concatenate(resampled), n)


def _rank_correlation(first: Floats, second: Floats) -> Floats:
    from scipy.stats import rankdata

    ranks = [rankdata(rows, axis=1) for rows in (first, second)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    below = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray(np.where(below > 0, (a * b).sum(axis=1) / np.where(below > 0, below, 1), np.nan))


def distance(values: ArrayLike, reference: ArrayLike, n_resamples: int = 200) -> Estimate:
    """Return the Wasserstein-1 distance of two samples, in the unit of the values.

    Noise makes distances of resampled values larger, never smaller. The interval is therefore the value plus and minus
    their spread, not their percentiles.
    """
    from scipy.stats import wasserstein_distance

    first, second = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if not len(first) or not len(second):
        return Estimate.unknown(_EMPTY)
    rng = np.random.default_rng(SEED)
    resampled: list[Any] = [
        wasserstein_distance(rng.choice(first, len(first)), rng.choice(second, len(second))) for _ in range(n_resamples)
    ]
    value = float(wasserstein_distance(first, second))
    half = _Z95 * float(np.std(resampled))
    return Estimate(value, len(first), max(0.0, value - half), value + half)


def first_occurrences(keys: Sequence[Hashable | None]) -> list[bool]:
    """Return for each key whether it occurs for the first time; False for None."""
    seen: set[Hashable] = set()
    flags = []
    for key in keys:
        flags.append(key is not None and key not in seen)
        seen.add(key)
    return flags
