"""The rows of a table in any file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from logos_cli.errors import LogosError


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its line (or, in a file without lines, its number) and its cells by column name.

    Attributes
    ----------
    hidden : tuple of (int, dict)
        Lines inside a quoted cell that have as many columns as the table or more, with their numbers.
    """

    line: int
    cells: Mapping[str, object]
    problem: LogosError | None = None
    hidden: tuple[tuple[int, Mapping[str, object]], ...] = ()
