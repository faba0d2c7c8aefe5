"""Figures as the tables of this folder hold them; the statistics are those of the scores.

A figure is ``{"value", "low", "high", "n"}``: what was measured, its bootstrap 95 % interval, and how many units
(sentences, samples, chains, reactions) it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from numpy.typing import ArrayLike

from logos_cli.evaluators import statistics
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import Floats, confusion, f1, mcc, ratio

__all__ = ["Figure", "Floats", "bootstrap", "confusion", "distance", "f1", "mcc", "percent", "ratio", "spearman"]

Figure = dict[str, Any]

_DIGITS: Final = 4


def figure(estimate: Estimate, factor: float = 1.0) -> Figure:
    """Return an estimate as a figure, in units of 1 / ``factor``."""
    values = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    rounded = {name: None if value is None else round(factor * value, _DIGITS) for name, value in values.items()}
    return {**rounded, "n": estimate.n}


def bootstrap(units: ArrayLike, statistic: Callable[[Floats], ArrayLike]) -> Figure:
    """Return a statistic of the sum over units."""
    return figure(statistics.bootstrap(units, statistic))


def percent(flags: Iterable[object]) -> Figure:
    """Return the share of the units that a flag holds for, in percent."""
    return figure(statistics.share(flags), 100)


def spearman(scores: Floats, truth: Floats) -> Figure:
    """Return the rank correlation of two series; ties share their rank."""
    return figure(statistics.spearman(scores, truth))


def distance(values: ArrayLike, reference: ArrayLike) -> Figure:
    """Return the Wasserstein-1 distance of two samples, in the unit of the values."""
    return figure(statistics.distance(values, reference))
