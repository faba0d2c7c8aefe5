"""Recognise tables in binary files by their first bytes."""

from __future__ import annotations

from typing import Final

_PARQUET: Final = b"PAR1"
_SQLITE: Final = b"SQLite format 3\0"
_ZIP: Final = b"PK\x03\x04"
_SHEETS: Final = b"xl/"


def binary_kind(head: bytes) -> str | None:
    """Return ``parquet``, ``sqlite`` or ``xlsx`` by the beginning of a file; None if it is none of these."""
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(_SQLITE):
        return "sqlite"
    return "xlsx" if head.startswith(_ZIP) and _SHEETS in head else None
