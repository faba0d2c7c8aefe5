"""Read and write InChI by RDKit, with a check that the molecule has the same InChI."""

from __future__ import annotations

import re
from typing import Final

from rdkit import Chem, rdBase
from rdkit.Chem.rdinchi import InchiToMol, MolToInchi

from logos_cli.chemistry.smiles import attempt, parse_smiles
from logos_cli.errors import MoleculeError

KEY: Final = re.compile(r"(?:InChIKey=)?[A-Z]{14}-[A-Z]{10}-[A-Z]")
_OPEN: Final = re.compile(r"/h[^/]*\(|/[pq]")
_NOTE: Final = "an InChI leaves open where mobile hydrogens and charges lie: RDKit placed them"


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
    return str(Chem.MolToSmiles(molecule)), [_NOTE] if _OPEN.search(text) else []


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
        If RDKit writes none: for dative bonds, atoms of any element, or elements that InChI does not know.
    """
    molecule = parse_smiles(smiles)
    with rdBase.BlockLogs():
        text, code, message = MolToInchi(molecule, "")[:3]
    if not text or code > 1:
        reason = " ".join(str(message).split()) or "no reason given"
        raise MoleculeError(f"RDKit writes no InChI of {smiles[:80]}: {reason}", hint="write it --to smi")
    return str(text)
