"""Types of a structure in memory: file, residues, chains, notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import gemmi
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class StructureFile:
    """A structure file in memory.

    Attributes
    ----------
    kind : str
        ``pdb``, ``pdbqt``, ``pqr``, ``mmcif`` or ``bcif``.
    structure : gemmi.Structure
    block : gemmi.cif.Block, optional
        The mmCIF block; None for PDB.
    definitions : list of gemmi.cif.Block
        Blocks that may define chemical components.
    notes : list of str
        Notes on repairs while reading.
    has_elements : bool
        Whether the file has the element of every atom; else they are inferred from the atoms' names.
    """

    kind: str
    structure: gemmi.Structure
    block: gemmi.cif.Block | None = None
    notes: list[str] = field(default_factory=list)
    has_elements: bool = True
    definitions: list[gemmi.cif.Block] = field(default_factory=list)


NO_NUMBER = -(2**31)
"""The number of a residue without a number in the file."""


class Role(IntEnum):
    """The role of a residue in its structure."""

    OTHER = 0
    PROTEIN = 1
    NUCLEIC = 2
    WATER = 3


@dataclass(slots=True)
class Residues(Sequence["Residue"]):
    """The residues of a model, column by column; an item is a :class:`Residue`, a view of one row.

    A structure has thousands of residues, but few of them are used one by one.

    Attributes
    ----------
    chains, numbers, insertions : list
        The author's names; :data:`NO_NUMBER` if the file has no number.
    label_chains, label_numbers : list
        mmCIF's own names, or None.
    entities : list of str
        The polymer entity of a residue, or empty.
    hetero : list of bool
        Whether its atoms are HETATM, or the file says otherwise that they are of no chain (:mod:`.listing`).
    listed : list of bool or None
        Whether the file gives it a place in the sequence of a polymer; None if the file does not tell.
    first, last : ndarray of int
        The residue's atoms are ``first`` to ``last`` (exclusive) of the model's atoms.
    roles, altlocs : ndarray of int
        The role, and the conformer used (ASCII code of its label, 0 for none).
    standards : list of str
        The name under which the PDB knows each residue (:mod:`.standard_names`).
    """

    names: list[str]
    chains: list[str]
    numbers: list[int]
    insertions: list[str]
    label_chains: list[str | None]
    label_numbers: list[int | None]
    entities: list[str]
    hetero: list[bool]
    listed: list[bool | None]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    roles: NDArray[np.int8]
    altlocs: NDArray[np.int8]
    standards: list[str]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Residue: ...

    @overload
    def __getitem__(self, index: slice) -> list[Residue]: ...

    def __getitem__(self, index: int | slice) -> Residue | list[Residue]:
        if isinstance(index, slice):
            return [Residue(self, place) for place in range(*index.indices(len(self)))]
        return Residue(self, range(len(self))[index])

    def __iter__(self) -> Iterator[Residue]:
        return (Residue(self, index) for index in range(len(self)))

    def with_role(self, role: Role) -> list[int]:
        """Return the indices of the residues with a role, ascending."""
        found: list[int] = (self.roles == role).nonzero()[0].tolist()
        return found


@dataclass(frozen=True, slots=True)
class Residue:
    """One residue: a view of its row."""

    table: Residues = field(repr=False, compare=False)
    index: int

    @property
    def name(self) -> str:
        """Component id."""
        return self.table.names[self.index]

    @property
    def standard_name(self) -> str:
        """The name under which the PDB knows it: ``HIS`` for a residue HID."""
        return self.table.standards[self.index]

    @property
    def chain(self) -> str:
        """The author's name of the chain."""
        return self.table.chains[self.index]

    @property
    def number(self) -> int:
        """The author's number, or :data:`NO_NUMBER`."""
        return self.table.numbers[self.index]

    @property
    def has_number(self) -> bool:
        """Whether it has an author's number."""
        return self.number != NO_NUMBER

    @property
    def insertion(self) -> str:
        """Insertion code, or empty."""
        return self.table.insertions[self.index]

    @property
    def label_chain(self) -> str | None:
        """``label_asym_id``."""
        return self.table.label_chains[self.index]

    @property
    def label_number(self) -> int | None:
        """``label_seq_id``."""
        return self.table.label_numbers[self.index]

    @property
    def hetero(self) -> bool:
        """Whether its atoms are HETATM, or of no chain by other columns."""
        return self.table.hetero[self.index]

    @property
    def listed(self) -> bool | None:
        """Whether the file gives it a place in the sequence of a polymer; None if the file does not tell."""
        return self.table.listed[self.index]

    @property
    def first(self) -> int:
        """Its first atom."""
        return int(self.table.first[self.index])

    @property
    def last(self) -> int:
        """The index after its last atom."""
        return int(self.table.last[self.index])

    @property
    def role(self) -> Role:
        """Its role."""
        return Role(int(self.table.roles[self.index]))

    def set_role(self, role: Role) -> None:
        """Set its role."""
        self.table.roles[self.index] = role

    @property
    def altloc(self) -> str:
        """Label of the conformer used, or empty."""
        code = int(self.table.altlocs[self.index])
        return chr(code) if code else ""

    @property
    def number_text(self) -> str:
        """The author's number with the insertion code, ``142A``; ``.`` if it has none."""
        return f"{self.number}{self.insertion}" if self.has_number else "."

    def __str__(self) -> str:
        return f"{self.name} {self.chain}:{self.number_text}"


@dataclass(slots=True)
class Chain:
    """A protein chain: the indices of its residues with coordinates, in file order."""

    name: str
    label: str | None
    members: list[int]
    sequence: str


@dataclass(slots=True)
class Notes:
    """Notes on a file for the user, each only once."""

    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Add a line unless it is there."""
        if line not in self.lines:
            self.lines.append(line)
