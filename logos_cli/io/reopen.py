"""The structure that a record came from: its file, or the standard input of this process, opened again."""

from __future__ import annotations

import hashlib
import io

from logos_cli.errors import InputError
from logos_cli.io import places
from logos_cli.io.input import Input
from logos_cli.records import Source

STDIN = "<stdin>"

_stdin_content: dict[str, bytes] = {}
"""The one standard input of the process, by its SHA-256."""


def remember(content: bytes) -> str:
    """Keep the content of standard input and return its SHA-256, which the records carry."""
    sha256 = hashlib.sha256(content).hexdigest()
    _stdin_content.clear()
    _stdin_content[sha256] = content
    return sha256


def reopen(source: Source) -> Input:
    """Open the structure that a record was encoded from.

    Parameters
    ----------
    source : mapping
        ``path`` and ``sha256`` of a record's source.

    Raises
    ------
    InputError
        If the record has no file, or the file has changed since, or is a pipe.
    """
    path, sha256 = source.get("path"), source.get("sha256")
    if not isinstance(path, str):
        raise InputError("the record does not come from a file", hint="encode the structure from a file")
    if path == STDIN:
        content = _stdin_content.get(str(sha256))
        if content is None:
            raise InputError(
                "the record's structure came from the standard input of another run",
                hint="encode the structure from a file, not from a pipe",
            )
        return Input("-", io.BytesIO(content))
    if places.is_special(path):
        raise InputError(
            "is a pipe, and what the record was encoded from is gone",
            source=path,
            hint="encode the structure from a file, not from a pipe",
        )
    structure = Input(path)
    if sha256 is not None and structure.sha256 != sha256:
        structure.close()
        raise InputError("has changed since it was encoded", source=path, hint="encode it again")
    return structure
