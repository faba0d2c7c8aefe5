"""Read mol blocks by RDKit after a check; features that a sentence cannot carry become notes."""

from __future__ import annotations

import re
from typing import Final

from rdkit import Chem

from logos_cli.chemistry.geometry_marks import drop_impossible_marks
from logos_cli.chemistry.lengths import odd_lengths
from logos_cli.chemistry.not_carried import features
from logos_cli.chemistry.rare_stereo import unread_cumulenes, unread_parities
from logos_cli.chemistry.smiles import attempt, rejection
from logos_cli.chemistry.v2000 import (
    AROMATIC_BOND,
    BOND_TYPES,
    V2000Block,
    check_aromatic,
    check_query_bond,
    check_symbol,
)
from logos_cli.errors import MoleculeError

COUNTS_LINE: Final = re.compile(r".*V[23]000\s*|[ \d]{2}\d[ \d]{2}\d[ \d]{2}\d[ \d]{0,30}\s*")
"""The fourth line of a block; it names a version or has at least three columns."""
END_LINE: Final = re.compile(r"M\s+END\s*")
_HEADER: Final = 3
_MOST_HEADER: Final = 8
_V30_COUNTS: Final = re.compile(r"^M  V30 COUNTS(.*)$", re.MULTILINE)
_V30_SECTION: Final = re.compile(r"^M  V30 BEGIN (ATOM|BOND)$(.*?)^M  V30 END \1$", re.MULTILINE | re.DOTALL)
_V30_ATOM: Final = re.compile(r"\d+ .+? -?\d+\.?\d* -?\d+\.?\d* -?\d+\.?\d* \d+(?: |$)")
_V30_ATOM_WORDS, _V30_BOND_WORDS = 6, 4
_V30_ATOM_KEYS: Final = frozenset(
    ("CHG", "RAD", "CFG", "MASS", "VAL", "HCOUNT", "STBOX", "INVRET", "EXACHG", "SUBST", "UNSAT", "RBCNT", "ATTCHPT")
) | {"RGROUPS", "ATTCHORD", "CLASS", "SEQID", "SEQNAME"}
_V30_BOND_KEYS: Final = frozenset(("CFG", "TOPO", "RXCTR", "STBOX", "ATTACH", "ENDPTS", "DISP"))
_HIGHEST_CHARGE: Final = 8
_V30_POSITION: Final = re.compile(r"ATTACH=(?!ALL\b)\w+")
_V30_RGROUP: Final = "M  V30 BEGIN RGROUP"
_V30_HAPTIC: Final = "ENDPTS="


def read_molblock(text: str, first_line: int = 1) -> tuple[Chem.Mol, list[str]]:
    """Return the molecule of a mol block, sanitized and without explicit hydrogens, and notes.

    A bond from a metal to several atoms (V3000, ``ATTACH=ALL``) becomes a dative bond from each. Features that no SMILES
    carries (stereo groups, atom lists, polymers …) are listed in notes that begin with
    :data:`~logos_cli.chemistry.notes.NOT_CARRIED`.

    Parameters
    ----------
    text : str
        The block with its line ``M  END``; later lines are ignored.
    first_line : int
        Number of its first line in the file, for messages.

    Raises
    ------
    MoleculeError
        If a line breaks the format, or RDKit rejects the molecule.
    """
    lines = _ascii(text).split("\n")
    end = next((n for n, line in enumerate(lines) if line.startswith("M") and END_LINE.fullmatch(line)), None)
    if end is None:
        raise MoleculeError("the molecule is cut off: it has no line 'M  END'", hint="write or download the file again")
    lines, notes = _with_header(lines[:end])
    is_plain = False
    if "V3000" in lines[_HEADER]:
        text = "\n".join([*lines, "M  END", ""])
        if _V30_RGROUP in text:
            raise MoleculeError(
                "the block defines R groups (BEGIN RGROUP): it stands for several molecules", hint="write each of them"
            )
        _check_v3000(text)
    else:
        block = V2000Block(lines, first_line)
        text = block.text
        notes += block.notes
        is_plain = block.is_plain
    molecule = attempt(lambda: Chem.MolFromMolBlock(text))
    if molecule is None:
        molecule = attempt(lambda: Chem.MolFromMolBlock(text, strictParsing=False))
        notes.append("the mol block breaks the format; read leniently")
    if molecule is None:
        reason = rejection(lambda sanitize: Chem.MolFromMolBlock(text, sanitize=sanitize))[0]
        raise MoleculeError(f"RDKit rejects the molecule: {reason}", hint="check its bonds, charges and counts line")
    if molecule.GetNumAtoms() == 0:
        raise MoleculeError("the molecule has no atoms")
    for number in range(molecule.GetNumAtoms() if "CHG" in text else 0):
        if abs(charge := molecule.GetAtomWithIdx(number).GetFormalCharge()) > _HIGHEST_CHARGE:
            raise MoleculeError(f"atom {number + 1} has the charge {charge:+d}, which no atom has")
    if _V30_HAPTIC in text:
        molecule = _with_dative_bonds(molecule, text)
    drop_impossible_marks(molecule)
    notes += odd_lengths(molecule)
    notes += [*unread_cumulenes(molecule), *unread_parities(molecule)]
    return molecule, notes if is_plain else [*notes, *features(molecule, text)]


