"""Stereo marks that contradict the electron pairs of their atom, or that its ring leaves no choice about."""

from __future__ import annotations

from typing import Final

from rdkit import Chem

TETRAHEDRAL: Final = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
_CANDIDATE: Final = Chem.MolFromSmarts("[!#1;!#6;!#7;!#8;!D1;!D2]")
"""An atom that can have such a mark; looking for it is faster than looking at every atom."""
_FOUR_PAIRS: Final = 4
PSEUDO_CHIRAL: Final = frozenset((15, 16, 33, 34))
_MAIN_GROUP: Final = frozenset((5, 6, 7, 8, 14, 15, 16, 17, 32, 33, 34, 35, 52, 53))


def drop_impossible_marks(molecule: Chem.Mol) -> None:
    """Remove marks of square, bipyramidal and octahedral atoms from atoms with at most four pairs of electrons.

    RDKit sets them by angles alone: a phosphate that a program drew with an angle of 180° is no trigonal
    bipyramid. Atoms of metals, and those with more pairs (SF4, I(III)), keep theirs, unless all neighbours are members
    of one ring, as those of the iron of haem: there the mark depends on how flat the crystal or a program made the ring.
    In three dimensions phosphates lose their mark: it is that of the oxygen that has the proton or the charge, which
    RDKit takes for a substituent of its own. A mark that somebody drew in a plane stays.

    Parameters
    ----------
    molecule : rdkit.Chem.Mol
        A sanitized molecule, changed in place.
    """
    if not molecule.HasSubstructMatch(_CANDIDATE):
        return
    in_space = molecule.GetNumConformers() > 0 and molecule.GetConformer().Is3D()
    for number in range(molecule.GetNumAtoms()):
        atom = molecule.GetAtomWithIdx(number)
        tag = atom.GetChiralTag()
        if tag == Chem.ChiralType.CHI_UNSPECIFIED:
            continue
        if atom.GetAtomicNum() not in _MAIN_GROUP:
            if is_within_one_ring(atom):
                atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
            continue
        if tag in TETRAHEDRAL:
            if in_space and is_pseudo_chiral(atom):
                atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
            continue
        electrons = Chem.GetPeriodicTable().GetNOuterElecs(atom.GetAtomicNum())
        free = electrons - atom.GetFormalCharge() - atom.GetTotalValence()
        if atom.GetTotalDegree() + max(free, 0) // 2 <= _FOUR_PAIRS:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)


def is_pseudo_chiral(atom: Chem.Atom) -> bool:
    """Return whether an atom of phosphorus, sulphur, arsenic or selenium has two terminal oxygens, of one isotope."""
    if atom.GetAtomicNum() not in PSEUDO_CHIRAL:
        return False
    ends = [near.GetIsotope() for near in atom.GetNeighbors() if near.GetDegree() == 1 and near.GetAtomicNum() == 8]
    return len(ends) > len(set(ends))


def is_within_one_ring(atom: Chem.Atom) -> bool:
    """Return whether the neighbours of an atom are members of one ring that the atom itself is no part of."""
    neighbours = {each.GetIdx() for each in atom.GetNeighbors()}
    bare = Chem.RWMol(atom.GetOwningMol())
    for each in neighbours:
        bare.RemoveBond(atom.GetIdx(), each)
    return any(neighbours <= set(ring) for ring in Chem.GetSSSR(bare))
