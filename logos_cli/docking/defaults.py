"""What docking does if nothing else is asked for; the command line reads it, so no heavy library is imported here."""

from __future__ import annotations

from typing import Final

EXHAUSTIVENESS: Final = 32
N_POSES: Final = 9
ENERGY_RANGE_KCAL_PER_MOL: Final = 3.0
SEED: Final = 1
MARGIN_ANGSTROM: Final = 4.0
"""Added to each side of a box that is drawn around a ligand or residues."""

PH: Final = 7.4
"""Of the blood: receptor and ligands get the charges that dominate there."""

MAX_STEREOISOMERS: Final = 32
ENGINES: Final = ("auto", "vina", "vina-binary", "smina", "gnina", "unidock")
"""The vina package, and programs that take Vina's options; ``auto`` is the first that is installed."""
