"""Cells that a spreadsheet would run as formulas."""

from __future__ import annotations

import re
from typing import Final

_FORMULA: Final = re.compile(r"[=+@\t\r]|-(?!\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$)")
"""Beginnings of formulas; a negative number is none."""


def guarded(text: str) -> str:
    """Return a cell with an apostrophe before what a spreadsheet would run."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """Return a cell without the apostrophe of :func:`guarded`."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text[1:]) else text
