"""Stereo that few notations carry, or RDKit does not read: square-planar to octahedral atoms, allenes, parities."""

from __future__ import annotations

import re
from typing import Final

from rdkit import Chem, rdBase

from logos_cli.chemistry.notes import NOT_CARRIED
from logos_cli.errors import MoleculeError

_GEOMETRIES: Final = {
    Chem.ChiralType.CHI_SQUAREPLANAR: "SP",
    Chem.ChiralType.CHI_TRIGONALBIPYRAMIDAL: "TB",
    Chem.ChiralType.CHI_OCTAHEDRAL: "OH",
}
_PERMUTATION: Final = "_chiralPermutation"
_ALLENE_MARK: Final = re.compile(r"\[\d*C@+(?:AL[12])?(?::\d+)?\]")
_CUMULENE: Final = Chem.MolFromSmarts("*=[#6D2]=*")
_WEDGES: Final = {"_MolFileBondStereo": (1, 6), "_MolFileBondCfg": (1, 3)}
"""Property of a bond of a mol block (V2000, V3000), and its values for wedges."""
_PARITY: Final = "molParity"
_STATED_PARITIES: Final = (1, 2)
_N_DOUBLE: Final = 2


def geometries(molecule: Chem.Mol) -> dict[int, str]:
    """Return the mark of each square-planar, bipyramidal or octahedral atom, as in a SMILES: ``OH5``."""
    found = {}
    for atom in molecule.GetAtoms():
        if (kind := _GEOMETRIES.get(atom.GetChiralTag())) is not None:
            found[atom.GetIdx()] = f"{kind}{atom.GetIntProp(_PERMUTATION) if atom.HasProp(_PERMUTATION) else ''}"
    return found


def named_geometries(molecule: Chem.Mol) -> str:
    """Return the atoms with such marks in words: ``Pt 2 (@SP1)``; empty if there is none."""
    marks = geometries(molecule)
    return ", ".join(f"{molecule.GetAtomWithIdx(at).GetSymbol()} {at + 1} (@{mark})" for at, mark in marks.items())


def allene_marks(smiles: str) -> list[int]:
    """Return the one-based numbers of the atoms of a SMILES with a mark that is that of an allene, which RDKit ignores."""
    if not _ALLENE_MARK.search(smiles):
        return []
    with rdBase.BlockLogs():
        molecule: Chem.Mol | None = Chem.MolFromSmiles(smiles, sanitize=False)
    if molecule is None:
        return []
    return [
        atom.GetIdx() + 1
        for atom in molecule.GetAtoms()
        if atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED
        and sum(bond.GetBondType() == Chem.BondType.DOUBLE for bond in atom.GetBonds()) == _N_DOUBLE
        and atom.GetDegree() == _N_DOUBLE
    ]


def check_allenes(smiles: str, notation: str) -> None:
    """Refuse the mark of an allene, which RDKit would leave out of what it writes.

    Raises
    ------
    MoleculeError
        If the SMILES has one.
    """
    if marked := allene_marks(smiles):
        raise MoleculeError(
            f"{notation} would lack the stereo of the allene at atom {marked[0]} of {smiles[:80]}",
            hint="RDKit knows no stereo of allenes; keep the SMILES as it is (--to smi, csv or json)",
            text=smiles,
        )


def check_geometries(smiles: str, molecule: Chem.Mol, notation: str, hint: str) -> None:
    """Refuse stereo that a notation does not carry: of square-planar, bipyramidal and octahedral atoms, and of allenes.

    Raises
    ------
    MoleculeError
        If the molecule has any.
    """
    if named := named_geometries(molecule):
        raise MoleculeError(f"{notation} would lack the geometry of {named} of {smiles[:80]}", hint=hint, text=smiles)
    check_allenes(smiles, notation)


def unread_allenes(molecule: Chem.Mol) -> list[str]:
    """Return notes on allenes whose hand a file states, by coordinates in space or by a wedge, as RDKit does not read it."""
    if not molecule.HasSubstructMatch(_CUMULENE):
        return []
    molecule.UpdatePropertyCache(strict=False)
    in_space = molecule.GetNumConformers() > 0 and molecule.GetConformer().Is3D()
    ranks = list(Chem.CanonicalRankAtoms(molecule, breakTies=False))
    found = []
    for first, middle, last in molecule.GetSubstructMatches(_CUMULENE):
        ends = [molecule.GetAtomWithIdx(index) for index in (first, last)]
        if not all(_is_unlike(end, middle, ranks) for end in ends):
            continue
        if in_space or any(_has_wedge(end) for end in ends):
            found.append(f"{NOT_CARRIED}the stereo of the allene at atom {middle + 1}")
    return found


def unread_parities(molecule: Chem.Mol) -> list[str]:
    """Return a note on the stereo of a mol block without coordinates, which only the parities of its atoms state."""
    if not molecule.GetNumConformers() or molecule.GetConformer().GetPositions().any():
        return []
    open_atoms = [atom for atom in molecule.GetAtoms() if atom.GetChiralTag() == Chem.ChiralType.CHI_UNSPECIFIED]
    stated = [
        str(atom.GetIdx() + 1)
        for atom in open_atoms
        if atom.HasProp(_PARITY) and atom.GetIntProp(_PARITY) in _STATED_PARITIES
    ]
    what = "the stereo that the file, which has no coordinates, states by the parity of the atoms"
    return [f"{NOT_CARRIED}{what} {', '.join(stated)}"] if stated else []


def _has_wedge(end: Chem.Atom) -> bool:
    own = [bond for bond in end.GetBonds() if bond.GetBeginAtomIdx() == end.GetIdx()]
    single = [bond for bond in own if bond.GetBondType() == Chem.BondType.SINGLE]
    return any(bond.HasProp(name) and bond.GetIntProp(name) in _WEDGES[name] for bond in single for name in _WEDGES)


def _is_unlike(end: Chem.Atom, middle: int, ranks: list[int]) -> bool:
    """Return whether the substituents of an end of an allene differ; a hydrogen, or an electron pair of nitrogen, is one."""
    others = [ranks[near.GetIdx()] for near in end.GetNeighbors() if near.GetIdx() != middle]
    is_double = sum(bond.GetBondType() == Chem.BondType.DOUBLE for bond in end.GetBonds()) > 1
    return not is_double and len(others) > 0 and len(set(others)) == len(others) and end.GetTotalNumHs() < _N_DOUBLE
