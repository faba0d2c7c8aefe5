"""Defaults of docking; the command line reads them, so no heavy library is imported here."""

from __future__ import annotations

from typing import Final

EXHAUSTIVENESS: Final = 32
N_POSES: Final = 9
ENERGY_RANGE_KCAL_PER_MOL: Final = 3.0
SEED: Final = 1
MARGIN_ANGSTROM: Final = 4.0
"""Margin on each side of a box that is drawn around a ligand or residues."""

PH: Final = 7.4
"""pH of the blood, which sets the charges of receptor and ligands."""

MAX_STEREOISOMERS: Final = 32
ENGINES: Final = ("auto", "vina", "vina-binary", "smina", "gnina", "unidock")
"""The vina package, and programs that take Vina's options; ``auto`` is the first that is installed."""