def _with_header(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the block with exactly three header lines before the counts line, and notes."""
    counts = [n for n, line in enumerate(lines[:_MOST_HEADER]) if COUNTS_LINE.fullmatch(line)]
    versions = [n for n in counts if lines[n].rstrip().endswith(("V2000", "V3000"))]
    found = _HEADER if _HEADER in counts else next(iter(versions or counts), None)
    if found is None:
        raise MoleculeError(
            "the molecule has no counts line: three header lines, then numbers of atoms and bonds",
            hint="e.g. '  3  2  0  0  0  0            999 V2000'",
        )
    if found == _HEADER:
        return lines, []
    header = [line for line in lines[:found] if line.strip()][:_HEADER] if found > _HEADER else lines[:found]
    note = f"the counts line is line {found + 1} of the molecule, not line 4"
    return [*header, *[""] * (_HEADER - len(header)), *lines[found:]], [note]


def _check_v3000(text: str) -> None:
    """Refuse lines that are not whole, and counts that the block does not hold: RDKit would search for minutes."""
    counts = _V30_COUNTS.search(text)
    words = counts[1].split()[:2] if counts else []
    if len(words) < 2 or not all(map(str.isdecimal, words)):
        raise MoleculeError("the molecule does not count its atoms and bonds (M  V30 COUNTS)")
    sections = dict(_V30_SECTION.findall(text.replace("-\nM  V30 ", "")))
    for name, counted in zip(("ATOM", "BOND"), map(int, words), strict=True):
        rows = [line.split()[2:] for line in sections.get(name, "").split("\n") if line.startswith("M  V30 ")]
        if len(rows) != counted:
            raise MoleculeError(
                f"the molecule counts {counted} {name.lower()}s and has {len(rows)}", hint="the file may be cut off"
            )
        if name == "ATOM":
            for row in rows:
                if len(row) < _V30_ATOM_WORDS or not _V30_ATOM.match(" ".join(row)):
                    raise MoleculeError(f"no atom: {' '.join(row)[:60]!r}", hint="number, element, x, y, z, map")
                check_symbol(row[1])
                _check_keys(row[_V30_ATOM_WORDS:], _V30_ATOM_KEYS)
            atoms = {row[0]: row[1] for row in rows}
            if len(atoms) != counted:
                raise MoleculeError("two atoms of the molecule have the same number")
            continue
        aromatic: list[str] = []
        for row in rows:
            if len(row) < _V30_BOND_WORDS or not all(map(str.isdecimal, row[:4])) or int(row[1]) not in BOND_TYPES:
                raise MoleculeError(f"no bond: {' '.join(row)[:60]!r}", hint="number, type, two atoms")
            if absent := next((atom for atom in row[2:4] if atom not in atoms), None):
                raise MoleculeError(f"bond {row[0]} leads to atom {absent}, which the molecule does not have")
            _check_keys(row[_V30_BOND_WORDS:], _V30_BOND_KEYS)
            if int(row[1]) == AROMATIC_BOND:
                aromatic += row[2:4]
            check_query_bond(int(row[1]), atoms[row[2]], atoms[row[3]])
        check_aromatic(aromatic)


def _check_keys(words: list[str], known: frozenset[str]) -> None:
    """Refuse keywords that the format does not define, at the end of a line of V3000."""
    for word in words:
        key, is_key, _ = word.partition("=")
        if is_key and key not in known:
            raise MoleculeError(f"the keyword {key} is unknown", hint="write or convert the file again")


def _with_dative_bonds(molecule: Chem.Mol, text: str) -> Chem.Mol:
    """Return a molecule with a dative bond from each atom that a metal binds as a group.

    Raises
    ------
    MoleculeError
        If a bond may lead to any one of several atoms, as the block is then a pattern of many molecules.
    """
    if position := _V30_POSITION.search(text):
        raise MoleculeError(
            f"a bond leads to any one of several atoms ({position[0]}): the block stands for several molecules",
            hint="write each of them",
        )
    found = attempt(lambda: Chem.HapticBondsToDative(molecule))
    if found is None or any(atom.GetAtomicNum() == 0 and not atom.GetDegree() for atom in found.GetAtoms()):
        raise MoleculeError("the bond of a group of atoms (ENDPTS) cannot be read", hint="draw it as single bonds")
    return found


def _ascii(text: str) -> str:
    """Replace characters other than ASCII, which only titles and comments have, as RDKit quotes lines as bytes."""
    return text if text.isascii() else text.encode("ascii", "replace").decode("ascii")
