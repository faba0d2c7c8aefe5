"""Split residues of one chain, number and name that are apart in a PDB file, and that gemmi joins."""

from __future__ import annotations

import gemmi
import numpy as np

_ATOM_RECORDS = (b"ATOM  ", b"HETATM")


def has_duplicates(structure: gemmi.Structure) -> bool:
    """Return whether serial numbers suggest that gemmi has joined residues that are apart in the file."""
    serials = gemmi.FlatStructure(structure).serials
    return bool((np.diff(serials) <= 0).any())


def split_duplicates(data: bytes) -> tuple[bytes, int]:
    """Give a residue that repeats an earlier one's number, name and atoms a segment of its own; count them.

    gemmi joins residues of one chain, number and name, wherever they are in the file.
    """
    lines = data.split(b"\n")
    seen: dict[bytes, set[bytes]] = {}
    current, segment, n_split = b"", 0, 0
    segments: dict[bytes, int] = {}
    for index, line in enumerate(lines):
        if line[:5] == b"MODEL":
            seen.clear()
            segments.clear()
            current = b""
        if line[:6] not in _ATOM_RECORDS:
            continue
        key, atom = line[17:27], line[12:17]
        atoms = seen.setdefault(key, set())
        if key != current:
            current = key
            if atom in atoms:
                segments[key] = segments.get(key, 0) + 1
                n_split += 1
                atoms.clear()
            segment = segments.get(key, 0)
        atoms.add(atom)
        if segment:
            text = line.rstrip(b"\r").ljust(80)
            lines[index] = text[:72] + b"%04d" % segment + text[76:]
    return b"\n".join(lines), n_split
