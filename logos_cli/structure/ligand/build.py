"""Build one molecule of linked components, with corrected charges and metal bonds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem, rdBase

from logos_cli.errors import MoleculeError
from logos_cli.structure.ligand.chem_comp import AROMATIC
from logos_cli.structure.ligand.dictionary import Component

Position = tuple[float, float, float]

_ORDERS = {
    1: Chem.BondType.SINGLE,
    2: Chem.BondType.DOUBLE,
    3: Chem.BondType.TRIPLE,
    4: Chem.BondType.QUADRUPLE,
    5: Chem.BondType.AROMATIC,
}
NON_METALS = frozenset((1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 33, 34, 35, 36, 52, 53, 54, 85, 86))
_MOST_BONDS = {5: 3, 7: 3, 8: 2}
_PERIODIC = Chem.GetPeriodicTable()


@dataclass(frozen=True, slots=True)
class Fragment:
    """One residue of a ligand: its definition, and the positions of its atoms (Å)."""

    component: Component
    positions: Mapping[str, Position]


@dataclass(frozen=True, slots=True)
class Link:
    """A bond between two parts: (index of the part, atom name), twice."""

    first: tuple[int, str]
    second: tuple[int, str]


class Builder:
    """Builds one molecule of the atoms and bonds of all parts."""

    def __init__(self, parts: Sequence[Fragment], links: tuple[Link, ...]) -> None:
        self.parts = parts
        self.links = links
        self.index: dict[tuple[int, int], int] = {}
        self.positions: list[Position | None] = []
        self.stereo: list[str] = []
        self.bond_stereo: dict[tuple[int, int], str] = {}
        self.numbers: set[int] = set()

    def molecule(self) -> Chem.RWMol:
        """Return the molecule, without stereo and not sanitized."""
        molecule = Chem.RWMol()
        linked = {end for link in self.links for end in (link.first, link.second)}
        gone = {end: self._leaving(end) for end in linked}
        dropped = {(end[0], index) for end, index in gone.items() if index is not None}
        for number, part in enumerate(self.parts):
            for place, atom in enumerate(part.component.atoms):
                if (number, place) in dropped:
                    continue
                key = (number, atom.name)
                fewer = 1 if key in linked and gone[key] is None else 0
                added = Chem.Atom(atom.number)
                if atom.charge:
                    added.SetFormalCharge(atom.charge)
                added.SetNoImplicit(True)
                added.SetNumExplicitHs(max(0, atom.hydrogens - fewer))
                self.index[number, place] = molecule.AddAtom(added)
                self.positions.append(part.positions.get(atom.name))
                self.stereo.append(atom.stereo)
                self.numbers.add(atom.number)
            self._add_bonds(molecule, number)
        for link in self.links:
            molecule.AddBond(self._place(link.first), self._place(link.second), Chem.BondType.SINGLE)
        if not NON_METALS.issuperset(self.numbers):
            _relax_metal_bonds(molecule)
        if any(_has_onium(part.component) for part in self.parts):
            _charge_onium(molecule)
        return molecule

    def _add_bonds(self, molecule: Chem.RWMol, number: int) -> None:
        for bond in self.parts[number].component.bonds:
            first, second = self.index.get((number, bond.first)), self.index.get((number, bond.second))
            if first is None or second is None:
                continue
            molecule.AddBond(first, second, _ORDERS[bond.order])
            if bond.order == AROMATIC:
                for place in (first, second):
                    molecule.GetAtomWithIdx(place).SetIsAromatic(True)
            if bond.stereo in ("E", "Z"):
                self.bond_stereo[first, second] = bond.stereo

    def _place(self, end: tuple[int, str]) -> int:
        number, name = end
        names = [atom.name for atom in self.parts[number].component.atoms]
        return self.index[number, names.index(name)]

    def _leaving(self, end: tuple[int, str]) -> int | None:
        """Return the terminal atom without coordinates that a link at this atom replaces, or None.

        Not every definition marks its leaving atoms, so a missing neighbour with no other bond is taken.
        """
        number, name = end
        part = self.parts[number]
        atoms, bonds = part.component.atoms, part.component.bonds
        here = next(place for place, atom in enumerate(atoms) if atom.name == name)
        degrees = Counter(place for bond in bonds for place in (bond.first, bond.second))
        for bond in bonds:
            if here in (bond.first, bond.second) and bond.order == 1:
                other = bond.second if bond.first == here else bond.first
                if degrees[other] == 1 and atoms[other].name not in part.positions:
                    return other
        return None


def sanitize(molecule: Chem.RWMol, name: str) -> None:
    """Sanitize a molecule.

    Raises
    ------
    MoleculeError
        If RDKit does not accept the molecule.
    """
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(molecule)
        except (Chem.MolSanitizeException, RuntimeError) as error:
            raise MoleculeError(
                f"RDKit does not accept the bonds of {name}:  {str(error).splitlines()[0]}",
                hint="give the ligand's bond orders with --ligand FILE.sdf",
            ) from error


@lru_cache(maxsize=1024)
def _has_onium(definition: Component) -> bool:
    """Return whether a neutral N, O or B has more bonds than it can have, including those to metals."""
    valences = [atom.hydrogens for atom in definition.atoms]
    for bond in definition.bonds:
        order = 1 if bond.order == AROMATIC else bond.order
        valences[bond.first] += order
        valences[bond.second] += order
    return any(
        not atom.charge and valence > _MOST_BONDS.get(atom.number, 99)
        for atom, valence in zip(definition.atoms, valences, strict=True)
    )


def _valence(atom: Chem.Atom) -> int:
    return int(atom.GetNumExplicitHs() + sum(bond.GetValenceContrib(atom) for bond in atom.GetBonds()))


def _relax_metal_bonds(molecule: Chem.RWMol) -> None:
    """Make a bond to a metal dative if the donor's valence has no room for it."""
    for bond in list(molecule.GetBonds()):
        ends = (bond.GetBeginAtom(), bond.GetEndAtom())
        metals = [end for end in ends if end.GetAtomicNum() not in NON_METALS]
        if len(metals) != 1:
            continue
        donor = ends[0] if metals[0].GetIdx() == ends[1].GetIdx() else ends[1]
        if _valence(donor) > _room(donor):
            molecule.RemoveBond(donor.GetIdx(), metals[0].GetIdx())
            molecule.AddBond(donor.GetIdx(), metals[0].GetIdx(), Chem.BondType.DATIVE)


