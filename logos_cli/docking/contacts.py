"""Contacts of a pose with residues, by the geometry of heavy atoms."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rdkit import Chem

from logos_cli.docking.receptor.preparation import Receptor, ResidueId
from logos_cli.records.parts import ContactPart
from logos_cli.structure.contacts import distance_matrix
from logos_cli.structure.distances import CONTACT_ANGSTROM

if TYPE_CHECKING:
    from numpy.typing import NDArray

HYDROGEN_BOND_ANGSTROM = 3.5
SALT_BRIDGE_ANGSTROM = 4.0
HYDROPHOBIC_ANGSTROM = 4.0
METAL_ANGSTROM = 2.8
CONTRADICTION = 0.5
"""A pose contradicts its prompt if the share of its contacts in the prompt's site is smaller than this."""

_CATIONS = {("LYS", "NZ"), ("ARG", "NE"), ("ARG", "NH1"), ("ARG", "NH2")}
_ANIONS = {("ASP", "OD1"), ("ASP", "OD2"), ("GLU", "OE1"), ("GLU", "OE2")}


@dataclass(frozen=True, slots=True)
class Contact:
    """A residue near a pose.

    Attributes
    ----------
    kinds : tuple of str
        ``hydrogen_bond``, ``salt_bridge``, ``hydrophobic``, ``metal``; empty if it is only near.
    """

    name: str
    residue: ResidueId
    distance_angstrom: float
    kinds: tuple[str, ...] = ()

    def to_json(self) -> ContactPart:
        """Return the contact as a part of a record."""
        found: ContactPart = {
            "residue": f"{self.name} {self.residue}",
            "distance_angstrom": round(self.distance_angstrom, 2),
        }
        if self.kinds:
            found["kinds"] = list(self.kinds)
        return found


@dataclass(frozen=True, slots=True)
class Consistency:
    """Agreement of a pose's contacts with the site that its ligand was made for.

    Attributes
    ----------
    in_site : float
        Share of the contact residues that belong to the site.
    covered : float
        Share of the site's residues that the pose touches.
    """

    in_site: float
    covered: float

    @property
    def contradicts(self) -> bool:
        """Whether the pose lies outside of its prompt's site."""
        return self.in_site < CONTRADICTION


