"""Name the chains of a PDB file without chain names, by segments or by TER."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from logos_cli.structure.pdb.columns import AtomLines, word
from logos_cli.structure.residues import residue_names
from logos_cli.structure.residues.force_field_names import NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNNAMED = "(chain "
"""Beginning of the stand-in for a chain without a name."""

_ENDS = frozenset(("OXT", "OT2", "OC2", "O2"))
"""Names of the second oxygen at the end of a chain."""


def unnamed_chains(lines: AtomLines) -> tuple[dict[int, str], str | None]:
    """Return a name for the chain of each row, and a note; empty if the file names its chains or has only one.

    Programs without chains (CHARMM, NAMD) have segments in columns 73 to 76. Others (Amber) number residues through all
    chains, and end a chain with TER. It counts here only after a residue with both oxygens of an end.
    """
    cells = lines.cells
    if (cells[:, 20:22] != ord(" ")).any():
        return {}, None
    segments = np.unique(cells[:, 72:76], axis=0)
    if len(segments) > 1 and (segments != ord(" ")).any(axis=1).all():
        names = {bytes(each): bytes(each).decode("latin-1").strip() for each in segments}
        listed = ", ".join(sorted(names.values())[:6]) + (" …" if len(names) > 6 else "")
        note = f"the chains have no names; the segments (columns 73 to 76) stand for them: {listed}"
        return {row: names[cells[row, 72:76].tobytes()] for row in range(len(cells))}, note
    parts = _parts(lines)
    if len(parts) < 2:
        return {}, None
    note = f"the chains have no names; TER separates {len(parts)} of them"
    return {int(row): f"{UNNAMED}{number})" for number, part in enumerate(parts, 1) for row in part}, note


def _parts(lines: AtomLines) -> list[NDArray[np.intp]]:
    """Return the rows of each chain: those up to a TER after its last residue, if another chain follows."""
    ends = np.searchsorted(lines.rows, np.flatnonzero(lines.heads == word("TER")))
    cuts = [int(end) for end in ends if 0 < end < len(lines.rows) and _ends_chain(lines, int(end) - 1)]
    parts = np.split(np.arange(len(lines.rows)), cuts)
    chains = [part for part in parts if _is_peptide(lines, part)]
    return parts if len(chains) > 1 else []


def _ends_chain(lines: AtomLines, row: int) -> bool:
    """Return whether the residue of a row has an atom that only the last residue of a chain has."""
    cells = lines.cells
    same = (cells[:, 17:27] == cells[row, 17:27]).all(axis=1)
    names = {bytes(each).decode("latin-1").strip() for each in cells[same, 12:16]}
    return not _ENDS.isdisjoint(names) and "CA" in names


def _is_peptide(lines: AtomLines, part: NDArray[np.intp]) -> bool:
    names = {bytes(each).decode("latin-1").strip() for each in np.unique(lines.cells[part, 17:20], axis=0)}
    return any(name in residue_names.STANDARD or name in NAMES for name in names)
