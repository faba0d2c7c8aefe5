"""Find the ligands of a structure, and the relevant ones among them.

A ligand is a residue that belongs to no chain, together with those it is bonded to (a glycan is one ligand), or
a peptide of at most :data:`.residue_names.MAX_PEPTIDE_LIGAND` residues beside a longer chain. A ligand is relevant, as
in P2Rank, if it has five heavy atoms or more, its centre is within 5.5 Å of a protein atom, and its names are not all
on the list of additives. Sugars that are bonded to the protein are glycosylation, not ligands.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.structure.contacts import (
    LONGEST_BOND_ANGSTROM,
    Contact,
    Neighbours,
    bond_radius,
    bonds_between_residues,
    is_bond,
)
from logos_cli.structure.ligand.dictionary import component
from logos_cli.structure.model import StructureModel
from logos_cli.structure.residues import residue_names
from logos_cli.structure.types import Chain, Residue, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_HEAVY_ATOMS = 5
MAX_CENTRE_DISTANCE_ANGSTROM = 5.5


@dataclass(slots=True)
class Ligand:
    """One ligand of a structure.

    Attributes
    ----------
    residues : list of Residue
        Its residues in file order; one for most ligands.
    atoms : ndarray of int
        Heavy atoms of the chosen conformer, as flat indices.
    links : list of (int, int)
        Bonds between its residues, as flat atom indices.
    peptide : bool
        Whether it is a chain of amino acids.
    """

    residues: list[Residue]
    atoms: NDArray[np.intp]
    links: list[tuple[int, int]] = field(default_factory=list)
    peptide: bool = False

    @property
    def names(self) -> list[str]:
        """Component ids of the residues."""
        return [residue.name for residue in self.residues]

    @property
    def title(self) -> str:
        """The name for messages and ids: the component, or the components joined by ``-``."""
        names = self.names
        return "-".join(names) if len(names) <= 4 else f"{'-'.join(names[:3])}-…"

    def __str__(self) -> str:
        first = self.residues[0]
        return f"{self.title} {first.chain}:{first.number_text}"


def find_ligands(model: StructureModel) -> tuple[list[Ligand], list[Chain]]:
    """Return the ligands of a model, relevant or not, and the chains that are not peptide ligands."""
    peptides, chains = _split_peptides(model)
    inside = {index for chain in peptides for index in chain.members}
    others = sorted({*model.residues.with_role(Role.OTHER), *inside})
    atoms = {index: found for index in others if len(found := model.atoms([index]))}
    groups = _Groups(atoms)
    links: list[tuple[int, int]] = []
    # ions have no bonds here; a lone atom of another element is a piece of a molecule
    many = [found for found in atoms.values() if len(found) > 1 or bond_radius(int(model.elements[found[0]]))]
    if len(many) > 1:
        links = bonds_between_residues(model, np.concatenate(many))
    owner = {atom: index for index, found in atoms.items() for atom in found.tolist()} if links else {}
    for one, other in links:
        groups.join(owner[one], owner[other])
    for chain in peptides:
        members = [index for index in chain.members if index in atoms]
        for index in members[1:]:
            groups.join(members[0], index)
    ligands = []
    for members in groups.sets():
        mine = [link for link in links if owner[link[0]] in members]
        whole = atoms[members[0]] if len(members) == 1 else np.concatenate([atoms[index] for index in members])
        residues = [model.residues[index] for index in members]
        ligands.append(Ligand(residues, whole, mine, not inside.isdisjoint(members)))
    return ligands, chains


def _split_peptides(model: StructureModel) -> tuple[list[Chain], list[Chain]]:
    longest = max((len(chain.members) for chain in model.chains), default=0)
    if longest <= residue_names.MAX_PEPTIDE_LIGAND:
        return [], model.chains
    short = [chain for chain in model.chains if len(chain.members) <= residue_names.MAX_PEPTIDE_LIGAND]
    peptides = [chain for chain in short if not _is_disulfide_bonded(model, chain)]
    return peptides, [chain for chain in model.chains if chain not in peptides]


def _is_disulfide_bonded(model: StructureModel, chain: Chain) -> bool:
    """Return whether a disulfide joins a short chain to another, as in chymotrypsin: it is part of the protein."""
    mine = set(chain.members)
    table = model.residues
    sulfurs = [
        (index, model.positions[atom])
        for index in table.with_role(Role.PROTEIN)
        if table.standards[index] == "CYS"
        for atom in [model.find_atom(table[index], "SG")]
        if atom is not None
    ]
    return any(
        np.linalg.norm(here - there) < 2.5
        for one, here in sulfurs
        if one in mine
        for other, there in sulfurs
        if other not in mine
    )


class _Groups:
    """Disjoint sets of residues, joined step by step."""

    def __init__(self, members: Iterable[int]) -> None:
        self._parent = {member: member for member in members}

    def _root(self, member: int) -> int:
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member

    def join(self, one: int, other: int) -> None:
        """Put two members into one set."""
        first, second = sorted((self._root(one), self._root(other)))
        self._parent[second] = first

    def sets(self) -> list[list[int]]:
        """Return the sets, each ascending, in the order of their first members."""
        found: dict[int, list[int]] = {}
        for member in sorted(self._parent):
            found.setdefault(self._root(member), []).append(member)
        return list(found.values())


@dataclass(slots=True)
class LigandContacts:
    """The contacts of a ligand.

    ``contacts`` has residues of the given chains only. ``bonds`` has the protein residues that it is bonded to,
    each with the ligand's atom (row of its positions).
    """

    contacts: dict[int, Contact]
    bonds: list[tuple[int, Contact]]


def surroundings(
    model: StructureModel, neighbours: Neighbours, ligand: Ligand, inside: Container[int], cutoff_angstrom: float
) -> LigandContacts:
    """Return the contacts of a ligand with the protein residues with indices ``inside``."""
    found = neighbours.contacts(model.positions[ligand.atoms], cutoff_angstrom)
    contacts = {index: contact for index, contact in found.items() if index in inside}
    bonds = [
        (index, contact)
        for index, contact in contacts.items()
        if contact.distance_angstrom < LONGEST_BOND_ANGSTROM
        and not contact.symmetry
        and is_bond(
            int(model.elements[contact.atom]),
            int(model.elements[ligand.atoms[contact.ligand_row]]),
            contact.distance_angstrom,
        )
    ]
    return LigandContacts(contacts, bonds)


def is_additive(model: StructureModel, ligand: Ligand) -> bool:
    """Return whether a ligand is too small, or an additive of P2Rank's list by its atoms and its name."""
    if len(ligand.atoms) < MIN_HEAVY_ATOMS:
        return True
    if not all(name in residue_names.IGNORED_LIGANDS for name in ligand.names):
        return False
    return all(_has_atoms_of(model, residue) for residue in ligand.residues)


def _has_atoms_of(model: StructureModel, residue: Residue) -> bool:
    """Return whether the heavy atoms of a residue have the names of its component's."""
    known = component(residue.name)
    names = {model.atom_name(atom) for atom in model.atoms([residue.index]).tolist()}
    return known is not None and names <= known.elements.keys()


def is_relevant(
    model: StructureModel, ligand: Ligand, protein: NDArray[np.float64], bonds: list[tuple[int, Contact]]
) -> bool:
    """Return whether a ligand is relevant.

    Parameters
    ----------
    protein : ndarray, shape (n_atoms, 3)
        Positions of the protein's heavy atoms, Å.
    bonds : list
        The bonds to the protein, from :func:`surroundings`.
    """
    if is_additive(model, ligand):
        return False
    if bonds and all(
        (each.name in residue_names.IGNORED_LIGANDS or residue_names.is_saccharide(each.name))
        and _has_atoms_of(model, each)
        for each in ligand.residues
    ):
        return False
    away = protein - model.positions[ligand.atoms].mean(axis=0)
    return bool((np.einsum("ij,ij->i", away, away) <= MAX_CENTRE_DISTANCE_ANGSTROM**2).any())
