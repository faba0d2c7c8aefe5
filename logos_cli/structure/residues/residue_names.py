"""Classify residue names of structure files (amino acids, nucleotides, water), and return their letters."""

from __future__ import annotations

import string
from functools import cache

import gemmi

from logos_cli.structure.ligand.dictionary import component
from logos_cli.structure.residues.force_field_names import NAMES, WATER
from logos_cli.structure.types import Role

STANDARD = {
    "ALA": "A",
    "ARG": "R",
    "ASN": "N",
    "ASP": "D",
    "CYS": "C",
    "GLN": "Q",
    "GLU": "E",
    "GLY": "G",
    "HIS": "H",
    "ILE": "I",
    "LEU": "L",
    "LYS": "K",
    "MET": "M",
    "PHE": "F",
    "PRO": "P",
    "SER": "S",
    "THR": "T",
    "TRP": "W",
    "TYR": "Y",
    "VAL": "V",
    "SEC": "U",
    "PYL": "O",
    "ASX": "B",
    "GLX": "Z",
    "XLE": "J",
    "UNK": "X",
}
"""Residues with a letter of their own in the files of the PDB."""

INDEFINITE = frozenset(("ASX", "GLX", "XLE", "UNK"))
"""Names of the table above for several residues."""

COMMON_MODIFIED = {
    "ALY": "K",
    "CAS": "C",
    "CME": "C",
    "CSD": "C",
    "CSO": "C",
    "CSX": "C",
    "HYP": "P",
    "KCX": "K",
    "LLP": "K",
    "M3L": "K",
    "MLY": "K",
    "MLZ": "K",
    "MSE": "M",
    "OCS": "C",
    "PCA": "Q",
    "PTR": "Y",
    "SEP": "S",
    "TPO": "T",
    "TYS": "Y",
}
"""Parents of frequent modified residues, so that the dictionary is not opened for them."""

IGNORED_LIGANDS = frozenset(("NAG", "MAN", "UNK", "GLC", "ABA", "MPD", "GOL", "SO4", "PO4"))
"""P2Rank's names of additives, without water, which is no ligand here."""

MAX_PEPTIDE_LIGAND = 20
"""Longest peptide that is a ligand, in residues, beside a longer chain."""


@cache
def letter(name: str) -> str:
    """Return the one-letter code of an amino-acid residue: its own, its parent's, else ``X``.

    The parent of a modified residue is that of the Chemical Component Dictionary (``mon_nstd_parent_comp_id``). A residue
    made of several, such as the chromophore of GFP, is ``X``.
    """
    for table in (STANDARD, COMMON_MODIFIED):
        if name in table:
            return table[name]
    known = component(name)
    if name in NAMES and (known is None or "PEPTIDE" not in known.type):
        return STANDARD[NAMES[name].standard]
    if known is None:
        tabulated = gemmi.find_tabulated_residue(name)
        code = tabulated.one_letter_code.strip().upper() if tabulated.is_amino_acid() else ""
        return code or "X"
    if parent := STANDARD.get(known.parent.strip().upper()):
        return parent
    single = len(known.letter) == 1 and known.letter in string.ascii_uppercase and not known.parent.count(",")
    return known.letter if single else "X"


@cache
def is_amino_acid(name: str) -> bool:
    """Return whether a residue of this name can be part of a protein chain."""
    if name in STANDARD or name in COMMON_MODIFIED or name in NAMES:
        return True
    return bool(gemmi.find_tabulated_residue(name).is_amino_acid())


@cache
def role_of_modified(name: str) -> Role:
    """Return the role of a modified amino acid or nucleotide, one with a standard parent in the dictionary; else OTHER."""
    if name in COMMON_MODIFIED:
        return Role.PROTEIN
    known = component(name)
    if known is None or not known.parent:
        return Role.OTHER
    if "PEPTIDE LINKING" in known.type:
        return Role.PROTEIN
    return Role.NUCLEIC if "NA LINKING" in known.type else Role.OTHER


@cache
def is_nucleotide(name: str) -> bool:
    """Return whether the name is that of a nucleotide."""
    return bool(gemmi.find_tabulated_residue(name).is_nucleic_acid())


@cache
def is_water(name: str) -> bool:
    """Return whether the name can be that of water; water has one heavy atom."""
    return name in WATER or bool(gemmi.find_tabulated_residue(name).is_water())


@cache
def is_saccharide(name: str) -> bool:
    """Return whether the component is a saccharide in the Chemical Component Dictionary."""
    known = component(name)
    return known is not None and "SACCHARIDE" in known.type
