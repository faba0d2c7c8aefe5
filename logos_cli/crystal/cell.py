"""Read the atoms of one unit cell, with expanded symmetry and one alternative of each disordered part."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import gemmi
import numpy as np

from logos_cli import limits
from logos_cli.crystal.distances import count_clashes, is_metal
from logos_cli.crystal.sites import AtomSite, formula_of, read_sites
from logos_cli.crystal.symmetry import Expansion, Operations, symmetry_operations
from logos_cli.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SAME_SITE_ANGSTROM: Final = 0.5
"""Two positions of one element at this distance are one atom, written twice or split by disorder."""
_MIN_VOLUME_PER_ATOM: Final = 1.0
_FULL_OCCUPANCY: Final = 0.99
_STRAIGHT_DEGREES: Final = 180.0
_MIN_THICKNESS_ANGSTROM: Final = 1.0


@dataclass(slots=True)
class UnitCell:
    """All atoms of one cell.

    Attributes
    ----------
    labels, elements : list of str
        Label in the file (images by symmetry share it) and element symbol of every atom; deuterium is H.
    fractional : ndarray, shape (n, 3)
        Fractional coordinates, from 0 to 1.
    occupancy : ndarray, shape (n,)
        Fraction of cells with the atom.
    matrix : ndarray, shape (3, 3)
        Rows are the cell vectors in Å: ``fractional @ matrix`` is Cartesian.
    cell : gemmi.UnitCell
        Lengths in Å and angles in degrees.
    space_group : str
        Hermann-Mauguin symbol of the file, or empty.
    notes : list of str
        Notes on what was chosen, merged or left out.
    formula : mapping
        ``_chemical_formula_sum`` as counts by element; empty if the file has none.
    groups : list of (str, int)
        Disorder assembly and group of every atom; group 0 is none.
    places : ndarray of int, shape (n,)
        Number of every atom in the cell before any was dropped.
    """

    labels: list[str]
    elements: list[str]
    fractional: NDArray[np.float64]
    occupancy: NDArray[np.float64]
    matrix: NDArray[np.float64]
    cell: Any
    space_group: str
    notes: list[str] = field(default_factory=list)
    formula: Mapping[str, float] = field(default_factory=dict)
    groups: list[tuple[str, int]] = field(default_factory=list)
    places: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.places = np.arange(len(self.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the atoms where ``mask`` is False."""
        self.groups = [group for group, kept in zip(self.groups, mask, strict=True) if kept]
        self.labels = [label for label, kept in zip(self.labels, mask, strict=True) if kept]
        self.elements = [symbol for symbol, kept in zip(self.elements, mask, strict=True) if kept]
        self.fractional = self.fractional[mask]
        self.occupancy = self.occupancy[mask]
        self.places = self.places[mask]


def read_unit_cell(block: Any) -> UnitCell:
    """Return the atoms of the unit cell in a CIF data block.

    Raises
    ------
    StructureError
        If the cell, the symmetry or the atoms are missing or make no sense.
    """
    try:
        small = gemmi.make_small_structure_from_block(block)
    except (ValueError, RuntimeError) as error:
        raise StructureError(
            f"a value of the data block cannot be used: {error}", hint="correct it in the file"
        ) from error
    cell = _checked_cell(block, small)
    notes: list[str] = []
    sites = read_sites(block, small, notes)
    matrix = np.array(cell.orth.mat.tolist(), dtype=float).T

    def n_atoms(operations: Operations) -> int:
        return len(_expand(sites, operations, matrix)[0])

    def n_clashes(operations: Operations) -> int:
        elements, positions, _ = _expand(sites, operations, matrix)
        return count_clashes(elements, positions, matrix)

    operations = symmetry_operations(block, small, Expansion(n_atoms, n_clashes), notes)
    elements, positions, owners = _expand(sites, operations, matrix)
    if cell.volume < _MIN_VOLUME_PER_ATOM * len(elements):
        raise StructureError(
            f"{len(elements)} atoms cannot fit into a unit cell of {cell.volume:.1f} Å³",
            hint="check the cell lengths and the symmetry operations",
        )
    occupancy = np.array([sites[owner].occupancy for owner in owners])
    space_group = (small.spacegroup_hm or "").strip()
    labels = [sites[owner].label for owner in owners]
    groups = [(sites[owner].assembly, max(0, sites[owner].group)) for owner in owners]
    formula = formula_of(block)
    _check_elements(formula, elements, notes)
    return UnitCell(labels, elements, positions, occupancy, matrix, cell, space_group, notes, formula, groups)


