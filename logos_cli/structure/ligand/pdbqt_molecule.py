"""Read molecules of PDBQT files, with the bonds of the SMILES that Meeko writes, not inferred from distances."""

from __future__ import annotations

from typing import Any

from rdkit import Chem, rdBase

from logos_cli.errors import MoleculeError
from logos_cli.structure.contacts import bond_radius
from logos_cli.structure.ligand.chemistry import set_conformer
from logos_cli.structure.pdbqt import PdbqtPose

_TOO_LONG_ANGSTROM = 0.45


def no_bonds(what: str) -> MoleculeError:
    """Return the error for a ligand of a PDBQT file without bonds."""
    return MoleculeError(
        f"{what} comes from PDBQT without bonds and without a REMARK SMILES: give it as SDF",
        hint="give the molecule that the PDBQT was made from, or poses that logos dock or Meeko's mk_export writes",
    )


def molecule_of(pose: PdbqtPose) -> Chem.Mol:
    """Return the molecule of a pose with its positions, without hydrogens.

    Raises
    ------
    MoleculeError
        If the file has no bonds, or those of other atoms.
    """
    if not pose.smiles:
        raise no_bonds("the ligand")
    molecule = _parse(pose.smiles)
    places = {atom.serial: atom for atom in pose.atoms}
    found = {index - 1: places[serial] for index, serial in pose.pairs if serial in places}
    heavy = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetAtomicNum() > 1]
    n_heavy = sum(atom.element != "H" for atom in pose.atoms)
    if n_heavy != len(heavy) or any(
        row not in found or found[row].element != molecule.GetAtomWithIdx(row).GetSymbol() for row in heavy
    ):
        raise MoleculeError("the REMARK SMILES is not of these atoms", hint="write the PDBQT file again with Meeko")
    set_conformer(
        molecule, [found[row].position if row in found else (0.0, 0.0, 0.0) for row in range(molecule.GetNumAtoms())]
    )
    _check_lengths(molecule)
    return Chem.RemoveHs(molecule)


def _parse(smiles: str) -> Chem.Mol:
    """Return the molecule of a SMILES with its hydrogens, as they are numbered, too."""
    params: Any = Chem.SmilesParserParams()
    params.removeHs = False
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles, params)
    if molecule is None:
        raise MoleculeError(f"RDKit does not accept the REMARK SMILES {smiles}")
    return molecule


def _check_lengths(molecule: Chem.Mol) -> None:
    positions = molecule.GetConformer().GetPositions()
    for bond in molecule.GetBonds():
        ends = (bond.GetBeginAtom(), bond.GetEndAtom())
        radii = [bond_radius(end.GetAtomicNum()) for end in ends]
        if any(end.GetAtomicNum() == 1 for end in ends) or not all(radii):
            continue
        one, other = (positions[end.GetIdx()] for end in ends)
        if float(((one - other) ** 2).sum()) ** 0.5 > sum(radii) + _TOO_LONG_ANGSTROM:
            raise MoleculeError("the atoms do not fit the REMARK SMILES", hint="write the PDBQT file again with Meeko")