class ContactFinder:
    """Finds contacts with one receptor."""

    def __init__(self, receptor: Receptor) -> None:
        self.positions, self._owners, self.residues = receptor.heavy
        atoms = [
            (residue.name, atom.name, atom.element)
            for chain in receptor.structure[0]
            for residue in chain
            for atom in residue
            if not atom.is_hydrogen()
        ]
        self._carbon = np.array([element.name == "C" for _, _, element in atoms])
        self._metal = np.array([element.is_metal for _, _, element in atoms])
        self._cation = np.array([(name, atom) in _CATIONS for name, atom, _ in atoms])
        self._anion = np.array([(name, atom) in _ANIONS for name, atom, _ in atoms])
        self._donor = np.array(
            [
                (element.name == "N" and (name, atom) != ("PRO", "N")) or _is_hydroxyl(name, atom)
                for name, atom, element in atoms
            ]
        )
        self._acceptor = np.array([element.name == "O" or (name, atom) in _HISTIDINE for name, atom, element in atoms])

    def find(self, pose: Chem.Mol, cutoff_angstrom: float = CONTACT_ANGSTROM) -> list[Contact]:
        """Return the residues with a heavy atom within the cut-off of a heavy atom of the pose, nearest first."""
        rows = [atom.GetIdx() for atom in pose.GetAtoms() if atom.GetAtomicNum() > 1]
        ligand: NDArray[np.float64] = np.array(pose.GetConformer().GetPositions())[rows]
        low, high = ligand.min(axis=0) - cutoff_angstrom, ligand.max(axis=0) + cutoff_angstrom
        near = np.flatnonzero(((self.positions >= low) & (self.positions <= high)).all(axis=1))
        if not len(near):
            return []
        distances = distance_matrix(self.positions[near], ligand)
        kinds = self._kinds(pose, rows, near, distances)
        nearest = distances.min(axis=1)
        found = []
        for owner in np.unique(self._owners[near[nearest <= cutoff_angstrom]]).tolist():
            mine = self._owners[near] == owner
            name, residue = self.residues[owner]
            found_kinds = tuple(kind for kind, mask in kinds.items() if mask[mine].any())
            found.append(Contact(name, residue, float(nearest[mine].min()), found_kinds))
        return sorted(found, key=lambda contact: (contact.distance_angstrom, contact.residue))

    def _kinds(
        self, pose: Chem.Mol, rows: list[int], near: NDArray[np.intp], distances: NDArray[np.float64]
    ) -> dict[str, NDArray[np.bool_]]:
        """Return for each kind which of the receptor's atoms have it."""
        atoms = [pose.GetAtomWithIdx(row) for row in rows]
        carbon = np.array([atom.GetAtomicNum() == 6 and not _is_polarised(atom) for atom in atoms])
        donor = np.array([atom.GetAtomicNum() in (7, 8) and _has_hydrogen(atom) for atom in atoms])
        acceptor = np.array([_accepts(atom) for atom in atoms])
        charge = np.array([_group_charge(atom) for atom in atoms])
        polar = donor | acceptor

        def pairs(mine: NDArray[np.bool_], theirs: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
            hits: NDArray[np.bool_] = np.any((distances <= limit) & mine[:, None] & theirs[None, :], axis=1)
            return hits

        bonded: NDArray[np.bool_] = np.logical_or(
            pairs(self._donor[near], acceptor, HYDROGEN_BOND_ANGSTROM),
            pairs(self._acceptor[near], donor, HYDROGEN_BOND_ANGSTROM),
        )
        salt: NDArray[np.bool_] = np.logical_or(
            pairs(self._cation[near], charge < 0, SALT_BRIDGE_ANGSTROM),
            pairs(self._anion[near], charge > 0, SALT_BRIDGE_ANGSTROM),
        )
        return {
            "hydrogen_bond": bonded,
            "salt_bridge": salt,
            "hydrophobic": pairs(self._carbon[near], carbon, HYDROPHOBIC_ANGSTROM),
            "metal": pairs(self._metal[near], polar, METAL_ANGSTROM),
        }


_HISTIDINE = {("HIS", "ND1"), ("HIS", "NE2")}


def _is_hydroxyl(residue: str, atom: str) -> bool:
    return (residue, atom) in {("SER", "OG"), ("THR", "OG1"), ("TYR", "OH"), ("HOH", "O")}


def _has_hydrogen(atom: Chem.Atom) -> bool:
    return bool(atom.GetTotalNumHs(includeNeighbors=True))


def _accepts(atom: Chem.Atom) -> bool:
    """Return whether an atom accepts hydrogen bonds: any O, and N with at most two bonds and no positive charge."""
    if atom.GetAtomicNum() == 8:
        return True
    if atom.GetAtomicNum() != 7 or atom.GetFormalCharge() > 0:
        return False
    return atom.GetTotalDegree() < 3


def _is_polarised(atom: Chem.Atom) -> bool:
    return any(near.GetAtomicNum() in (7, 8) for near in atom.GetNeighbors())


def _group_charge(atom: Chem.Atom) -> int:
    """Return the charge of an atom, or of the atom that it shares a charge with (carboxylate, guanidinium)."""
    if charge := atom.GetFormalCharge():
        return int(charge)
    if atom.GetAtomicNum() not in (7, 8):
        return 0
    for middle in atom.GetNeighbors():
        if middle.GetAtomicNum() not in (6, 15, 16):
            continue
        for other in middle.GetNeighbors():
            if other.GetIdx() != atom.GetIdx() and other.GetAtomicNum() == atom.GetAtomicNum():
                charge = int(other.GetFormalCharge())
                conjugated = not middle.GetIsAromatic() and middle.GetHybridization() != Chem.HybridizationType.SP3
                if charge and (conjugated or middle.GetAtomicNum() in (15, 16)):
                    return charge
    return 0


def consistency(contacts: Iterable[Contact], site: Collection[ResidueId]) -> Consistency | None:
    """Compare contacts with a site; return None if there is nothing to compare."""
    touched = {contact.residue for contact in contacts}
    wanted = set(site)
    if not touched or not wanted:
        return None
    both = len(touched & wanted)
    return Consistency(both / len(touched), both / len(wanted))
