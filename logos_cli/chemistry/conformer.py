"""Embed a three-dimensional conformer of a molecule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolAlign

from logos_cli.chemistry.geometry_marks import drop_impossible_marks
from logos_cli.chemistry.rare_stereo import geometries, named_geometries
from logos_cli.errors import MoleculeError

_RIGID_RINGS: Final = (5, 6)
"""Sizes of rings that docking programs keep as they are; larger ones are opened and closed."""
_TRIALS: Final = 10
"""Embedded conformers for each that is wanted."""
_GEOMETRY_TRIALS: Final = 30
"""Seeds for a molecule with atoms whose hand ETKDG draws by chance."""
_HIGHEST_KCAL_PER_MOL: Final = 6.0
"""Ring conformers whose MMFF94 energy is above the lowest by more than this are left out."""
_SAME_ANGSTROM: Final = 0.2
"""RMSD of a ring with its substituents, up to which two shapes are the same."""


def embed(molecule: Chem.Mol, seed: int, title: str) -> Chem.Mol:
    """Return the molecule with hydrogens and one ETKDGv3 conformer, relaxed by MMFF94 if it has parameters.

    ETKDG draws the hand of bipyramidal and octahedral atoms by chance: such molecules are embedded with further seeds
    until the coordinates have the geometry of the molecule.

    Raises
    ------
    MoleculeError
        If no conformer was found, or none with the geometry of its square-planar, bipyramidal and octahedral atoms.
    """
    wanted = geometries(molecule)
    for number in range(_GEOMETRY_TRIALS if wanted else 1):
        full = _embed_once(molecule, seed + number, title)
        if not wanted or _geometries_in_space(full) == geometries(full):
            return full
    named = named_geometries(molecule)
    raise MoleculeError(f"no 3D conformer of {title} with the geometry of {named} was found", hint="write it --to smi")


def _geometries_in_space(full: Chem.Mol) -> dict[int, str]:
    """Return the marks that the coordinates of a molecule give."""
    again = Chem.Mol(full)
    Chem.AssignStereochemistryFrom3D(again)
    return geometries(again)


def _embed_once(molecule: Chem.Mol, seed: int, title: str) -> Chem.Mol:
    full = Chem.AddHs(molecule)
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed & 0x7FFFFFFF
    parameters.maxIterations = 50
    with rdBase.BlockLogs():
        if rdDistGeom.EmbedMolecule(full, parameters) < 0:
            parameters.useRandomCoords = True
            if rdDistGeom.EmbedMolecule(full, parameters) < 0:
                raise MoleculeError(f"no 3D conformer of {title} was found")
        if rdForceFieldHelpers.MMFFHasAllMoleculeParams(full):
            rdForceFieldHelpers.MMFFOptimizeMolecule(full, maxIters=500)
    return full


def ring_conformers(full: Chem.Mol, seed: int, most: int) -> list[Chem.Mol]:
    """Return a conformer, and others of its isomer in which a saturated ring of five or six atoms has another shape.

    Parameters
    ----------
    full : Chem.Mol
        From :func:`embed`; it is the first of the result.
    most : int
        Largest number of conformers.

    Returns
    -------
    list of Chem.Mol
        After the first in the order of their MMFF94 energies; only the first if the molecule has no such ring, or MMFF94
        no parameters for it.
    """
    rings = [
        ring
        for ring in full.GetRingInfo().AtomRings()
        if len(ring) in _RIGID_RINGS and not all(full.GetAtomWithIdx(index).GetIsAromatic() for index in ring)
    ]
    if most < 2 or not rings or not rdForceFieldHelpers.MMFFHasAllMoleculeParams(full):
        return [full]
    trial = Chem.Mol(full)
    # an open stereocentre is that of the first conformer in all of them
    Chem.AssignStereochemistryFrom3D(trial)
    drop_impossible_marks(trial)
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed & 0x7FFFFFFF
    with rdBase.BlockLogs():
        numbers = list(rdDistGeom.EmbedMultipleConfs(trial, most * _TRIALS, parameters))
        outcomes = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(trial, maxIters=500) if numbers else []
    energies = [energy for _, energy in outcomes]
    shapes = [_shapes(full, rings)]
    found = [full]
    for place in np.argsort(energies, kind="stable").tolist():
        if len(found) == most or energies[place] > min(energies) + _HIGHEST_KCAL_PER_MOL:
            break
        each = Chem.Mol(full)
        each.RemoveAllConformers()
        each.AddConformer(trial.GetConformer(numbers[place]), assignId=True)
        shape = _shapes(each, rings)
        if not any(_are_same(shape, other) for other in shapes):
            shapes.append(shape)
            found.append(each)
    return found


def _shapes(molecule: Chem.Mol, rings: Sequence[Sequence[int]]) -> list[Chem.Mol]:
    """Return each ring with its heavy substituents, as a molecule with one conformer."""
    found = []
    for ring in rings:
        near = {each.GetIdx() for index in ring for each in molecule.GetAtomWithIdx(index).GetNeighbors()}
        part = Chem.RWMol(molecule)
        part.BeginBatchEdit()
        for atom in molecule.GetAtoms():
            if atom.GetAtomicNum() == 1 or atom.GetIdx() not in near:  # the members are neighbours of each other
                part.RemoveAtom(atom.GetIdx())
        part.CommitBatchEdit()
        for atom in part.GetAtoms():  # only the connections count for symmetry
            atom.SetIsAromatic(False)
            atom.SetFormalCharge(0)
            atom.SetNoImplicit(True)
        for bond in part.GetBonds():
            bond.SetIsAromatic(False)
            bond.SetBondType(Chem.BondType.SINGLE)
        part.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(part)
        found.append(part.GetMol())
    return found


def _are_same(one: Sequence[Chem.Mol], other: Sequence[Chem.Mol]) -> bool:
    """Return whether all rings have the same shape, over all symmetries of their connections."""
    return all(
        rdMolAlign.GetBestRMS(Chem.Mol(probe), known, maxMatches=1000) <= _SAME_ANGSTROM
        for probe, known in zip(one, other, strict=True)
    )
