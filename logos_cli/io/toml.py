"""Read TOML from people, who may nest it too deep."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from logos_cli.errors import InputError

_DEEPEST: Final = 64
_LARGEST_MIB: Final = 16


def toml_text(path: Path) -> str:
    """Return the text of a TOML file.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, is not UTF-8, or is longer than any configuration: a device has no end.
    """
    with path.open("rb") as stream:
        content = stream.read(_LARGEST_MIB << 20)
    if len(content) == _LARGEST_MIB << 20:
        raise ValueError(f"it has {_LARGEST_MIB} MiB or more")
    return content.decode("utf-8")


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises
    ------
    InputError
        If it is not TOML, or arrays and tables are nested deeper than any configuration needs; with line and column.
    """
    try:
        return tomllib.loads(text)
    except ValueError as error:  # also a number of thousands of digits
        raise InputError(f"not TOML: {error}", source=source) from error
    except RecursionError as error:
        line, column = _too_deep(text)
        raise InputError(
            f"not TOML that can be read: arrays or tables are nested too deep (at line {line}, column {column})",
            source=source,
            hint=f"at most {_DEEPEST} levels are needed",
        ) from error


def _too_deep(text: str) -> tuple[int, int]:
    """Return line and column of the first bracket that is too deep."""
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        for column, letter in enumerate(line, 1):
            depth += (letter in "[{") - (letter in "]}")
            if depth > _DEEPEST:
                return number, column
    return 1, 1
