"""Assign roles to residues (chain, ligand, water): by the entities of an mmCIF file, else by names and bonds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

import gemmi
import numpy as np

from logos_cli.structure.atoms import AtomTable
from logos_cli.structure.distances import POLYMER_BOND_ANGSTROM
from logos_cli.structure.ligand.dictionary import component
from logos_cli.structure.residues import residue_names
from logos_cli.structure.residues.standard_names import heavy_names
from logos_cli.structure.types import Residue, Residues, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PEPTIDES = (gemmi.PolymerType.PeptideL, gemmi.PolymerType.PeptideD, gemmi.PolymerType.CyclicPseudoPeptide)
_NUCLEIC = (gemmi.PolymerType.Dna, gemmi.PolymerType.Rna, gemmi.PolymerType.DnaRnaHybrid)
_BACKBONE = ("N", "CA", "C")
_NUCLEIC_BACKBONE = ("P", "O5'", "C3'", "O3'")
_SUGAR = ("C3'", "C3*", "C1'", "C1*", "P")
_NOT_IN_WATER = np.zeros(256, dtype=np.int32)
_NOT_IN_WATER[[6, 7, 15, 16]] = 1
"""Elements that rule out water, although the residue has a name of water in a force field."""


def assign_roles(atoms: AtomTable) -> None:
    """Set the role of every residue of a model."""
    entities = _entity_roles(atoms)
    table = atoms.residues
    table.roles[:] = [entities.get(entity, Role.OTHER) for entity in table.entities]
    table.roles[_waters(atoms)] = Role.WATER
    if entities:
        _release_strays(atoms)
    else:
        _RoleInference(atoms).run()


def _release_strays(atoms: AtomTable) -> None:
    """Remove from the chains molecules that are listed with their entity but are not residues of them.

    A residue of a polymer has a number in its sequence (``label_seq_id``), or is a monomer bonded to a neighbour.
    """
    table = atoms.residues
    found = np.flatnonzero((table.roles == Role.PROTEIN) & np.array(table.hetero))
    if not len(found):
        return
    counts: dict[str, list[int]] = {}
    for entity, number in zip(table.entities, table.label_numbers, strict=True):
        counts.setdefault(entity, [0, 0])[number is not None] += 1
    bonds = _RoleInference(atoms)
    for index in found.tolist():
        residue = table[index]
        unnumbered, numbered = counts[table.entities[index]]
        foreign = residue.label_number is None and numbered > unnumbered
        if foreign or not (residue_names.is_amino_acid(residue.standard_name) or bonds.is_joined(index)):
            residue.set_role(Role.OTHER)
            atoms.notes.add(f"{residue} is no residue of the polymer that it is listed with")


def _waters(atoms: AtomTable) -> NDArray[np.intp]:
    """Return the residues that are water, whatever their entity is."""
    table = atoms.residues
    called = {name for name in set(table.names) if residue_names.is_water(name)}
    if not called:
        return np.zeros(0, np.intp)
    found = np.flatnonzero([name in called for name in table.names])
    others = np.concatenate(([0], np.cumsum(_NOT_IN_WATER[atoms.elements])))
    waters: NDArray[np.intp] = found[others[table.last[found]] == others[table.first[found]]]
    return waters


def _entity_roles(atoms: AtomTable) -> dict[str, Role]:
    """Return the roles of the polymer entities in an mmCIF file."""
    if atoms.file.block is None:
        return {}
    roles: dict[str, Role] = {}
    for entity in atoms.structure.entities:
        if entity.entity_type is not gemmi.EntityType.Polymer:
            continue
        kind = entity.polymer_type
        if kind not in _PEPTIDES and kind not in _NUCLEIC and entity.subchains:
            kind = atoms.model.get_subchain(entity.subchains[0]).check_polymer_type()
        roles[entity.name] = Role.PROTEIN if kind in _PEPTIDES else Role.NUCLEIC if kind in _NUCLEIC else Role.OTHER
    return roles


class _RoleInference:
    """Infers the roles of residues in files without entities: PDB, and some CIF.

    Residues with standard names in ATOM lines belong to a chain. Any other residue does if it is bonded like a monomer
    to a neighbour in a chain, or if MODRES or SEQRES name it for its chain and it has a backbone. TER lines are not
    used, because many programs write them after the ligands. Modified residues without neighbours, as in a pocket that was
    cut out of a structure, belong to a chain by their place in it (:class:`_LoneMonomers`).
    """

    def __init__(self, atoms: AtomTable) -> None:
        self.atoms = atoms
        self.residues = atoms.residues
        self.declared: set[tuple[str, str]] = set()

    def run(self) -> None:
        self.declared = self._declared_monomers()
        doubtful: list[int] = []
        for residue in self.residues:
            if residue.role is Role.WATER:
                continue
            if not residue.hetero and self._is_standard(residue):
                residue.set_role(Role.PROTEIN)
            elif not residue.hetero and residue_names.is_nucleotide(residue.name) and self._has_sugar(residue):
                residue.set_role(Role.NUCLEIC)
            else:
                doubtful.append(residue.index)
        for order in (doubtful, doubtful[::-1]):
            for index in order:
                residue = self.residues[index]
                if residue.role is Role.OTHER:
                    residue.set_role(self._role_by_bonds(index))
        self._join_peptides(doubtful)
        _LoneMonomers(self.atoms).run(doubtful)

    def _declared_monomers(self) -> set[tuple[str, str]]:
        """Return (chain, residue name) that SEQRES or MODRES name as part of a polymer."""
        structure = self.atoms.structure
        found = {(modified.chain_name, modified.res_id.name) for modified in structure.mod_residues}
        for entity in structure.entities:
            # gemmi gives the entity of a PDB chain the chain's name
            found.update((entity.name, name) for item in entity.full_sequence for name in item.split(","))
        # a standard residue in a HETATM line is a free amino acid, unless it is bonded to the chain
        return {(chain, name) for chain, name in found if name not in residue_names.STANDARD}

    def _is_standard(self, residue: Residue) -> bool:
        """Return whether a residue in ATOM lines belongs to a chain by its name; UNK is also a name of ligands."""
        if residue.standard_name in residue_names.INDEFINITE:
            return self.atoms.find_atom(residue, "CA") is not None
        return residue.standard_name in residue_names.STANDARD

    def _has_sugar(self, residue: Residue) -> bool:
        """Return whether a residue has an atom of the backbone of nucleic acids; A, U or DA are names of ligands, too."""
        return any(self.atoms.find_atom(residue, name) is not None for name in _SUGAR)

    def is_joined(self, index: int) -> bool:
        """Return whether a residue has a peptide bond to the one before or after it."""
        residues = self.residues[max(index - 1, 0) : index + 2]
        return any(one.chain == other.chain and self._bonded(one, "C", other, "N") for one, other in pairwise(residues))

    def _role_by_bonds(self, index: int) -> Role:
        residue = self.residues[index]
        before, after = (next(_along(self.residues, residue, step), None) for step in (-1, 1))
        for one, other in ((before, residue), (residue, after)):
            if one is None or other is None:
                continue
            role = (one if other is residue else other).role
            if role is Role.PROTEIN and self._bonded(one, "C", other, "N"):
                return role
            if role is Role.NUCLEIC and self._bonded(one, "O3'", other, "P"):
                return role
        beside_chain = any(near and near.role is Role.PROTEIN for near in (before, after))
        if beside_chain and (residue.chain, residue.name) in self.declared and self._is_monomer(residue):
            return Role.PROTEIN
        return Role.OTHER

    def _is_monomer(self, residue: Residue) -> bool:
        has_backbone = all(self.atoms.find_atom(residue, name) is not None for name in _BACKBONE)
        return has_backbone and residue_names.is_amino_acid(residue.standard_name)

    def _join_peptides(self, doubtful: list[int]) -> None:
        """Make a chain of amino acids in HETATM lines with bonds to each other only (cyclic peptides)."""
        for index in doubtful:
            if index + 1 == len(self.residues):
                continue
            one, other = self.residues[index], self.residues[index + 1]
            if (
                one.chain == other.chain
                and one.role is not Role.WATER
                and other.role is Role.OTHER
                and residue_names.is_amino_acid(one.standard_name)
                and residue_names.is_amino_acid(other.standard_name)
                and self._bonded(one, "C", other, "N")
            ):
                one.set_role(Role.PROTEIN)
                other.set_role(Role.PROTEIN)

    def _bonded(self, one: Residue, first: str, other: Residue, second: str) -> bool:
        ends = self.atoms.find_atom(one, first), self.atoms.find_atom(other, second)
        if ends[0] is None or ends[1] is None:
            return False
        positions = self.atoms.positions
        return bool(np.linalg.norm(positions[ends[0]] - positions[ends[1]]) < POLYMER_BOND_ANGSTROM)


def _along(residues: Residues, residue: Residue, step: int) -> Iterator[Residue]:
    """Yield the residues of the same chain in one direction of the file, without those that share its place."""
    index = residue.index + step
    while 0 <= index < len(residues) and (near := residues[index]).chain == residue.chain:
        if not near.has_number or (near.number, near.insertion) != (residue.number, residue.insertion):
            yield near
        index += step


_GAPS: Final = range(2, 21)
"""Steps of the number to a modified residue beyond the end of a cut chain."""


class _LoneMonomers:
    """Finds residues of chains among monomers that no bond, header or entity joins to one: MSE in a cut pocket.

    The file must not contradict: a label number where only polymers have one is proof, and none, or a label chain
    of its own, is proof to the contrary, as is a SEQRES that lacks it. Otherwise it must be a modified residue of the dictionary,
    with the backbone of a residue and without the atoms that only a free molecule has (OXT), and lie in the file and by
    its number between residues of its chain, or directly before the first or after the last of them; there the next number
    would be bonded, and a number far beyond is that of a ligand.
    """

    def __init__(self, atoms: AtomTable) -> None:
        self.atoms = atoms
        self.residues = atoms.residues
        self.sequenced = {entity.name for entity in atoms.structure.entities if entity.full_sequence}

    def run(self, doubtful: list[int]) -> None:
        found: list[Residue] = []
        for order in (doubtful, doubtful[::-1]):
            for index in order:
                residue = self.residues[index]
                if residue.role is Role.OTHER and (role := self._role(residue)) is not Role.OTHER:
                    residue.set_role(role)
                    if not residue.listed:
                        found.append(residue)
        if found:
            found.sort(key=lambda residue: residue.index)
            named = ", ".join(map(str, found[:3])) + (" …" if len(found) > 3 else "")
            what = "1 modified residue is" if len(found) == 1 else f"{len(found)} modified residues are"
            self.atoms.notes.add(f"{what} not bonded to a neighbour, and taken for part of the chain by place: {named}")

    def _role(self, residue: Residue) -> Role:
        """Return the role of the chain that a residue belongs to; OTHER if it belongs to none."""
        name = residue.standard_name
        role = residue_names.role_of_modified(name)
        if residue.listed and residue_names.is_amino_acid(name):
            role = Role.PROTEIN
        if role is Role.OTHER or residue.listed is False or (residue.chain in self.sequenced and not residue.listed):
            return Role.OTHER
        before, after = (self._nearest(residue, step) for step in (-1, 1))
        beside = [near for near in (before, after) if near is not None]
        if not beside or any(near.role is not role or near.label_chain != residue.label_chain for near in beside):
            return Role.OTHER
        if residue.listed:
            return role
        is_inside = before is not None and after is not None
        is_next = any(
            near.role is role and abs(near.number - residue.number) in _GAPS
            for step in (-1, 1)
            for near in islice(_along(self.residues, residue, step), 1)
        )
        fits = (is_inside or is_next) and self._is_in_order(before, residue, after) and self._is_residue(residue, role)
        return role if fits else Role.OTHER

    def _nearest(self, residue: Residue, step: int) -> Residue | None:
        """Return the nearest residue of the same chain in one direction of the file that is part of a polymer."""
        found = _along(self.residues, residue, step)
        return next((near for near in found if near.role in (Role.PROTEIN, Role.NUCLEIC)), None)

    def _is_in_order(self, *residues: Residue | None) -> bool:
        places = [(residue.number, residue.insertion) for residue in residues if residue is not None]
        return all(one < other for one, other in pairwise(places))

    def _is_residue(self, residue: Residue, role: Role) -> bool:
        """Return whether the heavy atoms are those of the component within a chain."""
        known = component(residue.standard_name)
        if known is None:
            return False
        names = heavy_names(self.atoms, residue.index)
        backbone = (*_BACKBONE, "O") if role is Role.PROTEIN else _NUCLEIC_BACKBONE
        return names.issuperset(backbone) and names <= {atom.name for atom in known.atoms if not atom.leaving}
