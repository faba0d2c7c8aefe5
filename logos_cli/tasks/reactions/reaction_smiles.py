"""Reaction SMILES as a prompt."""

from __future__ import annotations

import re

_ARROW = re.compile(r"(?<!-)>")
"""A ``>`` of the reaction; one after ``-`` is a dative bond."""


def sides(text: str) -> tuple[str, str] | None:
    """Return (reactants, product) of ``reactants>reagents>product``, either of which may be empty.

    None if the text does not have two arrows. The reagents are ignored.
    """
    parts = _ARROW.split(text)
    return (parts[0], parts[2]) if len(parts) == 3 else None
