"""Yield results in the order of their requests, whatever the order in which they finish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def in_order(numbered: Iterable[tuple[int, T]], *, yields_rest: bool = False) -> Iterator[T]:
    """Yield results by their numbers, which are 0, 1, 2 … in any order.

    A result waits until all before it have been yielded.

    Parameters
    ----------
    yields_rest : bool
        When the iterable raises an exception, yield the other finished results before the exception is raised. Only for
        results that identify their requests, as some before them are missing then.
    """
    finished: dict[int, T] = {}
    turn = 0
    try:
        for number, result in numbered:
            finished[number] = result
            while turn in finished:
                yield finished.pop(turn)
                turn += 1
    except GeneratorExit:
        raise
    except BaseException:
        if yields_rest:
            yield from (finished.pop(number) for number in sorted(finished))
        raise
