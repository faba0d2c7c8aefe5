"""JSON of others and for others: nested too deep, with characters that a terminal obeys or that no file can hold."""

from __future__ import annotations

import json
import re
from typing import Any, Final

HARMFUL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control and escape characters, marks that reverse text, lone surrogates; not tab and line break."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If it is none, or nested too deep: then ``json.loads`` raises an error that no caller expects.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def harmless_json(text: str) -> str:
    """Return JSON without such characters: they are escaped."""
    return text if text.isascii() and "\x7f" not in text else HARMFUL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
