"""Write InChI, SELFIES and HELM: a line a molecule or peptide."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from logos_cli.errors import UsageError
from logos_cli.formats.base import Writer
from logos_cli.formats.chem.write import smiles_of
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Record


class _NotationWriter(Writer):
    """One text a line, a tab, the record's identifier."""

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write the line of one object."""
        name = " ".join(record.id.split())
        text = self.text_of(item)
        self.stream.write(f"{text}\t{name}\n" if name else f"{text}\n")

    @abstractmethod
    def text_of(self, item: ScienceObject) -> str:
        """Return the object in this notation.

        Raises
        ------
        LogosError
            If the notation cannot hold it.
        """


def _molecule_of(item: ScienceObject, notation: str) -> str:
    """Return the SMILES of a molecule or of a complex's ligand."""
    molecules = smiles_of(item)
    if isinstance(item, (Molecule, Complex)):
        return molecules[0]
    kind = type(item).__name__.lower()
    raise UsageError(f"a {kind} is no single molecule to write as {notation}", hint="write it --to smi, csv or json")


class SelfiesWriter(_NotationWriter):
    """SELFIES of molecules and ligands; each is checked to decode to the same molecule."""

    suffixes: ClassVar[tuple[str, ...]] = (".selfies",)

    def text_of(self, item: ScienceObject) -> str:
        """Return the SELFIES of a molecule or ligand."""
        from logos_cli.chemistry.selfies_text import selfies_of_smiles

        return selfies_of_smiles(_molecule_of(item, "SELFIES"))


class InchiWriter(_NotationWriter):
    """Standard InChI of molecules and ligands."""

    suffixes: ClassVar[tuple[str, ...]] = (".inchi",)

    def text_of(self, item: ScienceObject) -> str:
        """Return the InChI of a molecule or ligand."""
        from logos_cli.chemistry.inchi import inchi_of_smiles

        return inchi_of_smiles(_molecule_of(item, "InChI"))


class HelmWriter(_NotationWriter):
    """HELM of proteins and antibodies of the 20 amino acids: a peptide a chain, without bonds between chains."""

    suffixes: ClassVar[tuple[str, ...]] = (".helm",)

    def text_of(self, item: ScienceObject) -> str:
        """Return the HELM of a protein or antibody."""
        from logos_cli.chemistry.helm import helm_of_chains

        if isinstance(item, Protein):
            return helm_of_chains((item.sequence,))
        if isinstance(item, Antibody):
            return helm_of_chains(item.chains)
        kind = type(item).__name__.lower()
        raise UsageError(f"a {kind} is no peptide to write as HELM", hint="write it --to smi, fasta, csv or json")
