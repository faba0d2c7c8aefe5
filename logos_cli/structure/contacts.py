"""Find the residues that line a ligand, by gemmi's neighbour search over heavy atoms."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import gemmi
import numpy as np

from logos_cli.structure.model import StructureModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MARGIN_ANGSTROM = 0.01
_EDGE_ANGSTROM = 1e-6
_MAX_CELLS = 120
LONGEST_BOND_ANGSTROM = 2.4
BOND_TOLERANCE_ANGSTROM = 0.3
SHORTEST_BOND_ANGSTROM = 0.8
MAX_BONDS_BETWEEN_RESIDUES = 2


class Contact(NamedTuple):
    """The nearest approach of a residue to a ligand.

    ``atom`` (flat index) of the residue is nearest to row ``ligand_row`` of the ligand's positions. ``symmetry`` marks
    the approach of a crystallographic mate of the residue.
    """

    distance_angstrom: float
    atom: int
    ligand_row: int
    symmetry: bool = False


class Neighbours:
    """Neighbour search over the heavy atoms of a model.

    With ``symmetry``, atoms of crystallographic mates count; a mate's residue is the residue it is a copy of.
    """

    def __init__(self, model: StructureModel, cutoff_angstrom: float, symmetry: bool = False) -> None:
        self.model = model
        self.symmetry = symmetry
        self._box = model.positions.min(axis=0), model.positions.max(axis=0)
        extent = float((self._box[1] - self._box[0]).max())
        # memory grows with the cube of the grid's side; larger cells cost little time
        radius = max(cutoff_angstrom + _MARGIN_ANGSTROM, extent / _MAX_CELLS, 3.0)
        cell = model.structure.cell if symmetry else gemmi.UnitCell()
        self._search = gemmi.NeighborSearch(model.model, cell, radius).populate(include_h=False)
        sizes = [len(chain) for chain in model.model]
        self._chain_starts = np.cumsum([0, *sizes])
        self._first = model.residues.first

    def contacts(self, positions: NDArray[np.float64], radius_angstrom: float) -> dict[int, Contact]:
        """Return the residues with a heavy atom within the radius of any position: index -> nearest approach."""
        if self.symmetry:
            return self._periodic_contacts(positions, radius_angstrom)
        atoms, owners = self._candidates(positions, radius_angstrom)
        if not len(atoms):
            return {}
        # gemmi's search finds candidates; the exact comparison is made here, in double precision
        distances = distance_matrix(self.model.positions[atoms], positions)
        rows = distances.argmin(axis=1)
        nearest = distances[np.arange(len(atoms)), rows]
        near = np.flatnonzero(nearest <= radius_angstrom + _EDGE_ANGSTROM)
        near = near[np.argsort(-nearest[near], kind="stable")]  # the nearest comes last, so the dict keeps it
        columns = zip(
            owners[near].tolist(), nearest[near].tolist(), atoms[near].tolist(), rows[near].tolist(), strict=True
        )
        return {owner: Contact(distance, atom, row) for owner, distance, atom, row in columns}

    def _candidates(
        self, positions: NDArray[np.float64], radius_angstrom: float
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the atoms that may be within the radius of a position, and their residues."""
        low, high = self._box
        if (positions < low).any() or (positions > high).any():  # gemmi's grid ends with the model
            places = self.model.positions
            reach = positions.min(axis=0) - radius_angstrom, positions.max(axis=0) + radius_angstrom
            inside = ((places >= reach[0]) & (places <= reach[1])).all(axis=1)
            atoms = np.flatnonzero(inside & self.model.heavy)
            return atoms, np.searchsorted(self._first, atoms, side="right") - 1
        marks = {
            (mark.chain_idx, mark.residue_idx, mark.atom_idx)
            for centre, radius in _queries(positions, radius_angstrom)
            for mark in self._search.find_atoms(gemmi.Position(*centre), radius=radius + _MARGIN_ANGSTROM)
        }
        if not marks:
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        indices = np.array(list(marks), dtype=np.intp)
        owners = self._chain_starts[indices[:, 0]] + indices[:, 1]
        atoms = self._first[owners] + indices[:, 2]
        kept = self.model.heavy[atoms]
        return atoms[kept], owners[kept]

    def _periodic_contacts(self, positions: NDArray[np.float64], radius_angstrom: float) -> dict[int, Contact]:
        starts, first, heavy = self._chain_starts, self._first, self.model.heavy
        search = self._search
        result: dict[int, Contact] = {}
        for row, (x, y, z) in enumerate(positions.tolist()):
            here = gemmi.Position(x, y, z)
            for mark in search.find_atoms(here, radius=radius_angstrom + _MARGIN_ANGSTROM):
                residue = int(starts[mark.chain_idx]) + mark.residue_idx
                atom = int(first[residue]) + mark.atom_idx
                distance = search.dist(here, mark.pos)
                if not heavy[atom] or distance > radius_angstrom + _EDGE_ANGSTROM:
                    continue
                if residue not in result or distance < result[residue].distance_angstrom:
                    direct = float(np.linalg.norm(self.model.positions[atom] - positions[row]))
                    result[residue] = Contact(distance, atom, row, symmetry=direct > distance + 0.01)
        return result


