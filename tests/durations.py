"""What of the default run of the tests takes too long for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest

LONGEST_S: Final = 30.0
"""Several times what a test of the default run takes on two free cores; other work on the machine makes it longer."""
_ELSEWHERE: Final = frozenset({"slow", "bench", "cluster", "fuzz", "gpu"})


def unmarked(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line on each test of the default run that took longer than :data:`LONGEST_S`, the longest first."""
    found = [each for each in reports if each.duration > LONGEST_S and _ELSEWHERE.isdisjoint(each.keywords)]
    found.sort(key=lambda report: -report.duration)
    return [
        f"{report.nodeid} took {report.duration:.0f} s: make it smaller, or mark it slow beside a shorter one"
        for report in found
    ]
