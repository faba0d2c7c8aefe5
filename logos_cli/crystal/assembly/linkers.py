"""Linkers in three dimensions, without their carboxylates, which belong to the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.crystal.assembly.nodes import HALF_BOND, Block
from logos_cli.errors import OutputError

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_CARBOXYLATE = "[#6]-[CX3](=[OX1])-[O-]"
_N_CONFORMERS = 20
_MOST_BENT, _MOST_TILTED = 20.0, 30.0
"""Degrees: the ends of a linker of two carboxylates may be this far from opposite, and from the line through them."""


def linker_block(smiles: str, seed: int = 0) -> Block:
    """Return a linker with a point at each carboxylate.

    Raises
    ------
    OutputError
        If it binds otherwise than by two or more carboxylates, or is not straight where it has two.
    """
    from rdkit import Chem
    from rdkit.Chem.rdDistGeom import EmbedMultipleConfs
    from rdkit.Chem.rdForceFieldHelpers import MMFFOptimizeMoleculeConfs

    molecule = Chem.AddHs(parse_smiles(smiles))
    matches = molecule.GetSubstructMatches(Chem.MolFromSmarts(_CARBOXYLATE))
    charge = Chem.GetFormalCharge(molecule)
    if len(matches) < 2 or charge != -len(matches):
        raise OutputError(
            f"the linker {smiles} has {len(matches)} carboxylates and the charge {charge}",
            hint="linkers that bind by two or more carboxylates and nothing else can be placed",
        )
    numbers = EmbedMultipleConfs(molecule, _N_CONFORMERS, randomSeed=seed)
    if not len(numbers):
        raise OutputError(f"the linker {smiles} has no conformer", hint="RDKit embeds none")
    energies = [energy for _, energy in MMFFOptimizeMoleculeConfs(molecule, maxIters=2000)]
    blocks = [_block(molecule, matches, number) for number in sorted(numbers, key=lambda number: energies[number])]
    if len(matches) > 2:
        return blocks[0]
    # of the conformers that are as straight as the straightest, the one with the lowest energy
    best = min(blocks, key=lambda block: round(_bend(block), 0))
    if _bend(best) > _MOST_BENT or _tilt(best) > _MOST_TILTED:
        raise OutputError(
            f"the linker {smiles} is not straight: its ends are {180 - _bend(best):.0f} degrees apart",
            hint="only a linker whose two carboxylates point in opposite directions can be placed on an edge",
        )
    return best


def _block(molecule: Mol, matches: tuple[tuple[int, ...], ...], conformer: int) -> Block:
    places = molecule.GetConformer(conformer).GetPositions()
    gone = {atom for match in matches for atom in match[1:]}
    kept = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetIdx() not in gone]
    block = Block()
    for atom in kept:
        block.add(molecule.GetAtomWithIdx(atom).GetSymbol(), places[atom])
    for anchor, carbon, *_ in matches:
        out = places[carbon] - places[anchor]
        block.points.append(places[anchor] + HALF_BOND * out / np.linalg.norm(out))
        block.anchors.append(kept.index(anchor))
    return block


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
