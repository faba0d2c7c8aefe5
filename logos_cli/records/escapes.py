"""Characters that a terminal obeys, or that no file of UTF-8 can hold."""

from __future__ import annotations

import re
from typing import Final

HARMFUL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control and escape characters, marks that reverse text, lone surrogates; not tab and line break."""


def harmless_json(text: str) -> str:
    """Return JSON without such characters: they are escaped."""
    return text if text.isascii() and "\x7f" not in text else HARMFUL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
