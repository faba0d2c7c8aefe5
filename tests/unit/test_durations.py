"""The report on tests that take too long for the default run."""

from __future__ import annotations

import pytest

from tests.durations import LONGEST_S, unmarked


def _report(name: str, duration_s: float, *marks: str) -> pytest.TestReport:
    keywords = dict.fromkeys((name, *marks), 1)
    return pytest.TestReport(name, (name, 1, name), keywords, "passed", None, "call", duration=duration_s)


def test_long_tests_of_the_default_run_are_named() -> None:
    lines = unmarked(
        [
            _report("quick", 1.0),
            _report("long", LONGEST_S + 1),
            _report("known", 90.0, "slow"),
            _report("longest", 90.0, "parametrize"),
        ]
    )
    assert [line.partition(" took ")[0] for line in lines] == ["longest", "long"]
    assert "90 s" in lines[0]
    assert "mark it slow" in lines[0]


def test_a_slow_test_is_not_in_the_default_run(pytestconfig: pytest.Config) -> None:
    addopts = pytestconfig.getini("addopts")
    assert "not slow" in addopts[addopts.index("-m") + 1]
