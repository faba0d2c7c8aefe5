"""Mol blocks and MOL2 records: RDKit reads them, and its reason becomes the error message."""

from __future__ import annotations

import re

from rdkit import Chem

from logos_cli.chemistry.smiles import attempt, rejection
from logos_cli.errors import MoleculeError

_V3000_COUNTS = re.compile(r"^M  V30 COUNTS(.*)$", re.MULTILINE)


def read_molblock(text: str) -> tuple[Chem.Mol, list[str]]:
    """Return the molecule of a mol block, sanitized and without explicit hydrogens, and notes.

    Raises
    ------
    MoleculeError
        With RDKit's reason.
    """
    if "M  END" not in text:
        raise MoleculeError("the molecule is cut off: it has no line 'M  END'", hint="write or download the file again")
    text = _ascii(text)
    for counts in _V3000_COUNTS.findall(text):
        _check_counts(counts, text)
    notes: list[str] = []
    molecule = attempt(lambda: Chem.MolFromMolBlock(text))
    if molecule is None:
        molecule = attempt(lambda: Chem.MolFromMolBlock(text, strictParsing=False))
        notes.append("the mol block breaks the format; read leniently")
    if molecule is None:
        reason = rejection(lambda sanitize: Chem.MolFromMolBlock(text, sanitize=sanitize))[0]
        raise MoleculeError(f"RDKit rejects the molecule: {reason}", hint="check its bonds, charges and counts line")
    if molecule.GetNumAtoms() == 0:
        raise MoleculeError("the molecule has no atoms")
    return molecule, notes


def read_mol2block(text: str) -> tuple[Chem.Mol, list[str]]:
    """Return the molecule of a MOL2 record, sanitized and without explicit hydrogens, and notes.

    The format counts on every hydrogen being written; where a file has none at all, they are added by valence.

    Raises
    ------
    MoleculeError
        With RDKit's reason.
    """
    notes: list[str] = []
    text = _ascii(text)
    _check_counts("".join(text.split("\n", 3)[2:3]), text)
    molecule = attempt(lambda: Chem.MolFromMol2Block(text, sanitize=False, removeHs=False))
    if molecule is not None and molecule.GetNumAtoms() > 1 and all(a.GetAtomicNum() != 1 for a in molecule.GetAtoms()):
        bare = molecule
        molecule = attempt(lambda: _hydrogenated(bare))
        notes.append("the file has no hydrogens; added by valence")
    else:
        molecule = attempt(lambda: Chem.MolFromMol2Block(text))
    if molecule is None:
        reason = rejection(lambda sanitize: Chem.MolFromMol2Block(text, sanitize=sanitize))[0]
        raise MoleculeError(
            f"RDKit rejects the molecule: {reason}",
            hint="RDKit reads Corina's atom types; else convert the file to SDF",
        )
    if molecule.GetNumAtoms() == 0:
        raise MoleculeError("the molecule has no atoms")
    return molecule, notes


def _hydrogenated(molecule: Chem.Mol) -> Chem.Mol:
    """Let valences be filled, taking back the charges that RDKit gave for want of hydrogens."""
    for atom in molecule.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumRadicalElectrons(0)
        kind = atom.GetProp("_TriposAtomType") if atom.HasProp("_TriposAtomType") else ""
        if atom.GetFormalCharge() < 0 and kind not in ("O.co2", "S.o2"):
            atom.SetFormalCharge(0)
    Chem.SanitizeMol(molecule)
    Chem.AssignStereochemistryFrom3D(molecule)
    return molecule


def _check_counts(counts: str, text: str) -> None:
    """Refuse numbers of atoms and bonds that the text has no room for: RDKit would look for them for minutes."""
    n_lines = text.count("\n")
    for count in counts.split()[:2]:
        if len(count) > 9 or (count.isdecimal() and int(count) > n_lines):
            raise MoleculeError(f"the molecule counts {count} atoms or bonds and has {n_lines} lines")


def _ascii(text: str) -> str:
    """Replace what is not ASCII (it can stand in titles and comments only): RDKit quotes lines byte by byte."""
    return text if text.isascii() else text.encode("ascii", "replace").decode("ascii")
