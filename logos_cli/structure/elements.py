"""Putting elements right in PDB files whose element columns are absent, shifted or wrong."""

from __future__ import annotations

import gemmi
import numpy as np

from logos_cli.structure import residue_names
from logos_cli.structure.atoms import AtomTable
from logos_cli.structure.ligand.dictionary import component
from logos_cli.structure.types import Residue

_HYDROGENS = (1, 119)
_IN_PROTEINS = np.zeros(256, dtype=bool)
_IN_PROTEINS[[1, 6, 7, 8, 16, 34, 119]] = True
_LETTERS = np.zeros(256, dtype=np.uint8)
_LETTERS[[1, 6, 7, 8, 16, 34, 119]] = np.frombuffer(b"HCNOSSD", np.uint8)


def repair_elements(atoms: AtomTable) -> None:
    """Correct elements that the atom names contradict; hydrogens must not count as heavy atoms.

    In amino acids the first letter of the atom's name is the element; elsewhere the component's definition
    says, and without one the letters of the name do, where the file gives no element that exists.
    """
    wrong = np.flatnonzero(_suspects(atoms))
    if not len(wrong):
        return
    starts = atoms.residues.first
    n_repaired = 0
    for atom, place in zip(wrong.tolist(), (np.searchsorted(starts, wrong, side="right") - 1).tolist(), strict=True):
        residue = atoms.residues[place]
        number = _element_of(residue, atoms.atom_name(atom), int(atoms.elements[atom]))
        if number != atoms.elements[atom]:
            n_repaired += 1
            atoms.elements[atom] = number
            atoms.gemmi_atom(residue, atom).element = gemmi.Element(number if number != 119 else "D")
    if n_repaired:
        atoms.notes.add(f"{n_repaired} elements contradicted the atom names and were taken from the names")


def _suspects(atoms: AtomTable) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return atoms without an element, and those of amino acids whose element is not their name's first letter."""
    letters = atoms.name_letters
    unknown = atoms.elements == 0
    elements = atoms.elements
    unusual = ~_IN_PROTEINS[elements] | ((_LETTERS[elements] != letters) & ~((elements == 119) & (letters == ord("H"))))
    table = atoms.residues
    sizes = table.last - table.first
    standard = {name: residue_names.is_standard_amino_acid(name) for name in set(table.names)}
    amino = np.repeat(
        [not hetero or standard[name] for name, hetero in zip(table.names, table.hetero, strict=True)], sizes
    )
    lone = np.repeat(sizes == 1, sizes)
    two_letter = (elements > 10) & ~_IN_PROTEINS[elements] & ~lone
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = unknown | (unusual & amino) | two_letter
    return found


def _element_of(residue: Residue, name: str, number: int) -> int:
    letters = name.lstrip("0123456789'\"* ")
    if residue_names.is_standard_amino_acid(residue.name):
        if letters[:2].upper() == "SE" and residue.name == "SEC":
            return 34
        return gemmi.Element(letters[:1].upper() or "X").atomic_number
    known = component(residue.name)
    if known is not None:
        defined = {atom.name: atom.number for atom in known.atoms}
        if name in defined:
            same_letter = gemmi.Element(defined[name]).name[:1] == letters[:1].upper()
            return defined[name] if number == 0 or same_letter else number
        if letters[:1] in ("H", "D") and number in (0, *_HYDROGENS, 2, 67, 72, 80, 110, 66):
            return 1
    if number:
        return number
    for length in (2, 1):
        found = gemmi.Element(letters[:length].capitalize())
        if found.atomic_number and (
            length == 1 or (letters[:length].isupper() and len(letters) == 2 and found.is_metal)
        ):
            return int(found.atomic_number)
    return 0
