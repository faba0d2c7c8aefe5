"""Figures and their intervals: exact values, coverage, and what cannot be computed."""

from __future__ import annotations

import numpy as np
import pytest

from logos_cli.evaluators import statistics
from logos_cli.evaluators.base import Estimate


def test_a_share_has_the_interval_of_its_binomial() -> None:
    figure = statistics.share([True] * 300 + [False] * 100)
    assert figure.value == 0.75
    assert figure.n == 400
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert figure.low == pytest.approx(0.75 - half, abs=0.006)
    assert figure.high == pytest.approx(0.75 + half, abs=0.006)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe 1998 (10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_of_few_has_wilsons_interval(hits: int, n: int, low: float, high: float) -> None:
    figure = statistics.share([True] * hits + [False] * (n - hits))
    assert (figure.low, figure.high) == pytest.approx((low, high), abs=1e-4)
    (column,) = statistics.means(np.array([1.0] * hits + [0.0] * (n - hits))[:, None])
    assert (column.value, column.low, column.high) == (figure.value, figure.low, figure.high)


def test_three_misses_are_no_rate_of_exactly_nothing() -> None:
    for figure in (statistics.share([False] * 3), statistics.rate([(0, 2), (0, 1), (0, 4)])):
        assert (figure.value, figure.low, figure.n) == (0.0, 0.0, 3)
        assert figure.high == pytest.approx(0.5615, abs=1e-4)
    all_hit = statistics.rate([(2, 2), (1, 1)])
    assert (all_hit.value, all_hit.high) == (1.0, 1.0)
    assert all_hit.low is not None
    assert all_hit.low < 0.5


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        figure = statistics.mean(rng.normal(2.0, 1.0, 60))
        assert figure.low is not None
        assert figure.high is not None
        covered += figure.low <= 2.0 <= figure.high
    assert 0.88 <= covered / 200 <= 0.99


def test_columns_with_holes_are_those_of_their_values_alone() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(size=(500, 3))
    table[::2, 1] = np.nan
    table[:, 2] = np.nan
    first, half, none = statistics.means(table)
    assert first.value == pytest.approx(table[:, 0].mean())
    assert half.n == 250
    assert half.value == pytest.approx(np.nanmean(table[:, 1]))
    alone = statistics.mean(table[1::2, 1])
    assert half.low == pytest.approx(alone.low, abs=0.02)
    assert none == Estimate.unknown(none.reason or "")


def test_the_same_units_give_the_same_interval_whatever_is_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).normal(size=200)
    before = statistics.mean(values)
    monkeypatch.setattr(statistics, "_N_DRAWN_AT_ONCE", 1)
    again = statistics.mean(values)
    assert (again.low, again.high) == pytest.approx((before.low, before.high), abs=1e-12)


def test_correlations() -> None:
    figure = statistics.spearman([1, 2, 3, 4, 5], [1, 4, 9, 16, 25])
    assert figure.value == pytest.approx(1.0)
    assert statistics.spearman([1, 1, 2, 2], [1, 2, 3, 4]).value == pytest.approx(0.8944, abs=1e-4)
    assert statistics.spearman([1, 1, 1], [1, 2, 3]).value is None
    assert statistics.spearman([1, 2], [1, 2]).value is None


def test_nothing_to_measure_is_no_zero() -> None:
    for figure in (statistics.mean([]), statistics.share([]), statistics.bootstrap(np.empty((0, 2)), statistics.ratio)):
        assert figure.value is None
        assert figure.reason
        assert "low" not in figure.to_dict()


def test_counts_of_places() -> None:
    counts = np.array(statistics.confusion([0, 1, 2], [1, 2, 3], 10), dtype=float)
    assert counts.tolist() == [2, 1, 1, 6]
    assert float(statistics.f1(counts)) == pytest.approx(2 / 3)
    assert float(statistics.iou(counts)) == pytest.approx(0.5)
    assert float(statistics.mcc(counts)) == pytest.approx((2 * 6 - 1) / (3 * 3 * 7 * 7) ** 0.5)
