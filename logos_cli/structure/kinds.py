"""Recognise structure files by their text (PDB, PDBQT, PQR, mmJSON), without heavy imports."""

from __future__ import annotations

import re
from itertools import islice

_ATOM = re.compile(
    rb"^(?:ATOM  |HETATM)[^\r\n]{48}[^\r\n]{12} {4}[ +-][ \d]\d*\.\d{3} [A-Z][A-Za-z\d]{0,2} *\r?$", re.MULTILINE
)
_PDB_ATOM = re.compile(rb"^(?:ATOM  |HETATM).{20}", re.MULTILINE)
_FIRST_ATOM = re.compile(rb"^(?:ATOM|HETATM)", re.MULTILINE)
_SNIFFED = 800
TREE = re.compile(rb"^(?:ROOT|ENDROOT|BRANCH +\d+ +\d+|TORSDOF +\d+)\s*$", re.MULTILINE)
"""Lines of the tree of torsions of a PDBQT file."""

_MMJSON = re.compile(rb'\s*\{\s*"data_[^"]*"\s*:\s*\{')
_ANY_ATOM = re.compile(rb"^(?:ATOM|HETATM).*$", re.MULTILINE)
_NUMBER = r"[+-]?\d+(?:\.\d*)?"
_CHARGE_AND_RADIUS = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})\s*")
_COLUMNS = re.compile(
    r"(?:ATOM  |HETATM)[ \d]{5} (?P<name>.{4}).(?P<residue>.{3})[ \w](?P<chain>.)(?P<number>[ \d-]{4})"
    r"(?P<code>[ A-Za-z])   (?P<x>[ \d-]{4}\.\d{3})(?P<y>[ \d-]{4}\.\d{3})(?P<z>[ \d-]{4}\.\d{3})"
)
_RESIDUE_NUMBER = re.compile(r"(-?\d+)([A-Za-z]?)")
_SNIFFED_ANY_ATOMS = 20
_FEWEST_DECIMALS = 3


def is_structure(head: bytes) -> bool:
    """Return whether a file has atoms as lines of PDB, as the loop of mmCIF, or in mmJSON."""
    return bool(_PDB_ATOM.search(head) or b"_atom_site." in head or is_mmjson(head))


def is_mmjson(head: bytes) -> bool:
    """Return whether a file is mmJSON: the first key of its object is the name of a data block."""
    return _MMJSON.match(head) is not None


def is_pdbqt(head: bytes) -> bool:
    """Return whether a file is PDBQT, by a line of an atom or by the tree of a ligand's torsions."""
    first = _FIRST_ATOM.search(head)
    if first is None:
        return False
    return bool(_ATOM.search(head[first.start() : first.start() + _SNIFFED]) or TREE.search(head, 0, first.start()))


def is_pqr(head: bytes) -> bool:
    """Return whether atom lines end in charge and radius, with more decimals than occupancy and B-factor have."""
    lines = [match.group().decode("latin-1") for match in islice(_ANY_ATOM.finditer(head), _SNIFFED_ANY_ATOMS)]
    return bool(lines) and all(map(_looks_like_pqr, lines))


def _looks_like_pqr(line: str) -> bool:
    fields = pqr_fields(line)
    if fields is None:
        return False
    last = line.split()[-2:]
    return any(len(value.partition(".")[2]) >= _FEWEST_DECIMALS for value in last)


def pqr_fields(line: str) -> tuple[str, ...] | None:
    """Parse name, residue, chain, number, insertion code, x, y and z; return None if the line is no atom of PQR."""
    fixed = _COLUMNS.match(line)
    if fixed and _CHARGE_AND_RADIUS.fullmatch(line, fixed.end()):
        return tuple(text.strip() for text in fixed.groups())
    words = line.split()
    if len(words) == 11:
        _, _, name, residue, chain, number, *values = words
    elif len(words) == 10:
        _, _, name, residue, number, *values = words
        chain = ""
    else:
        return None
    counted = _RESIDUE_NUMBER.fullmatch(number)
    if counted is None or not all(re.fullmatch(_NUMBER, value) for value in values):
        return None
    return name, residue, chain, counted[1], counted[2], *values[:3]
