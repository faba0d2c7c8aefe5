"""Known binding sites of proteins: residues, and in structures the ligands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError, LogosError
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from logos_cli.io.paths import expand_paths
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Source
from logos_cli.structure import read as reading
from logos_cli.structure import sequence as sequences
from logos_cli.structure.contacts import Neighbours
from logos_cli.structure.distances import CONTACT_ANGSTROM
from logos_cli.structure.ligands import Ligand, find_ligands, is_relevant, surroundings
from logos_cli.structure.model import StructureModel
from logos_cli.structure.sequence import MappedChain
from logos_cli.structure.site_centre import site_centre
from logos_cli.structure.types import Chain

Floats = NDArray[np.float64]
Sequences = tuple[str, ...]
Sites = tuple[tuple[int, ...], ...]

_CONTACT_ANGSTROM: Final = 4.0
"""P2Rank's ``ligand_protein_contact_distance``: a relevant ligand has a protein atom within this distance."""


@dataclass(frozen=True, slots=True)
class KnownChain:
    """One chain of a structure, with its observed and its deposited sequence.

    Attributes
    ----------
    sites : dict
        Positions of the residues around relevant ligands, in each of the two sequences.
    """

    name: str
    sites: dict[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class KnownStructure:
    """A structure with its relevant ligands.

    Attributes
    ----------
    path, sha256 : str
        The file.
    ligands : tuple of ndarray, shape (n_atoms, 3)
        Heavy atoms of each relevant ligand, Å.
    titles : tuple of str
        Names of the ligands: ``HEM A:142``.
    """

    path: str
    sha256: str | None
    chains: tuple[KnownChain, ...]
    ligands: tuple[Floats, ...]
    titles: tuple[str, ...]

    def chain_of(self, sequence: str, name: str | None = None) -> int | None:
        """Return the index of the chain with a sequence: of several the one with that name, or else the first."""
        numbers = [number for number, chain in enumerate(self.chains) if sequence in chain.sites]
        return next((number for number in numbers if self.chains[number].name == name), next(iter(numbers), None))


@dataclass(slots=True)
class SiteTruth:
    """The known sites of the proteins of a set.

    Attributes
    ----------
    sites : dict
        Positions of the residues around a ligand in any entry, by sequence.
    structures : list of KnownStructure
        Structures with a relevant ligand.
    """

    sites: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    structures: list[KnownStructure] = field(default_factory=list)
    _by_sequence: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add_structure(self, structure: KnownStructure) -> None:
        """Add a structure."""
        number = len(self.structures)
        self.structures.append(structure)
        for chain in structure.chains:
            for sequence, places in chain.sites.items():
                self.sites[sequence] |= places
                if number not in self._by_sequence[sequence]:
                    self._by_sequence[sequence].append(number)

    def add_protein(self, protein: Protein) -> None:
        """Add a chain with tagged residues."""
        self.sites[protein.sequence] |= set(protein.site)

    def structure_of(self, chains: Sequences, source: Source) -> int | str:
        """Return the index of the structure with these chains, or the reason why it is unknown.

        Of several such structures, the record's source decides.
        """
        numbers = set(range(len(self.structures)))
        for chain in chains:
            numbers &= set(self._by_sequence.get(chain, ()))
        if not numbers:
            return "no structure with these sequences has a relevant ligand"
        if len(numbers) > 1:
            named = {number for number in numbers if _is_named(self.structures[number], source)}
            numbers = named or numbers
        if len(numbers) > 1:
            return f"{len(numbers)} structures have these sequences, and the record names none of them"
        return min(numbers)


def _is_named(structure: KnownStructure, source: Source) -> bool:
    if structure.sha256 is not None and source.get("sha256") == structure.sha256:
        return True
    return PurePath(structure.path).name == PurePath(str(source.get("path", ""))).name


@lru_cache(4)
def site_truth(truth: ReferenceSet) -> SiteTruth:
    """Return the sites of a set: of structures, or of proteins with tagged residues.

    Raises
    ------
    InputError
        If it has no site.
    """
    sites = SiteTruth()
    for path in expand_paths([truth.path]):
        try:
            _add_file(sites, path)
        except LogosError as error:
            raise error.at(path) from error
    if not sites.sites:
        raise InputError(
            "the right answers have no binding site",
            source=truth.path,
            hint="give structures with ligands, or records of sites (logos encode --as search)",
        )
    return sites


def _add_file(sites: SiteTruth, path: str) -> None:
    with closing(Input(path)) as source:
        format = detect(source)
        if format.name == "structure":
            structure = read_structure(source)
            if structure.ligands:
                sites.add_structure(structure)
            return
        for entry in format.read(source, ReadOptions()):
            if isinstance(entry.item, Complex):
                for chain in entry.item.chains:
                    sites.add_protein(chain)


def read_structure(source: Input, cutoff_angstrom: float = CONTACT_ANGSTROM) -> KnownStructure:
    """Return the relevant ligands of a structure's first model and the residues around them.

    A ligand is relevant, after P2Rank, if it has five heavy atoms or more, one of them within 4 Å of the protein, its
    centre within 5.5 Å of the protein, and is not in the list of additives.

    Raises
    ------
    InputError
        If the file is not a structure.
    """
    model = _model(source)
    ligands, chains = find_ligands(model)
    inside = frozenset(index for chain in chains for index in chain.members)
    lined: set[int] = set()
    relevant: list[Ligand] = []
    if inside:
        protein = model.positions_of(inside)
        neighbours = Neighbours(model, cutoff_angstrom)
        for ligand in ligands:
            contacts = surroundings(model, neighbours, ligand, inside, cutoff_angstrom)
            near = min((contact.distance_angstrom for contact in contacts.contacts.values()), default=np.inf)
            if near <= _CONTACT_ANGSTROM and is_relevant(model, ligand, protein, contacts.bonds):
                relevant.append(ligand)
                lined |= contacts.contacts.keys()
    known = tuple(KnownChain(chain.name, _sites(model, chain, lined)) for chain in chains)
    positions = tuple(np.array(model.positions[ligand.atoms]) for ligand in relevant)
    return KnownStructure(source.name, source.sha256, known, positions, tuple(map(str, relevant)))


def _model(source: Input) -> StructureModel:
    try:
        return StructureModel(reading.load(source.read(), source.name), source.name)
    except (RuntimeError, ValueError, IndexError) as error:  # gemmi raises these for a damaged file
        raise reading.explain(error, source.name) from error


def _sites(model: StructureModel, chain: Chain, lined: set[int]) -> dict[str, frozenset[int]]:
    return {mapped.sequence: frozenset(_places(mapped, lined)) for mapped in _mapped_chains(model, chain)}


def _mapped_chains(model: StructureModel, chain: Chain) -> tuple[MappedChain, MappedChain]:
    return sequences.full(model, chain), sequences.observed(model, chain)


def _places(mapped: MappedChain, lined: set[int]) -> Iterator[int]:
    return (place for place, index in enumerate(mapped.members) if index in lined)


@dataclass(frozen=True, slots=True)
class ChainAtoms:
    """Heavy atoms of a structure's chains.

    Attributes
    ----------
    protein : ndarray, shape (n_atoms, 3)
        Atoms of all chains, Å.
    residues : tuple of dict
        For each chain, by sequence, the atoms of each residue, shape (n_atoms, 3); no rows for a residue without
        coordinates.
    """

    protein: Floats
    residues: tuple[dict[str, list[Floats]], ...]


@lru_cache(4)
def chain_atoms(path: str) -> ChainAtoms:
    """Return the atoms of the chains of a structure, in the order of :func:`read_structure`."""
    with closing(Input(path)) as source:
        model = _model(source)
    _, chains = find_ligands(model)
    nothing = np.zeros((0, 3))

    def atoms_of(index: int | None) -> Floats:
        return nothing if index is None else np.asarray(model.positions[model.atoms([index])])

    residues = tuple(
        {mapped.sequence: [atoms_of(index) for index in mapped.members] for mapped in _mapped_chains(model, chain)}
        for chain in chains
    )
    inside = {index for chain in chains for index in chain.members}
    return ChainAtoms(model.positions_of(inside), residues)


@lru_cache(64)
def centre_of(
    truth: ReferenceSet, number: int, chains: Sequences, sites: Sites, names: Sequences = ()
) -> tuple[float, ...] | None:
    """Return the centre (Å) of the residues of a predicted site; None if no residue has coordinates.

    Parameters
    ----------
    number : int
        Index of the structure in the set.
    chains, sites : tuples
        Sequences, and the positions of the site in each.
    names : tuple of str
        Names of the chains, if known, which decide between several copies.
    """
    structure = site_truth(truth).structures[number]
    atoms = chain_atoms(structure.path)
    site_atoms: list[Floats] = []
    for place, (sequence, site) in enumerate(zip(chains, sites, strict=True)):
        chain = structure.chain_of(sequence, names[place] if place < len(names) else None)
        if chain is not None:
            residues = atoms.residues[chain][sequence]
            site_atoms += [residues[index] for index in site if len(residues[index])]
    return tuple(map(float, site_centre(site_atoms, atoms.protein))) if site_atoms else None
