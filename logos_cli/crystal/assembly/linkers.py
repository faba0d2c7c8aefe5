"""Linkers in three dimensions: without their carboxylates, which belong to the nodes, or pillars with two nitrogens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.crystal.assembly.nodes import HALF_BOND, HALF_BOND_TO_NITROGEN, Block
from logos_cli.errors import OutputError

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_CARBOXYLATE = "[#6]-[CX3](=[OX1])-[O-]"
_DONORS: Final = (
    "[nX2;+0]",
    "[NX1;+0]#[#6]",
    "[NX2;+0]=[#6]",
    "[NX3;+0;!$(N~[!#6;!#1]);!$(N-[#6]=[O,S,N]);!$(N-c);!$(N-C=C);!$(N-C#*)]",
)
"""Nitrogens with a lone pair that binds a metal: of azines and azoles, nitriles, imines and amines."""
_N_CONFORMERS, _MOST_OPEN_BONDS = 20, 4
_MOST_BENT, _MOST_TILTED = 20.0, 30.0
"""Degrees: the ends of a linker of two ends may be this far from opposite, and from the line through them."""


@dataclass(frozen=True, slots=True)
class Linker:
    """A linker that can be placed.

    Attributes
    ----------
    block : Block
        With a point at each end.
    charge : int
        Of the linker with its carboxylates; 0 for a pillar, which binds by two nitrogens.
    """

    block: Block
    charge: int

    @property
    def is_pillar(self) -> bool:
        """Whether it binds by nitrogens."""
        return not self.charge


def read_linker(smiles: str, seed: int = 0) -> Linker:
    """Return a linker with a point at each carboxylate, or at each of two nitrogens if it is neutral.

    Raises
    ------
    OutputError
        If it binds otherwise than by two or more carboxylates or two nitrogens, or is not straight where it has two ends.
    """
    from rdkit import Chem

    molecule = Chem.AddHs(parse_smiles(smiles))
    matches = molecule.GetSubstructMatches(Chem.MolFromSmarts(_CARBOXYLATE))
    charge = Chem.GetFormalCharge(molecule)
    if not charge and not matches:
        return Linker(_pillar(smiles, molecule, seed), 0)
    if len(matches) < 2 or charge != -len(matches):
        raise OutputError(
            f"the linker {smiles} has {len(matches)} carboxylate{'' if len(matches) == 1 else 's'} and the charge {charge}",
            hint="linkers that bind by two or more carboxylates or by two nitrogens, and nothing else, can be placed",
        )
    blocks = [_block(each, matches) for each in _conformers(smiles, molecule, seed)]
    if len(matches) > 2:
        return Linker(blocks[0], charge)
    best = _straightest(blocks)
    if not _is_straight(best):
        raise _bent(smiles, best, "carboxylates")
    return Linker(best, charge)


def _pillar(smiles: str, molecule: Mol, seed: int) -> Block:
    donors = sorted({match[0] for pattern in _patterns() for match in molecule.GetSubstructMatches(pattern)})
    if len(donors) < 2:
        raise OutputError(
            f"the linker {smiles} is neutral and has {len(donors)} nitrogens that bind metals",
            hint="a neutral linker with two of them can be placed",
        )
    conformers, ranks = _conformers(smiles, molecule, seed), _symmetry(molecule)
    bests: dict[tuple[int, ...], Block] = {}
    for pair in combinations(donors, 2):
        best = _straightest([_pillar_block(each, pair) for each in conformers])
        if len(donors) == 2 or _is_straight(best):
            bests.setdefault(tuple(sorted(ranks[atom] for atom in pair)), best)
    if len(bests) != 1:
        raise OutputError(
            f"the linker {smiles} has {len(donors)} nitrogens that bind metals, and {len(bests)} kinds of pairs in opposite "
            "directions",
            hint="a neutral linker with one such pair can be placed",
        )
    (best,) = bests.values()
    if not _is_straight(best):
        raise _bent(smiles, best, "nitrogens")
    return best


@cache
def _patterns() -> tuple[Mol, ...]:
    from rdkit import Chem

    return tuple(Chem.MolFromSmarts(each) for each in _DONORS)


def _symmetry(molecule: Mol) -> list[int]:
    from rdkit.Chem.rdmolfiles import CanonicalRankAtoms

    return list(CanonicalRankAtoms(molecule, breakTies=False))


def _conformers(smiles: str, molecule: Mol, seed: int) -> list[Mol]:
    """Return the molecule in embedded conformers, that of the lowest energy first: of all isomers that its SMILES leaves open."""
    from rdkit.Chem import Mol
    from rdkit.Chem.rdDistGeom import EmbedMultipleConfs
    from rdkit.Chem.rdForceFieldHelpers import MMFFOptimizeMoleculeConfs

    isomers = _isomers(molecule)
    found = []
    for isomer in isomers:
        numbers = list(EmbedMultipleConfs(isomer, max(5, _N_CONFORMERS // len(isomers)), randomSeed=seed))
        outcomes = MMFFOptimizeMoleculeConfs(isomer, maxIters=2000) if numbers else []
        found += [(energy, Mol(isomer, confId=number)) for number, (_, energy) in zip(numbers, outcomes, strict=True)]
    if not found:
        raise OutputError(f"the linker {smiles} has no conformer", hint="RDKit embeds none")
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _isomers(molecule: Mol) -> list[Mol]:
    """Return the molecule with each double bond that its SMILES leaves open, of at most four, in both ways."""
    from rdkit import Chem

    copy = Chem.Mol(molecule)
    bonds = [
        (info.centeredOn, list(info.controllingAtoms))
        for info in Chem.FindPotentialStereo(copy)
        if info.type == Chem.StereoType.Bond_Double and info.specified == Chem.StereoSpecified.Unspecified
    ][:_MOST_OPEN_BONDS]
    found = []
    for ways in product((Chem.BondStereo.STEREOTRANS, Chem.BondStereo.STEREOCIS), repeat=len(bonds)):
        isomer = Chem.Mol(molecule)
        for (number, near), way in zip(bonds, ways, strict=True):
            bond = isomer.GetBondWithIdx(number)
            bond.SetStereoAtoms(near[0], near[2])
            bond.SetStereo(way)
        found.append(isomer)
    return found


def _block(molecule: Mol, matches: tuple[tuple[int, ...], ...]) -> Block:
    places = molecule.GetConformer().GetPositions()
    block, kept = _atoms(molecule, {atom for match in matches for atom in match[1:]}, places)
    for anchor, carbon, *_ in matches:
        out = places[carbon] - places[anchor]
        block.points.append(places[anchor] + HALF_BOND * out / np.linalg.norm(out))
        block.anchors.append(kept.index(anchor))
    return block


def _pillar_block(molecule: Mol, donors: Iterable[int]) -> Block:
    """Return a pillar with a point on the lone pair of each donor: opposite to its other bonds."""
    places = molecule.GetConformer().GetPositions()
    block, _ = _atoms(molecule, set(), places)
    for donor in donors:
        bonds = [places[each.GetIdx()] - places[donor] for each in molecule.GetAtomWithIdx(donor).GetNeighbors()]
        out = -np.sum([bond / np.linalg.norm(bond) for bond in bonds], axis=0)
        block.points.append(places[donor] + HALF_BOND_TO_NITROGEN * out / max(float(np.linalg.norm(out)), 1e-9))
        block.anchors.append(donor)
    return block


def _atoms(molecule: Mol, gone: set[int], places: NDArray[np.float64]) -> tuple[Block, list[int]]:
    kept = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetIdx() not in gone]
    block = Block()
    for atom in kept:
        block.add(molecule.GetAtomWithIdx(atom).GetSymbol(), places[atom])
    return block, kept


def _straightest(blocks: list[Block]) -> Block:
    """Return the block with the lowest energy of those that are as straight as the straightest; they come in this order."""
    return min(blocks, key=lambda block: (not _is_straight(block), round(_bend(block), 0)))


def _is_straight(block: Block) -> bool:
    return _bend(block) <= _MOST_BENT and _tilt(block) <= _MOST_TILTED


def _bent(smiles: str, block: Block, ends: str) -> OutputError:
    how = f"its ends are {180 - _bend(block):.0f} degrees apart"
    if _bend(block) <= _MOST_BENT:
        how = f"its ends point {_tilt(block):.0f} degrees away from the line through them"
    return OutputError(
        f"the linker {smiles} is not straight: {how}",
        hint=f"only a linker whose two {ends} point in opposite directions can be placed on an edge",
    )


def _outward(block: Block) -> list[NDArray[np.float64]]:
    """Return the directions of the bonds at both ends."""
    outs = [point - block.xyz[anchor] for point, anchor in zip(block.points, block.anchors, strict=True)]
    return [out / np.linalg.norm(out) for out in outs]


def _bend(block: Block) -> float:
    """Return how far the bonds at both ends are from opposite directions, in degrees."""
    first, second = _outward(block)
    return _degrees(float(-first @ second))


def _tilt(block: Block) -> float:
    """Return the largest angle of these bonds with the line through the ends, in degrees: 0 if all is on one line."""
    first, second = _outward(block)
    line = block.points[1] - block.points[0]
    line = line / np.linalg.norm(line)
    return max(_degrees(float(-first @ line)), _degrees(float(second @ line)))


def _degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
