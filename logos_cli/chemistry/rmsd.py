"""Compute the root mean square deviation of a pose from a reference, over heavy atoms, with symmetry."""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import rdMolAlign

from logos_cli.errors import MoleculeError

_MOST_MATCHES = 100_000


def rmsd(pose: Chem.Mol, reference: Chem.Mol) -> float:
    """Return the RMSD (Å) of two poses of one molecule, without moving either.

    It is the smallest over all mappings of one onto the other by elements and connections. Bond orders, charges and
    hydrogens do not count, so that the two oxygens of a carboxylate are equivalent.

    Raises
    ------
    MoleculeError
        If they are not the same molecule.
    """
    one, other = _skeleton(pose), _skeleton(reference)
    if one.GetNumAtoms() != other.GetNumAtoms():
        raise MoleculeError(
            f"the reference is another molecule: {other.GetNumAtoms()} heavy atoms, not {one.GetNumAtoms()}",
            hint="--reference takes the ligand's own known pose",
        )
    try:
        return float(rdMolAlign.CalcRMS(one, other, maxMatches=_MOST_MATCHES))
    except RuntimeError as error:
        raise MoleculeError(
            "the reference is another molecule: its atoms are bonded otherwise",
            hint="--reference takes the ligand's own known pose",
        ) from error


def _skeleton(molecule: Chem.Mol) -> Chem.Mol:
    """Return the molecule of heavy atoms and single bonds, with the positions."""
    rows = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetAtomicNum() > 1]
    place = {row: new for new, row in enumerate(rows)}
    bare = Chem.RWMol()
    conformer = Chem.Conformer(len(rows))
    given = molecule.GetConformer()
    for row in rows:
        atom = Chem.Atom(molecule.GetAtomWithIdx(row).GetAtomicNum())
        atom.SetNoImplicit(True)
        conformer.SetAtomPosition(bare.AddAtom(atom), given.GetAtomPosition(row))
    for bond in molecule.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if ends[0] in place and ends[1] in place:
            bare.AddBond(place[ends[0]], place[ends[1]], Chem.BondType.SINGLE)
    bare.AddConformer(conformer)
    return bare.GetMol()
