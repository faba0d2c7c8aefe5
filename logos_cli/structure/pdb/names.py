"""Names without room in the columns of a PDB file: residues of four letters, chains of two."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from logos_cli.errors import FormatError
from logos_cli.structure.residues import residue_names
from logos_cli.structure.residues.force_field_names import NAMES, WATER

_MARK = "%"
"""First character of stand-ins for longer names; the format's own names do not have it."""

Beside = tuple[str, str, str]
"""Columns 18 to 20, 21 and 22 of a line."""


def wide_residue_names(found: Iterable[Beside]) -> set[Beside]:
    """Return the combinations with column 21 as part of the residue's name; for others it is part of the chain's.

    GROMACS and Amber write names of four letters from column 18 to 21, gemmi and PHENIX chains of two letters in
    columns 21 and 22. A chain of two letters has several residues of the PDB.
    """
    listed = set(found)
    single = {chain for _, beside, chain in listed if beside == " "}
    chains: dict[str, set[str]] = {}
    for residue, beside, chain in listed:
        if beside != " ":
            chains.setdefault(beside + chain, set()).add(residue.strip())
    polymers = {chain for chain, names in chains.items() if _is_polymer(chain[0], names)}
    return {
        (residue, beside, chain)
        for residue, beside, chain in listed
        if beside != " "
        and beside + chain not in polymers
        and (_is_known(residue + beside) or (chain in single and not polymers and not _is_standard(residue)))
    }


def _is_polymer(beside: str, names: set[str]) -> bool:
    """Return whether a chain of two letters has residues of the PDB that make no known name of four letters."""
    return sum(_is_standard(name) and not _is_known(name + beside) for name in names) > 1


def _is_standard(name: str) -> bool:
    name = name.strip()
    return name in residue_names.STANDARD or residue_names.is_nucleotide(name) or name == "HOH"


def _is_known(name: str) -> bool:
    name = name.strip()
    return len(name) == 4 and (name in NAMES or name in WATER)


@dataclass(slots=True)
class StandIns:
    """Short stand-ins for long names while gemmi reads the columns.

    Attributes
    ----------
    long_names : dict
        The long name of each stand-in.
    """

    width: int
    taken: set[str]
    long_names: dict[str, str] = field(default_factory=dict)
    _short: dict[str, str] = field(default_factory=dict)
    _free: Iterator[str] | None = None

    def short(self, name: str) -> str:
        """Return a name if it fits the columns, else its stand-in.

        Raises
        ------
        FormatError
            If there are more long names than stand-ins.
        """
        if len(name) <= self.width:
            return name
        if name not in self._short:
            if self._free is None:
                letters = string.digits + string.ascii_letters
                made = (_MARK + "".join(each) for each in product(letters, repeat=self.width - 1))
                self._free = (each for each in made if each not in self.taken)
            short = next(self._free, None)
            if short is None:
                raise FormatError(
                    f"there are more names of over {self.width} letters than can be read",
                    hint="give the structure as mmCIF",
                )
            self._short[name] = short
            self.long_names[short] = name
        return self._short[name]
