"""Stereo that few notations carry, or RDKit does not read: square-planar to octahedral atoms, cumulenes, parities.

An axis of cumulated double bonds has a hand if they are two (an allene) or four, and is cis or trans if they are three or five.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
_CUMULATED: Final = re.compile(r"=(?:C|\[\d*C(?::\d+)?\])\d*\(?=")
_INNER: Final = Chem.MolFromSmarts("*=[#6D2]=*")
_DIRECTIONS: Final = (Chem.BondDir.ENDUPRIGHT, Chem.BondDir.ENDDOWNRIGHT)
_WEDGES: Final = {"_MolFileBondStereo": (1, 6), "_MolFileBondCfg": (1, 3)}
"""Property of a bond of a mol block (V2000, V3000), and its values for wedges."""
_PARITY: Final = "molParity"
_STATED_PARITIES: Final = (1, 2)
_N_DOUBLE: Final = 2
_NITROGEN: Final = 7


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


def _named_cumulene(smiles: str) -> str:
    """Return the first axis of three or more double bonds whose ends have marks of cis or trans, which RDKit ignores."""
    if not _CUMULATED.search(smiles) or not ("/" in smiles or "\\" in smiles):
        return ""
    with rdBase.BlockLogs():
        molecule: Chem.Mol | None = Chem.MolFromSmiles(smiles, sanitize=False)
    if molecule is None:
        return ""
    for axis in _axes(molecule):
        ends = (molecule.GetAtomWithIdx(axis[0]), molecule.GetAtomWithIdx(axis[-1]))
        if not _has_hand(axis) and all(
            any(bond.GetBondDir() in _DIRECTIONS for bond in end.GetBonds()) for end in ends
        ):
            return _name(axis)
    return ""


def _axes(molecule: Chem.Mol) -> Iterator[list[int]]:
    """Yield the atoms of each axis of cumulated double bonds, from end to end."""
    inner = {middle: (first, last) for first, middle, last in molecule.GetSubstructMatches(_INNER)}
    seen: set[int] = set()
    for middle, (first, last) in inner.items():
        if middle in seen:
            continue
        axis = [first, middle, last]
        for _ in range(2):  # to either end
            while axis[-1] in inner and (after := sum(inner[axis[-1]]) - axis[-2]) not in axis:
                axis.append(after)
            axis.reverse()
        seen.update(axis)
        yield axis


def _has_hand(axis: Sequence[int]) -> bool:
    return len(axis) % 2 == 1


def _name(axis: Sequence[int]) -> str:
    if len(axis) == _N_DOUBLE + 1:
        return f"the allene at atom {axis[1] + 1}"
    first, last = sorted((axis[0], axis[-1]))
    return f"the cumulene from atom {first + 1} to {last + 1}"


def check_cumulenes(smiles: str, notation: str) -> None:
    """Refuse the marks of a cumulene, which RDKit would leave out of what it writes.

    Raises
    ------
    MoleculeError
        If the SMILES has one.
    """
    marked = allene_marks(smiles)
    if named := f"the allene at atom {marked[0]}" if marked else _named_cumulene(smiles):
        raise MoleculeError(
            f"{notation} would lack the stereo of {named} of {smiles[:80]}",
            hint="RDKit knows no stereo of cumulenes; keep the SMILES as it is (--to smi, csv or json)",
            text=smiles,
        )


def check_geometries(smiles: str, molecule: Chem.Mol, notation: str, hint: str) -> None:
    """Refuse stereo that a notation does not carry: of square-planar, bipyramidal and octahedral atoms, and of cumulenes.

    Raises
    ------
    MoleculeError
        If the molecule has any.
    """
    if named := named_geometries(molecule):
        raise MoleculeError(f"{notation} would lack the geometry of {named} of {smiles[:80]}", hint=hint, text=smiles)
    check_cumulenes(smiles, notation)


def unread_cumulenes(molecule: Chem.Mol) -> list[str]:
    """Return notes on cumulenes whose stereo a file states, as RDKit does not read it.

    The coordinates state it, in a plane only whether it is cis or trans; a wedge states the hand.
    """
    axes = list(_axes(molecule))
    if not axes:
        return []
    molecule.UpdatePropertyCache(strict=False)
    is_placed = molecule.GetNumConformers() > 0 and bool(molecule.GetConformer().GetPositions().any())
    in_space = is_placed and molecule.GetConformer().Is3D()
    ranks = list(Chem.CanonicalRankAtoms(molecule, breakTies=False))
    found = []
    for axis in axes:
        ends = [molecule.GetAtomWithIdx(index) for index in (axis[0], axis[-1])]
        insides = (axis[1], axis[-2])
        if not all(_is_unlike(end, inside, ranks) for end, inside in zip(ends, insides, strict=True)):
            continue
        if in_space or (any(map(_has_wedge, ends)) if _has_hand(axis) else is_placed):
            found.append(f"{NOT_CARRIED}the stereo of {_name(axis)}")
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


def _is_unlike(end: Chem.Atom, inside: int, ranks: list[int]) -> bool:
    """Return whether the substituents of an end of a cumulene differ, of which a hydrogen is one.

    Nitrogen, whose electron pair changes its side at once (carbodiimides, ketenimines), has none that stay apart.
    """
    others = [ranks[near.GetIdx()] for near in end.GetNeighbors() if near.GetIdx() != inside]
    is_double = sum(bond.GetBondType() == Chem.BondType.DOUBLE for bond in end.GetBonds()) > 1
    if is_double or end.GetAtomicNum() == _NITROGEN:
        return False
    return len(others) > 0 and len(set(others)) == len(others) and end.GetTotalNumHs() < _N_DOUBLE
