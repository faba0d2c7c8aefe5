"""Find the positions of a sentence's residues in its structure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.errors import InputError, LogosError
from logos_cli.io.reopen import reopen
from logos_cli.records import Source
from logos_cli.structure import read as reading
from logos_cli.structure.model import StructureModel
from logos_cli.structure.residues.map import ResidueMap
from logos_cli.structure.types import Role

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ResiduePlaces:
    """Residues in space, in the order of the letters of a sentence, chain after chain.

    Attributes
    ----------
    side_chains : ndarray, shape (n_residues, 3)
        Start of each side chain, Å: Cβ, or Cα of glycine, else the mean of the heavy atoms; NaN for residues without
        coordinates.
    atoms : list of ndarray, shape (n_atoms, 3)
        Positions of each residue's heavy atoms.
    protein : ndarray, shape (n_atoms, 3)
        Heavy atoms of all amino acids of the model.
    """

    side_chains: NDArray[np.float64]
    atoms: list[NDArray[np.float64]]
    protein: NDArray[np.float64]


def residue_places(source: Source, lengths: Sequence[int]) -> ResiduePlaces | None:
    """Read the structure of a record again.

    Parameters
    ----------
    source : mapping
        Source of a record: path and hash of the file, and the residue of each letter.
    lengths : sequence of int
        Letters of each chain.

    Returns
    -------
    ResiduePlaces or None
        None if the source names no structure, or its file is missing or changed.
    """
    try:
        model, rows = residue_rows(source, lengths)
    except LogosError:
        return None
    side_chains = np.full((sum(lengths), 3), np.nan)
    atoms: list[NDArray[np.float64]] = []
    for row in rows:
        mine = np.zeros(0, np.intp) if row is None else model.atoms([row])
        if len(mine):
            side_chains[len(atoms)] = _side_chain(model, mine)
        atoms.append(model.positions[mine])
    return ResiduePlaces(side_chains, atoms, model.positions_of(model.residues.with_role(Role.PROTEIN)))


def residue_rows(source: Source, lengths: Sequence[int]) -> tuple[StructureModel, list[int | None]]:
    """Read the structure of a record again, and find the residue of each letter.

    Parameters
    ----------
    source, lengths
        As of :func:`residue_places`.

    Returns
    -------
    StructureModel, list of int or None
        The structure, and the row of each letter in its residues; None for a residue that it lacks.

    Raises
    ------
    LogosError
        If the source names no structure, or its file is missing or changed.
    """
    if not source.get("residues"):
        raise InputError("the record has no structure", hint="encode the structure from a file")
    with closing(reopen(source)) as file:
        loaded = reading.load(file.read(), file.name, source.get("block"))
        model = StructureModel(loaded, file.name, int(source.get("model", 1)))
    residues = ResidueMap(source, lengths)
    known = _rows(model)
    found: list[int | None] = []
    for chain, length in enumerate(lengths):
        for position in range(length):
            name = residues.name((chain, position))
            same = [] if name is None else known.get((name.chain, name.number, name.insertion), [])
            # letters and residues of one name come in the same order
            found.append(None if not same else same.pop(0) if len(same) > 1 else same[0])
    return model, found


def _rows(model: StructureModel) -> dict[tuple[str, int, str], list[int]]:
    """Return the residues of the model by the author's names; several have one name where a file repeats its numbers."""
    table = model.residues
    proteins = set(table.with_role(Role.PROTEIN))
    rows: dict[tuple[str, int, str], list[int]] = {}
    for index, name in enumerate(zip(table.chains, table.numbers, table.insertions, strict=True)):
        rows.setdefault(name, []).append(index)
    return {name: [each for each in found if each in proteins] or found for name, found in rows.items()}


def _side_chain(model: StructureModel, atoms: NDArray[np.intp]) -> NDArray[np.float64]:
    names = {model.atom_name(atom): atom for atom in atoms.tolist()}
    chosen = names.get("CB", names.get("CA"))
    place: NDArray[np.float64] = model.positions[atoms].mean(axis=0) if chosen is None else model.positions[chosen]
    return place
