"""Files of macromolecular structures to gemmi: PDB, mmCIF, BinaryCIF; errors with file, line and remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.errors import FormatError, InputError, StructureError
from logos_cli.structure import binarycif

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_EXTENT_ANGSTROM = 1e5
_BAD_NUMBER = re.compile(rb"^(?:ATOM  |HETATM)[^\r\n]{24}(?=[^\r\n]{0,23}[^ \d.+\-\r\n])[^\r\n]{0,24}", re.MULTILINE)
_GEMMI_PLACE = re.compile(r"^(?:[\w<>]*:(\d+)(?:[:(]\d+\)?)*:?|Problem in line (\d+):)\s*")
_CATEGORIES = frozenset(
    (
        "atom_site",
        "cell",
        "symmetry",
        "space_group",
        "entry",
        "exptl",
        "entity",
        "entity_poly",
        "entity_poly_seq",
        "struct",
        "struct_asym",
        "struct_conn",
        "struct_conn_type",
        "chem_comp",
        "chem_comp_atom",
        "chem_comp_bond",
        "pdbx_struct_mod_residue",
        "pdbx_struct_assembly",
        "pdbx_struct_assembly_gen",
        "pdbx_struct_oper_list",
        "struct_ncs_oper",
        "atom_sites",
    )
)
"""Categories that are used here, or that gemmi makes a structure from."""


_ATOM_RECORDS = (b"ATOM  ", b"HETATM")
_NEEDED = ("type_symbol", "label_atom_id", "label_comp_id", "label_asym_id", "Cartn_y", "Cartn_z")
_ASSUMED = {"_atom_site.label_alt_id": ".", "_atom_site.id": "1"}
"""Columns that gemmi needs and some programs leave out, and what stands for them."""


@dataclass(slots=True)
class StructureFile:
    """A structure file in memory.

    Attributes
    ----------
    kind : str
        ``pdb``, ``mmcif`` or ``bcif``.
    structure : gemmi.Structure
    block : gemmi.cif.Block, optional
        The mmCIF block, which also holds the chemical components; None for PDB.
    notes : list of str
        What was put right while reading.
    """

    kind: str
    structure: gemmi.Structure
    block: gemmi.cif.Block | None = None
    notes: list[str] = field(default_factory=list)


def kind_of(head: bytes) -> str:
    """Return ``pdb``, ``mmcif`` or ``bcif`` for a file that is one of them."""
    if binarycif.is_binarycif(head):
        return "bcif"
    for line in head.removeprefix(b"\xef\xbb\xbf").splitlines():
        if text := line.strip():
            if text.startswith(b"#"):
                continue
            return "mmcif" if text[:5].lower() == b"data_" else "pdb"
    return "pdb"


def load(data: bytes, name: str) -> StructureFile:
    """Read a structure.

    Raises
    ------
    InputError
        If the bytes are no structure: with the line where that is known.
    """
    kind = kind_of(data[:4096])
    if kind == "pdb":
        return _load_pdb(data, name)
    block = bcif_block(data, name) if kind == "bcif" else cif_block(data, name)
    return load_block(block, kind, name)


def load_block(block: gemmi.cif.Block, kind: str, name: str) -> StructureFile:
    """Make the structure of a CIF block.

    Raises
    ------
    InputError
        If the block has no atoms, or they do not read.
    """
    if not has_atoms(block):
        raise StructureError(
            f"the CIF block {block.name!r} has no atoms (_atom_site.Cartn_x)",
            source=name,
            hint="give a coordinate file: mmCIF, PDB or BinaryCIF",
        )
    loop = block.find_loop("_atom_site.Cartn_x").get_loop()
    for tag, value in _ASSUMED.items():
        if loop is not None and tag not in loop.tags:
            loop.add_columns([tag], value)
    try:
        structure = gemmi.make_structure_from_block(block)
    except (RuntimeError, ValueError, IndexError) as error:
        raise explain(error, name) from error
    if not len(structure):
        have = {tag.removeprefix("_atom_site.") for tag in block.find_mmcif_category("_atom_site.").tags}
        missing = ", ".join(tag for tag in _NEEDED if tag not in have) or "values"
        raise StructureError(
            f"the atoms (_atom_site) lack {missing}", source=name, hint="write the file again as PDBx/mmCIF"
        )
    return StructureFile(kind, structure, block)


def has_atoms(block: gemmi.cif.Block) -> bool:
    """Whether a CIF block holds Cartesian coordinates."""
    return _has(block, "_atom_site.", "Cartn_x")


def cif_block(data: bytes, name: str) -> gemmi.cif.Block:
    """Return the block of a CIF file that holds a structure, else the first with a chemical component, else the first.

    Raises
    ------
    FormatError
        If the text is no CIF.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        document = _parse(data)
    except (RuntimeError, ValueError) as error:
        raise explain(error, name) from error
    if not len(document):
        raise FormatError("the CIF has no data block", source=name, hint="check that it was written completely")
    for category, tag in (("_atom_site.", "Cartn_x"), ("_chem_comp_atom.", "atom_id")):
        for block in document:
            if _has(block, category, tag):
                return block
    return document[0]


def _parse(data: bytes) -> gemmi.cif.Document:
    """Parse CIF, but for the anisotropic displacements, which are a tenth of many files and not used."""
    start = data.find(b"\nloop_\n_atom_site_anisotrop.")
    end = data.find(b"\n#", start + 1) if start >= 0 else -1
    if end < 0 or data.find(b"\nloop_", start + 1, end) >= 0 or data.find(b"\ndata_", start, end) >= 0:
        return gemmi.cif.read_string(data)
    try:
        return gemmi.cif.read_string(data[:start] + data[end:])
    except (RuntimeError, ValueError):  # a comment inside the loop, or an error whose line must be told right
        return gemmi.cif.read_string(data)


