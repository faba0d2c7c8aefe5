"""Check the lines of a V2000 mol block, and put their fields into the right columns.

RDKit reads fixed columns without a check: a line moved by one column gives other numbers, and with lenient parsing
another molecule. Here every field must be complete. A line with moved fields is read by its words if these are certain,
with a note; any other is refused with its number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from logos_cli.errors import MoleculeError

_NUMBER: Final = re.compile(r" *[+-]?\d+\.?\d* *")
_WORD_NUMBER: Final = re.compile(r"[+-]?\d+\.\d+")
_SYMBOL: Final = re.compile(r"[A-Za-z*][A-Za-z0-9#*]{0,2}")
_ATOM_TAIL: Final = re.compile(r"(?:[ -]\d|  )?(?:[ ]{2}\d|[ ]\d\d|\d{3}|[ ]{3})*[ ]*")
_BOND: Final = re.compile(r"(?:[ ]{2}\d|[ ]\d\d|\d{3}){3}(?:[ ]{2}\d|[ ]\d\d|[ ]-\d|\d{3}|[ ]{3})*[ ]*")
_COUNTS: Final = re.compile(r"(?:[ ]{2}\d|[ ]\d\d|\d{3}){2}(?!\d)|(?:[ ]{2}\d|[ ]\d\d|\d{3}){2,}")
_USUAL_ATOM: Final = (
    r"(?:(?= *-?\d+\.)[ \d-]{5}\.\d{4}){3} (?:[CNOSPFIHB]  |Cl |Br |Si |Se ) 0  0  [0-3]  0  [01](?:  0){0,7} *"
)
_USUAL_ATOMS: Final = re.compile(f"{_USUAL_ATOM}(?:\n{_USUAL_ATOM})*")
_USUAL_BOND: Final = r"(?:[ ]{2}[1-9]|[ ][1-9]\d|[1-9]\d\d){2}  [123](?:  [0136])?(?:  0){0,3} *"
_USUAL_BONDS: Final = re.compile(f"(?:{_USUAL_BOND}(?:\n{_USUAL_BOND})*)?")
_INTEGER: Final = re.compile(r"-?\d{1,4}")
_LIST: Final = re.compile(r"\s*\d+\s+[TF]\s+\d+(?:\s+\d+)*\s*")
_PROPERTY: Final = re.compile(r"[MASVG] +\S.*|\s*")
_PAIRED: Final = frozenset(("CHG", "RAD", "ISO"))
_PLAIN_SYMBOLS: Final = frozenset(("C", "N", "O", "S", "P", "F", "Cl", "Br", "I", "H", "D", "T", "B", "Si", "Se"))
_OPEN_SYMBOLS: Final = frozenset(
    ("CA", "CD", "CE", "CF", "CM", "CO", "CR", "CS", "CU", "HE", "HF", "HG", "HO", "NA", "NB", "ND", "NE", "NI", "NP")
) | {"OS", "PA", "PB", "PD", "PT", "PU", "SB", "SC", "SN", "SR"}
_MASS_DIFFERENCES: Final = range(-3, 5)
_MOST_PLAIN_BOND: Final = 4
BOND_TYPES: Final = range(1, 11)
AROMATIC_BOND: Final = 4
_QUERY_BONDS: Final = range(5, 9)
_BOND_STEREO: Final = frozenset((0, 1, 3, 4, 6))
_CHARGE_CODES: Final = range(8)
_DOUBLET: Final = 4
_MOVED: Final = "columns out of place: read by their words"
_HEADER: Final = 3


def check_symbol(symbol: str) -> None:
    """Refuse capitals that stand for one element or for the name of an atom of another (CA, CO, NA), and lone pairs.

    Raises
    ------
    MoleculeError
        If they do.
    """
    if symbol.upper() == "LP":
        raise MoleculeError("a lone pair (LP) is no atom", hint="write the molecule without lone pairs")
    if symbol.isupper() and symbol in _OPEN_SYMBOLS:
        raise MoleculeError(
            f"the element {symbol} is {symbol.capitalize()}, or {symbol[0]} with a name",
            hint=f"write {symbol.capitalize()} or {symbol[0]}",
        )


def check_aromatic(ends: Sequence[object]) -> None:
    """Refuse an aromatic bond that is in no ring of them.

    Parameters
    ----------
    ends : sequence
        Both atoms of each aromatic bond.

    Raises
    ------
    MoleculeError
        If an atom has one such bond only.
    """
    lone = next((atom for atom, count in Counter(ends).items() if count == 1), None)
    if lone is not None:
        raise MoleculeError(
            f"the aromatic bond of atom {lone} is in no aromatic ring", hint="write it single or double"
        )


def check_query_bond(kind: int, *symbols: str) -> None:
    """Refuse a bond of a pattern (single or double …) to hydrogen, which RDKit takes away with what it says.

    Raises
    ------
    MoleculeError
        If one of the elements is hydrogen.
    """
    if kind in _QUERY_BONDS and "H" in symbols:
        raise MoleculeError(f"a bond of type {kind}, a pattern, leads to hydrogen", hint="write it as a single bond")


class V2000Block:
    """A checked block.

    Attributes
    ----------
    text : str
        The block for RDKit.
    notes : list of str
        Notes on the corrections.
    is_plain : bool
        Whether there are only elements, plain bonds, charges and isotopes, which a SMILES can carry.
    """

    def __init__(self, lines: list[str], first: int) -> None:
        """Check the lines of a block.

        Parameters
        ----------
        lines : list of str
            Three header lines, the counts line, … without ``M  END``.
        first : int
            One-based number of the first of them, for messages.

        Raises
        ------
        MoleculeError
            If a line breaks the format; the error names the first one.
        """
        self.notes: list[str] = []
        self.is_plain = True
        self._lines, self._first = lines, first
        self._doublets: list[int] = []
        self._symbols: list[str] = []
        self._aromatic: list[int] = []
        n_atoms, n_bonds = self._counts()
        start = _HEADER + 1
        if len(lines) < start + n_atoms + n_bonds:
            raise MoleculeError(
                f"the molecule counts {n_atoms} atoms and {n_bonds} bonds and has {len(lines) - start} lines",
                hint="the file may be cut off",
            )
        self._pairs: set[tuple[int, int]] = set()
        atoms, bonds = lines[start : start + n_atoms], lines[start + n_atoms : start + n_atoms + n_bonds]
        if not self._are_usual(atoms, bonds):
            atoms = [self._atom(start + n) for n in range(n_atoms)]
            bonds = [self._bond(start + n_atoms + n, n_atoms) for n in range(n_bonds)]
        check_aromatic(self._aromatic)
        properties = self._properties(start + n_atoms + n_bonds, n_atoms)
        counts = f"{n_atoms:3d}{n_bonds:3d}{self._counts_tail}"
        self.text = "\n".join([*lines[:_HEADER], counts, *atoms, *bonds, *properties, "M  END", ""])

    @staticmethod
    def _are_usual(atoms: list[str], bonds: list[str]) -> bool:
        """Return whether all lines are as most programs write them, so that nothing else has to be looked at."""
        if not (_USUAL_ATOMS.fullmatch("\n".join(atoms)) and _USUAL_BONDS.fullmatch("\n".join(bonds))):
            return False
        ends = [(int(line[:3]), int(line[3:6])) for line in bonds]
        pairs = {(a, b) if a < b else (b, a) for a, b in ends}
        return len(pairs) == len(ends) and all(0 < a < b <= len(atoms) for a, b in pairs)

    def _fail(self, index: int, what: str, hint: str = "write or convert the file again") -> MoleculeError:
        return MoleculeError(f"line {self._first + index}: {what}", hint=hint)

    def _move(self) -> None:
        if _MOVED not in self.notes:
            self.notes.append(_MOVED)

    def _counts(self) -> tuple[int, int]:
        line = self._lines[_HEADER]
        if _COUNTS.match(line):
            self._counts_tail = line[6:]
            return int(line[:3]), int(line[3:6])
        words = line.split()
        if len(words) < 2 or not all(word.isdecimal() and len(word) <= 3 for word in words[:2]):
            raise self._fail(_HEADER, "it does not count atoms and bonds", "e.g. '  3  2  0  0  0 … V2000'")
        self._move()
        self._counts_tail = "  0  0  0  0  0  0  0  0999 V2000"
        return int(words[0]), int(words[1])

    def _atom(self, index: int) -> str:
        line = self._lines[index]
        symbol = line[31:34].strip()
        is_whole = (
            _NUMBER.fullmatch(line[:10])
            and _NUMBER.fullmatch(line[10:20])
            and _NUMBER.fullmatch(line[20:30])
            and line[30:31] == " "
            and _SYMBOL.fullmatch(symbol)
            and _ATOM_TAIL.fullmatch(line[34:])
        )
        if not is_whole:
            words = line.split()
            numbers = words[4:]
            if (
                len(words) < 4
                or not all(map(_WORD_NUMBER.fullmatch, words[:3]))
                or not _SYMBOL.fullmatch(words[3])
                or not all(map(_INTEGER.fullmatch, numbers))
                or (numbers and numbers[0] != "0")
            ):
                raise self._fail(index, f"no atom: {line.strip()[:60]!r}", "x, y, z, element, in fixed columns")
            self._move()
            symbol = words[3]
            x, y, z = (float(word) for word in words[:3])
            tail = "".join(f"{word:>3}" for word in numbers[1:])
            line = f"{x:10.4f}{y:10.4f}{z:10.4f} {words[3]:<3} 0{tail}"
        charge = int(line[36:39].strip() or 0)
        if symbol not in _PLAIN_SYMBOLS or line[48:51].strip(" 0") or line[42:45].strip(" 0"):
            self.is_plain = False
        check_symbol(symbol)
        self._symbols.append(symbol)
        mass = line[34:36].strip(" +")
        if mass.lstrip("-").isdecimal() and int(mass) not in _MASS_DIFFERENCES:
            raise self._fail(index, f"the mass difference {mass} is not from -3 to 4", "write isotopes as M  ISO")
        if mass.strip("0") and (note := "an isotope is given by its mass difference") not in self.notes:
            self.notes.append(note)
        if charge not in _CHARGE_CODES:
            raise self._fail(index, f"the charge code {charge} is unknown")
        if charge == _DOUBLET:  # a radical, which RDKit ignores here
            self._doublets.append(index - _HEADER)
        return line

    def _bond(self, index: int, n_atoms: int) -> str:
        line = self._lines[index]
        if _BOND.fullmatch(line):
            a, b, kind, stereo = int(line[:3]), int(line[3:6]), int(line[6:9]), int(line[9:12].strip() or 0)
        else:
            words = line.split()
            if len(words) < 3 or not all(map(_INTEGER.fullmatch, words)):
                raise self._fail(index, f"no bond: {line.strip()[:60]!r}", "two atoms and a type, in fixed columns")
            self._move()
            a, b, kind, stereo = (int(word) for word in [*words, "0"][:4])
            line = f"{a:3d}{b:3d}{kind:3d}{stereo:3d}"
        for atom in (a, b):
            if not 0 < atom <= n_atoms:
                raise self._fail(index, f"a bond to atom {atom}; the molecule has {n_atoms}")
        pair = (min(a, b), max(a, b))
        if a == b or pair in self._pairs:
            what = "with itself" if a == b else f"with atom {b} is there twice"
            raise self._fail(index, f"the bond of atom {a} {what}")
        if kind not in BOND_TYPES or stereo not in _BOND_STEREO:
            raise self._fail(index, f"the bond type {kind} or its stereo {stereo} is unknown")
        if kind == AROMATIC_BOND:
            self._aromatic += (a, b)
        if line[12:].strip(" 0"):  # a condition on the ring, or on the reaction
            self.is_plain = False
        if kind > _MOST_PLAIN_BOND:
            self.is_plain = False
            check_query_bond(kind, self._symbols[a - 1], self._symbols[b - 1])
        self._pairs.add(pair)
        return line

    def _properties(self, start: int, n_atoms: int) -> list[str]:
        """Return the lines after the bonds, with charges, radicals and isotopes in the right columns."""
        found: list[str] = []
        is_text = False
        has_charges = False
        for index in range(start, len(self._lines)):
            line = self._lines[index]
            if is_text:
                is_text = False
                found.append(line)
                continue
            if _LIST.fullmatch(line):
                self.is_plain = False
            elif not _PROPERTY.fullmatch(line):
                raise self._fail(index, f"no property: {line.strip()[:60]!r}", "the counts line may be wrong")
            elif line[:1] in {"A", "G"} and not line[1:2].strip():
                is_text = True
                self.is_plain = False
            elif line.split()[:1] == ["M"] and (name := line.split()[1][:3]) in _PAIRED:
                has_charges = has_charges or name != "ISO"
                self.is_plain &= name != "RAD"
                found.append(self._paired(index, name, n_atoms))
                continue
            elif line.startswith("M"):
                self.is_plain = False
            if line.strip():
                found.append(line)
        if self._doublets and not has_charges:
            self.is_plain = False
            found += [f"M  RAD  1 {atom:3d}   2" for atom in self._doublets]
        return found

    def _paired(self, index: int, name: str, n_atoms: int) -> str:
        words = self._lines[index].split()[2:]
        numbers = [int(word) for word in words if _INTEGER.fullmatch(word)]
        if len(numbers) != len(words) or not numbers or len(numbers) != 1 + 2 * numbers[0]:
            raise self._fail(index, f"it does not list pairs of atom and value: {self._lines[index].strip()[:60]!r}")
        atoms = numbers[1::2]
        if not all(0 < atom <= n_atoms for atom in atoms):
            raise self._fail(index, f"a value for an atom that the molecule does not have (it has {n_atoms})")
        return f"M  {name}{numbers[0]:3d}" + "".join(f" {number:3d}" for number in numbers[1:])
