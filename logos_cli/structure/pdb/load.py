"""Load a PDB file by gemmi, after a check of every line, so that nothing is lost without a note."""

from __future__ import annotations

import re

import gemmi
import numpy as np

from logos_cli.errors import FormatError, StructureError
from logos_cli.structure.pdb.columns import AtomLines, atom_lines, has_points, word
from logos_cli.structure.pdb.duplicates import has_duplicates, split_duplicates
from logos_cli.structure.pdb.frames import Frames, settle_ends
from logos_cli.structure.pdb.meaning import Meaning, settle_columns
from logos_cli.structure.types import StructureFile

_RECORDS = (
    "HEADER OBSLTE TITLE SPLIT CAVEAT COMPND SOURCE KEYWDS EXPDTA NUMMDL MDLTYP AUTHOR REVDAT SPRSDE JRNL REMARK DBREF "
    "SEQADV SEQRES MODRES HET HETNAM HETSYN FORMUL HELIX SHEET TURN SSBOND LINK CISPEP SITE CRYST1 ORIGX SCALE MTRIX "
    "TVECT MODEL ATOM ANISOU TER HETATM ENDMDL CONECT MASTER END SIGATM SIGUIJ HYDBND SLTBRG FTNOTE USER"
)
"""Records of PDB files; other lines that look like an atom's are damaged."""

_WITHOUT_POINTS = np.array([word(record) for record in ("ANISOU", "TER", "CONECT", "SEQRES", "HETNAM")], np.uint32)
"""Records without decimal numbers."""

_COORDINATES = re.compile(rb"-?\d+\.\d{3} *-?\d+\.\d{3} *-?\d+\.\d{3}")


def load_pdb(data: bytes, name: str) -> StructureFile:
    """Read a PDB file.

    Raises
    ------
    FormatError
        If a line has damaged fields; the error names the line.
    StructureError
        If there are no atoms.
    RuntimeError, ValueError
        If gemmi refuses the file for another reason.
    """
    lines = atom_lines(data)
    if not len(lines.rows):
        raise StructureError(
            "the PDB file has no atoms", source=name, hint="ATOM or HETATM lines are needed; was the file cut off?"
        )
    _check_records(lines, name)
    _check_last_line(lines, name)
    meaning = settle_columns(lines, name)
    frames = settle_ends(lines, name)
    content = _rewritten(lines, meaning, frames)
    structure = gemmi.read_pdb_string(content)
    notes = [*meaning.notes, *frames.notes]
    if len(structure) and has_duplicates(structure):
        content, n_split = split_duplicates(content)
        if n_split:
            structure = gemmi.read_pdb_string(content)
            notes.append(f"{n_split} residue numbers occur again for other atoms; each is its own residue")
    _restore_names(structure, meaning)
    return StructureFile("pdb", structure, None, notes, has_elements=meaning.has_elements)


def _check_records(lines: AtomLines, name: str) -> None:
    """Refuse a line that looks like an atom's but has another record name, as gemmi would ignore it."""
    known = np.array([word(record) for record in ("", *_RECORDS.split())], np.uint32)
    strange = ~np.isin(lines.heads, known)
    strange |= np.isin(lines.heads, _WITHOUT_POINTS)
    for number in np.flatnonzero(strange & has_points(lines)).tolist():
        text = lines.line(number)
        if _COORDINATES.search(text):
            raise FormatError(
                f"the record is called {text[:6].decode('ascii', 'replace')!r}, but has coordinates",
                source=f"{name}:{number + 1}",
                hint="ATOM and HETATM lines hold atoms; the line is damaged or shifted",
            )


def _check_last_line(lines: AtomLines, name: str) -> None:
    """Refuse a file that ends inside an ATOM line, as gemmi would read the rest of it."""
    last = len(lines.starts) - 1
    if lines.starts[last] == len(lines.data) or lines.rows[-1] != last:
        return
    before = lines.line(last - 1) if last else b""
    if before[:4] not in (b"ATOM", b"HETA") or len(lines.line(last).rstrip()) < len(before.rstrip()) - 2:
        raise FormatError(
            "the file ends inside an ATOM line",
            source=f"{name}:{last + 1}",
            hint="it is cut off; download or copy it again",
        )


def _rewritten(lines: AtomLines, meaning: Meaning, frames: Frames) -> bytes:
    """Return the content of the file with all changes."""
    if not (meaning.lines or frames.dropped or frames.opened):
        # gemmi counts the line break as part of a line's length
        return lines.data if lines.data.endswith(b"\n") else lines.data + b"\n"
    content: list[bytes] = []
    for number in range(len(lines.starts)):
        if number in frames.dropped:
            content.append(b"")
            continue
        if (opened := frames.opened.get(number)) is not None:
            content.append(opened)
        content.append(meaning.lines.get(number) or lines.line(number))
        if (closed := frames.closed.get(number)) is not None:
            content.append(closed)
    return b"\n".join(content) + b"\n"


def _restore_names(structure: gemmi.Structure, meaning: Meaning) -> None:
    """Restore the names of residues and chains that had no room in the columns."""
    if not (meaning.residues or meaning.chains):
        return
    for model in structure:
        for chain in model:
            chain.name = meaning.chains.get(chain.name, chain.name)
            for residue in chain:
                residue.name = meaning.residues.get(residue.name, residue.name)
