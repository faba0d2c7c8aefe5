"""The table of residue names of force fields and programs, with the residue of the PDB that each stands for.

Amber (LEaP, cpptraj), CHARMM (with NAMD and VMD), GROMACS (GROMOS, OPLS-AA and its port of Amber), FoldX, Maestro,
Modeller and Rosetta name protonation states, disulfides and ends of chains. Some of these names are other molecules in the
Chemical Component Dictionary (HSE is homoserine there, SRO serotonin); :mod:`.standard_names` decides by the atoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class ForceFieldName(NamedTuple):
    """The meaning of a residue name.

    Attributes
    ----------
    standard : str
        The residue's name in the PDB.
    state : str or None
        OpenMM's name of the protonation state, if the name has one that OpenMM knows.
    """

    standard: str
    state: str | None = None


_STATES: Mapping[str, Mapping[str | None, tuple[str, ...]]] = {
    "ASP": {"ASH": ("ASH", "ASPH", "ASPP"), "ASP": ("AS4", "ASP1")},
    "ARG": {None: ("ARN", "ARGN")},
    "ASN": {None: ("ASN1",)},
    "CYS": {"CYS": ("CYSH", "CYN"), "CYX": ("CYX", "CYM", "CYT", "CYS1", "CYS2", "CYSX", "CYSS", "CYSD", "CYD", "CYZ")},
    "GLN": {None: ("QLN",)},
    "GLU": {"GLH": ("GLH", "GLUH", "GLUP"), "GLU": ("GL4",)},
    "HIS": {
        "HID": ("HID", "HSD", "HISA", "HISD"),
        "HIE": ("HIE", "HSE", "HISB", "HISE"),
        "HIP": ("HIP", "HSP", "HSC", "HISH", "HISP"),
        None: ("HIS1", "HIS2", "HISX", "HIN", "H1S", "H2S"),
    },
    "LYS": {"LYN": ("LYN", "LSN", "LYSN"), "LYS": ("LYSH", "LYP")},
    "PHE": {None: ("PHEH", "PHEU")},
    "SER": {None: ("SRO", "SERD")},
    "THR": {None: ("THO",)},
    "TRP": {None: ("TRPH", "TRPU")},
    "TYR": {None: ("TYO", "TYM", "TYRH", "TYRU", "TYRM")},
}
_ENDS = (
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL "
    "ASH CYM CYN CYX GLH HID HIE HIP LYN LYP"
)
"""Residues with forms for the ends of a chain in Amber: NALA, CALA …"""


def _names() -> dict[str, ForceFieldName]:
    found = {
        name: ForceFieldName(standard, state)
        for standard, states in _STATES.items()
        for state, names in states.items()
        for name in names
    }
    ends = {f"{end}{name}": found.get(name, ForceFieldName(name)) for name in _ENDS.split() for end in ("N", "C")}
    return ends | found


NAMES = _names()
"""The meaning of each name."""

WATER = frozenset(
    (
        "D2O",
        "DOD",
        "H2O",
        "HHO",
        "HOH",
        "OH2",
        "OHH",
        "OPC",
        "OPC3",
        "SOL",
        "SPC",
        "SPCE",
        "T3P",
        "T4P",
        "T5P",
        "TIP",
        "TIP3",
        "TIP4",
        "TIP5",
        "TIP7",
        "TP3",
        "TP4",
        "TP5",
        "TPW",
        "WAT",
        "WT4",
    )
)
"""Names of water; a residue with one of them and more than one heavy atom is no water."""
