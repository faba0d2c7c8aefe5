"""Perceive bonds and bond orders of a ligand without a definition, from the positions of its heavy atoms.

Near atoms are bonded. Angles and planar rings determine the atoms that may have a double bond. A small integer program
then chooses the double bonds: it prefers bonds that are short for a single bond, gives no carbon two, and fills planar
rings. Open valences are hydrogens, so acids are neutral.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import degrees

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from logos_cli import limits
from logos_cli.errors import MoleculeError
from logos_cli.structure.contacts import BOND_TOLERANCE_ANGSTROM, bond_radius, distance_matrix
from logos_cli.structure.ligand import chemistry
from logos_cli.structure.ligand.build import Position

_METAL_RADIUS_ANGSTROM = 1.4
_LENGTHS = {
    (6, 6): (1.51, 1.33, 1.20),
    (6, 7): (1.46, 1.28, 1.15),
    (6, 8): (1.41, 1.22, 1.13),
    (7, 7): (1.41, 1.25, 1.11),
    (7, 8): (1.40, 1.22, 1.06),
    (6, 16): (1.80, 1.67, 1.55),
    (8, 16): (1.62, 1.44, 1.40),
    (8, 15): (1.60, 1.48, 1.40),
    (7, 16): (1.66, 1.54, 1.44),
    (15, 16): (2.10, 1.93, 1.80),
}
"""Typical lengths in Å of single, double and triple bonds between the elements, by atomic number."""

_RING_BONUS = 0.35
_LINEAR_DEGREES = 160.0
_TRIGONAL_DEGREES = 114.0
_PLANAR_SUM_DEGREES = 350.0
_PLANAR_RING_ANGSTROM = 0.12
_ACIDS = frozenset((15, 16, 33, 34))
_SAME_PLACE_ANGSTROM = 0.4
_SHORTER_ANGSTROM = 0.1
_MANY_BONDS = 8
"""A molecule is refused if more than one of so many bonds is too short; if all its atoms lie in a plane, if one is."""
_NEVER_ALONE = frozenset(("C", "B", "P", "S", "[SiH4]", "[SeH2]"))
"""Atoms that are part of a larger molecule: alone, they lack their neighbours or have wrong coordinates."""


def connect(numbers: Sequence[int], positions: Sequence[Position]) -> Chem.RWMol:
    """Return the atoms with single bonds between those near enough; positions in Å.

    Raises
    ------
    MoleculeError
        If there are too many atoms for a ligand.
    """
    if len(numbers) > limits.PERCEIVED.value:
        raise MoleculeError(f"{len(numbers)} atoms are too many for a ligand", hint=limits.PERCEIVED.hint)
    molecule = Chem.RWMol()
    for number in numbers:
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
    places = np.array(positions, float).reshape(-1, 3)
    radii = np.array([bond_radius(number) or _METAL_RADIUS_ANGSTROM for number in numbers])
    distances = distance_matrix(places, places)
    near = (distances < radii[:, None] + radii[None, :] + BOND_TOLERANCE_ANGSTROM) & (distances > _SAME_PLACE_ANGSTROM)
    for one, other in np.argwhere(np.triu(near, 1)).tolist():
        molecule.AddBond(one, other, Chem.BondType.SINGLE)
    chemistry.set_conformer(molecule, positions)
    return molecule


def apply_template(numbers: Sequence[int], positions: Sequence[Position], template: Chem.Mol) -> str:
    """Return the SMILES of atoms with a template's bonds: bond orders from it, stereo from the positions.

    Raises
    ------
    MoleculeError
        If the atoms are not bonded as in the template.
    """
    target = connect(numbers, positions)
    plain = Chem.RWMol()
    for atom in template.GetAtoms():
        copy = Chem.Atom(atom.GetAtomicNum())
        copy.SetNoImplicit(True)
        plain.AddAtom(copy)
    for bond in template.GetBonds():
        plain.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    same_size = target.GetNumAtoms() == plain.GetNumAtoms()
    match = target.GetSubstructMatch(plain) if same_size else ()
    if len(match) != plain.GetNumAtoms():
        raise MoleculeError(
            f"the ligand ({target.GetNumAtoms()} heavy atoms) is not the given molecule ({plain.GetNumAtoms()})",
            hint="the heavy atoms and their bonds must be the same",
        )
    result = Chem.RWMol(template)
    chemistry.set_conformer(result, [positions[index] for index in match])
    Chem.AssignStereochemistryFrom3D(result)
    return chemistry.to_smiles(result)


def perceive(numbers: Sequence[int], positions: Sequence[Position]) -> str:
    """Return the canonical SMILES of atoms from their geometry alone.

    Raises
    ------
    MoleculeError
        If an atom has no known element, two atoms are at one place, the distances are those of several molecules
        or of no molecule in space, or RDKit does not accept the molecule.
    """
    if 0 in numbers:
        raise MoleculeError("an atom has no known element")
    places = np.array(positions, float).reshape(-1, 3)
    if (distance_matrix(places, places) + np.eye(len(places)) < _SAME_PLACE_ANGSTROM).any():
        raise MoleculeError("two of its atoms are at one place")
    geometry = _Geometry(connect(numbers, positions), np.array(positions, float))
    molecule = geometry.with_orders()
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(molecule)
        except (Chem.MolSanitizeException, RuntimeError) as error:
            raise MoleculeError(f"its geometry gives no molecule: {str(error).splitlines()[0]}") from error
        Chem.AssignStereochemistryFrom3D(molecule)
    geometry.check_lengths()
    smiles = chemistry.to_smiles(molecule)
    parts = sorted(smiles.split("."), key=len)
    if any(part in _NEVER_ALONE or Chem.MolFromSmiles(part).GetNumAtoms() > 1 for part in parts[:-1]):
        raise MoleculeError(f"its atoms are {len(parts)} molecules by their distances ({smiles})")
    return smiles


class _Geometry:
    """A connected skeleton in space."""

    def __init__(self, molecule: Chem.RWMol, places: NDArray[np.float64]) -> None:
        self.molecule = molecule
        self.places = places
        with rdBase.BlockLogs():
            Chem.FastFindRings(molecule)
            Chem.GetSymmSSSR(molecule)
        self.near = [[a.GetIdx() for a in atom.GetNeighbors()] for atom in molecule.GetAtoms()]
        self.numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
        rings = [list(ring) for ring in molecule.GetRingInfo().AtomRings()]
        self.flat_rings = [ring for ring in rings if len(ring) in (5, 6, 7) and self._is_flat(ring)]
        self.in_flat_ring = {atom for ring in self.flat_rings for atom in ring}

    def _is_flat(self, ring: list[int]) -> bool:
        points = self.places[ring] - self.places[ring].mean(axis=0)
        normal = np.linalg.svd(points)[2][2]
        return bool(np.abs(points @ normal).max() < _PLANAR_RING_ANGSTROM)

    def _angles(self, atom: int) -> list[float]:
        arms = self.places[self.near[atom]] - self.places[atom]
        arms /= np.linalg.norm(arms, axis=1, keepdims=True)
        return [
            degrees(float(np.arccos(np.clip(arms[i] @ arms[j], -1, 1)))) for i in range(len(arms)) for j in range(i)
        ]

    def _free(self, atom: int) -> int:
        """Return the number of double bonds that an atom can have (two for a linear carbon, as for a triple bond)."""
        number, degree = self.numbers[atom], len(self.near[atom])
        if number == 6:
            if degree == 1:
                return 2
            if degree == 2:
                angle = self._angles(atom)[0]
                if angle > _LINEAR_DEGREES:
                    return 2
                return int(angle > _TRIGONAL_DEGREES or atom in self.in_flat_ring)
            return int(degree == 3 and sum(self._angles(atom)) > _PLANAR_SUM_DEGREES)
        if number == 7:
            return 2 if degree == 1 else int(degree == 2)
        if number == 8:
            return int(degree == 1)
        return int(number in (16, 34) and degree == 1)

    def with_orders(self) -> Chem.RWMol:
        """Return the molecule with double and triple bonds, implicit hydrogens and the necessary charges."""
        molecule = self.molecule
        self._draw_acids()
        bonds = [bond for bond in molecule.GetBonds() if bond.GetBondType() == Chem.BondType.SINGLE]
        ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds]
        free = [
            self._free(atom) if self.numbers[atom] not in _ACIDS else int(len(self.near[atom]) == 1)
            for atom in range(len(self.numbers))
        ]
        taken = {
            atom
            for bond in molecule.GetBonds()
            if bond.GetBondType() == Chem.BondType.DOUBLE
            for atom in (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        }
        free = [0 if atom in taken else room for atom, room in enumerate(free)]
        candidates = [index for index, (one, other) in enumerate(ends) if free[one] and free[other]]
        orders = _best_orders(
            [ends[index] for index in candidates], [self._gains(*ends[index]) for index in candidates], free
        )
        for index, extra in zip(candidates, orders, strict=True):
            if extra:
                bonds[index].SetBondType(Chem.BondType.DOUBLE if extra == 1 else Chem.BondType.TRIPLE)
        for atom in molecule.GetAtoms():
            if atom.GetAtomicNum() in (5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53):
                atom.SetNoImplicit(False)
            if atom.GetAtomicNum() == 7 and atom.GetFormalCharge() == 0:
                valence = sum(int(bond.GetBondTypeAsDouble()) for bond in atom.GetBonds())
                if valence == 4:
                    atom.SetFormalCharge(1)
        return molecule

    def check_lengths(self) -> None:
        """Raise a :class:`MoleculeError` if bonds are shorter than any of their elements: other units, or a drawing."""
        table = Chem.GetPeriodicTable()
        is_flat = bool((np.ptp(self.places, axis=0) == 0).any())
        n_bonds = n_short = 0
        for bond in self.molecule.GetBonds():
            one, other = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            pair = self.numbers[one], self.numbers[other]
            usual = sum(table.GetRcovalent(number) for number in pair)
            _, double, triple = _LENGTHS.get((min(pair), max(pair)), (usual, usual - 0.2, usual - 0.3))
            shortest = (double if is_flat else triple) - _SHORTER_ANGSTROM
            n_bonds += 1
            n_short += float(np.linalg.norm(self.places[one] - self.places[other])) < shortest
        if n_short > (0 if is_flat else n_bonds // _MANY_BONDS):
            raise MoleculeError(f"{n_short} of its {n_bonds} bonds are too short for a molecule in space, in Å")

    def _draw_acids(self) -> None:
        """Draw P=O, S(=O)=O and nitro groups, as their bond lengths do not determine the orders."""
        for atom in self.molecule.GetAtoms():
            index, number = atom.GetIdx(), atom.GetAtomicNum()
            ends = [near for near in self.near[index] if self.numbers[near] == 8 and len(self.near[near]) == 1]
            ends.sort(key=lambda near: float(np.linalg.norm(self.places[near] - self.places[atom.GetIdx()])))
            n_double = 0
            if number == 7 and len(self.near[index]) == 3 and len(ends) == 2:
                n_double = 1
                atom.SetFormalCharge(1)
                self.molecule.GetAtomWithIdx(ends[1]).SetFormalCharge(-1)
            elif number in (15, 33) and len(self.near[index]) == 4:
                n_double = 1
            elif number in (16, 34) and len(self.near[index]) > 2:
                n_double = len(self.near[index]) - 2
            for near in ends[:n_double]:
                self.molecule.GetBondBetweenAtoms(index, near).SetBondType(Chem.BondType.DOUBLE)

    def _gains(self, one: int, other: int) -> tuple[float, float]:
        """Return the gains of a double and of a triple bond over a single one."""
        pair = tuple(sorted((self.numbers[one], self.numbers[other])))
        length = float(np.linalg.norm(self.places[one] - self.places[other]))
        single, double, triple = _LENGTHS.get((pair[0], pair[1]), (length, length - 0.2, length - 0.3))
        gain = (single - length) / (single - double) - 0.5
        if any(one in ring and other in ring for ring in self.flat_rings):
            gain += _RING_BONUS
        straight = all(len(self.near[end]) == 1 or self._angles(end)[0] > _LINEAR_DEGREES for end in (one, other))
        third = gain + 0.5 if straight and length < (double + triple) / 2 + 0.02 else -1.0
        return gain, third


def _best_orders(ends: list[tuple[int, int]], gains: list[tuple[float, float]], free: list[int]) -> list[int]:
    """Return 0, 1 or 2 extra bonds for each candidate, with the greatest gain."""
    if not ends:
        return []
    from scipy.optimize import Bounds, LinearConstraint, milp

    n_bonds = len(ends)
    matrix = np.zeros((len(free) + n_bonds, 2 * n_bonds))
    for index, (one, other) in enumerate(ends):
        for end in (one, other):
            matrix[end, index] = 1
            matrix[end, n_bonds + index] = 2
        matrix[len(free) + index, [index, n_bonds + index]] = 1
    limit = np.concatenate((np.minimum(free, 2), np.ones(n_bonds)))
    cost = -np.array([gain[0] for gain in gains] + [gain[1] for gain in gains])
    result = milp(
        cost,
        integrality=np.ones(2 * n_bonds),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, -np.inf, limit),
    )
    if result.x is None:
        raise MoleculeError("no bond orders satisfy the valences of the atoms")
    chosen = np.round(result.x).astype(int)
    return [int(extra) for extra in chosen[:n_bonds] + 2 * chosen[n_bonds:]]
