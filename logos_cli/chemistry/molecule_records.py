"""Split SDF and MOL2 files into records of one molecule each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from rdkit import Chem

from logos_cli import limits
from logos_cli.chemistry.molblock import COUNTS_LINE, END_LINE, read_molblock
from logos_cli.errors import InputError, MoleculeError

MOL2_MARK: Final = "@<TRIPOS>MOLECULE"
"""Beginning of the first line of a record in a MOL2 file."""

_HEADER: Final = 3
_MOST_HEADER: Final = 8
_DAMAGED_END: Final = re.compile(r"\s*\${1,3}\s*|.{0,4}\${3,4}\s*")
_NO_DELIMITER: Final = "another molecule follows without a line $$$$ between them"
_ID_TAGS = ("id", "name", "comp_id", "chembl_id", "pubchem_compound_cid", "zinc_id", "idnumber", "catalog_id", "title")


@dataclass(frozen=True, slots=True)
class MoleculeText:
    """The text of one record, and its first line (one-based)."""

    line: int
    text: str
    notes: tuple[str, ...] = ()

    @property
    def is_mol2(self) -> bool:
        """Whether it is a record of a MOL2 file, not of an SDF."""
        return self.text.startswith(MOL2_MARK)

    @property
    def title(self) -> str:
        """The name of the record: its first line, in MOL2 its second."""
        lines = self.text.split("\n", _MOST_HEADER + 1)
        if self.is_mol2:
            return " ".join(lines[1].split())
        counts = next((n for n, line in enumerate(lines) if COUNTS_LINE.fullmatch(line)), _HEADER)
        n_added = max(counts - _HEADER, 0)  # blank lines above the title
        return " ".join(lines[0 if any(map(str.strip, lines[:n_added])) else n_added].split())

    @property
    def name(self) -> str:
        """The title, or else the value of the first SDF tag that is usual for identifiers; empty without either."""
        return self.title or ("" if self.is_mol2 else _tagged_id(self._data))

    @property
    def _may_be_mapped(self) -> bool:
        """Whether a line has a number in the columns of atom maps, or the block has no columns."""
        return "V3000" in self.text or any(line[60:63].strip(" 0") for line in self.text.split("\n"))

    @property
    def _data(self) -> list[str]:
        """The lines after the mol block."""
        return [] if self._end is None else self.text.split("\n")[self._end + 1 :]

    @property
    def _end(self) -> int | None:
        lines = enumerate(self.text.split("\n"))
        return next((n for n, line in lines if line.startswith("M") and END_LINE.fullmatch(line)), None)

    def read(self) -> tuple[Chem.Mol, list[str]]:
        """Return the molecule, sanitized and without explicit hydrogens, and notes.

        Raises
        ------
        MoleculeError
            If the molecule cannot be read, or lines after it are not data fields.
        """
        if self.is_mol2:
            from logos_cli.chemistry.mol2.build import read_mol2block

            return read_mol2block(self.text, self.line)
        molecule, notes = read_molblock(self.text, self.line)
        rest = self._data
        stray = next((index for index, line in enumerate(rest) if line.strip()), None)
        if stray is not None and not rest[stray].startswith(">"):
            raise MoleculeError(
                f"line {self.line + (self._end or 0) + 1 + stray}: neither a data field nor $$$$ follows the molecule: "
                f"{rest[stray].strip()[:60]!r}",
                hint="data fields begin with '> <NAME>'",
            )
        for index, line in enumerate(rest):
            if _DAMAGED_END.fullmatch(line) or _stands_for_end(rest, index):
                raise MoleculeError(
                    f"line {self.line + (self._end or 0) + 1 + index}: {line.strip()[:60]!r} is no end of a record",
                    hint="records end with $$$$ at the beginning of a line",
                )
        if self._may_be_mapped and any(atom.GetAtomMapNum() for atom in molecule.GetAtoms()):
            for atom in molecule.GetAtoms():
                atom.SetAtomMapNum(0)
            notes.append("atom maps removed")
        return molecule, [*self.notes, *notes]


def _stands_for_end(lines: list[str], index: int) -> bool:
    """Whether a line between data fields stands where the end of a record should: a molecule follows it."""
    counts = lines[index + _HEADER + 1] if index + _HEADER + 1 < len(lines) else ""
    return bool(
        index
        and not lines[index - 1].strip()
        and lines[index].strip()
        and not lines[index].startswith(">")
        and COUNTS_LINE.fullmatch(counts)
        and counts.rstrip().endswith(("V2000", "V3000"))
    )


def sdf_records(text_lines: Iterable[str]) -> Iterator[MoleculeText]:
    """Yield the records of an SDF; each ends at ``$$$$``, or at the header of the next molecule without one."""
    lines: list[str] = []
    start, size, largest = 1, 0, limits.RECORD.n_bytes
    ended = data = -1  # places of the last line 'M  END' and of the first data header after it
    for number, line in enumerate(text_lines, 1):
        if line.startswith("$$$$"):
            yield from _whole(MoleculeText(start, "\n".join(lines) + "\n"))
            lines, start, size, ended, data = [], number + 1, 0, -1, -1
            continue
        if ended >= 0 and COUNTS_LINE.fullmatch(line) and _begins_molecule(lines, line, ended, data):
            cut = len(lines) - _HEADER
            yield from _whole(MoleculeText(start, "\n".join(lines[:cut]) + "\n", (_NO_DELIMITER,)))
            lines, start, ended, data = lines[cut:], start + cut, -1, -1
            size = sum(map(len, lines)) + len(lines)
        elif line.startswith("M") and END_LINE.fullmatch(line):
            ended = len(lines) if ended < 0 else ended
        elif ended >= 0 and data < 0 and line.startswith(">"):
            data = len(lines)
        lines.append(line)
        size += len(line) + 1
        if size > largest:
            raise too_large(start)
    yield from _whole(MoleculeText(start, "\n".join(lines) + "\n"))


def _whole(block: MoleculeText) -> Iterator[MoleculeText]:
    if block.text.strip():
        yield block


def _begins_molecule(lines: list[str], line: str, ended: int, data: int) -> bool:
    """Return whether three lines before a counts line are a molecule's header, not a mol block in a data field."""
    header = len(lines) - _HEADER
    if data < 0:
        return header > ended
    last = max(index for index in range(data, len(lines)) if lines[index].startswith(">"))
    return header > last + 1 and not lines[header - 1].strip() and line.rstrip().endswith(("V2000", "V3000"))


