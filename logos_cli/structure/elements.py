"""Repair the elements of files with absent or wrong element columns.

The element in the file is kept, with two exceptions: atoms of amino acids have that of their names, and an element that
is impossible at its distances (calcium has no neighbour at 1.4 Å) is replaced. If the file has none, the definition of
the component decides if it fits, else the reading of the atom's name that agrees best with the distances.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.structure.atoms import AtomTable
from logos_cli.structure.ligand.dictionary import component
from logos_cli.structure.residues import residue_names
from logos_cli.structure.types import Residue

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEUTERIUM = 119
_HYDROGENS = (1, _DEUTERIUM)
_IN_PROTEINS = np.zeros(256, dtype=bool)
_IN_PROTEINS[[1, 6, 7, 8, 16, 34, _DEUTERIUM]] = True
_LETTERS = np.zeros(256, dtype=np.uint8)
_LETTERS[[1, 6, 7, 8, 16, 34, _DEUTERIUM]] = np.frombuffer(b"HCNOSSD", np.uint8)
_LONGEST_BOND_ANGSTROM = 2.9
_CROWDED = 0.72
"""Atoms nearer than this share of the sum of their covalent radii have wrong elements."""


def repair_elements(atoms: AtomTable) -> None:
    """Correct impossible elements, and find missing ones."""
    if not atoms.file.has_elements:
        atoms.notes.add("not all elements are in the file; they are read off the atom names")
    wrong = np.flatnonzero(_suspects(atoms))
    if not len(wrong):
        return
    starts = atoms.residues.first
    n_repaired = 0
    for atom, place in zip(wrong.tolist(), (np.searchsorted(starts, wrong, side="right") - 1).tolist(), strict=True):
        residue = atoms.residues[place]
        number = _element_of(atoms, residue, atom)
        if number != atoms.elements[atom]:
            n_repaired += 1
            atoms.elements[atom] = number
            atoms.gemmi_atom(residue, atom).element = gemmi.Element(number if number != _DEUTERIUM else "D")
    if n_repaired and atoms.file.has_elements:
        atoms.notes.add(f"{n_repaired} elements contradicted the atom names and were taken from the names")


def _suspects(atoms: AtomTable) -> NDArray[np.bool_]:
    """Return the atoms with a doubtful element.

    These are atoms without one, atoms of amino acids with an element other than their name's first letter, and atoms of
    other groups with an element that is seldom bonded, or if the file lacks elements.
    """
    letters = atoms.name_letters
    elements = atoms.elements
    unusual = ~_IN_PROTEINS[elements] | (
        (_LETTERS[elements] != letters) & ~((elements == _DEUTERIUM) & (letters == ord("H")))
    )
    table = atoms.residues
    sizes = table.last - table.first
    is_amino = {name: name in residue_names.STANDARD for name in set(table.standards)}
    standard = np.repeat([is_amino[name] for name in table.standards], sizes)
    amino = standard | ~np.repeat(np.asarray(table.hetero, bool), sizes)
    lone = np.repeat(sizes == 1, sizes)
    rare = (elements > 10) & ~_IN_PROTEINS[elements] & ~lone
    found: NDArray[np.bool_] = (elements == 0) | (unusual & amino) | rare
    if not atoms.file.has_elements:
        found |= ~standard & ~lone
    return found


def _element_of(atoms: AtomTable, residue: Residue, atom: int) -> int:
    name, number = atoms.atom_name(atom), int(atoms.elements[atom])
    letters = name.lstrip("0123456789'\"* ")
    if _is_of_amino_acid(residue, name):
        if letters[:2].upper() == "SE" and residue.name == "SEC":
            return 34
        return gemmi.Element(letters[:1].upper() or "X").atomic_number
    is_given = number != 0 and atoms.file.has_elements
    near = _neighbours(atoms, residue, atom)
    if is_given and not _is_crowded(number, near):
        return number
    defined = _defined(residue.name, atoms.residue_atom_names(residue)).get(name)
    if defined is not None:
        return defined
    if letters[:1] in ("H", "D") and number in (0, *_HYDROGENS, 2, 67, 72, 80, 110, 66) and not _is_apart(near):
        return 1
    read = [found for length in (2, 1) if (found := _read(letters, length))]
    if not read:
        return number
    candidates = [each for each in read if not _is_crowded(each, [(6, away) for _, away in near])]
    if not candidates:  # a dummy atom, or one whose element cannot be known
        return 0
    return min(candidates, key=lambda each: _misfit(each, near)) if near else candidates[-1]


@cache
def _amino_atoms(name: str) -> frozenset[str]:
    known = component(name)
    return frozenset() if known is None else frozenset(atom.name for atom in known.atoms)


def _is_of_amino_acid(residue: Residue, name: str) -> bool:
    """Return whether an atom is one of an amino acid by its name: then the first letter is its element."""
    standard = residue.standard_name
    if standard not in residue_names.STANDARD:
        return False
    letters = name.lstrip("0123456789'\"* ")
    is_backbone_oxygen = letters[:1] == "O" and len(letters) < 4
    return name in _amino_atoms(standard) or letters[:1] in ("H", "D") or is_backbone_oxygen or name == "CD"


def _defined(name: str, names: frozenset[str]) -> dict[str, int]:
    """Return the elements of a component by atom name, if it has all heavy atoms of a residue."""
    known = component(name)
    if known is None:
        return {}
    elements = known.elements
    heavy = {each for each in names if each in elements or not each.lstrip("0123456789").startswith(("H", "D"))}
    return elements if heavy <= elements.keys() else {}


def _read(letters: str, length: int) -> int:
    """Return the element of the first letters of a name, or 0."""
    return int(gemmi.Element(letters[:length].capitalize()).atomic_number) if len(letters) >= length else 0


def _neighbours(atoms: AtomTable, residue: Residue, atom: int) -> list[tuple[int, float]]:
    """Return element and distance (Å) of the other atoms of a residue that are near enough to be bonded."""
    span = slice(residue.first, residue.last)
    away = np.linalg.norm(atoms.positions[span] - atoms.positions[atom], axis=1)
    labels, mine = atoms.altlocs[span], atoms.altlocs[atom]
    together = (labels == mine) | (labels == 0) | (mine == 0)
    near = np.flatnonzero((away > 0.4) & (away < _LONGEST_BOND_ANGSTROM) & together)
    return [(int(atoms.elements[residue.first + row]), float(away[row])) for row in near.tolist()]


@cache
def _radius(number: int) -> float:
    return float(gemmi.Element(number).covalent_r) if number != _DEUTERIUM else float(gemmi.Element(1).covalent_r)


def _is_crowded(number: int, near: list[tuple[int, float]]) -> bool:
    return any(away < _CROWDED * (_radius(number) + _radius(other)) for other, away in near if other)


def _is_apart(near: list[tuple[int, float]]) -> bool:
    """Return whether the nearest atom is too far for a bond of a hydrogen."""
    return bool(near) and min(away for _, away in near) > 1.3


def _misfit(number: int, near: list[tuple[int, float]]) -> float:
    """Return the deviation of the nearest distance from the bond length of this element, Å."""
    other, away = min(near, key=lambda each: each[1])
    return abs(away - _radius(number) - _radius(other or 6))
