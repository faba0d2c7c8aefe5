"""Read files of macromolecular structures by gemmi: PDB, PDBQT, PQR, mmCIF, BinaryCIF, mmJSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import gemmi

from logos_cli.errors import FormatError, InputError, StructureError
from logos_cli.structure import binarycif
from logos_cli.structure.kinds import is_mmjson, is_pdbqt, is_pqr
from logos_cli.structure.types import StructureFile

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
"""Categories that this package or gemmi's conversion to a structure uses."""


_NEEDED = ("type_symbol", "label_atom_id", "label_comp_id", "label_asym_id", "Cartn_y", "Cartn_z")
_ASSUMED = {"_atom_site.label_alt_id": ".", "_atom_site.id": "1"}
"""Columns that gemmi needs and some programs leave out, with default values."""


HEAD = 1 << 16
"""Bytes of a file that are enough to recognise its kind."""


def kind_of(head: bytes) -> str:
    """Return ``pdb``, ``pdbqt``, ``pqr``, ``mmcif``, ``bcif`` or ``mmjson`` for a file that is one of them."""
    if binarycif.is_binarycif(head):
        return "bcif"
    if is_mmjson(head):
        return "mmjson"
    for line in head.removeprefix(b"\xef\xbb\xbf").splitlines():
        if text := line.strip():
            if text.startswith(b"#"):
                continue
            if text[:5].lower() == b"data_":
                return "mmcif"
            break
    return "pdbqt" if is_pdbqt(head) else "pqr" if is_pqr(head) else "pdb"


def _line_reader(kind: str) -> Callable[[bytes, str], StructureFile] | None:
    """Return the reader of a format of lines, imported when a file needs it; None for CIF."""
    match kind:
        case "pdb":
            from logos_cli.structure.pdb.load import load_pdb

            return load_pdb
        case "pdbqt":
            from logos_cli.structure.pdbqt import load_pdbqt

            return load_pdbqt
        case "pqr":
            from logos_cli.structure.pqr import load_pqr

            return load_pqr
    return None


def load(data: bytes, name: str, block: str | None = None) -> StructureFile:
    """Read a structure.

    Parameters
    ----------
    block : str, optional
        Data block of a CIF; not needed if only one has atoms.

    Raises
    ------
    InputError
        If the file has no structure, several structures, or an error; the error names the line if it is known.
    """
    kind = kind_of(data[:HEAD])
    if (read_lines := _line_reader(kind)) is not None:
        try:
            return read_lines(data, name)
        except (RuntimeError, ValueError) as error:
            raise explain(error, name) from error
    document = document_of(data, kind, name)
    found = structure_blocks(document)
    if block is not None:
        found = [each for each in found if each.name == block]
    if len(found) > 1:
        raise StructureError(
            f"the file has {len(found)} structures: {', '.join(each.name for each in found[:6])}",
            source=name,
            hint="write one into a file of its own; logos encode reads them all",
        )
    return load_block(found[0] if found else document[0], kind, name, document)


def document_of(data: bytes, kind: str, name: str) -> gemmi.cif.Document:
    """Return the data blocks of a CIF, BinaryCIF or mmJSON file.

    Raises
    ------
    FormatError
        If the file cannot be parsed, or has no block.
    """
    if kind == "bcif":
        return _bcif_document(data, name)
    return _cif_document(data, name, _parse if kind == "mmcif" else gemmi.cif.read_mmjson_string)


def structure_blocks(document: gemmi.cif.Document) -> list[gemmi.cif.Block]:
    """Return the data blocks with atoms."""
    return [block for block in document if has_atoms(block)]


def load_block(
    block: gemmi.cif.Block, kind: str, name: str, document: gemmi.cif.Document | None = None
) -> StructureFile:
    """Make the structure of a CIF block; other blocks of its document may define the components.

    Raises
    ------
    InputError
        If the block has no atoms, or they cannot be read.
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
    definitions = [block]
    if document is not None and len(document) > 1:
        definitions += [each for each in document if each.name != block.name and defines_components(each)]
    return StructureFile(kind, structure, block, definitions=definitions)


def has_atoms(block: gemmi.cif.Block) -> bool:
    """Return whether a CIF block has Cartesian coordinates."""
    return _has(block, "_atom_site.", "Cartn_x")


def defines_components(block: gemmi.cif.Block) -> bool:
    """Return whether a CIF block has atoms of chemical components."""
    return _has(block, "_chem_comp_atom.", "atom_id")


def _cif_document(data: bytes, name: str, parse: Callable[[bytes], gemmi.cif.Document]) -> gemmi.cif.Document:
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        document = parse(data)
    except (RuntimeError, ValueError) as error:
        raise explain(error, name) from error
    if not len(document):
        raise FormatError("the CIF has no data block", source=name, hint="check that it was written completely")
    return document


def _parse(data: bytes) -> gemmi.cif.Document:
    """Parse CIF without the anisotropic displacements, which are a tenth of many files and not used."""
    start = data.find(b"\nloop_\n_atom_site_anisotrop.")
    end = data.find(b"\n#", start + 1) if start >= 0 else -1
    if end < 0 or data.find(b"\nloop_", start + 1, end) >= 0 or data.find(b"\ndata_", start, end) >= 0:
        return gemmi.cif.read_string(data)
    try:
        return gemmi.cif.read_string(data[:start] + data[end:])
    except (RuntimeError, ValueError):  # a comment inside the loop, or an error that needs its right line
        return gemmi.cif.read_string(data)


def document_of_file(path: Path) -> gemmi.cif.Document | None:
    """Return the CIF of a plain or gzipped file, read by gemmi itself; None if anything is unusual.

    Decompression in gemmi saves copies through Python. The slower way reports the errors of other files.
    """
    try:
        document = gemmi.cif.read(str(path))
    except (RuntimeError, ValueError, OSError, MemoryError):
        return None
    return document if structure_blocks(document) else None


def _has(block: gemmi.cif.Block, category: str, tag: str) -> bool:
    return bool(block.find(category, [tag]))


def _bcif_document(data: bytes, name: str) -> gemmi.cif.Document:
    """Return BinaryCIF as CIF, with the used categories only."""
    document = gemmi.cif.Document()
    try:
        for number, content in enumerate(binarycif.unpack(data), 1):
            header = str(content.get("header", "")) or "structure"
            taken = {block.name for block in document}
            block = document.add_new_block(header if header not in taken else f"{header}_{number}")
            for category, table in binarycif.categories(content, _CATEGORIES):
                found = binarycif.text_columns(table, gemmi.cif.quote)
                if found and len(next(iter(found.values()))):
                    loop = block.init_loop(f"_{category}.", list(found))
                    loop.set_all_values(list(found.values()))
    except FormatError as error:
        raise error.at(name) from error
    return document


def explain(error: Exception, name: str) -> InputError:
    """Return the error of a file that gemmi refuses, with the line if gemmi's message has it."""
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
