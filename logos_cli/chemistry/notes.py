"""Notes on what a sentence leaves out of what a file says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

NOT_CARRIED: Final = "not carried: "
"""Beginning of these notes; ``encode --verify`` lists them."""

GROUP_MEANING: Final = {"&": "a mixture of both hands", "o": "one of both hands, unknown which"}
"""What a stereo group says beyond the hand that is written."""


def split_notes(notes: Iterable[str]) -> list[str]:
    """Return what the notes list as not carried."""
    return [note.removeprefix(NOT_CARRIED) for note in notes if note.startswith(NOT_CARRIED)]