def mol2_records(text_lines: Iterable[str]) -> Iterator[MoleculeText]:
    """Yield the records of a MOL2 file; lines above the first are left out."""
    lines: list[str] = []
    start, size, largest = 1, 0, limits.RECORD.n_bytes
    for number, line in enumerate(text_lines, 1):
        if line.startswith(MOL2_MARK):
            if lines:
                yield MoleculeText(start, "\n".join(lines) + "\n")
            lines, start, size = [], number, 0
        elif not lines:
            continue
        lines.append(line)
        size += len(line) + 1
        if size > largest:
            raise too_large(start)
    if lines:
        yield MoleculeText(start, "\n".join(lines) + "\n")


def too_large(start: int) -> InputError:
    """Return the error of a record that is larger than it may be (:data:`logos_cli.limits.RECORD`).

    Parameters
    ----------
    start : int
        Its first line.
    """
    return InputError(
        f"the record that begins at line {start} is larger than {limits.RECORD.text}",
        hint=f"check that records end as they should ($$$$ in an SDF), or {limits.RECORD.hint}",
    )


def _tagged_id(lines: list[str]) -> str:
    """Return the value of the first SDF tag that is usual for identifiers."""
    values = {
        line[line.find("<") + 1 : line.rfind(">")].strip().lower(): lines[index + 1].strip()
        for index, line in enumerate(lines[:-1])
        if line.startswith(">") and "<" in line
    }
    return next((values[tag] for tag in _ID_TAGS if values.get(tag)), "")
