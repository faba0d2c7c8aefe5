"""Make the entries of a structure in memory."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.errors import LogosError, StructureError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.structure_entries.chains import EntryChains
from logos_cli.formats.structure_entries.choice import Choice, LigandChooser, OwnLigand, PlacedMolecule, why_no_ligand
from logos_cli.formats.structure_entries.provenance import Provenance, describe
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Source
from logos_cli.records.parts import LigandSource
from logos_cli.structure.contacts import Contact
from logos_cli.structure.ligand.smiles import LigandSmiles, LigandSmilesResolver
from logos_cli.structure.ligands import find_ligands
from logos_cli.structure.model import StructureModel
from logos_cli.structure.read import explain
from logos_cli.structure.select import select_chains
from logos_cli.structure.sequence import MappedChain
from logos_cli.structure.types import Role, StructureFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SITE_FORMS = frozenset((Form.SITE, Form.EXPANDED, Form.TRANSFORMATION, Form.SEARCH))
_NEED_LIGAND = frozenset((Form.COMPLEX, Form.SITE, Form.EXPANDED, Form.TRANSFORMATION, Form.MOLECULE))
_BACKBONE_ATOMS = 5
_PDB_CODE = re.compile(r"[0-9][A-Za-z0-9]{3}|pdb_[0-9a-z]{8}", re.IGNORECASE)


@contextlib.contextmanager
def structure_reading(name: str) -> Iterator[None]:
    """Read a structure without garbage collection, and turn gemmi's errors on a damaged file into a reason.

    A structure makes many objects and no cycles, so that the collector would only take a fifth of the time.
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
        Ids of other structures in the file.

    Raises
    ------
    StructureError
        If the structure has nothing that the options select.
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
        yield from _entries(model, options, title, provenance, ids)
    except LogosError as error:
        raise error.at(source.name) from error


def _entries(
    model: StructureModel, options: ReadOptions, title: str, provenance: Source, ids: UniqueIds
) -> Iterator[Entry]:
    """Yield the entries of one model; their ids begin with the title: the PDB code, or the file's name."""
    ligands, receptors = find_ligands(model)
    wants_chains = options.form is Form.PROTEIN or bool(options.chains)
    chains = EntryChains(
        model,
        select_chains(model, model.chains if wants_chains else receptors, options.chains, options.numbering),
        options.sequence,
    )
    ligands = [each for each in ligands if chains.members.isdisjoint(residue.index for residue in each.residues)]
    writer = Provenance(model, options, provenance)
    if options.form is not Form.PROTEIN:
        choice = LigandChooser(model, ligands, chains, options).choose()
        if choice.own or choice.placed:
            yield from LigandEntries(chains, writer, title, ids).entries(choice)
            return
        if options.form in _NEED_LIGAND:
            raise why_no_ligand(model, ligands, options.numbering)
    if not chains:
        nucleic = model.residues.with_role(Role.NUCLEIC)
        raise StructureError(
            f"the structure has no protein chain ({'nucleic acid only' if nucleic else 'no amino-acid residues'})",
            source=model.name,
            hint="its ligands can be read with --as molecule" if ligands else None,
        )
    for mapped in chains:
        protein = Protein(mapped.sequence)
        item = Complex((protein,)) if options.form is Form.SEARCH else protein
        yield Entry(ids.take(f"{title}:{mapped.chain.name}"), item, writer.source([mapped]))


