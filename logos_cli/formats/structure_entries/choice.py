"""Choose the ligands of a structure that become entries: those that the options name, or the relevant ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import LogosError, StructureError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.structure_entries.chains import EntryChains
from logos_cli.structure.contacts import SHORTEST_BOND_ANGSTROM, Contact, Neighbours
from logos_cli.structure.ligand.user_molecule import UserMolecule, is_selection, read_given
from logos_cli.structure.ligands import Ligand, LigandContacts, is_additive, is_relevant, surroundings
from logos_cli.structure.model import StructureModel
from logos_cli.structure.residues.residue_names import MAX_PEPTIDE_LIGAND
from logos_cli.structure.select import listing, select_ligands


@dataclass(frozen=True, slots=True)
class OwnLigand:
    """A ligand of the structure, its contacts, and the user's molecule that defines its bonds."""

    ligand: Ligand
    contacts: LigandContacts
    template: UserMolecule | None = None


@dataclass(frozen=True, slots=True)
class PlacedMolecule:
    """A molecule of the user with coordinates of its own, and the protein residues in contact with them."""

    molecule: UserMolecule
    contacts: dict[int, Contact]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Choice:
    """The ligands to make entries of; ``placed`` has the error in place of a molecule that cannot be read."""

    own: list[OwnLigand] = field(default_factory=list)
    placed: list[PlacedMolecule | LogosError] = field(default_factory=list)


class LigandChooser:
    """Chooses ligands of one model.

    Parameters
    ----------
    model : StructureModel
    ligands : sequence of Ligand
        All ligands of the model, relevant or not.
    chains : EntryChains
        The chains that a ligand must be in contact with.
    options : ReadOptions
    """

    def __init__(
        self, model: StructureModel, ligands: Sequence[Ligand], chains: EntryChains, options: ReadOptions
    ) -> None:
        self._model = model
        self._ligands = ligands
        self._chains = chains
        self._options = options

    def choose(self) -> Choice:
        """Return the ligands that the options name; without a name, the relevant ones.

        Raises
        ------
        StructureError
            If there is no ligand of that name, or none with the atoms of the user's molecule.
        """
        text = self._options.ligand
        if text is None:
            return Choice(self._relevant())
        if is_selection(text):
            try:
                found = select_ligands(self._model, self._ligands, text, self._options.numbering)
            except StructureError:
                if ":" in text or not _is_smiles(text):
                    raise
            else:
                return Choice([OwnLigand(ligand, self._contacts_of(ligand)) for ligand in found])
        return self._given(read_given(text))

    def _relevant(self) -> list[OwnLigand]:
        if not self._chains:
            return []
        found = []
        for ligand in self._ligands:
            if is_additive(self._model, ligand):
                continue
            contacts = self._contacts_of(ligand)
            if is_relevant(self._model, ligand, self._chains.positions, contacts.bonds):
                found.append(OwnLigand(ligand, contacts))
        return found

    def _given(self, molecules: Sequence[UserMolecule | LogosError]) -> Choice:
        choice = Choice()
        for molecule in molecules:
            if isinstance(molecule, LogosError):
                choice.placed.append(molecule)
            elif molecule.positions is not None and (contacts := self._contacts_at(molecule.positions)):
                choice.placed.append(PlacedMolecule(molecule, contacts, self._peptides_at(molecule.positions)))
            else:
                choice.own += self._with_the_atoms_of(molecule)
        return choice

    def _with_the_atoms_of(self, molecule: UserMolecule) -> list[OwnLigand]:
        formula = sorted(molecule.numbers)
        same = [ligand for ligand in self._ligands if sorted(self._model.elements[ligand.atoms].tolist()) == formula]
        if not same:
            raise StructureError(
                f"no ligand of the structure has the heavy atoms of {molecule.smiles}"
                + ("" if molecule.positions is None else ", and its coordinates are not in contact with a protein"),
                source=self._model.name,
                hint=listing(self._ligands),
            )
        return [OwnLigand(ligand, self._contacts_of(ligand), molecule) for ligand in same]

    @cached_property
    def _neighbours(self) -> Neighbours:
        """The neighbour search, built when the first ligand needs it."""
        return Neighbours(self._model, self._options.cutoff_angstrom, self._options.symmetry)

    def _contacts_of(self, ligand: Ligand) -> LigandContacts:
        members, cutoff = self._chains.members, self._options.cutoff_angstrom
        return surroundings(self._model, self._neighbours, ligand, members, cutoff)

    def _peptides_at(self, positions: NDArray[np.float64]) -> tuple[str, ...]:
        """Return notes on short peptides that line a molecule, as ligands of the structure take no part in a site."""
        found = self._neighbours.contacts(positions, self._options.cutoff_angstrom)
        notes = []
        for ligand in self._ligands:
            near = [found[residue.index] for residue in ligand.residues if residue.index in found]
            # a peptide in the place of the molecule is the molecule
            if ligand.peptide and near and min(near).distance_angstrom >= SHORTEST_BOND_ANGSTROM:
                lining = [index for index in found if index in self._chains.members]
                names = dict.fromkeys(self._model.residues.chains[index] for index in sorted(lining))
                chains = " ".join(f"--chain {name}" for name in [*names, ligand.residues[0].chain])
                notes.append(
                    f"{len(near)} residue{'s' * (len(near) > 1)} of the peptide {ligand} lie{'s' * (len(near) == 1)} near the "
                    f"ligand, too; a peptide of at most {MAX_PEPTIDE_LIGAND} residues is a ligand itself: {chains} takes it in"
                )
        return tuple(notes)

    def _contacts_at(self, positions: NDArray[np.float64]) -> dict[int, Contact]:
        found = self._neighbours.contacts(positions, self._options.cutoff_angstrom)
        return {index: contact for index, contact in found.items() if index in self._chains.members}


def why_no_ligand(model: StructureModel, ligands: Sequence[Ligand], numbering: str) -> StructureError:
    """Return the error of a structure that gives no entry with a ligand."""
    if not model.chains:
        hint = "its ligands can be read with --as molecule" if ligands else None
        return StructureError("the structure has no protein chain", source=model.name, hint=hint)
    reason, hint = "the structure has no ligand", "give one with --ligand FILE.sdf"
    if ligands:
        reason, hint = (
            "the structure has no relevant ligand",
            f"choose one with --ligand; {listing(ligands, numbering)}",
        )
    hint += (
        "; or read the protein alone (encode --as protein), or take its best pocket (generate ligand --site predicted)"
    )
    return StructureError(reason, source=model.name, hint=hint)


def _is_smiles(text: str) -> bool:
    from logos_cli.chemistry.smiles import parse_smiles

    try:
        return bool(parse_smiles(text).GetNumAtoms() > 1)
    except LogosError:
        return False
