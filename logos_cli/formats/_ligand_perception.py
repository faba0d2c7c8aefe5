"""Bonds and bond orders of a ligand that no definition fits, from where its heavy atoms are."""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem, rdBase

from logos_cli.errors import MoleculeError
from logos_cli.formats import _ligand_chemistry as chemistry
from logos_cli.formats._ligand_chemistry import Position


def connect(numbers: Sequence[int], positions: Sequence[Position]) -> Chem.RWMol:
    """Return the atoms with single bonds between those near enough; positions in Å."""
    import numpy as np

    from logos_cli.formats._structure_site import bond_radius, distance_matrix

    molecule = Chem.RWMol()
    for number in numbers:
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
    places = np.array(positions, float).reshape(-1, 3)
    radii = np.array([bond_radius(number) or 1.4 for number in numbers])
    distances = distance_matrix(places, places)
    near = (distances < radii[:, None] + radii[None, :] + 0.3) & (distances > 0.4)
    for one, other in np.argwhere(np.triu(near, 1)).tolist():
        molecule.AddBond(one, other, Chem.BondType.SINGLE)
    chemistry.set_conformer(molecule, positions)
    return molecule


def apply_template(numbers: Sequence[int], positions: Sequence[Position], template: Chem.Mol) -> str:
    """Return the SMILES of atoms that have a template's bonds: orders from it, stereo from the positions.

    Raises
    ------
    MoleculeError
        If the atoms are not bonded as in the template.
    """
    target = connect(numbers, positions)
    plain = Chem.RWMol(template)
    for bond in plain.GetBonds():
        bond.SetBondType(Chem.BondType.SINGLE)
        bond.SetIsAromatic(False)
    for atom in plain.GetAtoms():
        atom.SetIsAromatic(False)
        atom.SetFormalCharge(0)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(0)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    with rdBase.BlockLogs():
        match = target.GetSubstructMatch(plain) if target.GetNumAtoms() == plain.GetNumAtoms() else ()
    if len(match) != plain.GetNumAtoms():
        raise MoleculeError(
            f"the ligand ({target.GetNumAtoms()} heavy atoms) is not the given molecule ({plain.GetNumAtoms()})",
            hint="the heavy atoms and their bonds must be the same",
        )
    result = Chem.RWMol(template)
    chemistry.set_conformer(result, [positions[index] for index in match])
    Chem.AssignStereochemistryFrom3D(result)
    return chemistry.to_smiles(result)


def perceive(numbers: Sequence[int], positions: Sequence[Position]) -> str:
    """Return the SMILES of atoms from their geometry alone."""
    raise MoleculeError("perception is not there yet")
