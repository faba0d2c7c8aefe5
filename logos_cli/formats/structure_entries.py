"""From a structure to entries: a complex for each ligand, or a protein for each chain."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import LogosError, StructureError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Source
from logos_cli.records.parts import LigandSource
from logos_cli.structure import sequence as sequences
from logos_cli.structure.contacts import Contact, Neighbours
from logos_cli.structure.ligand.smiles import LigandSmiles, LigandSmilesResolver
from logos_cli.structure.ligand.user_molecule import UserMolecule, is_selection, read_given
from logos_cli.structure.ligands import Ligand, LigandContacts, find_ligands, is_additive, is_relevant, surroundings
from logos_cli.structure.model import StructureModel
from logos_cli.structure.read import explain
from logos_cli.structure.select import listing, select_chains, select_ligands
from logos_cli.structure.sequence import MappedChain
from logos_cli.structure.types import Role, StructureFile

_SITE_FORMS = frozenset((Form.SITE, Form.EXPANDED, Form.TRANSFORMATION, Form.SEARCH))
_NEED_LIGAND = frozenset((Form.COMPLEX, Form.SITE, Form.EXPANDED, Form.TRANSFORMATION, Form.MOLECULE))
_PDB_CODE = re.compile(r"[0-9][A-Za-z0-9]{3}|pdb_[0-9a-z]{8}", re.IGNORECASE)


@contextlib.contextmanager
def structure_reading(name: str) -> Iterator[None]:
    """Read a structure faster, and turn what gemmi throws at a damaged file, wherever it notices, into a reason.

    A structure makes many objects and no cycles: Python's collector of cycles pauses, which would take a fifth of the
    time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        raise explain(error, name) from error
    finally:
        if was_enabled:
            gc.enable()


def structure_entries(
    file: StructureFile, source: Input, options: ReadOptions, provenance: Source, ids: UniqueIds
) -> Iterator[Entry]:
    """Yield the entries of a structure in memory.

    Parameters
    ----------
    provenance : dict
        Path and hash of the file, and the data block if it has several.
    ids : UniqueIds
        Ids that other structures of the file have taken.

    Raises
    ------
    StructureError
        If there is nothing of the kind that the options ask for.
    """
    info = file.structure.info
    code = info["_entry.id"] if "_entry.id" in info else ""  # noqa: SIM401 - gemmi's map has no get
    title = source.stem
    if _PDB_CODE.fullmatch(code):
        provenance = {**provenance, "entry": code.upper() if len(code) == 4 else code}
        title = code.lower()
    elif "block" in provenance:
        title = f"{source.stem}_{provenance['block']}"
    try:
        model = StructureModel(file, source.name, options.model)
        yield from EntryBuilder(model, options, title, provenance, ids).entries()
    except LogosError as error:
        raise error.at(source.name) from error


