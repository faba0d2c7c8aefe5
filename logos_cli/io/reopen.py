"""The structure that a record came from, read again: its file, or what this process had from standard input."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

from logos_cli.errors import InputError
from logos_cli.io.input import Input

STDIN = "<stdin>"

_heard: dict[str, bytes] = {}
"""Content of standard input, of which a process has one, by its SHA-256."""


def remember(content: bytes) -> str:
    """Keep what came from standard input; return its SHA-256, which the records carry."""
    sha256 = hashlib.sha256(content).hexdigest()
    _heard.clear()
    _heard[sha256] = content
    return sha256


def reopen(source: Mapping[str, Any]) -> Input:
    """Open the structure of a record as it was.

    Parameters
    ----------
    source : mapping
        A record's: ``path`` and ``sha256``.

    Raises
    ------
    InputError
        If there is none, or its SHA-256 is another now.
    """
    path, sha256 = source.get("path"), source.get("sha256")
    if not isinstance(path, str):
        raise InputError("the record does not come from a file", hint="encode the structure from a file")
    if path == STDIN:
        content = _heard.get(str(sha256))
        if content is None:
            raise InputError(
                "the record's structure came from the standard input of another run",
                hint="encode the structure from a file, not from a pipe",
            )
        return Input("-", io.BytesIO(content))
    found = Input(path)
    if sha256 is not None and found.sha256 != sha256:
        found.close()
        raise InputError("has changed since it was encoded", source=path, hint="encode it again")
    return found