def _room(atom: Chem.Atom) -> int:
    """Return the highest valence of a donor with its charge."""
    number, charge = atom.GetAtomicNum(), atom.GetFormalCharge()
    highest = max(_PERIODIC.GetValenceList(number))
    if highest < 0:
        return 99
    return int(
        highest - charge if number in (5, 6, 14) and charge > 0 else highest + (charge if number != 6 else -abs(charge))
    )


def _charge_onium(molecule: Chem.RWMol) -> None:
    """Set the charges of neutral N with four bonds, O with three and B with four."""
    for atom in molecule.GetAtoms():
        number = atom.GetAtomicNum()
        if number not in _MOST_BONDS or atom.GetFormalCharge():
            continue
        valence = _valence(atom)
        if (number, valence) == (7, 5):
            _split_nitro(atom)
        elif (number, valence) in ((7, 4), (8, 3)):
            atom.SetFormalCharge(1)
        elif (number, valence) == (5, 4):
            atom.SetFormalCharge(-1)


def _split_nitro(atom: Chem.Atom) -> None:
    for bond in atom.GetBonds():
        other = bond.GetOtherAtom(atom)
        terminal = other.GetAtomicNum() == 8 and other.GetDegree() == 1
        if terminal and bond.GetBondType() == Chem.BondType.DOUBLE:
            bond.SetBondType(Chem.BondType.SINGLE)
            other.SetFormalCharge(-1)
            atom.SetFormalCharge(1)
            return
