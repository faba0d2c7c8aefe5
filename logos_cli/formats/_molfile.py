"""Reading molecule files: SDF and MOL (V2000, V3000), and MOL2."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rdkit import Chem

from logos_cli.errors import InputError, LogosError, MoleculeError
from logos_cli.formats._ids import UniqueIds
from logos_cli.formats._input import Input
from logos_cli.formats._smiles import attempt, rejection
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.grammar import Form
from logos_cli.objects.molecule import Molecule

_MAX_RECORD = 1 << 26
_ID_TAGS = (
    "id",
    "name",
    "comp_id",
    "chembl_id",
    "pubchem_compound_cid",
    "zinc_id",
    "idnumber",
    "catalog_id",
    "title",
)
_V3000_COUNTS = re.compile(r"^M  V30 COUNTS(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """The text of one record and the line where it begins (one-based)."""

    line: int
    text: str


def iter_sdf(source: Input, options: ReadOptions) -> Iterator[Entry]:  # noqa: ARG001 - always canonical
    """Yield the molecules of an SDF or MOL file.

    Hydrogens become implicit; stereochemistry comes from the coordinates where they are three-dimensional,
    else from wedges. The SMILES is canonical.
    """
    blocks = (block for block in _until(source, "$$$$") if block.text.strip())
    yield from _entries(source, blocks, _read_sdf)


def iter_mol2(source: Input, options: ReadOptions) -> Iterator[Entry]:  # noqa: ARG001
    """Yield the molecules of a Tripos MOL2 file."""
    blocks = (
        block for block in _from(source, "@<TRIPOS>MOLECULE") if block.text.startswith("@<TRIPOS>MOLECULE")
    )
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


def _until(source: Input, end: str) -> Iterator[Block]:
    """Yield the records that a line ends; the last one may lack it."""
    lines: list[str] = []
    start, size = 1, 0
    for number, line in enumerate(source.text_lines(), 1):
        if line.startswith(end):
            yield Block(start, "\n".join(lines) + "\n")
            lines, start, size = [], number + 1, 0
            continue
        lines.append(line)
        size += len(line)
        _check_size(size, start, source)
    yield Block(start, "\n".join(lines) + "\n")


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
            f"the record that begins at line {start} is larger than {_MAX_RECORD >> 20} MiB", source=source.name,
            hint="check that records end with $$$$",
        )  # fmt: skip


def read_molblock(text: str) -> tuple[Chem.Mol, list[str]]:
    """Return the molecule of a mol block, sanitized and without explicit hydrogens, and notes.

    Raises
    ------
    MoleculeError
        With RDKit's reason.
    """
    if "M  END" not in text:
        raise MoleculeError(
            "the molecule is cut off: it has no line 'M  END'", hint="write or download the file again"
        )
    text = _ascii(text)
    for counts in _V3000_COUNTS.findall(text):
        _check_counts(counts, text)
    notes: list[str] = []
    molecule = attempt(lambda: Chem.MolFromMolBlock(text))
    if molecule is None:
        molecule = attempt(lambda: Chem.MolFromMolBlock(text, strictParsing=False))
        notes.append("the mol block breaks the format; read leniently")
    if molecule is None:
        reason = rejection(lambda sanitize: Chem.MolFromMolBlock(text, sanitize=sanitize))[0]
        raise MoleculeError(
            f"RDKit rejects the molecule: {reason}", hint="check its bonds, charges and counts line"
        )
    if molecule.GetNumAtoms() == 0:
        raise MoleculeError("the molecule has no atoms")
    return molecule, notes


def _read_sdf(block: Block) -> tuple[str, str, list[str]]:
    molblock, _, rest = block.text.partition("M  END")
    molecule, notes = read_molblock(f"{molblock}M  END\n" if rest else molblock)
    return _title(block.text) or _tagged_id(rest), str(Chem.MolToSmiles(molecule)), notes


def _title(text: str) -> str:
    """Return the name of a record: its first line, in MOL2 its second."""
    lines = text.split("\n", 2)
    title = lines[1] if lines[0].startswith("@<TRIPOS>") and len(lines) > 1 else lines[0]
    return " ".join(title.split())


def _tagged_id(tags: str) -> str:
    """Return the value of the first SDF tag that is usual for identifiers."""
    lines = tags.splitlines()
    values = {
        line[line.find("<") + 1 : line.rfind(">")].strip().lower(): lines[index + 1].strip()
        for index, line in enumerate(lines[:-1])
        if line.startswith(">") and "<" in line
    }
    return next((values[tag] for tag in _ID_TAGS if values.get(tag)), "")


def read_mol2block(text: str) -> tuple[Chem.Mol, list[str]]:
    """Return the molecule of a MOL2 record, sanitized and without explicit hydrogens, and notes.

    The format counts on every hydrogen being written; where a file has none at all, they are added by valence.

    Raises
    ------
    MoleculeError
        With RDKit's reason.
    """
    notes: list[str] = []
    text = _ascii(text)
    _check_counts("".join(text.split("\n", 3)[2:3]), text)
    molecule = attempt(lambda: Chem.MolFromMol2Block(text, sanitize=False, removeHs=False))
    if (
        molecule is not None
        and molecule.GetNumAtoms() > 1
        and all(a.GetAtomicNum() != 1 for a in molecule.GetAtoms())
    ):
        bare = molecule
        molecule = attempt(lambda: _hydrogenated(bare))
        notes.append("the file has no hydrogens; added by valence")
    else:
        molecule = attempt(lambda: Chem.MolFromMol2Block(text))
    if molecule is None:
        reason = rejection(lambda sanitize: Chem.MolFromMol2Block(text, sanitize=sanitize))[0]
        raise MoleculeError(
            f"RDKit rejects the molecule: {reason}",
            hint="RDKit reads Corina's atom types; else convert the file to SDF",
        )
    if molecule.GetNumAtoms() == 0:
        raise MoleculeError("the molecule has no atoms")
    return molecule, notes


def _hydrogenated(molecule: Chem.Mol) -> Chem.Mol:
    """Let valences be filled, taking back the charges that RDKit gave for want of hydrogens."""
    for atom in molecule.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumRadicalElectrons(0)
        kind = atom.GetProp("_TriposAtomType") if atom.HasProp("_TriposAtomType") else ""
        if atom.GetFormalCharge() < 0 and kind not in ("O.co2", "S.o2"):
            atom.SetFormalCharge(0)
    Chem.SanitizeMol(molecule)
    Chem.AssignStereochemistryFrom3D(molecule)
    return molecule


def _check_counts(counts: str, text: str) -> None:
    """Refuse numbers of atoms and bonds that the text has no room for: RDKit would look for them for minutes."""
    n_lines = text.count("\n")
    for count in counts.split()[:2]:
        if len(count) > 9 or (count.isdecimal() and int(count) > n_lines):
            raise MoleculeError(f"the molecule counts {count} atoms or bonds and has {n_lines} lines")


def _ascii(text: str) -> str:
    """Replace what is not ASCII (it can stand in titles and comments only): RDKit quotes lines byte by byte."""
    return text if text.isascii() else text.encode("ascii", "replace").decode("ascii")


def _read_mol2(block: Block) -> tuple[str, str, list[str]]:
    molecule, notes = read_mol2block(block.text)
    return _title(block.text), str(Chem.MolToSmiles(molecule)), notes
