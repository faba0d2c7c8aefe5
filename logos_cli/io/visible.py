"""Text from files, made harmless for a terminal, a script or a table."""

from __future__ import annotations

import re
from typing import IO

from logos_cli.records.json_text import HARMFUL


def visible(text: str) -> str:
    """Return a text with characters that control a terminal written out, escape as a backslash and its number."""
    return HARMFUL.sub(_written, text)


def one_line(text: str) -> str:
    """Return a text as one visible line: line breaks and tabs become spaces."""
    return visible(" ".join(text.splitlines()).replace("\t", " "))


def _written(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


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
