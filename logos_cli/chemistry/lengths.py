"""Whether the coordinates of a molecule show its bonds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from logos_cli.chemistry.bond_orders import STATES
from logos_cli.errors import MoleculeError

_LONGEST: Final = 1.5
"""Length of a bond over the sum of the covalent radii from which on it is none: 2.3 Å for C-C."""
_OVERLAP_ANGSTROM: Final = 0.7
_MOST_ATOMS: Final = 500
_FEWEST_ATOMS: Final = 2
_CARBON: Final = 6
_BONDS_HINT: Final = "write the molecule with its bonds; coordinates alone are not read as a molecule"
_METAL_BONDS: Final = frozenset((Chem.BondType.DATIVE, Chem.BondType.ZERO))
_MOST_SHOWN: Final = 3
_NEAR: Final = 1.12
"""Distance over the sum of the covalent radii up to which two atoms are bonded."""


def odd_lengths(molecule: Chem.Mol) -> list[str]:
    """Return notes if bonds of a molecule in three dimensions are longer than bonds are, or atoms overlap.

    Coordinate bonds are not looked at.

    Raises
    ------
    MoleculeError
        If bonds are missing: a hydrogen has none, or most atoms at the length of a bond have none.
    """
    _check_bonds(molecule)
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
    notes += _missing_bonds(molecule, radii, apart)
    if near.size:
        a, b = near[0].tolist()
        notes.append(f"{len(near)} pairs of atoms overlap (atoms {a + 1} and {b + 1}): the coordinates may be wrong")
    return notes


def _check_bonds(molecule: Chem.Mol) -> None:
    """Refuse hydrogens without a bond, and several carbons of which none has one."""
    if molecule.GetNumAtoms() < _FEWEST_ATOMS:
        return
    alone = [atom for atom in molecule.GetAtoms() if not atom.GetDegree() and not atom.GetFormalCharge()]
    if not alone:
        return
    for atom in alone:
        if atom.GetAtomicNum() == 1:
            raise MoleculeError(f"hydrogen atom {atom.GetIdx() + 1} has no bond", hint=_BONDS_HINT)
    if not molecule.GetNumBonds() and sum(atom.GetAtomicNum() == _CARBON for atom in alone) > 1:
        raise MoleculeError("the molecule has carbons, but no bonds", hint=_BONDS_HINT)


def _missing_bonds(molecule: Chem.Mol, radii: NDArray[np.float64], apart: NDArray[np.float64]) -> list[str]:
    """Return a note on atoms of different fragments that lie at the length of a bond.

    Raises
    ------
    MoleculeError
        If there are more of them than bonds.
    """
    if len(apart) != len(radii) or len(apart) < _FEWEST_ATOMS:
        return []
    fragments = Chem.GetMolFrags(molecule)
    if len(fragments) == 1:
        return []
    owner = np.zeros(len(apart), int)
    for number, atoms in enumerate(fragments):
        owner[list(atoms)] = number
    near = (apart < _NEAR * (radii[:, None] + radii)) & (apart > _OVERLAP_ANGSTROM) & (owner[:, None] != owner)
    covalent = np.array([atom.GetSymbol() in STATES or atom.GetAtomicNum() == 1 for atom in molecule.GetAtoms()])
    pairs = np.argwhere(np.triu(near & covalent & covalent[:, None], 1))
    if not pairs.size:
        return []
    if len(pairs) > molecule.GetNumBonds():
        raise MoleculeError(f"{len(pairs)} pairs of atoms at the length of a bond have none", hint=_BONDS_HINT)
    a, b = pairs[0].tolist()
    return [f"{len(pairs)} pairs of atoms are as near as bonded ones (atoms {a + 1} and {b + 1}): bonds may be missing"]
