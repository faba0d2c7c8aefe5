"""Small integer linear programs, built row by row and solved exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_TIME_LIMIT_S: Final = 20.0


class IntegerProgram:
    """A mixed-integer linear program, built column by column and row by row."""

    def __init__(self) -> None:
        self.costs: list[float] = []
        self.upper: list[int] = []
        self.entries: list[tuple[int, int, float]] = []
        self.low: list[float] = []
        self.high: list[float] = []

    def column(self, cost: float, upper: int = 1) -> int:
        """Add an integer variable from 0 to ``upper`` and return its index."""
        self.costs.append(cost)
        self.upper.append(upper)
        return len(self.costs) - 1

    def row(self, entries: Sequence[tuple[int, float]], low: float, high: float) -> None:
        """Add the condition low <= sum of coefficient * variable <= high."""
        self.entries += [(len(self.low), column, value) for column, value in entries]
        self.low.append(low)
        self.high.append(high)

    def solve(self) -> list[int] | None:
        """Return the cheapest solution, or None if there is none."""
        import numpy as np
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        rows, columns, values = zip(*self.entries, strict=True)
        matrix = coo_array((values, (rows, columns)), shape=(len(self.low), len(self.costs))).tocsr()
        result = milp(
            np.array(self.costs),
            integrality=np.ones(len(self.costs)),
            bounds=Bounds(0, np.array(self.upper)),
            constraints=LinearConstraint(matrix, np.array(self.low), np.array(self.high)),
            options={"time_limit": _TIME_LIMIT_S},
        )
        return None if result.x is None else [round(value) for value in result.x]
