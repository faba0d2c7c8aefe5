"""gemmi's flat arrays of a structure, for names of any length, with checked coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.errors import StructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_EXTENT_ANGSTROM = 1e5
_LONGEST_NAME = 7
"""Longest name of gemmi's flat arrays, in characters."""

_MARK = "\x01"
"""First character of stand-ins for longer names; no name of a file has it."""


def flattened(structure: gemmi.Structure) -> tuple[gemmi.FlatStructure, dict[str, str]]:
    """Return the flat arrays, and the longer name of each stand-in in them."""
    try:
        return gemmi.FlatStructure(structure), {}
    except RuntimeError:
        copy = structure.clone()
        stand_ins = _StandIns()
        for model in copy:
            for chain in model:
                chain.name = stand_ins.short(chain.name)
                for residue in chain:
                    residue.name = stand_ins.short(residue.name)
                    residue.subchain = stand_ins.short(residue.subchain)
                    residue.entity_id = stand_ins.short(residue.entity_id)
                    for atom in residue:
                        if len(atom.name) > _LONGEST_NAME:
                            atom.name = stand_ins.short(atom.name)
        return gemmi.FlatStructure(copy), {short: name for name, short in stand_ins.names.items()}


class _StandIns:
    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def short(self, name: str) -> str:
        """Return the name if it fits, else its stand-in."""
        if len(name.encode()) <= _LONGEST_NAME:
            return name
        return self.names.setdefault(name, f"{_MARK}{len(self.names):x}")


def checked_positions(flat: gemmi.FlatStructure, name: str) -> NDArray[np.float64]:
    """Return the coordinates, shape (n_atoms, 3), in Å.

    Raises
    ------
    StructureError
        If one is not a finite number or too large.
    """
    positions: NDArray[np.float64] = np.array(flat.pos)
    if not (positions.max() < MAX_EXTENT_ANGSTROM and positions.min() > -MAX_EXTENT_ANGSTROM):  # NaN too
        wrong = ~(np.abs(positions) < MAX_EXTENT_ANGSTROM).all(axis=1)
        first = int(np.flatnonzero(wrong)[0])
        name_of = {
            key: _text(np.array(getattr(flat, key))[first]) for key in ("residue_names", "chain_ids", "atom_names")
        }
        residue = f"{name_of['residue_names']} {name_of['chain_ids']}:{np.array(flat.resnums)[first]}"
        values = " ".join(f"{value:g}" for value in positions[first])
        raise StructureError(
            f"atom {name_of['atom_names']} of {residue} lies at {values}, which is no position",
            source=name,
            hint="correct or remove the atom",
        )
    return positions


def _text(value: NDArray[np.int8]) -> str:
    return value.tobytes().rstrip(b"\0").decode("utf-8", "replace")
