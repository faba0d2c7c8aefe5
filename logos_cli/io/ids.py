"""Identifiers of entries: unique within a file, the same on every run."""

from __future__ import annotations


class UniqueIds:
    """Returns identifiers; a repeated one gets a number: ``P1``, ``P1_2``, ``P1_3``.

    Only hashes are kept (about 100 bytes a name), so that a file of millions fits.
    """

    def __init__(self) -> None:
        self._count: dict[int, int] = {}

    def take(self, name: str) -> str:
        """Return ``name``, or ``name`` with the first number that makes it new."""
        counts = self._count
        key = hash(name)
        number = counts.get(key)
        if number is None:
            counts[key] = 1
            return name
        while True:
            number += 1
            unique = f"{name}_{number}"
            if hash(unique) not in counts:
                break
        counts[key] = number
        counts[hash(unique)] = 1
        return unique
