"""Residues and chains of a structure, as the readers of structures hand them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Role(Enum):
    """What a residue is in its structure."""

    PROTEIN = "protein"
    NUCLEIC = "nucleic"
    WATER = "water"
    OTHER = "other"


@dataclass(slots=True)
class Residue:
    """A residue: its names in the file and its atoms, ``first`` to ``last`` (exclusive) of the flat arrays.

    ``label_chain`` and ``label_number`` are mmCIF's own names, None where the file has none; ``entity`` is the
    polymer entity that it belongs to, empty if none.
    """

    index: int
    chain: str
    name: str
    number: int
    insertion: str
    label_chain: str | None
    label_number: int | None
    hetero: bool
    first: int
    last: int
    role: Role = Role.OTHER
    altloc: int = 0
    entity: str = ""
    subchain: str = ""

    @property
    def number_text(self) -> str:
        """The author's number with the insertion code, ``142A``."""
        return f"{self.number}{self.insertion}"

    def __str__(self) -> str:
        return f"{self.name} {self.chain}:{self.number_text}"


@dataclass(slots=True)
class Chain:
    """A protein chain: the residues with coordinates, in file order."""

    name: str
    label: str | None
    residues: list[Residue]
    sequence: str


@dataclass(slots=True)
class Notes:
    """Things that a user should know about a file, each said once."""

    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Add a line unless it is there."""
        if line not in self.lines:
            self.lines.append(line)
