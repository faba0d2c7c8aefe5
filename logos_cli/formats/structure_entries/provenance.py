"""Write the ``source`` of the record of a structure's entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from logos_cli.formats.base import ReadOptions
from logos_cli.records import Source
from logos_cli.records.parts import LigandSource
from logos_cli.structure.ligands import Ligand, LigandContacts
from logos_cli.structure.model import StructureModel
from logos_cli.structure.sequence import MappedChain


@dataclass(frozen=True, slots=True)
class Provenance:
    """Writes the sources of one model's entries; ``file`` has the path and the hash of its file."""

    model: StructureModel
    options: ReadOptions
    file: Source

    def source(
        self, chains: Sequence[MappedChain] = (), ligand: LigandSource | None = None, notes: Sequence[str] = ()
    ) -> Source:
        """Return the source of an entry of these chains; map the chains before, since that adds notes."""
        source: Source = {
            **self.file,
            "format": self.model.file.kind,
            "model": self.model.number,
            "atoms": len(self.model.positions),
            "waters": self.model.n_waters,
            "sequence": self.options.sequence,
        }
        if ligand is not None:
            source["ligand"] = ligand
            source["cutoff_angstrom"] = self.options.cutoff_angstrom
            if self.options.symmetry:
                source["symmetry"] = True
        if lines := [*self.model.notes.lines, *notes]:
            source["notes"] = lines
        if chains:
            source["chains"] = [each.chain.name for each in chains]
            source["residues"] = [each.to_json() for each in chains]
        return source


def describe(model: StructureModel, ligand: Ligand, contacts: LigandContacts) -> LigandSource:
    """Return the source of a ligand of the structure, without its SMILES."""
    first = ligand.residues[0]
    found: LigandSource = {
        "component": ligand.title,
        "chain": first.chain,
        "number": first.number if first.has_number else None,
    }
    if first.insertion:
        found["insertion"] = first.insertion
    if first.label_chain is not None:
        found["label_chain"] = first.label_chain
        if first.label_number is not None:
            found["label_number"] = first.label_number
    if len(ligand.residues) > 1:
        found["residues"] = [f"{residue.chain}:{residue.name}:{residue.number_text}" for residue in ligand.residues]
    if ligand.peptide:
        found["peptide"] = True
    if first.altloc:
        found["altloc"] = first.altloc
    if contacts.bonds:
        found["covalent"] = [str(model.residues[index]) for index, _ in contacts.bonds]
    if any(contact.symmetry for contact in contacts.contacts.values()):
        found["symmetry_contacts"] = [
            str(model.residues[index]) for index, contact in contacts.contacts.items() if contact.symmetry
        ]
    return found
