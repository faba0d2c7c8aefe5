"""Parse a MOL2 record: atoms, bonds and charges, with a check of every line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from logos_cli.errors import MoleculeError

_SECTION: Final = "@<TRIPOS>"
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_HIGHEST_CHARGE: Final = 4
_BOND_TYPES: Final = frozenset(("1", "2", "3", "am", "ar", "un", "nc", "du"))


@dataclass(frozen=True, slots=True)
class Mol2Atom:
    """One line of the section ATOM.

    Attributes
    ----------
    name, kind : str
        Name and SYBYL type.
    xyz : tuple of float
        Position in Å.
    partial : float or None
        Partial charge, if the line has one.
    """

    name: str
    kind: str
    xyz: tuple[float, float, float]
    partial: float | None


@dataclass(slots=True)
class Mol2Record:
    """The contents of the sections of a record.

    Attributes
    ----------
    name, charge_type : str
        Second and fifth line.
    bonds : list of (int, int, str)
        Zero-based atoms, and the type as written.
    charges : dict or None
        Formal charges by atom, from the section UNITY_ATOM_ATTR; None if the record has no such section.
    """

    name: str = ""
    charge_type: str = ""
    atoms: list[Mol2Atom] = field(default_factory=list)
    bonds: list[tuple[int, int, str]] = field(default_factory=list)
    charges: dict[int, int] | None = None


def parse_mol2(text: str, first_line: int = 1) -> Mol2Record:
    """Return the atoms, bonds and charges of one MOL2 record.

    Parameters
    ----------
    text : str
        The record, from its line ``@<TRIPOS>MOLECULE`` on.
    first_line : int
        Number of that line in the file, for messages.

    Raises
    ------
    MoleculeError
        If a line breaks the format; the error names the first one.
    """
    sections = _sections(text, first_line)
    record = Mol2Record()
    head = sections.get("MOLECULE", [])
    record.name = head[0][1].strip() if head else ""
    counts = head[1] if len(head) > 1 else (first_line + 2, "")
    n_atoms, n_bonds = _counts(*counts)
    record.charge_type = head[3][1].strip() if len(head) > 3 else ""
    places: dict[str, int] = {}
    for number, words in _rows(sections, "ATOM"):
        if words[0] in places:
            raise _broken(number, f"a second atom {words[0]}")
        places[words[0]] = len(record.atoms)
        record.atoms.append(_atom(number, words))
    _check_count("atoms", n_atoms, len(record.atoms))
    pairs: set[frozenset[int]] = set()
    for number, words in _rows(sections, "BOND"):
        bond = _bond(number, words, places)
        if frozenset(bond[:2]) in pairs:
            raise _broken(number, f"the bond of atoms {words[1]} and {words[2]} is there twice")
        pairs.add(frozenset(bond[:2]))
        record.bonds.append(bond)
    if n_bonds is not None:
        _check_count("bonds", n_bonds, len(record.bonds))
    if "UNITY_ATOM_ATTR" in sections:
        record.charges = _charges(_rows(sections, "UNITY_ATOM_ATTR"), places)
    return record


def _broken(number: int, what: str, hint: str = "write or convert the file again") -> MoleculeError:
    return MoleculeError(f"line {number}: {what}", hint=hint)


def _sections(text: str, first_line: int) -> dict[str, list[tuple[int, str]]]:
    """Return the lines of each section with their numbers, without comments; blank lines stay only in the header."""
    found: dict[str, list[tuple[int, str]]] = {}
    current: list[tuple[int, str]] = []
    name, held = "", ""
    for number, raw in enumerate(text.splitlines(), first_line):
        line = held + raw
        held = ""
        if line.startswith(_SECTION):
            name = line[len(_SECTION) :].strip()
            if name in found and name in {"MOLECULE", "ATOM", "BOND", "UNITY_ATOM_ATTR"}:
                raise _broken(number, f"a second section {name}")
            current = found.setdefault(name, [])
        elif line.startswith("#") and name != "MOLECULE":
            continue
        elif line.rstrip().endswith("\\") and name != "MOLECULE":
            held = line.rstrip()[:-1] + " "
        elif line.strip() or name == "MOLECULE":
            current.append((number, line))
    return found


def _rows(sections: dict[str, list[tuple[int, str]]], name: str) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split()) for number, line in sections.get(name, ()))


def _counts(number: int, line: str) -> tuple[int, int | None]:
    words = line.split()
    if not words or not all(map(str.isdecimal, words[:2])):
        raise _broken(number, "it does not count atoms and bonds", "e.g. ' 17 16 0 0 0'")
    return int(words[0]), int(words[1]) if len(words) > 1 else None


def _check_count(what: str, counted: int, found: int) -> None:
    if counted != found:
        raise MoleculeError(f"the molecule counts {counted} {what} and has {found}", hint="the file may be cut off")


def _atom(number: int, words: list[str]) -> Mol2Atom:
    if len(words) < 6 or not all(map(_NUMBER.fullmatch, words[2:5])):
        raise _broken(number, "no atom: number, name, x, y, z, type", "columns may have run into each other")
    partial = words[8] if len(words) > 8 else None
    if partial is not None and not _NUMBER.fullmatch(partial):
        raise _broken(number, f"the charge {partial!r} is no number")
    x, y, z = map(float, words[2:5])
    return Mol2Atom(words[1], words[5], (x, y, z), None if partial is None else float(partial))


def _bond(number: int, words: list[str], places: dict[str, int]) -> tuple[int, int, str]:
    if len(words) < 4:
        raise _broken(number, "no bond: number, two atoms, type")
    for atom in words[1:3]:
        if atom not in places:
            raise _broken(number, f"a bond to atom {atom}, which the molecule does not have")
    if words[1] == words[2]:
        raise _broken(number, f"a bond of atom {words[1]} with itself")
    kind = words[3].lower()
    if kind not in _BOND_TYPES:
        raise _broken(number, f"the bond type {words[3]!r} is unknown", f"known: {', '.join(sorted(_BOND_TYPES))}")
    return places[words[1]], places[words[2]], kind


def _charges(rows: Iterator[tuple[int, list[str]]], places: dict[str, int]) -> dict[int, int]:
    """Return the formal charges: lines ``atom n_attributes``, each followed by that many ``name value``."""
    charges: dict[int, int] = {}
    for number, words in rows:
        if len(words) != 2 or words[0] not in places or not words[1].isdecimal():
            raise _broken(number, f"no attributes of an atom: {' '.join(words)}")
        for _ in range(int(words[1])):
            at, attribute = next(rows, (number, []))
            if not attribute:
                raise MoleculeError(f"attributes of atom {words[0]} are missing", hint="the file may be cut off")
            if attribute[0] == "charge":
                if len(attribute) < 2 or not re.fullmatch(r"[+-]?\d{1,2}", attribute[1]):
                    raise _broken(at, f"no charge: {' '.join(attribute)}")
                if abs(int(attribute[1])) > _HIGHEST_CHARGE:
                    raise _broken(at, f"the charge {attribute[1]} is higher than atoms of molecules have")
                charges[places[words[0]]] = int(attribute[1])
    return charges
