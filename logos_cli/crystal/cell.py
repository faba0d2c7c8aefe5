"""The atoms of one unit cell: symmetry expanded, one alternative of a disordered part chosen."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import gemmi
import numpy as np

from logos_cli.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_ATOMS: Final = 50_000
"""Larger cells are refused: no crystal of molecules has one, and a wrong symmetry easily makes one."""
SAME_SITE_ANGSTROM: Final = 0.5
"""Two positions of one element this close are one atom, written twice or split by disorder."""
_MIN_VOLUME_PER_ATOM: Final = 1.0
_WATER_ATOMS: Final = frozenset(("OW", "HW"))
"""Atom types of water in files written by simulation programs."""
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
        Fraction of cells in which the atom is there.
    matrix : ndarray, shape (3, 3)
        Rows are the cell vectors in Å: ``fractional @ matrix`` is Cartesian.
    cell : gemmi.UnitCell
        Lengths in Å and angles in degrees.
    space_group : str
        Hermann-Mauguin symbol as in the file; empty if the file names none.
    notes : list of str
        What was chosen, merged or left out, in words.
    """

    labels: list[str]
    elements: list[str]
    fractional: NDArray[np.float64]
    occupancy: NDArray[np.float64]
    matrix: NDArray[np.float64]
    cell: Any
    space_group: str
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the atoms where ``mask`` is False."""
        self.labels = [label for label, kept in zip(self.labels, mask, strict=True) if kept]
        self.elements = [symbol for symbol, kept in zip(self.elements, mask, strict=True) if kept]
        self.fractional = self.fractional[mask]
        self.occupancy = self.occupancy[mask]


def read_unit_cell(block: Any) -> UnitCell:
    """Return the atoms of the unit cell that a CIF data block describes.

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
    sites = _usable_sites(block, small, notes)
    operations = _operations(small, notes)
    matrix = np.array(cell.orth.mat.tolist(), dtype=float).T
    labels: list[str] = []
    elements: list[str] = []
    occupancy: list[float] = []
    positions = []
    rotations = np.array([operation.rot for operation in operations]) / gemmi.Op.DEN
    shifts = np.array([operation.tran for operation in operations]) / gemmi.Op.DEN
    for site in sites:
        images = _distinct_images(rotations @ np.array(site.fract.tolist()) + shifts, matrix)
        if len(labels) + len(images) > MAX_ATOMS:
            raise StructureError(
                f"the unit cell holds more than {MAX_ATOMS:,} atoms",
                hint="give the primitive cell, and check the symmetry operations",
            )
        labels += [site.label] * len(images)
        elements += ["H" if site.element.name == "D" else site.element.name] * len(images)
        occupancy += [min(site.occ, 1.0)] * len(images)
        positions.append(images)
    if cell.volume < _MIN_VOLUME_PER_ATOM * len(labels):
        raise StructureError(
            f"{len(labels)} atoms cannot fit into a unit cell of {cell.volume:.1f} Å³",
            hint="check the cell lengths and the symmetry operations",
        )
    space_group = (small.spacegroup_hm or "").strip()
    return UnitCell(labels, elements, np.concatenate(positions), np.array(occupancy), matrix, cell, space_group, notes)


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


def _usable_sites(block: Any, small: Any, notes: list[str]) -> list[Any]:
    """Return the sites that are atoms with a position, of one disorder alternative."""
    if not len(small.sites):
        raise StructureError(
            "the data block has a unit cell but no atoms with fractional coordinates",
            hint="give the CIF with the refined structure",
        )
    assemblies = _column(block, "_atom_site_disorder_assembly", len(small.sites))
    flags = _column(block, "_atom_site_calc_flag", len(small.sites))
    raw = _column(block, "_atom_site_fract_x", len(small.sites))
    sites, kept_assemblies, unplaced, empty = [], [], 0, 0
    for site, assembly, flag, fract in zip(small.sites, assemblies, flags, raw, strict=True):
        if flag == "dum":
            continue
        if not all(math.isfinite(value) for value in site.fract.tolist()):
            if fract in {"?", "."}:
                unplaced += 1
                continue
            raise StructureError(
                f"atom {site.label} has coordinates that are not numbers", hint="correct or remove this atom"
            )
        if site.element.atomic_number == 0 and site.type_symbol.upper() in _WATER_ATOMS:
            site.element = gemmi.Element(site.type_symbol[0])
        if site.element.atomic_number == 0:
            raise StructureError(
                f"atom {site.label} has the unknown element {site.type_symbol or site.label!r}",
                hint="correct _atom_site_type_symbol",
            )
        if site.occ <= 0 or not math.isfinite(site.occ):
            empty += 1
            continue
        sites.append(site)
        kept_assemblies.append(assembly)
    if unplaced:
        notes.append(f"{unplaced} atoms of the file have no coordinates")
    if empty:
        notes.append(f"{empty} atoms of the file have no occupancy")
    if not sites:
        raise StructureError("no atom of the data block has coordinates", hint="check that the file is complete")
    return _one_alternative(sites, kept_assemblies, notes)


def _column(block: Any, tag: str, length: int) -> list[str]:
    values = list(block.find_values(tag))
    return values if len(values) == length else [""] * length


def _one_alternative(sites: Sequence[Any], assemblies: Sequence[str], notes: list[str]) -> list[Any]:
    """Keep, of the groups of each disorder assembly, the one with the highest occupancy."""
    weight: dict[str, Counter[int]] = {}
    count: Counter[tuple[str, int]] = Counter()
    for site, assembly in zip(sites, assemblies, strict=True):
        if site.disorder_group > 0:
            weight.setdefault(assembly, Counter())[site.disorder_group] += site.occ
            count[assembly, site.disorder_group] += 1
    best = {
        assembly: max(groups, key=lambda group: (groups[group] / count[assembly, group], -group))
        for assembly, groups in weight.items()
    }
    kept = [
        site
        for site, assembly in zip(sites, assemblies, strict=True)
        if site.disorder_group <= 0 or site.disorder_group == best[assembly]
    ]
    if len(kept) < len(sites):
        notes.append(
            f"disorder: {len(sites) - len(kept)} atoms of minor alternatives left out "
            f"(kept the group of highest occupancy of each assembly)"
        )
    return kept


def _operations(small: Any, notes: list[str]) -> list[Any]:
    if len(small.symops):
        try:
            return [gemmi.Op(text) for text in small.symops]
        except (RuntimeError, ValueError) as error:
            raise StructureError(
                f"a symmetry operation cannot be read: {error}", hint="correct _space_group_symop_operation_xyz"
            ) from error
    if small.spacegroup is not None:
        return list(small.spacegroup.operations())
    name = small.spacegroup_hm or small.spacegroup_hall
    if name and name.replace(" ", "").upper() != "P1":
        raise StructureError(
            f"the space group {name!r} is not known and the file lists no symmetry operations",
            hint="add _space_group_symop_operation_xyz",
        )
    if not name:
        notes.append("the file has no symmetry: taken as P 1, all atoms listed")
    return [gemmi.Op("x,y,z")]


def _distinct_images(fractional: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the images of one site without the repeats at a special position, wrapped into the cell."""
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
    """Whether atoms are there in every cell."""
    return np.asarray(occupancy >= _FULL_OCCUPANCY)
