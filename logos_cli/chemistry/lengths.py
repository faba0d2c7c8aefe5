"""Bonds of a molecule that its coordinates do not show."""

from __future__ import annotations

from typing import Final

import numpy as np
from rdkit import Chem

_LONGEST: Final = 1.5
"""Length of a bond over the sum of the covalent radii from which on it is none: 2.3 Å for C-C."""
_METAL_BONDS: Final = frozenset((Chem.BondType.DATIVE, Chem.BondType.ZERO))
_MOST_SHOWN: Final = 3


def long_bonds(molecule: Chem.Mol) -> list[str]:
    """Return a note if bonds of a molecule with coordinates in three dimensions are longer than bonds are.

    Coordinate bonds are not looked at.
    """
    if not molecule.GetNumConformers() or not molecule.GetConformer().Is3D():
        return []
    table = Chem.GetPeriodicTable()
    radii = np.array([table.GetRcovalent(atom.GetAtomicNum()) for atom in molecule.GetAtoms()])
    bonds = [bond for bond in molecule.GetBonds() if bond.GetBondType() not in _METAL_BONDS]
    ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds], dtype=int).reshape(-1, 2)
    xyz = molecule.GetConformer().GetPositions()
    lengths = np.linalg.norm(xyz[ends[:, 0]] - xyz[ends[:, 1]], axis=1)
    too_long = np.flatnonzero(lengths > _LONGEST * radii[ends].sum(axis=1))
    if not too_long.size:
        return []
    listed = ", ".join(
        f"{bonds[n].GetBeginAtom().GetSymbol()}-{bonds[n].GetEndAtom().GetSymbol()} {lengths[n]:.2f} Å"
        for n in too_long[:_MOST_SHOWN].tolist()
    )
    return [f"{too_long.size} bonds are longer than bonds are ({listed}): they or the coordinates may be wrong"]
