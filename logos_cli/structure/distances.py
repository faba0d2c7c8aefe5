"""Cut-off distances of several rooms; no heavy library is imported here."""

from __future__ import annotations

from typing import Final

CONTACT_ANGSTROM: Final = 4.5
"""A residue lines a ligand if a heavy atom of one is at most this far from a heavy atom of the other."""

POLYMER_BOND_ANGSTROM: Final = 2.0
"""Residues follow each other in a chain if the atoms of the bond between them are less than this apart."""
