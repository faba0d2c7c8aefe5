"""SDF and MOL2 records: lines become records, RDKit reads them, and its reason becomes the error message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from rdkit import Chem

from logos_cli.chemistry.smiles import attempt, rejection
from logos_cli.errors import InputError, MoleculeError

_MAX_RECORD: Final = 1 << 26
_MOL2: Final = "@<TRIPOS>MOLECULE"
_V3000_COUNTS = re.compile(r"^M  V30 COUNTS(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MoleculeText:
    """The text of one record and the line where it begins (one-based)."""

    line: int
    text: str

    @property
    def is_mol2(self) -> bool:
        """Whether it is a MOL2 record."""
        return self.text.startswith(_MOL2)

    @property
    def title(self) -> str:
        """The name of the record: its first line, in MOL2 its second."""
        lines = self.text.split("\n", 2)
        return " ".join(lines[1 if self.is_mol2 else 0].split())

    def read(self) -> tuple[Chem.Mol, list[str]]:
        """Return the molecule, sanitized and without explicit hydrogens, and notes.

        Raises
        ------
        MoleculeError
            With RDKit's reason.
        """
        if self.is_mol2:
            return read_mol2block(self.text)
        molblock, end, _ = self.text.partition("M  END")
        return read_molblock(f"{molblock}{end}\n" if end else molblock)


def sdf_records(lines: Iterable[str]) -> Iterator[MoleculeText]:
    """Yield the records of an SDF or MOL file; the last one may lack its ``$$$$``."""
    record: list[str] = []
    start = 1
    for number, line in enumerate(_limited(lines, "$$$$"), 1):
        if not line.startswith("$$$$"):
            record.append(line)
            continue
        if any(map(str.strip, record)):
            yield MoleculeText(start, "\n".join(record) + "\n")
        record, start = [], number + 1
    if any(map(str.strip, record)):
        yield MoleculeText(start, "\n".join(record) + "\n")


def mol2_records(lines: Iterable[str]) -> Iterator[MoleculeText]:
    """Yield the records of a MOL2 file; what stands above the first is left out."""
    record: list[str] = []
    start = 1
    for number, line in enumerate(_limited(lines, _MOL2), 1):
        if line.startswith(_MOL2):
            if record:
                yield MoleculeText(start, "\n".join(record) + "\n")
            record, start = [line], number
        elif record:
            record.append(line)
    if record:
        yield MoleculeText(start, "\n".join(record) + "\n")


def _limited(lines: Iterable[str], mark: str) -> Iterator[str]:
    """Yield lines while records, which lines with this mark divide, are of a size that can be."""
    size = start = 0
    for number, line in enumerate(lines, 1):
        if line.startswith(mark):
            size, start = 0, number
        size += len(line)
        if size > _MAX_RECORD:
            raise InputError(
                f"the record that begins near line {start + 1} is larger than {_MAX_RECORD >> 20} MiB",
                hint=f"check that records are divided by {mark}",
            )
        yield line


def read_molblock(text: str) -> tuple[Chem.Mol, list[str]]:
    """Return the molecule of a mol block, sanitized and without explicit hydrogens, and notes.

    Raises
    ------
    MoleculeError
        With RDKit's reason.
    """
    if "M  END" not in text:
        raise MoleculeError("the molecule is cut off: it has no line 'M  END'", hint="write or download the file again")
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
        raise MoleculeError(f"RDKit rejects the molecule: {reason}", hint="check its bonds, charges and counts line")
    if molecule.GetNumAtoms() == 0:
        raise MoleculeError("the molecule has no atoms")
    return molecule, notes


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
    if molecule is not None and molecule.GetNumAtoms() > 1 and all(a.GetAtomicNum() != 1 for a in molecule.GetAtoms()):
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
