"""Notes on the features of a file that a sentence does not carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

NOT_CARRIED: Final = "not carried: "
"""Beginning of these notes; ``encode --verify`` lists them."""

GROUP_MEANING: Final = {"&": "a mixture of both hands", "o": "one of both hands, unknown which"}
"""The meaning of a stereo group, beyond the written hand."""


def split_notes(notes: Iterable[str]) -> list[str]:
    """Return the features that the notes list as not carried."""
    return [note.removeprefix(NOT_CARRIED) for note in notes if note.startswith(NOT_CARRIED)]
