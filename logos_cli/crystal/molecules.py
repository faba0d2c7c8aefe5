"""Write the SMILES of the finite organic pieces of a crystal."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from logos_cli.chemistry.bond_orders import Evidence, Skeleton, in_canonical_order, perceive
from logos_cli.crystal.distances import is_metal
from logos_cli.crystal.geometry import (
    LINEAR_DEGREES,
    angles_between,
    hydrogens_on_carbon,
    hydrogens_on_nitrogen,
    suggested_order,
)
from logos_cli.errors import MoleculeError, StructureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from logos_cli.crystal.bonds import BondGraph
    from logos_cli.crystal.cell import UnitCell
    from logos_cli.crystal.fragments import Piece

_MOST_SHOWN: Final = 8
_HYDROGEN_CARRIERS: Final = frozenset(("N", "O", "S", "P", "F", "Cl", "Br", "I"))
_NEUTRAL: Final = tuple(Evidence(0, 4.0, cost) for cost in (0.5, 2.0))
"""Search for a neutral molecule by the lengths of its bonds, with a low and a high cost of added hydrogens."""
_AMINE: Final = 3
_CH_BOND_ANGSTROM: Final = 1.09
_ROOM_ANGSTROM: Final = 1.75
_CH_ANGSTROM: Final = 1.27
_CH2_ANGSTROM: Final = 1.42
"""Longest bonds of a carbon that ends a triple bond (one hydrogen) or a double bond (two hydrogens)."""


_CARBON_ION: Final = re.compile(r"\[[Cc]H?\d?[+-]\]")
_ONIUM: Final = re.compile(r"\[(?:[Oo]|F|Cl|Br)H?\d?\+\]|\[SH\d?\+\]|\[NH?-[23]\]")


def formula(symbols: Iterable[str]) -> str:
    """Return the Hill formula of atoms: carbon, hydrogen, then the others by alphabet."""
    counts = Counter(symbols)
    first = [symbol for symbol in ("C", "H") if symbol in counts] if "C" in counts else []
    rest = sorted(symbol for symbol in counts if symbol not in first)
    return " ".join(symbol + (str(counts[symbol]) if counts[symbol] > 1 else "") for symbol in first + rest)


class OpenHydrogensError(StructureError):
    """A molecule lacks hydrogens, and its bonds do not show where."""


class FragmentReader:
    """Writes the SMILES of organic pieces; equal pieces are computed once.

    Attributes
    ----------
    notes : list of str
        Notes on added atoms and assumptions.
    """

    def __init__(self, atoms: UnitCell, graph: BondGraph) -> None:
        self.atoms, self.graph = atoms, graph
        self.notes: list[str] = []
        self._known: dict[Skeleton, str] = {}
        self._has_metals = any(map(is_metal, atoms.elements))

    def smiles(self, piece: Piece) -> str:
        """Return the canonical SMILES of a finite piece, without stereo.

        Raises
        ------
        StructureError
            If its atoms make no molecule; the error names them.
        """
        skeleton = self._skeleton(piece)
        plain = in_canonical_order(replace(skeleton, orders=()))
        if plain not in self._known:
            try:
                self._known[plain] = self._perceive(piece, skeleton)
            except StructureError:
                completed = self._skeleton(piece, fill=True)
                if completed == skeleton:
                    raise
                self._known[plain] = self._perceive(piece, completed)
                skeleton = completed
        if sum(skeleton.n_hydrogens) > sum(len(self.graph.hydrogens[atom]) for atom in piece.atoms):
            self.note("hydrogens on carbon are missing from the file and were added by geometry")
        return self._known[plain]

    def neutral_smiles(self, piece: Piece) -> str:
        """Return the canonical SMILES of a finite piece as an uncharged molecule, with the hydrogens that it needs.

        Bond lengths decide between an acid and a ketone, an amine and an imine.

        Raises
        ------
        StructureError
            If its atoms make no molecule without a charge, or if bond lengths do not decide between several.
        """
        lacking = frozenset(
            atom for atom in piece.atoms if self.atoms.elements[atom] in _HYDROGEN_CARRIERS and self._may_lack(atom)
        )
        found: dict[str, None] = {}
        for evidence in _NEUTRAL:
            try:
                smiles = self._perceive(piece, self._skeleton(piece, lacking=lacking), evidence)
            except StructureError:
                smiles = self._perceive(piece, self._skeleton(piece, fill=True, lacking=lacking), evidence)
            found[smiles] = None
        if len(found) > 1:
            raise OpenHydrogensError(
                f"hydrogens are missing, and bond lengths do not decide where: {' or '.join(found)}",
                hint="add the hydrogens",
            )
        return next(iter(found))

    def _may_lack(self, atom: int) -> bool:
        """Return whether an atom may lack hydrogens: it has none, and is not in a nitro group, N-oxide or tertiary amine."""
        elements, around = self.atoms.elements, self.graph.organic
        nitrogens = [i for i in (atom, *self.graph.organic_indices(atom)) if elements[i] == "N"]
        is_end = elements[atom] == "N" or (elements[atom] == "O" and len(around[atom]) == 1)
        is_full = is_end and any(len(around[i]) >= _AMINE for i in nitrogens if elements[atom] == "O" or i == atom)
        return not self.graph.hydrogens[atom] and not is_full

    def _lacking(self, piece: Piece) -> frozenset[int]:
        """Return the oxygen and sulfur atoms that end a chain and bind neither hydrogen nor metal: hydroxyl, thiol.

        Those of carboxylates and similar groups, which share a carbon, are left out.
        """
        found: list[tuple[int, int]] = []
        for atom in piece.atoms if self._has_metals else ():
            around = list(self.graph.organic[atom])
            is_end = len(around) == 1 and not self.graph.hydrogens[atom] and not self.graph.contacts[atom]
            if is_end and self.atoms.elements[atom] in {"O", "S"} and self.atoms.elements[around[0][0]] == "C":
                found.append((atom, around[0][0]))
        carbons = Counter(carbon for _, carbon in found)
        return frozenset(atom for atom, carbon in found if carbons[carbon] == 1)

    def _skeleton(
        self, piece: Piece, extra: int | None = None, fill: bool = False, lacking: frozenset[int] | None = None
    ) -> Skeleton:
        """Return the skeleton of a piece; hydrogens are added if none of its carbons has any, or with ``fill``."""
        number = {atom: n for n, atom in enumerate(piece.atoms)}
        xyz = self.positions(piece)
        bonds = tuple((number[a], number[b]) for a in piece.atoms for b, _ in self.graph.organic[a] if a < b)
        elements = tuple(self.atoms.elements[atom] for atom in piece.atoms)
        counts = [len(self.graph.hydrogens[atom]) for atom in piece.atoms]
        if self.is_bare(piece) or (fill and self._only_lacks_hydrogens(piece)):
            missing = self._missing_hydrogens(piece, elements, counts, xyz)
            counts = [n + more for n, more in zip(counts, missing, strict=True)]
        if extra is not None:
            counts[number[extra]] += 1
        orders = tuple(suggested_order(elements[a], elements[b], xyz[a], xyz[b]) for a, b in bonds)
        lacking = self._lacking(piece) if lacking is None else lacking
        flags = tuple(atom in lacking for atom in piece.atoms) if lacking else ()
        return Skeleton(elements, tuple(counts), bonds, orders, flags)

    def _perceive(self, piece: Piece, skeleton: Skeleton, evidence: Evidence | None = None) -> str:
        try:
            smiles = perceive(skeleton, evidence=evidence) if evidence else perceive(skeleton)
        except MoleculeError as error:
            raise self._broken(piece, skeleton, error.message) from error
        carbons = [atom for atom in piece.atoms if self.atoms.elements[atom] == "C"]
        if _CARBON_ION.search(smiles) and not any(self.graph.contacts[atom] for atom in carbons):
            raise self._broken(piece, skeleton, f"a carbon has an open valence: {smiles}")
        if _ONIUM.search(smiles) and "[C-]#[O+]" not in smiles:
            raise self._broken(
                piece, skeleton, f"an oxygen, sulfur, nitrogen or halogen has a valence that it cannot have: {smiles}"
            )
        if evidence is not None:
            return smiles
        if skeleton.lacking and _n_hydrogens(smiles) > sum(skeleton.n_hydrogens):
            self.note("hydrogens on oxygens or sulfurs that bind no metal are missing from the file and were added")
        nitrogens = [atom for atom in piece.atoms if self.atoms.elements[atom] == "N"]
        if not any(self.graph.contacts[atom] for atom in nitrogens):
            protonated = _protonated(smiles)
            if protonated != smiles:
                self.note("hydrogens on nitrogens that bind no metal are missing from the file and were added")
            return protonated
        return smiles

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def is_bare(self, piece: Piece) -> bool:
        """Return whether a piece with carbon has no hydrogen on any carbon."""
        carbons = [atom for atom in piece.atoms if self.atoms.elements[atom] == "C"]
        return bool(carbons) and not any(self.graph.hydrogens[atom] for atom in carbons)

    def _only_lacks_hydrogens(self, piece: Piece) -> bool:
        """Return whether only hydrogens are missing: carbons with hydrogens have all their other neighbours."""
        for atom in piece.atoms:
            lengths = list(self.graph.organic[atom].values())
            n_hydrogens = len(self.graph.hydrogens[atom])
            if self.atoms.elements[atom] == "C" and n_hydrogens and len(lengths) == 1:
                most = _CH_ANGSTROM if n_hydrogens == 1 else _CH2_ANGSTROM
                if n_hydrogens < 3 and lengths[0] > most:
                    return False
        return not any(self._is_obstructed(piece, atom) for atom in self._open_carbons(piece))

    def _is_obstructed(self, piece: Piece, carbon: int) -> bool:
        """Return whether heavy atoms leave no room for a hydrogen on a carbon, so that another atom is missing."""
        xyz = self.positions(piece)
        number = {atom: n for n, atom in enumerate(piece.atoms)}
        around = [number[other] for other, _ in self.graph.organic[carbon]]
        vectors = xyz[around] - xyz[number[carbon]]
        direction = -(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).sum(axis=0)
        hydrogen = xyz[number[carbon]] + _CH_BOND_ANGSTROM * direction / max(np.linalg.norm(direction), 1e-6)
        apart = self.atoms.fractional - hydrogen @ np.linalg.inv(self.atoms.matrix)
        apart -= np.round(apart)
        near = np.flatnonzero(np.linalg.norm(apart @ self.atoms.matrix, axis=1) < _ROOM_ANGSTROM)
        return any(self.atoms.elements[i] != "H" and i != carbon for i in near.tolist())

    def protonated_forms(self, piece: Piece) -> list[str]:
        """Return the SMILES of a piece with one more hydrogen, on each of its O and N atoms in turn."""
        found = []
        for atom in piece.atoms:
            if self.atoms.elements[atom] in {"O", "N"}:
                try:
                    found.append(perceive(self._skeleton(piece, extra=atom)))
                except MoleculeError:
                    continue
        return found

    def _broken(self, piece: Piece, skeleton: Skeleton, reason: str) -> StructureError:
        symbols = [*skeleton.elements, *["H"] * sum(skeleton.n_hydrogens)]
        suspects = [self.atoms.labels[atom] for atom in self._open_carbons(piece)]
        shown = list(dict.fromkeys(suspects or [self.atoms.labels[atom] for atom in piece.atoms]))
        names = ", ".join(shown[:_MOST_SHOWN]) + (", …" if len(shown) > _MOST_SHOWN else "")
        where = f"see {names}, with too few neighbours" if suspects else f"atoms {names}"
        return StructureError(
            f"the organic part {formula(symbols)} ({where}) is no molecule: {reason}",
            hint="an atom or hydrogen is missing, or disordered parts overlap: correct the file",
        )

    def _open_carbons(self, piece: Piece) -> list[int]:
        """Return the carbons that lack a neighbour by their angles."""
        xyz = self.positions(piece)
        number = {atom: n for n, atom in enumerate(piece.atoms)}
        found = []
        for atom in piece.atoms:
            around = self.graph.organic[atom]
            n_neighbours = len(around) + len(self.graph.hydrogens[atom]) + len(self.graph.contacts[atom])
            if self.atoms.elements[atom] != "C" or n_neighbours > 2:
                continue
            vectors = xyz[[number[other] for other, _ in around]] - xyz[number[atom]]
            if len(around) < 2 or angles_between(vectors)[0] < LINEAR_DEGREES:
                found.append(atom)
        return found

    def positions(self, piece: Piece) -> NDArray[np.float64]:
        """Return Cartesian coordinates in Å of an unwrapped piece, shape (n, 3)."""
        shifts = np.array([piece.shifts[atom] for atom in piece.atoms], dtype=float)
        return np.asarray((self.atoms.fractional[list(piece.atoms)] + shifts) @ self.atoms.matrix)

    def _missing_hydrogens(
        self, piece: Piece, elements: tuple[str, ...], counts: list[int], xyz: NDArray[np.float64]
    ) -> list[int]:
        """Return the number of hydrogens, by the geometry, of each atom that has none."""
        bare = self.is_bare(piece)
        number = {atom: n for n, atom in enumerate(piece.atoms)}
        missing = []
        for n, atom in enumerate(piece.atoms):
            around = [number[other] for other, _ in self.graph.organic[atom]]
            vectors = xyz[around] - xyz[n]
            if counts[n] or not around or (not bare and len(around) > 2):
                missing.append(0)
            elif elements[n] == "C" and not self.graph.contacts[atom]:
                missing.append(hydrogens_on_carbon([elements[i] for i in around], vectors))
            elif elements[n] == "N" and not self.graph.contacts[atom]:
                missing.append(hydrogens_on_nitrogen(vectors))
            else:
                missing.append(0)
        return missing


def _n_hydrogens(smiles: str) -> int:
    from rdkit import Chem

    return sum(atom.GetTotalNumHs() for atom in Chem.MolFromSmiles(smiles).GetAtoms())


def read_molecule(reader: FragmentReader, piece: Piece, *, neutral: bool = False) -> str:
    """Return the canonical SMILES of a whole molecule with the stereo of its coordinates.

    Parameters
    ----------
    neutral : bool
        Add hydrogens so that the molecule has no charge.

    Raises
    ------
    StructureError
        If the piece is endless or makes no molecule.
    """
    from rdkit import Chem
    from rdkit.Geometry import Point3D

    from logos_cli.chemistry.geometry_marks import drop_impossible_marks

    labels = ", ".join(reader.atoms.labels[atom] for atom in piece.atoms[:6])
    if piece.loops:
        raise StructureError(
            f"the atoms {labels}, … form an endless network, not a molecule",
            hint="covalent frameworks and inorganic networks cannot be written as a SMILES",
        )
    members = set(piece.atoms) | {h for atom in piece.atoms for h in reader.graph.hydrogens[atom]}
    if any(a in members and b in members for a, b, _ in reader.graph.clashes):
        raise StructureError(f"atoms of the molecule {labels}, … overlap", hint="remove the minor part of the disorder")
    smiles = reader.neutral_smiles(piece) if neutral else reader.smiles(piece)
    if len(piece.atoms) == 1:
        return smiles
    molecule = Chem.MolFromSmiles(smiles)
    number = {atom: n for n, atom in enumerate(piece.atoms)}
    query = Chem.RWMol()
    for atom in piece.atoms:
        query.AddAtom(Chem.AtomFromSmarts(f"[#{Chem.Atom(reader.atoms.elements[atom]).GetAtomicNum()}]"))
    for a in piece.atoms:
        for b, _ in reader.graph.organic[a]:
            if a < b:
                query.AddBond(number[a], number[b], Chem.BondType.UNSPECIFIED)
    bare = Chem.RWMol(molecule)
    for bond in bare.GetBonds():
        bond.SetBondType(Chem.BondType.UNSPECIFIED)
        bond.SetIsAromatic(False)
    match = bare.GetSubstructMatch(query)
    if len(match) != len(piece.atoms):
        return smiles
    conformer = Chem.Conformer(len(match))
    for place, xyz in zip(match, reader.positions(piece).tolist(), strict=True):
        conformer.SetAtomPosition(place, Point3D(*xyz))
    molecule.AddConformer(conformer)
    Chem.AssignStereochemistryFrom3D(molecule)
    drop_impossible_marks(molecule)
    return str(Chem.MolToSmiles(molecule))


def _protonated(smiles: str) -> str:
    """Return a molecule with NH instead of azolate and amide anions; azide and similar anions stay."""
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles)
    azolates = molecule.GetSubstructMatches(Chem.MolFromSmarts("[$([n-]),$([N-]([#6])[#6]);!$(N-S);!$(NC#N)]"))
    imidates = molecule.GetSubstructMatches(Chem.MolFromSmarts("[O-;X1][C;X3]=[N;X2][#6]"))
    for oxygen, carbon, nitrogen, _ in imidates:
        molecule.GetAtomWithIdx(oxygen).SetFormalCharge(0)
        molecule.GetBondBetweenAtoms(oxygen, carbon).SetBondType(Chem.BondType.DOUBLE)
        molecule.GetBondBetweenAtoms(carbon, nitrogen).SetBondType(Chem.BondType.SINGLE)
    for index in [index for (index,) in azolates] + [match[2] for match in imidates]:
        atom = molecule.GetAtomWithIdx(index)
        atom.SetFormalCharge(0)
        atom.SetNumExplicitHs(1)
    if not azolates and not imidates:
        return smiles
    Chem.SanitizeMol(molecule)
    return str(Chem.MolToSmiles(Chem.MolFromSmiles(Chem.MolToSmiles(molecule))))
