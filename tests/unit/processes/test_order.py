"""Results by number, whatever order they come in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logos_cli.processes.order import in_order


@given(st.permutations(range(12)))
def test_any_order_becomes_that_of_the_numbers(numbers: list[int]) -> None:
    assert list(in_order((number, -number) for number in numbers)) == [-number for number in range(12)]


def test_a_result_comes_as_soon_as_all_before_it_have() -> None:
    drawn: list[int] = []

    def finished() -> Iterator[tuple[int, int]]:
        for number in (1, 0, 3, 2):
            drawn.append(number)
            yield number, number

    results = in_order(finished())
    assert (next(results), drawn) == (0, [1, 0])
    assert (next(results), drawn) == (1, [1, 0])
    assert (next(results), drawn) == (2, [1, 0, 3, 2])


def _interrupted() -> Iterator[tuple[int, str]]:
    yield 0, "a"
    yield 3, "d"
    yield 2, "c"
    raise KeyboardInterrupt


def test_an_exception_lets_no_result_take_the_place_of_another() -> None:
    results = in_order(_interrupted())
    assert next(results) == "a"
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_what_is_finished_can_come_before_an_exception() -> None:
    results = in_order(_interrupted(), yields_rest=True)
    assert [next(results), next(results), next(results)] == ["a", "c", "d"]
    with pytest.raises(KeyboardInterrupt):
        next(results)
