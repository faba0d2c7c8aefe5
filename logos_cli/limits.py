"""Bounds of sizes: they keep a hostile or broken file from filling the memory, and a user may set others.

The variable ``LOGOS_MAX_…`` of the environment sets a bound, or the table ``[limits]`` of a configuration file. Workers
inherit both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from logos_cli.errors import UsageError

_MIB: Final = "mib"
_GREATEST: Final = 10**9


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound.

    Attributes
    ----------
    name : str
        In configuration files; a size in MiB ends in ``_mib``.
    default : int
    what : str
        What it bounds.
    """

    name: str
    default: int
    what: str

    @property
    def variable(self) -> str:
        """The variable of the environment that sets it."""
        return f"LOGOS_MAX_{self.name.upper()}"

    @property
    def value(self) -> int:
        """The bound, in the unit of its name.

        Raises
        ------
        UsageError
            If the variable is no whole number above 0.
        """
        text = os.environ.get(self.variable, "")
        return _number(text, self.variable) if text else self.default

    @property
    def n_bytes(self) -> int:
        """The bound of a size in bytes."""
        return self.value << 20

    @property
    def text(self) -> str:
        """The bound with its unit."""
        return f"{self.value:,} MiB" if self.name.endswith(_MIB) else f"{self.value:,}"

    @property
    def hint(self) -> str:
        """How to set another bound."""
        return f"set {self.variable} to allow more"


LINE: Final = Limit("line_mib", 64, "a line of a text file, decompressed")
CONTENT: Final = Limit("content_mib", 2048, "a file that is read as a whole, decompressed")
RECORD: Final = Limit("record_mib", 64, "a record of an SDF, MOL2 or RDF file")
ANSWER: Final = Limit("answer_mib", 16, "an answer of a server (--base-url)")
CELL: Final = Limit("cell_atoms", 50_000, "atoms of the unit cell of a crystal")
PERCEIVED: Final = Limit("ligand_atoms", 400, "atoms of a ligand whose bonds are found by distance")
DOCKED: Final = Limit("docked_heavy_atoms", 150, "heavy atoms of a ligand that Vina docks")
TURNING: Final = Limit("docked_rotatable_bonds", 50, "rotatable bonds of a ligand that Vina docks")

LIMITS: Final = {each.name: each for each in (LINE, CONTENT, RECORD, ANSWER, CELL, PERCEIVED, DOCKED, TURNING)}


def apply(name: str, value: object, source: str) -> None:
    """Set a bound of the table ``[limits]`` of a file, unless the environment sets it.

    Raises
    ------
    UsageError
        If there is no such bound, or if it is no whole number above 0.
    """
    limit = LIMITS.get(name)
    if limit is None:
        near = get_close_matches(name, LIMITS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"limits: {', '.join(LIMITS)}"
        raise UsageError(f"there is no limit {name}", source=source, hint=hint)
    number = _number(repr(value), f"limits.{name}", source)
    if not os.environ.get(limit.variable):
        os.environ[limit.variable] = str(number)
        _sources[name] = source


def source_of(name: str) -> str | None:
    """Return the file that set a bound, or ``environment``; None if it is the default, or no bound at all."""
    limit = LIMITS.get(name)
    return None if limit is None or not os.environ.get(limit.variable) else _sources.get(name, ENVIRONMENT)


ENVIRONMENT: Final = "environment"
_sources: dict[str, str] = {}


def _number(text: str, name: str, source: str | None = None) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise UsageError(f"{name} is {text:.40}; it must be a whole number above 0", source=source) from error
    if not 1 <= number <= _GREATEST:
        wanted = f"a whole number above 0, and at most {_GREATEST:,}"
        raise UsageError(f"{name} is {text:.40}; it must be {wanted}", source=source)
    return number
