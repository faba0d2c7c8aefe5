"""Read and write InChI by RDKit, with a check that the molecule has the same InChI."""

from __future__ import annotations

import re
from typing import Final

from rdkit import Chem, rdBase
from rdkit.Chem.rdinchi import InchiToMol, MolToInchi

from logos_cli.chemistry.rare_stereo import check_geometries
from logos_cli.chemistry.smiles import attempt, parse_smiles
from logos_cli.errors import MoleculeError

KEY: Final = re.compile(r"(?:InChIKey=)?[A-Z]{14}-[A-Z]{10}-[A-Z]")
_OPEN: Final = re.compile(r"/h[^/]*\(|/[pq]")
_NOTE: Final = (
    "an InChI leaves open where mobile hydrogens and charges lie: amides are read as such, and RDKit placed the others"
)
_IMIDIC: Final = Chem.MolFromSmarts("[OX2H1,SX2H1]-[CX3;!a]=[NX2;!a]")
"""The tautomer of an amide that RDKit reads from an InChI."""


def is_inchi(text: str) -> bool:
    """Return whether a text is an InChI, by its beginning."""
    return text.startswith("InChI=")


def smiles_of_inchi(text: str) -> tuple[str, list[str]]:
    """Return the canonical SMILES of an InChI, and notes.

    Raises
    ------
    MoleculeError
        If RDKit cannot read it, or reads another molecule.
    """
    molecule = attempt(lambda: InchiToMol(text)[0])
    if molecule is None or not molecule.GetNumAtoms():
        raise MoleculeError(f"RDKit cannot read the InChI {text[:80]}", hint="check that it is whole", text=text)
    with rdBase.BlockLogs():
        again = str(MolToInchi(molecule, "")[0])
    if again != text and text.startswith("InChI=1S/"):
        raise MoleculeError(
            f"the molecule that RDKit reads from {text[:80]} has another InChI: {again[:80]}",
            hint="give a SMILES or a mol file",
        )
    return _with_amides(molecule, again), [_NOTE] if _OPEN.search(text) else []


def _with_amides(molecule: Chem.Mol, inchi: str) -> str:
    """Return the SMILES of a molecule with its imidic acids as amides: an InChI is that of both, and an amide is meant."""
    smiles = str(Chem.MolToSmiles(molecule))
    changed = Chem.RWMol(molecule)
    for oxygen, carbon, nitrogen in molecule.GetSubstructMatches(_IMIDIC):
        double = changed.GetBondBetweenAtoms(carbon, nitrogen)
        if double.GetBondType() is not Chem.BondType.DOUBLE:  # the carbon has two: one became an amide
            continue
        double.SetStereo(Chem.BondStereo.STEREONONE)
        double.SetBondType(Chem.BondType.SINGLE)
        changed.GetBondBetweenAtoms(oxygen, carbon).SetBondType(Chem.BondType.DOUBLE)
        for index, n_hydrogens in ((oxygen, -1), (nitrogen, 1)):
            atom = changed.GetAtomWithIdx(index)
            atom.SetNumExplicitHs(atom.GetTotalNumHs() + n_hydrogens)
            atom.SetNoImplicit(True)
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(changed)
            amides = str(Chem.MolToSmiles(Chem.MolFromSmiles(Chem.MolToSmiles(changed))))
            is_same = MolToInchi(Chem.MolFromSmiles(amides), "")[0] == inchi
        except (ValueError, RuntimeError):
            return smiles
    return amides if is_same else smiles


def inchikey_error(text: str) -> MoleculeError:
    """Return the error for an InChIKey in the place of a molecule."""
    return MoleculeError(
        f"{text[:40]} is an InChIKey: a hash, from which no molecule can be read", hint="give the InChI or a SMILES"
    )


def inchi_of_smiles(smiles: str) -> str:
    """Return the standard InChI of a molecule.

    Raises
    ------
    MoleculeError
        If RDKit writes none: for dative bonds, atoms of any element, or elements that InChI does not know; or if it would
        lack stereo, of square-planar, bipyramidal or octahedral atoms, or of cumulenes.
    """
    molecule = parse_smiles(smiles)
    check_geometries(smiles, molecule, "the InChI", "write it --to smi")
    with rdBase.BlockLogs():
        text, code, message = MolToInchi(molecule, "")[:3]
    if not text or code > 1:
        reason = " ".join(str(message).split()) or "no reason given"
        raise MoleculeError(f"RDKit writes no InChI of {smiles[:80]}: {reason}", hint="write it --to smi")
    return str(text)
