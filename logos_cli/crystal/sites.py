"""Read the sites of a CIF: their elements, positions and occupancies."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

import gemmi
import numpy as np

from logos_cli.errors import StructureError

_WATER_ATOMS: Final = frozenset(("OW", "HW"))
"""Atom types of water in files written by simulation programs."""
_CHARGE: Final = re.compile(r"\d*[+-]?\d*[+-]?|[._].*")
"""What may follow the element in a type symbol: a charge or number, or the atom type of a force field."""
_LAST_ELEMENT: Final = 103
_UNKNOWN: Final = frozenset(("", "?", "."))
_FRACTIONAL: Final = tuple(f"_atom_site_fract_{axis}" for axis in "xyz")
_CARTESIAN: Final = tuple(f"_atom_site_Cartn_{axis}" for axis in "xyz")
_KNOWN_TAGS: Final = frozenset(
    "adp_type aniso_label B_equiv_geom_mean B_iso_or_equiv calc_attached_atom calc_flag Cartn_x Cartn_y Cartn_z "
    "chemical_conn_number constraints description disorder_assembly disorder_group fract_x fract_y fract_z label "
    "label_component_0 occupancy refinement_flags refinement_flags_adp refinement_flags_occupancy "
    "refinement_flags_posn restraints site_symmetry_multiplicity site_symmetry_order symmetry_multiplicity "
    "thermal_displace_type type_symbol U_equiv_geom_mean U_iso_or_equiv Wyckoff_symbol charge attached_hydrogens "
    "oxidation_number moment_label".lower().split()
)
_COMMON: Final = frozenset("C N O S P F Cl Br I Zn Cu".split())  # noqa: SIM905
_NUMBERED_LABEL: Final = re.compile(r"([A-Z][a-z]?)\d")
_LETTERS: Final = re.compile(r"[A-Za-z]+")
_FORMULA_PART: Final = re.compile(r"([A-Z][a-z]?)\s*(\d+(?:\.\d+)?)?")


@dataclass(frozen=True, slots=True)
class AtomSite:
    """One site of the asymmetric unit.

    Attributes
    ----------
    fractional : tuple of float
        Fractional coordinates.
    group, assembly : int, str
        Disorder group, 0 if there is none, and its assembly.
    """

    label: str
    element: str
    fractional: tuple[float, float, float]
    occupancy: float
    group: int
    assembly: str


def formula_of(block: Any) -> dict[str, float]:
    """Return ``_chemical_formula_sum`` as counts by element; empty if it is missing or cannot be read."""
    value = block.find_value("_chemical_formula_sum")
    text = gemmi.cif.as_string(value).strip() if value is not None else ""
    counts: dict[str, float] = {}
    if text in _UNKNOWN or _FORMULA_PART.sub("", text).strip(" ,()"):
        return counts
    for written, number in _FORMULA_PART.findall(text):
        symbol = "H" if written == "D" else written
        counts[symbol] = counts.get(symbol, 0.0) + float(number or 1)
    return counts


def read_sites(block: Any, small: Any, notes: list[str]) -> list[AtomSite]:
    """Return the sites of atoms with a position.

    Raises
    ------
    StructureError
        If there are none, or one has an invalid position or an uncertain element.
    """
    n_sites = len(small.sites)
    if not n_sites:
        raise StructureError(
            "the data block has a unit cell but no atoms with fractional coordinates",
            hint="give the CIF with the refined structure",
        )
    positions = _positions(block, small, notes)
    if unknown := _unknown_tags(block):
        notes.append(f"unknown columns of atoms are not read: {', '.join(unknown)}")
    raw = _column(block, _FRACTIONAL[0] if block.find_values(_FRACTIONAL[0]) else _CARTESIAN[0], n_sites)
    assemblies = _column(block, "_atom_site_disorder_assembly", n_sites)
    flags = _column(block, "_atom_site_calc_flag", n_sites)
    types = _column(block, "_atom_site_type_symbol", n_sites)
    elements = _Elements(formula_of(block))
    sites, unplaced, empty = [], 0, 0
    for place, site in enumerate(small.sites):
        if flags[place] == "dum":
            continue
        fractional = positions[place]
        if not all(map(math.isfinite, fractional)):
            if raw[place] in _UNKNOWN:
                unplaced += 1
                continue
            raise StructureError(
                f"atom {site.label} has coordinates that are not numbers", hint="correct or remove this atom"
            )
        if site.occ <= 0 or not math.isfinite(site.occ):
            empty += 1
            continue
        element = elements.find(site, gemmi.cif.as_string(types[place]))
        sites.append(
            AtomSite(site.label, element, fractional, min(site.occ, 1.0), site.disorder_group, assemblies[place])
        )
    notes += elements.notes
    if unplaced:
        notes.append(f"{unplaced} atoms of the file have no coordinates")
    if empty:
        notes.append(f"{empty} atoms of the file have no occupancy")
    if not sites:
        raise StructureError("no atom of the data block has coordinates", hint="check that the file is complete")
    return sites


def _unknown_tags(block: Any) -> list[str]:
    """Return the columns of atoms that neither the core dictionary nor common programs define: perhaps a typing error."""
    loop = block.find_values("_atom_site_label").get_loop()
    tags = [tag for tag in (loop.tags if loop else ()) if tag.lower().startswith("_atom_site")]
    return [tag for tag in tags if tag.lower().removeprefix("_atom_site_") not in _KNOWN_TAGS]


def _column(block: Any, tag: str, length: int) -> list[str]:
    values = list(block.find_values(tag))
    return values if len(values) == length else [""] * length


def _positions(block: Any, small: Any, notes: list[str]) -> list[tuple[float, float, float]]:
    """Return fractional coordinates, from Cartesian ones if the file has only these.

    Raises
    ------
    StructureError
        If a coordinate is missing.
    """
    present = [bool(block.find_values(tag)) for tag in _FRACTIONAL]
    if all(present):
        return [tuple(site.fract.tolist()) for site in small.sites]
    columns = [list(block.find_values(tag)) for tag in _CARTESIAN]
    if any(present) or not all(len(column) == len(small.sites) for column in columns):
        raise StructureError(
            "the atoms have no fractional coordinates in all three directions", hint="add _atom_site_fract_x, _y and _z"
        )
    if any(block.find_value(f"_atom_sites_Cartn_tran_matrix_{row}{column}") for row in "123" for column in "123"):
        raise StructureError(
            "the atoms have Cartesian coordinates only, in a frame of their own (_atom_sites_Cartn_tran_matrix)",
            hint="add fractional coordinates",
        )
    notes.append("only Cartesian coordinates: read in the usual frame, a along x and b in the plane of x and y")
    cartesian = np.array([[gemmi.cif.as_number(value) for value in column] for column in columns]).T
    matrix = np.array(small.cell.frac.mat.tolist(), dtype=float)
    return [(x, y, z) for x, y, z in (cartesian @ matrix.T).tolist()]


class _Elements:
    """Finds the element of a site: by its type symbol, or by its label if the file has no type symbol."""

    def __init__(self, formula: dict[str, float]) -> None:
        self.notes: list[str] = []
        self._formula = formula

    def find(self, site: Any, type_symbol: str) -> str:
        if type_symbol.upper() in _WATER_ATOMS:
            return type_symbol[0].upper()
        if type_symbol not in _UNKNOWN:
            symbol = str(site.element.name)
            rest = type_symbol[len(symbol) :]
            if not 0 < site.element.atomic_number <= _LAST_ELEMENT or not _CHARGE.fullmatch(rest):
                raise StructureError(
                    f"atom {site.label} has the unknown element {type_symbol!r}", hint="correct _atom_site_type_symbol"
                )
            symbol = "H" if symbol == "D" else symbol
            named = _NUMBERED_LABEL.match(site.label)
            if named and named[1] in _COMMON and named[1] != symbol:
                self._note(f"an atom labelled {site.label} is {symbol} by its type symbol")
            return symbol
        self._note("elements are taken from the labels of atoms")
        return self._of_label(site.label)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _of_label(self, label: str) -> str:
        """Return the element at the beginning of a label.

        Raises
        ------
        StructureError
            If one letter and two letters are both elements (CO1), and the formula of the file does not decide.
        """
        match = _LETTERS.match(label)
        letters = match[0] if match else ""
        symbols = dict.fromkeys(text for text in (letters[:1].upper(), letters[:2].capitalize()) if text)
        found = [symbol for symbol in symbols if gemmi.Element(symbol).atomic_number]
        if self._formula:
            found = [symbol for symbol in found if ("H" if symbol == "D" else symbol) in self._formula] or found
        if len(found) == 2 and letters[1].islower() and not self._formula:
            found = found[1:]  # Co is cobalt, CO1 may be carbon
        if len(found) != 1:
            what = f"{' or '.join(found)}?" if found else "it begins with no element"
            raise StructureError(
                f"atom {label} has no type symbol, and its label does not decide its element: {what}",
                hint="add _atom_site_type_symbol",
            )
        return "H" if found[0] == "D" else found[0]
