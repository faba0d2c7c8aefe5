"""Convert PDBQT to molecules by Meeko, with the ligand's own bonds."""

from __future__ import annotations

from typing import Any

from rdkit import Chem, rdBase

from logos_cli.docking import libraries
from logos_cli.errors import MoleculeError


def read_poses(pdbqt: str, title: str) -> list[Chem.Mol]:
    """Return one molecule per pose, all hydrogens included.

    The bonds are those of the SMILES that Meeko wrote into the PDBQT of the ligand; none is inferred from distances.

    Raises
    ------
    MoleculeError
        If the poses cannot be read.
    """
    meeko = libraries.load("meeko")
    with rdBase.BlockLogs():
        try:
            read = meeko.PDBQTMolecule(pdbqt, skip_typing=True)
            molecules = meeko.RDKitMolCreate.from_pdbqt_mol(read)
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            raise MoleculeError(f"the poses of {title} cannot be read: {error}") from error
    ligand = next((molecule for molecule in molecules if molecule is not None), None)
    if ligand is None or not ligand.GetNumConformers():
        raise MoleculeError(f"the poses of {title} cannot be read: no molecule")
    poses = []
    for conformer in ligand.GetConformers():
        pose = Chem.Mol(ligand)
        pose.RemoveAllConformers()
        one = Chem.Conformer(conformer)
        one.SetId(0)
        pose.AddConformer(one)
        for name in list(pose.GetPropNames()):
            pose.ClearProp(name)
        poses.append(pose)
    return poses


def to_bytes(pose: Chem.Mol) -> bytes:
    """Return a pose in RDKit's binary form, for other processes."""
    found: bytes = pose.ToBinary(int(Chem.PropertyPickleOptions.NoProps))
    return found


def from_bytes(data: bytes) -> Chem.Mol:
    """Return the pose of :func:`to_bytes`."""
    make: Any = Chem.Mol
    pose: Chem.Mol = make(data)
    return pose
