"""Find the PDB's name of a residue with a name of a force field or an unknown one, by its atoms."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.errors import StructureError
from logos_cli.structure.ligand.dictionary import component
from logos_cli.structure.residues import residue_names
from logos_cli.structure.residues.force_field_names import NAMES

if TYPE_CHECKING:
    from logos_cli.structure.atoms import AtomTable

_ENDS = frozenset(("OXT", "OT", "OT1", "OT2", "O1", "O2", "OC1", "OC2", "OTX", "OX", "O''"))
"""Names of the oxygens at the end of a chain."""

_HYDROGENS = frozenset((1, 119))
_ONE_RESIDUE_ANGSTROM = 3.0
_BACKBONE = frozenset(("N", "CA", "C"))
_SIDE_CHAINS = {
    "ALA": "CB",
    "ARG": "CB CG CD NE CZ NH1 NH2",
    "ASN": "CB CG OD1 ND2",
    "ASP": "CB CG OD1 OD2",
    "CYS": "CB SG",
    "GLN": "CB CG CD OE1 NE2",
    "GLU": "CB CG CD OE1 OE2",
    "GLY": "",
    "HIS": "CB CG ND1 CD2 CE1 NE2",
    "ILE": "CB CG1 CG2 CD1",
    "LEU": "CB CG CD1 CD2",
    "LYS": "CB CG CD CE NZ",
    "MET": "CB CG SD CE",
    "PHE": "CB CG CD1 CD2 CE1 CE2 CZ",
    "PRO": "CB CG CD",
    "SER": "CB OG",
    "THR": "CB OG1 CG2",
    "TRP": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "TYR": "CB CG CD1 CD2 CE1 CE2 CZ OH",
    "VAL": "CB CG1 CG2",
}
_ATOM_NAMES = {name: frozenset(f"N CA C O {atoms}".split()) for name, atoms in _SIDE_CHAINS.items()}
"""Names of the heavy atoms of a standard amino acid within a chain; the dictionary need not be opened for them."""


def standard_names(atoms: AtomTable) -> list[str]:
    """Return the PDB's name of each residue of a model; for most it is their own.

    A name of a force field counts if the residue's heavy atoms have the names of its PDB residue's. A name that no table
    has, or only the dictionary with other atoms, becomes that of the amino acid with the same names of heavy atoms,
    with a note.
    """
    table = atoms.residues
    doubtful = {name for name in set(table.names) if _is_doubtful(name)}
    names = list(table.names)
    if not doubtful:
        return names
    unknown: dict[str, str] = {}
    for index, name in enumerate(table.names):
        if name not in doubtful:
            continue
        heavy = heavy_names(atoms, index)
        if name in NAMES:
            if heavy <= _ATOM_NAMES[NAMES[name].standard] | _ENDS:
                names[index] = NAMES[name].standard
        elif heavy >= _BACKBONE and not _fits(name, heavy) and (found := _by_atoms(heavy)) is not None:
            names[index] = unknown[name] = found
    for name, found in unknown.items():
        what = "no table has the residue name" if component(name) is None else "the atoms are not those of component"
        atoms.notes.add(f"{what} {name}; by its atoms it is {found}")
    return names


def check_standard_residues(atoms: AtomTable, residues: Iterable[int]) -> None:
    """Note standard residues with heavy atoms that their name does not have: GLY with a CB, renamed or edited.

    Raises
    ------
    StructureError
        If two residues far apart have one number and name, so that they were read as one.
    """
    table = atoms.residues
    names, width = atoms.name_bytes
    first, last = (np.multiply(rows, width).tolist() for rows in (table.first, table.last))
    strange = []
    for index in residues:
        is_strange, is_doubled = _look_at(table.standards[index], names[first[index] : last[index]], width)
        if is_strange:
            strange.append(index)
        if is_doubled:
            _check_doubled(atoms, index)
    if strange:
        named = ", ".join(str(table[index]) for index in strange[:3]) + (" …" if len(strange) > 3 else "")
        count = "1 residue has" if len(strange) == 1 else f"{len(strange)} residues have"
        atoms.notes.add(f"{count} heavy atoms that a residue of that name does not have: {named}")


@lru_cache(maxsize=4096)
def _look_at(standard: str, names: bytes, width: int) -> tuple[bool, bool]:
    """Return whether heavy atoms are not those of a standard residue, and whether an atom name is there twice."""
    own = [names[at : at + width].rstrip(b"\0") for at in range(0, len(names), width)]
    heavy = {name.decode("utf-8", "replace") for name in own if not name.lstrip(b"0123456789").startswith((b"H", b"D"))}
    is_strange = standard in _ATOM_NAMES and not heavy - _ENDS - {"CD"} <= _ATOM_NAMES[standard]
    return is_strange, len(set(own)) < len(own)


def _check_doubled(atoms: AtomTable, index: int) -> None:
    """Refuse a residue that has a heavy atom twice, far apart."""
    first, last = int(atoms.residues.first[index]), int(atoms.residues.last[index])
    keys = list(zip(atoms.atom_names[first:last], atoms.altlocs[first:last].tolist(), strict=True))
    if len(set(keys)) == len(keys):
        return
    seen: dict[tuple[bytes, int], int] = {}
    for atom, key in enumerate(keys, first):
        other = seen.setdefault(key, atom)
        apart = float(abs(atoms.positions[atom] - atoms.positions[other]).max())
        if apart > _ONE_RESIDUE_ANGSTROM and atoms.elements[atom] not in _HYDROGENS:
            raise StructureError(
                f"residue {atoms.residues[index]} has two atoms {atoms.atom_name(atom)}, far apart",
                source=atoms.name,
                hint="residues of a chain need numbers of their own",
            )


def _fits(name: str, heavy: frozenset[str]) -> bool:
    """Return whether the dictionary has the component, with these heavy atoms."""
    known = component(name)
    return known is not None and heavy - _ENDS <= {atom.name for atom in known.atoms}


@cache
def _is_doubtful(name: str) -> bool:
    """Return whether the meaning of a name depends on the atoms."""
    if name in residue_names.STANDARD or name in residue_names.COMMON_MODIFIED:
        return False
    return name in NAMES or not (residue_names.is_water(name) or residue_names.is_nucleotide(name))


def heavy_names(atoms: AtomTable, index: int) -> frozenset[str]:
    """Return the names of a residue's heavy atoms; GROMOS calls the last carbon of isoleucine CD."""
    first, last = int(atoms.residues.first[index]), int(atoms.residues.last[index])
    numbers: list[int] = atoms.elements[first:last].tolist()
    names = {atoms.atom_name(first + place) for place, number in enumerate(numbers) if number not in _HYDROGENS}
    if not atoms.file.has_elements:
        names = {name for name in names if not name.lstrip("0123456789").startswith("H")}
    return frozenset(names - {"CD"} | {"CD1"} if "CD" in names and "CG2" in names else names)


def _by_atoms(heavy: frozenset[str]) -> str | None:
    """Return the amino acid that has these heavy atoms and no others."""
    named = heavy - _ENDS - {"O"}
    return next((name for name, atoms in _ATOM_NAMES.items() if atoms - {"O"} == named), None)