class LigandEntries:
    """Makes the entries of the chosen ligands of one model.

    Parameters
    ----------
    chains : EntryChains
    provenance : Provenance
    title : str
        Beginning of the ids.
    ids : UniqueIds
        Ids of other structures in the file.
    """

    def __init__(self, chains: EntryChains, provenance: Provenance, title: str, ids: UniqueIds) -> None:
        self._chains = chains
        self._provenance = provenance
        self._title = title
        self._ids = ids

    def entries(self, choice: Choice) -> Iterator[Entry]:
        """Yield the entries of molecules with coordinates of their own, then those of the structure's ligands."""
        for each in choice.placed:
            yield self._unread(each) if isinstance(each, LogosError) else self._placed(each)
        for ligand in choice.own:
            yield self._own(ligand)

    def _unread(self, error: LogosError) -> Entry:
        return Entry(self._ids.take(f"{self._title}:ligand"), None, self._provenance.file.copy(), error)

    def _placed(self, placed: PlacedMolecule) -> Entry:
        given = placed.molecule
        id = self._ids.take(f"{self._title}:{given.title.replace(' ', '_')}")
        described: LigandSource = {"title": given.title, "smiles": given.smiles, "origin": "file", "file": given.source}
        return self._entry(id, described, placed.contacts, placed.notes)

    def _own(self, own: OwnLigand) -> Entry:
        model = self._provenance.model
        first = own.ligand.residues[0]
        number = f":{first.number_text}" if first.has_number else ""
        id = self._ids.take(f"{self._title}:{first.chain}:{own.ligand.title}{number}")
        described = describe(model, own.ligand, own.contacts)
        try:
            smiles = self._smiles(own)
        except LogosError as error:
            if self._provenance.options.form not in _SITE_FORMS:
                return Entry(id, None, self._provenance.source(ligand=described), error.at(model.name))
            return self._entry(id, described, own.contacts.contacts, [error.message])
        described |= {"smiles": smiles.smiles, "origin": smiles.origin}
        if own.template is not None and own.template.source:
            described["file"] = own.template.source
        return self._entry(id, described, own.contacts.contacts, smiles.notes)

    def _smiles(self, own: OwnLigand) -> LigandSmiles:
        if own.template is not None:
            return LigandSmilesResolver(self._provenance.model, own.template.molecule).smiles(own.ligand)
        return self._resolver.smiles(own.ligand)

    @cached_property
    def _resolver(self) -> LigandSmilesResolver:
        return LigandSmilesResolver(self._provenance.model)

    def _entry(
        self, id: str, ligand: LigandSource, contacts: Mapping[int, Contact], notes: Sequence[str] = ()
    ) -> Entry:
        """Return the entry of a ligand; without a SMILES it is a site."""
        options = self._provenance.options
        if options.form is Form.MOLECULE:
            return Entry(id, Molecule(ligand["smiles"]), self._provenance.source(ligand=ligand, notes=notes))
        lining = self._chains.lining(contacts)
        notes = [*notes, *self._bare(lining)]
        source = self._provenance.source(lining, ligand, notes)
        if not lining:
            error = StructureError(
                f"no residue is within {options.cutoff_angstrom:g} Å of the ligand",
                source=self._provenance.model.name,
                hint="raise --cutoff",
            )
            return Entry(id, None, source, error)
        smiles = None if options.form in _SITE_FORMS else ligand["smiles"]
        return Entry(id, Complex(tuple(_with_site(each, contacts) for each in lining), smiles), source)

    @cached_property
    def _n_heavy_before(self) -> NDArray[np.intp]:
        """Number of heavy atoms before each atom of the model."""
        return np.concatenate(([0], np.cumsum(self._provenance.model.heavy)))

    def _bare(self, chains: Iterable[MappedChain]) -> list[str]:
        """Return notes on chains without side chains, whose sites lack residues that only a side chain brings near."""
        model = self._provenance.model
        notes = []
        for each in chains:
            members = np.asarray(each.chain.members)
            spans = np.stack((model.residues.first[members], model.residues.last[members]), axis=1)
            if np.median(np.diff(self._n_heavy_before[spans])) <= _BACKBONE_ATOMS:
                notes.append(
                    f"chain {each.chain.name} has hardly any side chains; its site is by the atoms that are there"
                )
        return notes


def _with_site(chain: MappedChain, contacts: Iterable[int]) -> Protein:
    places = chain.places()
    return Protein(chain.sequence, tuple(sorted(places[index] for index in contacts if index in places)))
