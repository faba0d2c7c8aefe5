"""Statistics of the figures, against known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.bench.figures.statistics import bootstrap, confusion, distance, f1, mcc, percent, ratio, spearman

COUNTS = np.array([6, 1, 2, 3])


def test_matthews_correlation():
    assert mcc(COUNTS) == pytest.approx((6 * 3 - 1 * 2) / math.sqrt(7 * 8 * 4 * 5))
    assert mcc(np.array([5, 0, 0, 5])) == 1
    assert mcc(np.array([0, 5, 5, 0])) == -1
    assert mcc(np.array([5, 5, 0, 0])) == 0  # nothing was denied: no correlation, and no division by zero


def test_f1():
    assert f1(COUNTS) == pytest.approx(2 * (6 / 7) * (6 / 8) / (6 / 7 + 6 / 8))
    assert f1(np.zeros(4)) == 0


def test_confusion_counts_every_place_once():
    assert confusion([0, 1, 2], [2, 3], 10) == (1, 2, 1, 6)


def test_a_share_has_the_interval_of_a_binomial():
    found = percent([1] * 200 + [0] * 200)
    assert (found["value"], found["n"]) == (50, 400)
    wide = 1.96 * 50 / math.sqrt(400)
    assert found["low"] == pytest.approx(50 - wide, abs=1)
    assert found["high"] == pytest.approx(50 + wide, abs=1)


def test_shares_of_few_cases_have_wide_intervals():
    assert percent([True] * 5) == {"value": 100, "low": pytest.approx(56.55, abs=0.01), "high": 100, "n": 5}


def test_without_units_nothing_is_claimed():
    assert percent([]) == {"value": None, "low": None, "high": None, "n": 0}


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios():
    assert bootstrap([[1, 1], [1, 9]], ratio)["value"] == pytest.approx(0.2)


def test_a_perplexity_of_sentences():
    nats = np.array([[10 * math.log(3), 10], [20 * math.log(3), 20]])
    found = bootstrap(nats, lambda sums: np.exp(ratio(sums)))
    assert (found["value"], found["low"], found["high"]) == pytest.approx((3, 3, 3))


def test_the_same_figure_comes_twice():
    units = np.random.default_rng(0).random((50, 2))
    assert bootstrap(units, ratio) == bootstrap(units, ratio)


def test_rank_correlation_is_scipys_ties_included():
    rng = np.random.default_rng(4)
    x = rng.integers(0, 8, 300)
    y = x + rng.integers(0, 8, 300)
    found = spearman(x, y)
    assert found["value"] == pytest.approx(spearmanr(x, y).statistic, abs=1e-4)
    assert found["low"] < found["value"] < found["high"]
    # Fisher's approximation of the interval
    half = 1.06 * 1.96 / math.sqrt(297)
    assert math.atanh(found["high"]) - math.atanh(found["low"]) == pytest.approx(2 * half, rel=0.2)


def test_a_constant_has_no_rank_correlation():
    assert spearman([1, 1, 1, 1], [1, 2, 3, 4])["value"] is None


def test_distance_of_a_shifted_sample_is_the_shift():
    values = np.random.default_rng(5).normal(size=500)
    assert distance(values + 2, values)["value"] == pytest.approx(2, abs=1e-4)
    assert distance(values, values)["value"] == 0
    assert distance([], values)["value"] is None


def test_a_distance_lies_in_its_interval():
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=300), rng.normal(0.3, size=300)
    found = distance(first, second)
    assert found["low"] < found["value"] < found["high"]
    # the means differ by 0.3, known to two standard errors of a difference of means
    assert found["high"] - found["value"] == pytest.approx(1.96 * math.sqrt(2 / 300), rel=0.25)
