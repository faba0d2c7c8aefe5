"""Parse CIF with gemmi; report errors with line and column, and correct a few common mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import gemmi

from logos_cli.errors import FormatError

_PLACE: Final = re.compile(r"string:(\d+):(\d+)(?:\(\d+\))?: (.*)", re.DOTALL)
_WORD: Final = re.compile(r"""'(?:[^']|'(?=\S))*'(?=\s|$)|"(?:[^"]|"(?=\S))*"(?=\s|$)|#.*|\S+""")
_UNIQUE: Final = ("_cell_", "_symmetry_", "_space_group_", "_atom_site_", "_chemical_formula_sum")
"""Beginnings of the names of values that make a crystal."""
_WRONG_NUMBER: Final = "Wrong number of values"
_HINT: Final = "a value with spaces needs quotes; a quote, a text field or the end of the file may be missing"


def parse_cif(text: str, source: str) -> tuple[gemmi.cif.Document, list[str]]:
    """Return the data blocks of a CIF, and notes on corrections.

    If the file is no CIF, spaces in the name of a data block and missing quotes of a value with spaces are corrected.

    Raises
    ------
    FormatError
        With line and column, if the file is no CIF.
    """
    try:
        return _parsed(text, source), []
    except (RuntimeError, ValueError) as error:
        notes: list[str] = []
        corrected = "\n".join(_corrected(text.splitlines(), notes)) + "\n"
        if notes:
            try:
                return _parsed(corrected, source), notes
            except (RuntimeError, ValueError):
                pass
        raise _error(str(error), text, source) from error


def _parsed(text: str, source: str) -> gemmi.cif.Document:
    """Return the document; two different values of a name that makes the crystal are an error."""
    document = gemmi.cif.read_string(text, check_level=0)
    for block in document:
        seen: dict[str, str | None] = {}
        for item in block:
            values: dict[str, str | None] = dict.fromkeys(item.loop.tags) if item.loop else {}
            pair: Any = item.pair  # gemmi names no type
            if pair:
                values[pair[0]] = pair[1]
            for tag, value in values.items():
                name = tag.lower()
                if name.startswith(_UNIQUE) and name in seen and (value is None or seen[name] != value):
                    place = f"{source}:{item.line_number}:1"
                    raise FormatError(
                        f"line {item.line_number}: {tag} is given twice", source=place, hint="remove the wrong one"
                    )
                seen[name] = value
    return document


def _error(message: str, text: str, source: str) -> FormatError:
    match = _PLACE.match(message)
    if match is None:
        return FormatError(f"the CIF cannot be read: {message}", source=source, hint=_HINT)
    line, column, what = int(match[1]), int(match[2]) + 1, match[3]
    what = {"parse error": "not the syntax of CIF"}.get(what, what)
    if what.startswith(_WRONG_NUMBER) and (row := _uneven_row(text.splitlines(), line - 1)):
        line, column, n_values, n_tags = row
        what = f"a row of {n_values} values in a loop of {n_tags} columns"
    return FormatError(
        f"the CIF cannot be read: line {line}, column {column}: {what}", source=f"{source}:{line}:{column}", hint=_HINT
    )


def _uneven_row(lines: list[str], start: int) -> tuple[int, int, int, int] | None:
    """Return the first row of a loop with a wrong number of values: line, column, number of values and of columns.

    None if the loop is not written one row a line.
    """
    n_tags = 0
    for number, line in enumerate(lines[start:], start + 1):
        words = [word for word in _WORD.finditer(line) if not word[0].startswith("#")]
        if not words or words[0][0].lower() == "loop_":
            continue
        if words[0][0].startswith("_"):
            n_tags += 1
        elif line.startswith(";"):
            return None
        elif len(words) != n_tags:
            return number, words[min(n_tags, len(words) - 1)].start() + 1, len(words), n_tags
    return None


def _corrected(lines: list[str], notes: list[str]) -> Iterator[str]:
    """Yield the lines with data names joined and the values of single items quoted, and note these corrections."""
    in_text = False
    for number, line in enumerate(lines, 1):
        if line.startswith(";"):
            in_text = not in_text
        if in_text or line.startswith(";"):
            yield line
            continue
        words = [word for word in _WORD.findall(line) if not word.startswith("#")]
        first = words[0].lower() if words else ""
        if first.startswith("data_") and len(words) > 1:
            notes.append(f"line {number}: the name of the data block has spaces, written _")
            yield "_".join(words)
        elif first.startswith("_") and len(words) > 1:
            value = " ".join(words[1:])
            quote = '"' if "'" in value else "'"
            if len(words) > 2 and quote not in value:
                notes.append(f"line {number}: the value of {words[0]} has no quotes, read as {value!r}")
                yield f"{words[0]} {quote}{value}{quote}"
            else:
                yield line
        else:
            yield line
