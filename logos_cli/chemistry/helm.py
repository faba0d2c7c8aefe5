"""Read HELM of peptides and nucleotides by RDKit, with a check that the molecule is that of the text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rdkit import Chem

from logos_cli.chemistry.smiles import attempt
from logos_cli.errors import MoleculeError

_BEGINS: Final = re.compile(r"(?:PEPTIDE|RNA|CHEM|BLOB)\d+\{")
_POLYMER: Final = re.compile(r"(PEPTIDE|RNA|CHEM|BLOB)(\d+)\{([^{}]*)\}")
_MONOMER: Final = re.compile(r"\[[^\[\]]*\]|[^.\[\]]+")
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Helm:
    """A HELM that RDKit reads.

    Attributes
    ----------
    smiles : str
        Canonical SMILES of the whole molecule.
    chains : tuple of str
        The residues of each peptide; empty if a monomer is not one of the 20 amino acids.
    connections : tuple of str
        Bonds other than those along the chains: ``PEPTIDE1,PEPTIDE1,2:R3-9:R3``.
    """

    smiles: str
    chains: tuple[str, ...]
    connections: tuple[str, ...]


def is_helm(text: str) -> bool:
    """Return whether a text is HELM, by its beginning."""
    return _BEGINS.match(text) is not None


def read_helm(text: str) -> Helm:
    """Parse a HELM.

    Raises
    ------
    MoleculeError
        If RDKit cannot read it, or reads another molecule; the message names the unknown monomers.
    """
    molecule = _parsed(text)
    if molecule is None or not molecule.GetNumAtoms():
        raise MoleculeError(f"RDKit cannot read the HELM {text[:_SHOWN]}: {_reason(text)}", text=text)
    polymers, sections = _parts(text)
    again, other = _parts(str(Chem.MolToHELM(molecule)))
    connections = tuple(filter(None, sections[0].split("|"))) if sections else ()
    same_connections = len(connections) == len([each for each in other[0].split("|") if each])
    if not same_connections or [body for _, _, body in polymers] != [body for _, _, body in again]:
        raise MoleculeError(
            f"RDKit reads the HELM {text[:_SHOWN]} as another molecule", hint="give a SMILES or a mol file", text=text
        )
    chains = tuple(body.replace(".", "") for kind, _, body in polymers if kind == "PEPTIDE")
    if len(chains) < len(polymers) or not all(chain.isalpha() for chain in chains):
        chains = ()
    return Helm(str(Chem.MolToSmiles(molecule)), chains, connections)


def helm_of_chains(chains: tuple[str, ...]) -> str:
    """Return the HELM of plain peptides, without bonds between them.

    Raises
    ------
    MoleculeError
        If a residue is not one of the 20 amino acids, the monomers that RDKit knows.
    """
    bodies = [f"PEPTIDE{number}{{{'.'.join(chain)}}}" for number, chain in enumerate(chains, 1)]
    text = f"{'|'.join(bodies)}$$$$"
    if read_helm(text).chains != chains:
        raise MoleculeError("RDKit reads other chains from the HELM than were written", hint="write them --to fasta")
    return f"{text}V2.0"


def _parsed(text: str) -> Chem.Mol | None:
    return attempt(lambda: Chem.MolFromHELM(text))


def _parts(text: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return the polymers (kind, number, monomers) and the sections behind them."""
    polymers, *sections = text.split("$")
    return _POLYMER.findall(polymers), sections


def _reason(text: str) -> str:
    """Return the part of a HELM that RDKit does not know."""
    polymers, sections = _parts(text)
    if others := sorted({kind for kind, _, _ in polymers} & {"CHEM", "BLOB"}):
        return f"it has no {' and no '.join(others)}"
    monomers = {monomer for kind, _, body in polymers if kind == "PEPTIDE" for monomer in _MONOMER.findall(body)}
    unknown = [monomer for monomer in sorted(monomers) if _parsed(f"PEPTIDE1{{{monomer}}}$$$$") is None]
    if unknown:
        return f"it does not know the monomer{'s' if len(unknown) > 1 else ''} {', '.join(unknown[:10])}"
    if not sections or len(sections) < 4:
        return "it must end with four sections, which may be empty: $$$$"
    return "its connections or groups" if any(sections[:3]) else "its notation"
