"""Find the models of a PDB file: ``END`` lines before the last atom, and atoms outside of models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.errors import FormatError
from logos_cli.structure.pdb.columns import AtomLines, word
from logos_cli.structure.residues import residue_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEY = slice(12, 27)
"""Columns that identify an atom: its name, alternative location, residue, chain, number, insertion code."""


@dataclass(slots=True)
class Frames:
    """Changes of the lines, so that gemmi reads each atom in its model.

    Attributes
    ----------
    dropped : set of int
        Lines (zero-based) to leave out.
    opened, closed : dict of int to bytes
        Lines to insert before, and after, a line.
    notes : list of str
    """

    dropped: set[int] = field(default_factory=set)
    opened: dict[int, bytes] = field(default_factory=dict)
    closed: dict[int, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def settle_ends(lines: AtomLines, name: str) -> Frames:
    """Interpret ``END`` lines before the last atom.

    ``END`` inside a model (older versions of Open Babel) or between models means nothing. Atoms after ``END`` are
    part of the structure if they have names of their own (a protein and its ligand, put together with ``cat``); if
    each part has the same atoms, the parts are models (frames of VMD).

    Raises
    ------
    FormatError
        If the parts are neither, or a file with models has atoms outside of them.
    """
    heads, rows = lines.heads, lines.rows
    ends = np.flatnonzero(heads == word("END"))
    ends = ends[ends < rows[-1]]
    models = np.flatnonzero(heads == word("MODE"))
    frames = Frames(set(ends.tolist()))
    if len(models):
        _check_models(lines, models, name)
        return frames
    parts = np.split(np.arange(len(rows)), np.searchsorted(rows, ends))
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return frames
    keys = [_keys(lines.cells[part]) for part in parts]
    if all(len(each) == len(keys[0]) and (each == keys[0]).all() for each in keys[1:]):
        for number, part in enumerate(parts, 1):
            frames.opened[int(rows[part[0]])] = b"MODEL     %4d" % number
            frames.closed[int(rows[part[-1]])] = b"ENDMDL"
        return frames
    _check_joined(lines, parts, keys, name)
    n_after = sum(map(len, parts[1:]))
    atoms = "1 atom stands" if n_after == 1 else f"{n_after} atoms stand"
    frames.notes.append(f"{atoms} after END (line {int(ends[0]) + 1}) and {'is' if n_after == 1 else 'are'} read, too")
    return frames


def _keys(cells: NDArray[np.uint8]) -> NDArray[np.void]:
    wanted = np.ascontiguousarray(cells[:, _KEY])
    keys: NDArray[np.void] = wanted.view(np.dtype((np.void, wanted.shape[1]))).reshape(-1)
    return keys


def _check_models(lines: AtomLines, models: NDArray[np.intp], name: str) -> None:
    closed = np.flatnonzero(lines.heads == word("ENDM"))
    before = np.searchsorted(models, lines.rows)
    ended = np.searchsorted(closed, lines.rows)
    # inside a model, more models have begun than have ended
    outside = np.flatnonzero((before == 0) | (before <= ended))
    if len(outside):
        raise FormatError(
            f"{len(outside)} atoms stand outside of MODEL and ENDMDL",
            source=f"{name}:{int(lines.rows[outside[0]]) + 1}",
            hint="put them into each model that they belong to, or into a file of their own",
        )


def _check_joined(lines: AtomLines, parts: list[NDArray[np.intp]], keys: list[NDArray[np.void]], name: str) -> None:
    """Refuse parts that share names of atoms in chains, as they are separate structures."""
    seen = keys[0]
    for part, mine in zip(parts[1:], keys[1:], strict=True):
        again = part[np.isin(mine, seen)]
        called = {bytes(cells).decode("latin-1").strip() for cells in lines.cells[again][:, 17:20]}
        if any(residue_names.is_amino_acid(each) or residue_names.is_nucleotide(each) for each in called):
            raise FormatError(
                "atoms after END have the names of atoms before it",
                source=f"{name}:{int(lines.rows[again[0]]) + 1}",
                hint="split the file at END, or separate its models by MODEL and ENDMDL",
            )
        seen = np.concatenate((seen, mine))
