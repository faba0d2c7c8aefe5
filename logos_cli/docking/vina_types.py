"""The AutoDock atom types of Vina's scoring function."""

from __future__ import annotations

from typing import Final

_ORGANIC: Final = frozenset(
    ["H", "HD", "HS", "C", "A", "N", "NA", "NS", "O", "OA", "OS", "F", "P", "S", "SA", "Cl", "Br", "I", "Si"]
)

LIGAND_TYPES: Final = _ORGANIC | frozenset(["CG0", "CG1", "CG2", "CG3", "G0", "G1", "G2", "G3"])
"""Atom types of ligands, with those of Meeko's opened macrocycles."""

RECEPTOR_TYPES: Final = _ORGANIC | frozenset(
    [
        "CL",
        "BR",
        "At",
        "Mg",
        "MG",
        "Mn",
        "MN",
        "Zn",
        "ZN",
        "Ca",
        "CA",
        "Fe",
        "FE",
        "Cu",
        "Na",
        "K",
        "Hg",
        "Co",
        "U",
        "Cd",
        "Ni",
    ]
)
"""Atom types of receptors."""
