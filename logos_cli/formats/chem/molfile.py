"""Reading molecule files: SDF and MOL (V2000, V3000), and MOL2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rdkit import Chem

from logos_cli.chemistry.molblock import COUNTS_LINE, END_LINE, read_molblock
from logos_cli.errors import InputError, LogosError, MoleculeError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule

_MAX_RECORD = 1 << 26
_ID_TAGS = ("id", "name", "comp_id", "chembl_id", "pubchem_compound_cid", "zinc_id", "idnumber", "catalog_id", "title")


@dataclass(frozen=True, slots=True)
class Block:
    """The text of one record and the line where it begins (one-based)."""

    line: int
    text: str
    notes: tuple[str, ...] = ()


def iter_sdf(source: Input, options: ReadOptions) -> Iterator[Entry]:  # noqa: ARG001 - always canonical
    """Yield the molecules of an SDF or MOL file, or of several put one after the other.

    Hydrogens become implicit; stereochemistry comes from the coordinates where they are three-dimensional,
    else from wedges. The SMILES is canonical.
    """
    yield from _entries(source, iter_sdf_blocks(source), _read_sdf)


def iter_mol2(source: Input, options: ReadOptions) -> Iterator[Entry]:  # noqa: ARG001
    """Yield the molecules of a Tripos MOL2 file."""
    blocks = (block for block in _from(source, "@<TRIPOS>MOLECULE") if block.text.startswith("@<TRIPOS>MOLECULE"))
    yield from _entries(source, blocks, _read_mol2)


def _entries(
    source: Input, blocks: Iterator[Block], read: Callable[[Block], tuple[str, str, list[str]]]
) -> Iterator[Entry]:
    ids = UniqueIds()
    number = 0
    for number, block in enumerate(blocks, 1):
        provenance = {**source.provenance, "line": block.line, "record": number}
        try:
            name, smiles, notes = read(block)
        except LogosError as error:
            name = _title(block.text) or f"{source.stem}:{number}"
            error.at(f"{source.name}:{block.line}")
            yield Entry(ids.take(name), None, provenance, error, Form.MOLECULE)
            continue
        if notes:
            provenance["notes"] = notes
        yield Entry(ids.take(name or f"{source.stem}:{number}"), Molecule(smiles), provenance)
    if not number:
        raise InputError("the file has no molecules", source=source.name)


def iter_sdf_blocks(source: Input) -> Iterator[Block]:
    """Yield the records of an SDF: up to ``$$$$``, or up to the header of a molecule that follows without one."""
    lines: list[str] = []
    start, size = 1, 0
    ended = data = -1  # places of the last line 'M  END' and of the first data header after it
    for number, line in enumerate(source.text_lines(), 1):
        if line.startswith("$$$$"):
            yield from _whole(Block(start, "\n".join(lines) + "\n"))
            lines, start, size, ended, data = [], number + 1, 0, -1, -1
            continue
        if ended >= 0 and COUNTS_LINE.fullmatch(line) and _begins_molecule(lines, line, ended, data):
            cut = len(lines) - _HEADER
            yield from _whole(Block(start, "\n".join(lines[:cut]) + "\n", (_NO_DELIMITER,)))
            lines, start, ended, data = lines[cut:], start + cut, -1, -1
            size = sum(map(len, lines))
        elif line.startswith("M") and END_LINE.fullmatch(line):
            ended = len(lines) if ended < 0 else ended
        elif ended >= 0 and data < 0 and line.startswith(">"):
            data = len(lines)
        lines.append(line)
        size += len(line)
        _check_size(size, start, source)
    yield from _whole(Block(start, "\n".join(lines) + "\n"))


_HEADER = 3
_NO_DELIMITER = "another molecule follows without a line $$$$ between them"


def _whole(block: Block) -> Iterator[Block]:
    if block.text.strip():
        yield block


def _begins_molecule(lines: list[str], line: str, ended: int, data: int) -> bool:
    """Whether the three lines before a counts line are the header of a molecule, not a mol block in a data field."""
    header = len(lines) - _HEADER
    if data < 0:
        return header > ended
    last = max(index for index in range(data, len(lines)) if lines[index].startswith(">"))
    return header > last + 1 and not lines[header - 1].strip() and line.rstrip().endswith(("V2000", "V3000"))


def _from(source: Input, begin: str) -> Iterator[Block]:
    """Yield the records that a line begins, and before them what stands above the first."""
    lines: list[str] = []
    start, size = 1, 0
    for number, line in enumerate(source.text_lines(), 1):
        if line.startswith(begin) and lines:
            yield Block(start, "\n".join(lines) + "\n")
            lines, start, size = [], number, 0
        lines.append(line)
        size += len(line)
        _check_size(size, start, source)
    yield Block(start, "\n".join(lines) + "\n")


def _check_size(size: int, start: int, source: Input) -> None:
    if size > _MAX_RECORD:
        raise InputError(
            f"the record that begins at line {start} is larger than {_MAX_RECORD >> 20} MiB",
            source=source.name,
            hint="check that records end with $$$$",
        )


def _read_sdf(block: Block) -> tuple[str, str, list[str]]:
    """Return name, SMILES and notes of an SDF record.

    Raises
    ------
    MoleculeError
        If the molecule cannot be read, or lines after it are no data fields.
    """
    lines = block.text.split("\n")
    end = next((n for n, line in enumerate(lines) if line.startswith("M") and END_LINE.fullmatch(line)), None)
    molecule, notes = read_molblock(block.text, block.line)
    rest = [] if end is None else lines[end + 1 :]
    stray = next((index for index, line in enumerate(rest) if line.strip()), None)
    if stray is not None and not rest[stray].startswith(">"):
        raise MoleculeError(
            f"line {block.line + (end or 0) + 1 + stray}: neither a data field nor $$$$ follows the molecule: "
            f"{rest[stray].strip()[:60]!r}",
            hint="data fields begin with '> <NAME>'",
        )
    return _title(block.text) or _tagged_id(rest), str(Chem.MolToSmiles(molecule)), [*block.notes, *notes]


def _title(text: str) -> str:
    """Return the name of a record: its first line, in MOL2 its second."""
    lines = text.split("\n", 2)
    title = lines[1] if lines[0].startswith("@<TRIPOS>") and len(lines) > 1 else lines[0]
    return " ".join(title.split())


def _tagged_id(lines: list[str]) -> str:
    """Return the value of the first SDF tag that is usual for identifiers."""
    values = {
        line[line.find("<") + 1 : line.rfind(">")].strip().lower(): lines[index + 1].strip()
        for index, line in enumerate(lines[:-1])
        if line.startswith(">") and "<" in line
    }
    return next((values[tag] for tag in _ID_TAGS if values.get(tag)), "")


def _read_mol2(block: Block) -> tuple[str, str, list[str]]:
    from logos_cli.chemistry.mol2.build import read_mol2block

    molecule, notes = read_mol2block(block.text, block.line)
    return _title(block.text), str(Chem.MolToSmiles(molecule)), notes
