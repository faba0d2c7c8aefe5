"""The residues around a designed loop: a loop that writes them once more is no loop.

A model that reads from left to right ends a loop by writing the framework, and is then made to write it again:
``…ARDYWGQG`` before the ``WGQG`` of the framework.
"""

from __future__ import annotations

from collections.abc import Iterable

from logos_cli.errors import AnswerError

_N_ANCHOR = 4
"""Fixed residues on each side that a loop may not contain; by chance one loop of ten thousand does."""

_N_EDGE = 3
"""Fixed residues that may not stand twice in a row, at the edge of a loop."""

REPEATED = "with a loop that repeats its anchor"
"""What the account of a run counts."""


def repeated_anchor(chain: str, start: int, end: int) -> str | None:
    """Return the fixed residues beside a designed stretch of a chain that the stretch repeats; None if it does not.

    Parameters
    ----------
    start, end : int
        The stretch: a half-open range, from 0.
    """
    loop, before, behind = chain[start:end], chain[:start], chain[end:]
    for anchor in (before[-_N_ANCHOR:], behind[:_N_ANCHOR]):
        if len(anchor) == _N_ANCHOR and anchor in loop:
            return anchor
    left, right = before[-_N_EDGE:], behind[:_N_EDGE]
    if len(left) == _N_EDGE and loop.startswith(left):
        return left
    return right if len(right) == _N_EDGE and loop.endswith(right) else None


def check_anchors(chain: str, spans: Iterable[tuple[int, int]]) -> None:
    """Refuse a chain with a designed stretch that repeats the residues beside it.

    Raises
    ------
    AnswerError
        With the loop and what it repeats.
    """
    for start, end in spans:
        if anchor := repeated_anchor(chain, start, end):
            raise AnswerError(f"the loop {chain[start:end]} repeats {anchor}, which stands beside it", outcome=REPEATED)