def block_of_file(path: Path) -> gemmi.cif.Block | None:
    """Return what :func:`cif_block` does, straight from a plain or gzipped file; None if anything is unusual.

    Decompressing in gemmi saves the copies through Python; what it cannot read, the slower way explains.
    """
    try:
        document = gemmi.cif.read(str(path))
    except (RuntimeError, ValueError, OSError, MemoryError):
        return None
    block = document[0] if len(document) == 1 else None
    return block if block is not None and has_atoms(block) else None


def _has(block: gemmi.cif.Block, category: str, tag: str) -> bool:
    return bool(block.find(category, [tag]))


def bcif_block(data: bytes, name: str) -> gemmi.cif.Block:
    """Return the first block of a BinaryCIF file as a CIF block, without categories that nothing here reads."""
    try:
        content = binarycif.unpack(data)[0]
        document = gemmi.cif.Document()
        block = document.add_new_block(str(content.get("header", "")) or "structure")
        for category, table in binarycif.categories(content, _CATEGORIES):
            found = binarycif.text_columns(table, gemmi.cif.quote)
            if found and len(next(iter(found.values()))):
                loop = block.init_loop(f"_{category}.", list(found))
                loop.set_all_values(list(found.values()))
    except FormatError as error:
        raise error.at(name) from error
    return block


def _load_pdb(data: bytes, name: str) -> StructureFile:
    if wrong := _BAD_NUMBER.search(data):
        line = data.count(b"\n", 0, wrong.start()) + 1
        raise FormatError(
            f"coordinates that are not numbers: {wrong.group()[30:54].decode('ascii', 'replace').strip()!r}",
            source=f"{name}:{line}",
            hint="columns 31 to 54 of an ATOM line hold x, y and z",
        )
    _check_last_line(data, name)
    try:
        structure = gemmi.read_pdb_string(data)
        notes = []
        if len(structure) and _has_duplicates(structure):
            data, n_split = _split_duplicates(data)
            if n_split:
                structure = gemmi.read_pdb_string(data)
                notes.append(f"{n_split} residue numbers occur again for other atoms; each is its own residue")
    except (RuntimeError, ValueError) as error:
        raise explain(error, name) from error
    if not len(structure) or not any(map(len, structure)):
        raise StructureError(
            "the PDB file has no atoms", source=name, hint="ATOM or HETATM lines are needed; was the file cut off?"
        )
    return StructureFile("pdb", structure, None, notes)


def _check_last_line(data: bytes, name: str) -> None:
    """Refuse a file that ends inside an ATOM line: gemmi would take what is left of it."""
    *before, last = data[-400:].splitlines()[-2:] or [b""]
    if data.endswith((b"\n", b"\r")) or last[:6] not in _ATOM_RECORDS:
        return
    if not before or before[0][:6] not in _ATOM_RECORDS or len(last.rstrip()) < len(before[0].rstrip()) - 2:
        raise FormatError(
            "the file ends inside an ATOM line",
            source=f"{name}:{len(data.splitlines())}",
            hint="it is cut off; download or copy it again",
        )


def _has_duplicates(structure: gemmi.Structure) -> bool:
    """Whether serial numbers hint that gemmi has joined residues that are apart in the file."""
    serials = gemmi.FlatStructure(structure).serials
    return bool((np.diff(serials) <= 0).any())


def _split_duplicates(data: bytes) -> tuple[bytes, int]:
    """Mark a residue whose number and name came before with the same atoms by a segment of its own.

    gemmi joins residues of one chain, number and name wherever they stand.
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


def explain(error: Exception, name: str) -> InputError:
    """Return the error of a file that gemmi refuses, with the line where gemmi says it."""
    text = str(error).strip()
    place = _GEMMI_PLACE.match(text)
    line = next((group for group in place.groups() if group), None) if place else None
    message = text[place.end() :] if place else text
    message = message.replace("\n", " ")[:200]
    return FormatError(
        f"not a readable structure file: {message or type(error).__name__}",
        source=f"{name}:{line}" if line else name,
        hint="the file may be cut off or damaged; download or write it again",
    )


def checked_positions(flat: gemmi.FlatStructure, name: str) -> NDArray[np.float64]:
    """Return the coordinates, shape (n_atoms, 3), in Å.

    Raises
    ------
    StructureError
        If one is not a finite number or absurdly far out.
    """
    positions: NDArray[np.float64] = np.array(flat.pos)
    if not (positions.max() < MAX_EXTENT_ANGSTROM and positions.min() > -MAX_EXTENT_ANGSTROM):  # NaN too
        wrong = ~(np.abs(positions) < MAX_EXTENT_ANGSTROM).all(axis=1)
        first = int(np.flatnonzero(wrong)[0])
        name_of = {
            key: _text(np.array(getattr(flat, key))[first]) for key in ("residue_names", "chain_ids", "atom_names")
        }
        residue = f"{name_of['residue_names']} {name_of['chain_ids']}:{np.array(flat.resnums)[first]}"
        values = " ".join(f"{value:g}" for value in positions[first])
        raise StructureError(
            f"atom {name_of['atom_names']} of {residue} lies at {values}, which is no position",
            source=name,
            hint="correct or remove the atom",
        )
    return positions


def _text(value: NDArray[np.int8]) -> str:
    return value.tobytes().rstrip(b"\0").decode("utf-8", "replace")
