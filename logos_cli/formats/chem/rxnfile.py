"""Read reactions from RXN (V2000, V3000) and RDF files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rdkit import Chem

from logos_cli import limits
from logos_cli.chemistry.molblock import read_molblock
from logos_cli.chemistry.molecule_records import too_large
from logos_cli.errors import FormatError, InputError, LogosError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.reaction_entries import components, to_entry
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Source

_V3000_HEAD = "\n\n\n  0  0  0     0  0            999 V3000\n"
_SIDES = ("REACTANT", "PRODUCT", "AGENT")
_NUMBERS = re.compile(r"\d+")


@dataclass(slots=True)
class _Part:
    """One record of an RDF file, or a whole RXN file."""

    line: int
    name: str = ""
    lines: list[str] = field(default_factory=list)


def iter_rxn(source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield the reaction of an RXN file, or the reactions of several concatenated ones."""
    parts = _parts(source, ("$RXN",), keep=True)
    yield from _entries(source, parts, options)


def iter_rdf(source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield the reactions, and the molecules, of an RDF file."""
    parts = _parts(source, ("$RFMT", "$MFMT"), keep=False)
    yield from _entries(source, parts, options)


def _parts(source: Input, begin: tuple[str, ...], *, keep: bool) -> Iterator[_Part]:
    """Yield the records of a file; each starts with a line with one of these beginnings."""
    part: _Part | None = None
    size, largest = 0, limits.RECORD.n_bytes
    for number, line in enumerate(source.text_lines(), 1):
        if line.startswith(begin):
            if part is not None:
                yield part
            words = line.split()
            size = 0
            part = _Part(number, words[-1] if not keep and len(words) > 2 else "", [line] if keep else [])
        elif part is not None:
            part.lines.append(line)
            size += len(line) + 1
            if size > largest:
                raise too_large(part.line).at(source.name)
    if part is not None:
        yield part


def _entries(source: Input, parts: Iterator[_Part], options: ReadOptions) -> Iterator[Entry]:
    ids = UniqueIds(source.stem)
    number = 0
    for number, part in enumerate(parts, 1):
        provenance: Source = {**source.provenance, "line": part.line, "record": number}
        lines = _before_data(part.lines)
        start = next((index for index, line in enumerate(lines) if line.startswith("$RXN")), None)
        title = lines[0 if start is None else start + 1 :][:1]
        name = part.name or " ".join("".join(title).split())
        entry_id = ids.take(name or f"{source.stem}:{number}")
        try:
            if start is None:
                yield _molecule(lines, entry_id, provenance)
            else:
                sides, notes = _sides(lines[start:])
                if notes:
                    provenance["notes"] = notes
                yield to_entry(sides["REACTANT"], sides["AGENT"], sides["PRODUCT"], entry_id, provenance, options)
        except LogosError as error:
            form = Form.MOLECULE if start is None else Form.REACTION
            yield Entry(entry_id, None, provenance, error.at(f"{source.name}:{part.line}"), form)
    if not number:
        raise InputError("the file has no reactions", source=source.name)


def _before_data(lines: list[str]) -> list[str]:
    """Return the lines above the first data field of an RDF record."""
    end = next((index for index, line in enumerate(lines) if line.startswith("$DTYPE")), len(lines))
    return lines[:end]


def _molecule(lines: list[str], entry_id: str, provenance: Source) -> Entry:
    molecule, notes = read_molblock("\n".join(lines) + "\n")
    if notes:
        provenance["notes"] = notes
    return Entry(entry_id, Molecule(str(Chem.MolToSmiles(molecule))), provenance)


def _sides(lines: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the SMILES of the components of reactants, products and agents, atom maps included, and notes.

    Raises
    ------
    FormatError
        If the counts line is broken or its counts are wrong.
    MoleculeError
        If RDKit rejects a molecule.
    """
    blocks = _blocks_v3000(lines) if "V3000" in lines[0] else _blocks_v2000(lines)
    sides: dict[str, list[str]] = {}
    notes: list[str] = []
    for side in _SIDES:
        sides[side] = []
        for block in blocks.get(side, ()):
            molecule, found = read_molblock(block)
            sides[side] += components(molecule)
            notes += [note for note in found if note not in notes]
    return sides, notes


def _blocks_v2000(lines: list[str]) -> dict[str, list[str]]:
    """Split at the ``$MOL`` lines; the fifth line has the numbers of reactants, products and, by extension, agents."""
    counts_line = lines[4] if len(lines) > 4 else ""
    columns = [counts_line[start : start + 3].strip() for start in (0, 3, 6)]
    if not (columns[0].isdigit() and columns[1].isdigit()):
        raise FormatError(
            "the fifth line of the reaction has no numbers of reactants and products", hint="e.g. '  2  1'"
        )
    counts = [int(column) if column.isdigit() else 0 for column in columns]
    blocks: list[str] = []
    for line in lines[5:]:
        if line.startswith("$MOL"):
            blocks.append("")
        elif blocks:
            blocks[-1] += line + "\n"
    return _share_out(blocks, counts)


def _share_out(blocks: list[str], counts: list[int]) -> dict[str, list[str]]:
    if sum(counts) != len(blocks):
        raise FormatError(
            f"the reaction states {sum(counts)} molecules and has {len(blocks)}", hint="the file may be cut off"
        )
    shares = iter(blocks)
    return {side: [next(shares) for _ in range(count)] for side, count in zip(_SIDES, counts, strict=True)}


def _blocks_v3000(lines: list[str]) -> dict[str, list[str]]:
    """Split at ``BEGIN REACTANT``, ``BEGIN PRODUCT`` and ``BEGIN AGENT``, then at each connection table."""
    found: dict[str, list[str]] = {side: [] for side in _SIDES}
    counts: list[int] = []
    side = ""
    table: list[str] | None = None
    for line in lines:
        words = line.split()[2:] if line.startswith("M  V30") else []
        if words[:1] == ["COUNTS"] and table is None:
            counts = [int(word) for word in words[1:] if _NUMBERS.fullmatch(word)]
        elif words[:1] == ["BEGIN"] and words[1:2] and words[1] in _SIDES:
            side = words[1]
        elif words == ["BEGIN", "CTAB"] and side:
            table = [line]
        elif table is not None:
            table.append(line)
            if words == ["END", "CTAB"]:
                found[side].append(_V3000_HEAD + "\n".join(table) + "\nM  END\n")
                table = None
    if table is not None or sum(counts) != sum(map(len, found.values())):
        raise FormatError("the reaction has more or fewer molecules than it states", hint="the file may be cut off")
    return found
