"""Compare a CIF with pymatgen's reading of it: symmetry, occupancies, oxidation states."""

from __future__ import annotations

import io
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import gemmi
import numpy as np

from logos_cli.crystal.cell import UnitCell, read_unit_cell
from logos_cli.errors import FormatError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

_SAME_ANGSTROM: Final = 0.3
_SAME_COUNT: Final = 0.02
_ISOTOPES: Final = {"D": "H", "T": "H"}


def second_opinion(block: Any) -> list[str]:
    """Compare the atoms of a data block (gemmi) with pymatgen's reading of it.

    Returns
    -------
    list of str
        A sentence for each difference; empty if the two agree.

    Raises
    ------
    StructureError
        If the block has no crystal.
    """
    atoms = read_unit_cell(block)
    found: list[str] = []
    try:
        other = _read_by_pymatgen(block)
    except FormatError as error:
        return [f"pymatgen does not read the crystal: {error.message}"]
    sites = gemmi.make_small_structure_from_block(block).sites
    if {site.label for site in sites} == set(atoms.labels):  # no alternative was left out
        found += _counts(atoms, other)
    found += _places(atoms, other)
    return found + _oxidation_states(sites, other)


def _read_by_pymatgen(block: Any) -> Structure:
    from pymatgen.io.cif import CifParser

    document = gemmi.cif.Document()
    document.add_copied_block(block)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parser = CifParser(io.StringIO(document.as_string()))
            return parser.parse_structures(primitive=False, on_error="raise")[0]
        except Exception as error:  # pymatgen raises errors of all kinds
            raise FormatError(" ".join(str(error).split())[:200] or type(error).__name__) from error


def _counts(atoms: UnitCell, other: Structure) -> list[str]:
    """Compare the atoms of each element in the cell, by occupancy."""
    ours: dict[str, float] = defaultdict(float)
    theirs: dict[str, float] = defaultdict(float)
    for symbol, occupancy in zip(atoms.elements, atoms.occupancy, strict=True):
        ours[symbol] += float(occupancy)
    for site in other:
        for species, occupancy in site.species.items():
            theirs[_ISOTOPES.get(species.symbol, species.symbol)] += float(occupancy)
    return [
        f"pymatgen reads {theirs[symbol]:.6g} {symbol} in the cell, logos {ours[symbol]:.6g} (symmetry or occupancy)"
        for symbol in sorted({*ours, *theirs})
        if abs(ours[symbol] - theirs[symbol]) > _SAME_COUNT * max(1.0, ours[symbol])
    ]


def _places(atoms: UnitCell, other: Structure) -> list[str]:
    """Count the atoms without one at the same place in the other reading."""
    from scipy.spatial import cKDTree

    def wrapped(positions: Any) -> Any:
        return np.mod(np.asarray(positions, dtype=float), 1.0) % 1.0  # twice: a tiny negative number becomes 1.0

    ours, theirs = wrapped(atoms.fractional), wrapped(other.frac_coords)
    length = float(np.mean([atoms.cell.a, atoms.cell.b, atoms.cell.c]))
    distances, _ = cKDTree(theirs, boxsize=1.0).query(ours)
    elsewhere = int(np.count_nonzero(distances * length > _SAME_ANGSTROM))
    if not elsewhere:
        return []
    return [f"pymatgen has no atom at the place of {elsewhere:,} of {len(ours):,} atoms (symmetry or origin)"]


def _oxidation_states(sites: Any, other: Structure) -> list[str]:
    """Compare the charges of the atom types with pymatgen's oxidation states, if there are both."""
    ours: dict[str, set[int]] = defaultdict(set)
    theirs: dict[str, set[float]] = defaultdict(set)
    for site in sites:
        if site.charge:
            ours[site.element.name].add(site.charge)
    for site in other:
        for species in site.species:
            if (state := getattr(species, "oxi_state", None)) is not None and state != 0:
                theirs[species.symbol].add(float(state))
    return [
        f"pymatgen reads the oxidation state {_listed(theirs[symbol])} for {symbol}, gemmi {_listed(ours[symbol])}"
        for symbol in sorted(ours.keys() & theirs.keys())
        if {float(charge) for charge in ours[symbol]} != theirs[symbol]
    ]


def _listed(values: set[int] | set[float]) -> str:
    return ", ".join(f"{value:+g}" for value in sorted(values))
