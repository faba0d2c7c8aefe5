"""Stereo marks that contradict the electron pairs of their atom."""

from __future__ import annotations

from typing import Final

from rdkit import Chem

_TETRAHEDRAL: Final = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
_CANDIDATE: Final = Chem.MolFromSmarts("[!#1;!#6;!#7;!#8;!D1;!D2;!D3]")
"""An atom that can have such a mark; looking for it is faster than looking at every atom."""
_FOUR_PAIRS: Final = 4
_MAIN_GROUP: Final = frozenset((5, 6, 7, 8, 14, 15, 16, 17, 32, 33, 34, 35, 52, 53))


def drop_impossible_marks(molecule: Chem.Mol) -> None:
    """Remove marks of square, bipyramidal and octahedral atoms from atoms with at most four pairs of electrons.

    RDKit sets them by angles alone: a phosphate that a program drew with an angle of 180° is no trigonal
    bipyramid. Atoms of metals, and those with more pairs (SF4, I(III)), keep theirs.

    Parameters
    ----------
    molecule : rdkit.Chem.Mol
        A sanitized molecule, changed in place.
    """
    if not molecule.HasSubstructMatch(_CANDIDATE):
        return
    for number in range(molecule.GetNumAtoms()):
        atom = molecule.GetAtomWithIdx(number)
        tag = atom.GetChiralTag()
        if tag == Chem.ChiralType.CHI_UNSPECIFIED or tag in _TETRAHEDRAL or atom.GetAtomicNum() not in _MAIN_GROUP:
            continue
        electrons = Chem.GetPeriodicTable().GetNOuterElecs(atom.GetAtomicNum())
        free = electrons - atom.GetFormalCharge() - atom.GetTotalValence()
        if atom.GetTotalDegree() + max(free, 0) // 2 <= _FOUR_PAIRS:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
