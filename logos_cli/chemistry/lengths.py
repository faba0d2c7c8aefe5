"""Whether the coordinates of a molecule show its bonds."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from logos_cli.chemistry.bond_orders import STATES
from logos_cli.errors import MoleculeError

_LONGEST: Final = 1.5
"""Length of a bond over the sum of the covalent radii from which on it is none: 2.3 Å for C-C."""
_OVERLAP_ANGSTROM: Final = 0.7
_MOST_ATOMS: Final = 300
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
    n_atoms = molecule.GetNumAtoms()
    if not np.isfinite(molecule.GetConformer().GetPositions()).all():
        return ["coordinates are not numbers"]
    if n_atoms > _MOST_ATOMS:
        return []
    radii = np.array([_radius(molecule.GetAtomWithIdx(n).GetAtomicNum()) for n in range(n_atoms)])
    apart = Chem.Get3DDistanceMatrix(molecule)
    sums = radii[:, None] + radii
    far = _pairs((Chem.GetAdjacencyMatrix(molecule) > 0) & (apart > _LONGEST * sums))
    bonds = [bond for a, b in far if (bond := molecule.GetBondBetweenAtoms(a, b)).GetBondType() not in _METAL_BONDS]
    near = _pairs(apart < _OVERLAP_ANGSTROM)
    notes = []
    if bonds:
        listed = ", ".join(
            f"{bond.GetBeginAtom().GetSymbol()}-{bond.GetEndAtom().GetSymbol()} "
            f"{apart[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]:.2f} Å"
            for bond in bonds[:_MOST_SHOWN]
        )
        notes.append(f"{len(bonds)} bonds are longer than bonds are ({listed}): they or the coordinates may be wrong")
    notes += _missing_bonds(molecule, sums, apart)
    if near:
        a, b = near[0]
        notes.append(f"{len(near)} pairs of atoms overlap (atoms {a + 1} and {b + 1}): the coordinates may be wrong")
    return notes


def _pairs(found: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the pairs of atoms, each once, of a symmetric matrix."""
    places = np.flatnonzero(found).tolist()
    return [pair for place in places if (pair := divmod(place, len(found)))[0] < pair[1]]


@cache
def _radius(number: int) -> float:
    return float(Chem.GetPeriodicTable().GetRcovalent(number))


def _check_bonds(molecule: Chem.Mol) -> None:
    """Refuse hydrogens without a bond, and several carbons of which none has one."""
    n_atoms, n_bonds = molecule.GetNumAtoms(), molecule.GetNumBonds()
    if n_atoms < _FEWEST_ATOMS or (n_bonds >= n_atoms - 1 and len(Chem.GetMolFrags(molecule)) == 1):
        return
    alone = [atom for atom in molecule.GetAtoms() if not atom.GetDegree() and not atom.GetFormalCharge()]
    for atom in alone:
        if atom.GetAtomicNum() == 1:
            raise MoleculeError(f"hydrogen atom {atom.GetIdx() + 1} has no bond", hint=_BONDS_HINT)
    if not n_bonds and sum(atom.GetAtomicNum() == _CARBON for atom in alone) > 1:
        raise MoleculeError("the molecule has carbons, but no bonds", hint=_BONDS_HINT)


def _missing_bonds(molecule: Chem.Mol, sums: NDArray[np.float64], apart: NDArray[np.float64]) -> list[str]:
    """Return a note on atoms of different fragments that lie at the length of a bond.

    Raises
    ------
    MoleculeError
        If there are more of them than bonds.
    """
    fragments = Chem.GetMolFrags(molecule)
    if len(fragments) == 1:
        return []
    owner = np.zeros(len(apart), int)
    for number, atoms in enumerate(fragments):
        owner[list(atoms)] = number
    near = (apart < _NEAR * sums) & (apart > _OVERLAP_ANGSTROM) & (owner[:, None] != owner)
    covalent = np.array([atom.GetSymbol() in STATES or atom.GetAtomicNum() == 1 for atom in molecule.GetAtoms()])
    pairs = _pairs(near & covalent & covalent[:, None])
    if not pairs:
        return []
    if len(pairs) > molecule.GetNumBonds():
        raise MoleculeError(f"{len(pairs)} pairs of atoms at the length of a bond have none", hint=_BONDS_HINT)
    a, b = pairs[0]
    return [f"{len(pairs)} pairs of atoms are as near as bonded ones (atoms {a + 1} and {b + 1}): bonds may be missing"]
