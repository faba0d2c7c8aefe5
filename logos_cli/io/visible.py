"""Text from files, made harmless for a terminal, a script or a table."""

from __future__ import annotations

import re
from typing import IO, Final

_HARMFUL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control and escape characters, marks that reverse text, lone surrogates; not tab and line break."""


def visible(text: str) -> str:
    """Return a text with characters that control a terminal written out, escape as a backslash and its number."""
    return _HARMFUL.sub(_written, text)


def one_line(text: str) -> str:
    """Return a text as one visible line: line breaks and tabs become spaces."""
    return visible(" ".join(text.splitlines()).replace("\t", " "))


def _written(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def harmless_json(text: str) -> str:
    """Return JSON without characters that control a terminal, or that no file of UTF-8 can hold: they are escaped."""
    return text if text.isascii() and "\x7f" not in text else _HARMFUL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


class VisibleStream:
    """A text stream to a terminal that writes harmful characters out."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        return self._stream.write(visible(text))

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()
