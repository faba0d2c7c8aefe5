"""Split copies of a molecule with one name and number, which gemmi joins to one residue."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import gemmi
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOLERANCE_ANGSTROM = 0.4
_METAL_RADIUS_ANGSTROM = 1.6


def split_copies(model: gemmi.Model, places: list[int]) -> list[str]:
    """Split residues that are several molecules with the same atoms.

    Parameters
    ----------
    places : list of int
        Residues with repeated atom names, counted through the model.

    Returns
    -------
    list of str
        Notes, one for each split residue.
    """
    notes: list[str] = []
    wanted = set(places)
    count = 0
    for chain in model:
        here = [place - count for place in wanted if count <= place < count + len(chain)]
        count += len(chain)
        for index in sorted(here, reverse=True):
            residue = chain[index]
            molecules = _molecules(residue)
            if len(molecules) < 2 or not _are_copies(residue, molecules):
                continue
            number = "." if residue.seqid.num is None else str(residue.seqid)
            notes.append(f"{residue.name} {chain.name}:{number} stands for {len(molecules)} molecules; each is its own")
            parts = [_part(residue, molecule) for molecule in molecules]
            del chain[index]
            for place, part in enumerate(parts):
                chain.add_residue(part, index + place)
    return notes[::-1]


def _molecules(residue: gemmi.Residue) -> list[list[int]]:
    """Return the atoms of each molecule in a residue, by distances."""
    positions = np.array([atom.pos.tolist() for atom in residue])
    radii = np.array([_radius(atom.element) for atom in residue])
    away = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    near: NDArray[np.bool_] = away <= radii[:, None] + radii[None, :] + _TOLERANCE_ANGSTROM
    left = set(range(len(residue)))
    found: list[list[int]] = []
    while left:
        reached, edge = set[int](), {min(left)}
        while edge:
            reached |= edge
            edge = set(np.flatnonzero(near[sorted(edge)].any(axis=0)).tolist()) - reached
        found.append(sorted(reached))
        left -= reached
    return found


def _radius(element: gemmi.Element) -> float:
    return _METAL_RADIUS_ANGSTROM if element.is_metal or not element.atomic_number else float(element.covalent_r)


def _are_copies(residue: gemmi.Residue, molecules: list[list[int]]) -> bool:
    """Return whether molecules have the same atoms, or names that are unique in each and repeated in the largest."""
    names = [Counter((residue[atom].name, residue[atom].altloc) for atom in molecule) for molecule in molecules]
    if all(each == names[0] for each in names):
        return True
    largest = max(names, key=len)
    return all(max(each.values()) == 1 and each.keys() <= largest.keys() for each in names)


def _part(residue: gemmi.Residue, molecule: list[int]) -> gemmi.Residue:
    part = residue.clone()
    for atom in sorted(set(range(len(residue))) - set(molecule), reverse=True):
        del part[atom]
    return part