class EntryBuilder:
    """Makes the entries of one model.

    Parameters
    ----------
    model : Model
    options : ReadOptions
    title : str
        What ids begin with: the PDB code, or the file's name.
    provenance : dict
        Path and hash of the file.
    ids : UniqueIds, optional
        Ids that other models of the file have taken.
    """

    def __init__(
        self, model: StructureModel, options: ReadOptions, title: str, provenance: Source, ids: UniqueIds | None = None
    ) -> None:
        self.model = model
        self.options = options
        self.title = title
        self.provenance = provenance
        self.ids = ids or UniqueIds()
        self.ligands, receptors = find_ligands(model)
        asked_for_chains = options.form is Form.PROTEIN or bool(options.chains)
        self.chains = select_chains(
            model, model.chains if asked_for_chains else receptors, options.chains, options.numbering
        )
        self._inside = frozenset(index for chain in self.chains for index in chain.members)
        self.ligands = [ligand for ligand in self.ligands if self._inside.isdisjoint(r.index for r in ligand.residues)]
        self._mapped: dict[int, MappedChain] = {}

    def entries(self) -> Iterator[Entry]:
        """Yield the entries.

        Raises
        ------
        StructureError
            If there is nothing of the kind that the options ask for.
        """
        form = self.options.form
        if form is Form.PROTEIN:
            yield from self._proteins()
            return
        given, ligands = self._chosen()
        for each in given:
            yield self._given_entry(each)
        for ligand, touched, number in ligands:
            yield self._ligand_entry(ligand, touched, number)
        if given or ligands:
            return
        if form in _NEED_LIGAND:
            raise StructureError(self._why_no_ligand(), source=self.model.name, hint=self._hint())
        yield from self._proteins()

    # -- which ligands -----------------------------------------------------------------------------

    def _chosen(
        self,
    ) -> tuple[list[UserMolecule | LogosError], list[tuple[Ligand, LigandContacts, UserMolecule | None]]]:
        """Return molecules that bring their own place, and ligands of the structure with what they touch."""
        text = self.options.ligand
        if text is None:
            return [], self._relevant()
        if is_selection(text):
            try:
                found = select_ligands(self.model, self.ligands, text, self.options.numbering)
            except StructureError:
                if ":" in text or not self._is_smiles(text):
                    raise
            else:
                return [], [(ligand, self._touched(ligand), None) for ligand in found]
        return self._placed(read_given(text))

    @staticmethod
    def _is_smiles(text: str) -> bool:
        from logos_cli.chemistry.smiles import parse_smiles

        try:
            return bool(parse_smiles(text).GetNumAtoms() > 1)
        except LogosError:
            return False

    def _placed(
        self, molecules: Sequence[UserMolecule | LogosError]
    ) -> tuple[list[UserMolecule | LogosError], list[tuple[Ligand, LigandContacts, UserMolecule | None]]]:
        own: list[UserMolecule | LogosError] = []
        matched: list[tuple[Ligand, LigandContacts, UserMolecule | None]] = []
        for molecule in molecules:
            if isinstance(molecule, LogosError) or self._touches(molecule):
                own.append(molecule)
                continue
            formula = sorted(molecule.numbers)
            same = [ligand for ligand in self.ligands if sorted(self.model.elements[ligand.atoms].tolist()) == formula]
            if not same:
                raise StructureError(
                    f"no ligand of the structure has the heavy atoms of {molecule.smiles}"
                    + ("" if molecule.positions is None else ", and its coordinates touch no protein"),
                    source=self.model.name,
                    hint=listing(self.ligands),
                )
            matched += [(ligand, self._touched(ligand), molecule) for ligand in same]
        return own, matched

    def _touches(self, molecule: UserMolecule) -> bool:
        if molecule.positions is None:
            return False
        return bool(self._protein_contacts(molecule.positions))

    def _relevant(self) -> list[tuple[Ligand, LigandContacts, UserMolecule | None]]:
        found: list[tuple[Ligand, LigandContacts, UserMolecule | None]] = []
        if not self.chains:
            return found
        for ligand in self.ligands:
            if is_additive(ligand):
                continue
            touched = self._touched(ligand)
            if is_relevant(self.model, ligand, self._protein, touched.bonds):
                found.append((ligand, touched, None))
        return found

    @cached_property
    def neighbours(self) -> Neighbours:
        """The neighbour search, made when the first ligand needs it."""
        return Neighbours(self.model, self.options.cutoff_angstrom, self.options.symmetry)

    @cached_property
    def _protein(self) -> NDArray[np.float64]:
        """Positions of the chains' heavy atoms."""
        return self.model.positions_of(self._inside)

    def _touched(self, ligand: Ligand) -> LigandContacts:
        return surroundings(self.model, self.neighbours, ligand, self._inside, self.options.cutoff_angstrom)

    def _protein_contacts(self, positions: NDArray[np.float64]) -> dict[int, Contact]:
        found = self.neighbours.contacts(positions, self.options.cutoff_angstrom)
        return {index: contact for index, contact in found.items() if index in self._inside}

    def _why_no_ligand(self) -> str:
        if not self.model.chains:
            return "the structure has no protein chain"
        if not self.ligands:
            return "the structure has no ligand"
        return "the structure has no relevant ligand"

    def _hint(self) -> str:
        if self.ligands:
            return f"choose one with --ligand; {listing(self.ligands, self.options.numbering)}"
        return "give one with --ligand FILE.sdf, or use --as protein or --as search"

    # -- entries -----------------------------------------------------------------------------------

    def _ligand_entry(self, ligand: Ligand, touched: LigandContacts, given: UserMolecule | None) -> Entry:
        first = ligand.residues[0]
        number = f":{first.number_text}" if first.has_number else ""
        id = self.ids.take(f"{self.title}:{first.chain}:{ligand.title}{number}")
        source = self._source(self._describe(ligand, touched))
        try:
            smiles = self._smiles(ligand, given)
        except LogosError as error:
            if self.options.form not in _SITE_FORMS:
                return Entry(id, None, source, error.at(self.model.name))
            source["notes"].append(error.message)
            smiles = None
        if smiles is not None:
            source["ligand"] |= {"smiles": smiles.smiles, "origin": smiles.origin}
            source["notes"] += smiles.notes
            if given is not None and given.source:
                source["ligand"]["file"] = given.source
        return self._entry(id, source, smiles.smiles if smiles else None, touched.contacts)

    def _smiles(self, ligand: Ligand, given: UserMolecule | None) -> LigandSmiles:
        if given is not None:
            return LigandSmilesResolver(self.model, given.molecule).smiles(ligand)
        return self._chemist.smiles(ligand)

    @cached_property
    def _chemist(self) -> LigandSmilesResolver:
        return LigandSmilesResolver(self.model)

    def _given_entry(self, given: UserMolecule | LogosError) -> Entry:
        if isinstance(given, LogosError):
            return Entry(self.ids.take(f"{self.title}:ligand"), None, self.provenance.copy(), given)
        id = self.ids.take(f"{self.title}:{given.title.replace(' ', '_')}")
        assert given.positions is not None
        contacts = self._protein_contacts(given.positions)
        smiles = given.smiles
        source = self._source({"title": given.title, "smiles": smiles, "origin": "file", "file": given.source})
        return self._entry(id, source, smiles, contacts)

    def _entry(self, id: str, source: Source, smiles: str | None, contacts: dict[int, Contact]) -> Entry:
        form = self.options.form
        if not source["notes"]:
            del source["notes"]
        if form is Form.MOLECULE:
            assert smiles is not None
            return Entry(id, Molecule(smiles), source)
        lined = [number for number, chain in enumerate(self.chains) if not contacts.keys().isdisjoint(chain.members)]
        if not lined:
            error = StructureError(
                f"no residue is within {self.options.cutoff_angstrom:g} Å of the ligand",
                source=self.model.name,
                hint="raise --cutoff",
            )
            return Entry(id, None, source, error)
        mapped = [self._map(number) for number in lined]
        proteins = []
        for each in mapped:
            places = each.places()
            site = tuple(sorted(places[index] for index in contacts if index in places))
            proteins.append(Protein(each.sequence, site))
        source["chains"] = [each.chain.name for each in mapped]
        source["residues"] = [each.to_json() for each in mapped]
        return Entry(id, Complex(tuple(proteins), None if form in _SITE_FORMS else smiles), source)

    def _proteins(self) -> Iterator[Entry]:
        if not self.chains:
            nucleic = self.model.residues.with_role(Role.NUCLEIC)
            what = "nucleic acid only" if nucleic else "no amino-acid residues"
            raise StructureError(
                f"the structure has no protein chain ({what})",
                source=self.model.name,
                hint="its ligands can be read with --as molecule" if self.ligands else None,
            )
        for number, chain in enumerate(self.chains):
            mapped = self._map(number)
            source = self._source(None)
            source["chains"] = [chain.name]
            source["residues"] = [mapped.to_json()]
            if not source["notes"]:
                del source["notes"]
            protein = Protein(mapped.sequence)
            item = Complex((protein,)) if self.options.form is Form.SEARCH else protein
            yield Entry(self.ids.take(f"{self.title}:{chain.name}"), item, source)

    def _map(self, number: int) -> MappedChain:
        if number not in self._mapped:
            chain = self.chains[number]
            full = self.options.sequence == "full"
            self._mapped[number] = sequences.full(self.model, chain) if full else sequences.observed(self.model, chain)
        return self._mapped[number]

    # -- provenance --------------------------------------------------------------------------------

    def _source(self, ligand: LigandSource | None) -> Source:
        options = self.options
        source: Source = {
            **self.provenance,
            "format": self.model.file.kind,
            "model": self.model.number,
            "atoms": len(self.model.positions),
            "waters": self.model.n_waters,
            "sequence": options.sequence,
        }
        if ligand is not None:
            source["ligand"] = ligand
            source["cutoff_angstrom"] = options.cutoff_angstrom
            if options.symmetry:
                source["symmetry"] = True
        source["notes"] = list(self.model.notes.lines)
        return source

    def _describe(self, ligand: Ligand, touched: LigandContacts) -> LigandSource:
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
            found["covalent"] = [str(self.model.residues[index]) for index, _ in touched.bonds]
        if any(contact.symmetry for contact in touched.contacts.values()):
            found["symmetry_contacts"] = [
                str(self.model.residues[index]) for index, contact in touched.contacts.items() if contact.symmetry
            ]
        return found
