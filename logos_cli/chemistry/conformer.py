"""Embed a three-dimensional conformer of a molecule."""

from __future__ import annotations

from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from logos_cli.errors import MoleculeError


def embed(molecule: Chem.Mol, seed: int, title: str) -> Chem.Mol:
    """Return the molecule with hydrogens and one ETKDGv3 conformer, relaxed by MMFF94 if it has parameters.

    Raises
    ------
    MoleculeError
        If no conformer was found.
    """
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
