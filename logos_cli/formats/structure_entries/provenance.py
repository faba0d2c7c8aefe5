"""Where an entry of a structure came from: the ``source`` of its record."""

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
        """Return the source of an entry of these chains; take it after the chains, whose mapping leaves notes."""
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


def describe(model: StructureModel, ligand: Ligand, touched: LigandContacts) -> LigandSource:
    """Return what a record says of a ligand of the structure, but for its SMILES."""
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
    if touched.bonds:
        found["covalent"] = [str(model.residues[index]) for index, _ in touched.bonds]
    if any(contact.symmetry for contact in touched.contacts.values()):
        found["symmetry_contacts"] = [
            str(model.residues[index]) for index, contact in touched.contacts.items() if contact.symmetry
        ]
    return found
