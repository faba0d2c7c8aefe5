"""Pockets of a structure in terms of its sentence: residues as letters, counted from 0 through all chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from logos_cli import registry
from logos_cli.errors import StructureError
from logos_cli.pockets.base import Pocket, PocketEngine, ProteinAtoms
from logos_cli.records import Source
from logos_cli.structure.residues.places import residue_rows

_BACKBONE_ATOMS: Final = 4
"""Heavy atoms of a backbone; with less than half of them on average, a structure is a trace of Cα atoms."""


@dataclass(frozen=True, slots=True)
class LetterPockets:
    """The pockets of a structure.

    Attributes
    ----------
    engine : PocketEngine
    pockets : list of (Pocket, tuple of int)
        Each pocket with the letters of the residues that line it, ascending; the best first.
    scores : list of float
        Score of each letter's residue, 0 for one without coordinates.
    """

    engine: PocketEngine
    pockets: list[tuple[Pocket, tuple[int, ...]]]
    scores: list[float]


def pockets_of(source: Source, lengths: Sequence[int], engine: str) -> LetterPockets:
    """Find the pockets of the structure that a sentence comes from; its chains are one protein.

    Parameters
    ----------
    source : mapping
        Source of a record: path and hash of the file, and the residue of each letter.
    lengths : sequence of int
        Letters of each chain.
    engine : str
        Name of the engine.

    Raises
    ------
    LogosError
        If the file is gone, or has changed since it was read, or the engine cannot use the structure: a trace of Cα
        atoms has no surface.
    """
    finder: PocketEngine = registry.load("pockets", engine)
    model, rows = residue_rows(source, lengths)
    letters = {row: letter for letter, row in enumerate(rows) if row is not None}
    atoms = ProteinAtoms.of(model, sorted(letters))
    if 2 * len(atoms.names) < _BACKBONE_ATOMS * len(letters):
        raise StructureError(
            f"{len(letters)} residues have {len(atoms.names)} heavy atoms: a trace of the chain has no surface",
            hint="build the other atoms first, or ask the model (generate site --method model)",
        )
    found = finder.find(atoms)
    pockets = [(pocket, tuple(sorted(letters[row] for row in pocket.residues))) for pocket in found.pockets]
    scores = [0.0 if row is None else found.residue_scores.get(row, 0.0) for row in rows]
    return LetterPockets(finder, pockets, scores)
