"""Whether the coordinates of a molecule show its bonds."""

from __future__ import annotations

from typing import Final

import numpy as np
from rdkit import Chem

_LONGEST: Final = 1.5
"""Length of a bond over the sum of the covalent radii from which on it is none: 2.3 Å for C-C."""
_OVERLAP_ANGSTROM: Final = 0.7
_MOST_ATOMS: Final = 500
_METAL_BONDS: Final = frozenset((Chem.BondType.DATIVE, Chem.BondType.ZERO))
_MOST_SHOWN: Final = 3


def odd_lengths(molecule: Chem.Mol) -> list[str]:
    """Return notes if bonds of a molecule in three dimensions are longer than bonds are, or atoms overlap.

    Coordinate bonds are not looked at.
    """
    if not molecule.GetNumConformers() or not molecule.GetConformer().Is3D():
        return []
    table = Chem.GetPeriodicTable()
    radii = np.array([table.GetRcovalent(atom.GetAtomicNum()) for atom in molecule.GetAtoms()])
    bonds = [bond for bond in molecule.GetBonds() if bond.GetBondType() not in _METAL_BONDS]
    ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds], dtype=int).reshape(-1, 2)
    xyz = molecule.GetConformer().GetPositions()
    if not np.isfinite(xyz).all():
        return ["coordinates are not numbers"]
    lengths = np.linalg.norm(xyz[ends[:, 0]] - xyz[ends[:, 1]], axis=1)
    too_long = np.flatnonzero(lengths > _LONGEST * radii[ends].sum(axis=1))
    apart = np.linalg.norm(xyz[:, None] - xyz[None], axis=2) if len(xyz) <= _MOST_ATOMS else np.full((1, 1), np.inf)
    near = np.argwhere(np.triu(apart < _OVERLAP_ANGSTROM, 1))
    notes = []
    if too_long.size:
        listed = ", ".join(
            f"{bonds[n].GetBeginAtom().GetSymbol()}-{bonds[n].GetEndAtom().GetSymbol()} {lengths[n]:.2f} Å"
            for n in too_long[:_MOST_SHOWN].tolist()
        )
        notes.append(
            f"{too_long.size} bonds are longer than bonds are ({listed}): they or the coordinates may be wrong"
        )
    if near.size:
        a, b = near[0].tolist()
        notes.append(f"{len(near)} pairs of atoms overlap (atoms {a + 1} and {b + 1}): the coordinates may be wrong")
    return notes