def _check_elements(formula: Mapping[str, float], elements: Sequence[str], notes: list[str]) -> None:
    """Note elements of the file's formula that no atom has: solvent that was not refined.

    Raises
    ------
    StructureError
        If one of them is a metal.
    """
    missing = sorted(set(formula) - {*elements, "H"})
    if metals := [symbol for symbol in missing if is_metal(symbol)]:
        raise StructureError(
            f"the formula of the file has {', '.join(metals)}, but no atom has",
            hint="atoms are missing from the file, or the formula is wrong",
        )
    if missing:
        notes.append(f"the formula of the file has {', '.join(missing)}, but no atom has")


def _expand(
    sites: Sequence[AtomSite], operations: Operations, matrix: NDArray[np.float64]
) -> tuple[list[str], NDArray[np.float64], list[int]]:
    """Return elements, fractional coordinates and sites of all atoms of the cell.

    Raises
    ------
    StructureError
        If there are more than there may be (:data:`logos_cli.limits.CELL`).
    """
    elements: list[str] = []
    owners: list[int] = []
    positions = []
    rotations = np.array([operation.rot for operation in operations]) / gemmi.Op.DEN
    shifts = np.array([operation.tran for operation in operations]) / gemmi.Op.DEN
    most = limits.CELL.value
    for number, site in enumerate(sites):
        images = _distinct_images(rotations @ np.array(site.fractional) + shifts, matrix)
        if len(elements) + len(images) > most:
            raise StructureError(
                f"the unit cell has more than {limits.CELL.text} atoms",
                hint=f"give the primitive cell, check the symmetry operations, or {limits.CELL.hint}",
            )
        elements += [site.element] * len(images)
        owners += [number] * len(images)
        positions.append(images)
    return elements, np.concatenate(positions), owners


def _checked_cell(block: Any, small: Any) -> Any:
    tags = (
        "_cell_length_a",
        "_cell_length_b",
        "_cell_length_c",
        "_cell_angle_alpha",
        "_cell_angle_beta",
        "_cell_angle_gamma",
    )
    raw = {tag: block.find_value(tag) for tag in tags}
    missing = [tag for tag, value in raw.items() if value is None]
    if missing:
        raise StructureError(
            f"the data block has no unit cell: {', '.join(missing)} missing",
            hint="add the six cell parameters, or check that the file is complete",
        )
    cell = small.cell
    values = (cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma, cell.volume)
    numbers = [gemmi.cif.as_number(value) for value in raw.values()]
    lengths_ok = all(math.isfinite(value) and value > 0 for value in (*values, *numbers))
    thickness = _thinnest(cell) if lengths_ok and max(values[3:6]) < _STRAIGHT_DEGREES else 0.0
    if thickness < _MIN_THICKNESS_ANGSTROM:
        shown = ", ".join(map(str, raw.values()))
        raise StructureError(f"the unit cell is impossible: {shown}", hint="correct the cell parameters")
    return cell


def _thinnest(cell: Any) -> float:
    """Return the smallest distance between opposite faces of a cell, in Å."""
    matrix = np.array(cell.orth.mat.tolist(), dtype=float)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < _MIN_VOLUME_PER_ATOM:
        return 0.0
    return float(1 / np.linalg.norm(np.linalg.inv(matrix), axis=1).max())


def _distinct_images(fractional: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distinct images of one site, wrapped into the cell."""
    wrapped = fractional - np.floor(fractional)
    if len(wrapped) == 1:
        return wrapped
    apart = wrapped[:, None] - wrapped[None]
    apart -= np.round(apart)
    near = np.linalg.norm(apart @ matrix, axis=2) < SAME_SITE_ANGSTROM
    kept: list[int] = []
    for i in range(len(wrapped)):
        if not near[i, kept].any():
            kept.append(i)
    return wrapped[kept]


def is_full(occupancy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which atoms are fully occupied."""
    return np.asarray(occupancy >= _FULL_OCCUPANCY)