def _queries(positions: NDArray[np.float64], radius_angstrom: float) -> list[tuple[list[float], float]]:
    """Return the spheres to search: one around all positions, or one around each if that is less space."""
    centre = (positions.min(axis=0) + positions.max(axis=0)) / 2
    radius = float(np.linalg.norm(positions - centre, axis=1).max()) + radius_angstrom
    if radius**3 <= len(positions) * radius_angstrom**3:
        return [(centre.tolist(), radius)]
    return [(position, radius_angstrom) for position in positions.tolist()]


def distance_matrix(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all distances (Å) between two sets of positions, shape (len(one), len(other)).

    Computed from dot products around a common centre, which is exact to 1e-6 Å for positions of one molecule.
    """
    centre = other.mean(axis=0)
    one, other = one - centre, other - centre
    squares = np.einsum("ij,ij->i", one, one)[:, None] + np.einsum("ij,ij->i", other, other)[None, :]
    squares -= 2.0 * (one @ other.T)
    result: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0.0))
    return result


@cache
def bond_radius(number: int) -> float:
    """Return the covalent radius of an element in Å; 0 for metals and unknown elements, which get no bonds here."""
    element = gemmi.Element(number)
    return 0.0 if element.is_metal or number == 0 else float(element.covalent_r)


def is_bond(one: int, other: int, distance_angstrom: float) -> bool:
    """Return whether two non-metal atoms (atomic numbers) at this distance are bonded."""
    radii = bond_radius(one), bond_radius(other)
    return bool(min(radii) > 0 and SHORTEST_BOND_ANGSTROM < distance_angstrom <= sum(radii) + BOND_TOLERANCE_ANGSTROM)


def bonds_between_residues(model: StructureModel, atoms: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return the bonds (flat atom indices) between atoms of different residues.

    Atoms of two different conformers are not bonded, and neither are two molecules in one place: they have many
    close atoms.
    """
    if len(atoms) < 2:
        return []
    owner = np.searchsorted(model.residues.first, atoms, side="right")
    positions, labels = model.positions[atoms], model.altlocs[atoms]
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for start in range(0, len(atoms), 512):
        rows = slice(start, start + 512)
        near = distance_matrix(positions[rows], positions) <= LONGEST_BOND_ANGSTROM
        near &= owner[rows, None] < owner[None, :]
        near &= (labels[rows, None] == labels) | (labels[rows, None] == 0) | (labels == 0)
        for row, column in np.argwhere(near).tolist():
            one, other = start + row, column
            distance = float(np.linalg.norm(positions[one] - positions[other]))
            numbers = int(model.elements[atoms[one]]), int(model.elements[atoms[other]])
            if distance <= SHORTEST_BOND_ANGSTROM or is_bond(*numbers, distance):
                pair = (int(owner[one]), int(owner[other]))
                found.setdefault(pair, []).append((int(atoms[one]), int(atoms[other])))
    return [bond for bonds in found.values() if len(bonds) <= MAX_BONDS_BETWEEN_RESIDUES for bond in bonds]
