"""Parse CXSMILES: the extension between bars after a SMILES.

Radicals, the stereo of double bonds, coordinate bonds, and the stereo of wedges or of coordinates in space are part of the
molecule and are written into the SMILES.
A SMILES cannot carry stereo groups, labels, polymers and the like: they become notes. Unknown fields that could change
the molecule, and fields that name missing atoms, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from rdkit import Chem

from logos_cli.chemistry.notes import GROUP_MEANING, NOT_CARRIED
from logos_cli.chemistry.smiles import attempt, parse_smiles
from logos_cli.errors import MoleculeError

_FIELD: Final = re.compile(r"\([^()]*\)|\$[^$]*\$|[^,]+")
_GROUP: Final = re.compile(r"([&o]\d*):(.*)")
_RADICAL: Final = re.compile(r"\^([1-7]):(.*)")
_STRUCTURE: Final = re.compile(r"(c|t|ctu|C|H|Z):.*")
_SILENT: Final = frozenset(("a", "w"))
"""Fields that add nothing to a SMILES: absolute stereo, wavy bonds."""
_WEDGES: Final = frozenset(("wU", "wD"))
_NOTED: Final = {
    "s": "query on the number of neighbours",
    "u": "query on unsaturation",
    "rb": "query on ring bonds",
    "LN": "link nodes (repeated parts)",
    "Sg": "groups (polymer, mixture)",
    "SgD": "data groups",
    "SgH": "nesting of groups",
    "RG": "definitions of R groups",
    "LOG": "logic of R groups",
    "f": "which components belong together",
    "atomProp": "properties of atoms",
    "r": "relative stereo: one hand or the other",
}
_NUMBERS: Final = re.compile(r"\d+")
_INDICES: Final = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(slots=True)
class Extension:
    """A parsed extension.

    Attributes
    ----------
    radicals : list of (str, int)
        Kind (``1`` to ``7``) and zero-based atom.
    structure : list of str
        Other fields that belong to the molecule, as written.
    points : str
        The coordinates, as written.
    wedges : list of str
        The wedges, as written.
    wedged : list of int
        Zero-based atoms at which wedges begin.
    notes : list of str
        Fields that the sentence does not carry.
    """

    radicals: list[tuple[str, int]] = field(default_factory=list)
    structure: list[str] = field(default_factory=list)
    points: str = ""
    wedges: list[str] = field(default_factory=list)
    wedged: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def split_extension(text: str) -> tuple[str, str]:
    """Split a text into the extension at its beginning, without bars, and the rest; ``""`` if there is none.

    Raises
    ------
    MoleculeError
        If it is not closed.
    """
    if not text.startswith("|"):
        return "", text
    end = text.find("|", 1)
    if end < 0:
        raise MoleculeError("the CXSMILES extension that begins with '|' is not closed", text=text[:200])
    return text[1:end], text[end + 1 :].strip()


def parse_extension(extension: str, n_atoms: int) -> Extension:
    """Parse an extension.

    Parameters
    ----------
    extension : str
        The text between the bars.
    n_atoms : int
        Atoms of the SMILES before it, explicit hydrogens included.

    Raises
    ------
    MoleculeError
        If a field is unknown or names a missing atom.
    """
    found = Extension()
    for part in _fields(extension):
        if part.startswith("("):
            found.points = part
            continue
        if part.startswith("$"):
            found.notes += _labels(part, n_atoms)
        elif match := _RADICAL.fullmatch(part):
            found.radicals += [(match[1], atom) for atom in _atoms(match[2], n_atoms, part)]
        elif match := _GROUP.fullmatch(part):
            atoms = ", ".join(str(atom + 1) for atom in _atoms(match[2], n_atoms, part))
            found.notes.append(f"{NOT_CARRIED}stereo group {match[1]}: {GROUP_MEANING[match[1][0]]} (atoms {atoms})")
        elif _STRUCTURE.fullmatch(part):
            found.structure.append(part)
        elif part.startswith("m:"):
            raise MoleculeError(
                f"a bond leads to any one of several atoms ({part}): the line stands for several molecules",
                hint="write each of them",
            )
        else:
            name = part.partition(":")[0]
            if name == "lp":
                continue
            if name in _WEDGES:
                found.wedges.append(part)
                found.wedged += _atoms(part.partition(":")[2], n_atoms, part)
            elif name in _SILENT:
                _atoms(part.partition(":")[2], n_atoms, part)
            elif name in _NOTED:
                found.notes.append(f"{NOT_CARRIED}{_NOTED[name]} ({part})")
            else:
                raise MoleculeError(
                    f"the CXSMILES extension has a field that is not known: {part[:40]!r}", hint="leave it out"
                )
    return found


def _fields(extension: str) -> list[str]:
    """Return the fields; numbers between commas belong to the field before them."""
    parts: list[str] = []
    for part in _FIELD.findall(extension):
        if parts and part[0].isdigit() and not parts[-1].startswith(("(", "$")):
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts


def _atoms(text: str, n_atoms: int, part: str) -> list[int]:
    if not _INDICES.fullmatch(text):
        raise MoleculeError(f"the CXSMILES extension does not name atoms: {part[:40]!r}")
    atoms = [int(word.partition(".")[0]) for word in text.split(",")]
    if max(atoms) >= n_atoms:
        raise MoleculeError(
            f"the CXSMILES extension names atom {max(atoms)} of {n_atoms}, counted from 0: {part[:40]!r}"
        )
    return atoms


def _labels(part: str, n_atoms: int) -> list[str]:
    """Return notes on the labels (``$R1;;$``) or values of atoms."""
    text = part.strip("$")
    if text.startswith("_AV:"):
        return [f"{NOT_CARRIED}values of atoms ({part})"]
    labels = text.split(";")
    if len(labels) > n_atoms:
        raise MoleculeError(f"the CXSMILES extension labels {len(labels)} atoms of {n_atoms}: {part[:40]!r}")
    return [f"{NOT_CARRIED}the label {label} of atom {n}" for n, label in enumerate(labels, 1) if label]


def read_cxsmiles(smiles: str, extension: str) -> tuple[str, list[str]]:
    """Return the SMILES of a CXSMILES (canonical if the extension is part of the molecule), and notes.

    Raises
    ------
    MoleculeError
        If RDKit rejects the SMILES, or the extension cannot be read.
    """
    n_atoms, n_bonds = _size(smiles)
    found = parse_extension(extension, n_atoms)
    for part in found.structure:
        _check_bonds(part, n_atoms, n_bonds)
    fields = [f"^{kind}:{atom}" for kind, atom in found.radicals] + found.structure
    drawn, notes = _drawn_stereo(smiles, found)
    fields += drawn
    found.notes += notes
    if not fields:
        return smiles, found.notes
    written = ",".join(fields)
    molecule = attempt(lambda: Chem.MolFromSmiles(f"{smiles} |{written}|"))
    if molecule is None:
        raise MoleculeError(f"RDKit rejects the CXSMILES extension |{written[:60]}|", text=smiles)
    plain, full = str(Chem.MolToSmiles(parse_smiles(smiles))), str(Chem.MolToSmiles(molecule))
    if full == plain:
        return smiles, found.notes
    return full, [*found.notes, f"the CXSMILES extension |{written}| is written into the SMILES"]


def _drawn_stereo(smiles: str, found: Extension) -> tuple[list[str], list[str]]:
    """Return the fields of the drawing if they add stereo to the SMILES, and notes on what they leave out."""
    is_in_space = any(point.rpartition(",")[2].strip("-0. ") for point in found.points.strip("()").split(";"))
    marked = _marks(smiles)
    added: list[str] = []
    if found.points and (found.wedges or is_in_space):
        fields = [found.points, *found.wedges]
        drawn = _marks(f"{smiles} |{','.join(fields)}|")
        if any(drawn.get(atom) != tag for atom, tag in marked.items()):
            return [], ["the stereo of the CXSMILES extension differs from the marks of the SMILES, which are kept"]
        added, marked = (fields if drawn != marked else []), drawn
    return added, _unmarked(found.wedged, marked)


def _unmarked(wedged: list[int], marked: Collection[int]) -> list[str]:
    """Return a note on wedges at atoms without a mark of stereo."""
    atoms = ", ".join(str(atom + 1) for atom in sorted(set(wedged) - set(marked)))
    return [f"{NOT_CARRIED}the wedges at the atoms {atoms}"] if atoms else []


def _marks(text: str) -> dict[int, Chem.ChiralType]:
    """Return the marks of stereo of the atoms of a SMILES or CXSMILES, by their place in the text."""
    options: Any = Chem.SmilesParserParams()
    options.removeHs = False
    molecule = attempt(lambda: Chem.MolFromSmiles(text, options))
    atoms = molecule.GetAtoms() if molecule is not None else ()
    tags = {atom.GetIdx(): atom.GetChiralTag() for atom in atoms}
    return {index: tag for index, tag in tags.items() if tag != Chem.ChiralType.CHI_UNSPECIFIED}


def read_reaction(sides: list[str], extension: str) -> tuple[list[str], list[str]]:
    """Return the sides of a reaction SMILES with its radicals, and notes.

    Raises
    ------
    MoleculeError
        If RDKit rejects a side, or the extension cannot be read or concerns bonds.
    """
    sizes = [_size(side)[0] if side else 0 for side in sides]
    found = parse_extension(extension, sum(sizes))
    if found.structure:
        raise MoleculeError(
            f"the CXSMILES extension of the reaction concerns bonds: {found.structure[0][:40]!r}",
            hint="write them in the SMILES",
        )
    marked: set[int] = set()
    for number, side in enumerate(sides):
        marked |= {sum(sizes[:number]) + atom for atom in _marks(side)} if side and found.wedged else set()
    written, notes, start = [], [*found.notes, *_unmarked(found.wedged, marked)], 0
    for side, size in zip(sides, sizes, strict=True):
        own = [f"^{kind}:{atom - start}" for kind, atom in found.radicals if start <= atom < start + size]
        smiles, more = read_cxsmiles(side, ",".join(own)) if own else (side, [])
        written.append(smiles)
        notes += more
        start += size
    return written, notes


def _check_bonds(part: str, n_atoms: int, n_bonds: int) -> None:
    """Refuse the number of a missing atom or bond, as RDKit ignores it."""
    for word in part.partition(":")[2].split(","):
        numbers = word.split(".")
        atom, bond = (numbers[0], numbers[-1]) if len(numbers) > 1 else ("0", word)
        if not all(map(_NUMBERS.fullmatch, (atom, bond))) or int(atom) >= n_atoms or int(bond) >= n_bonds:
            raise MoleculeError(f"the CXSMILES extension names an atom or bond that is not there: {part[:40]!r}")


def _size(smiles: str) -> tuple[int, int]:
    """Return the numbers of atoms and bonds in a SMILES."""
    parse_smiles(smiles)
    molecule = attempt(lambda: Chem.MolFromSmiles(smiles, sanitize=False))
    return (molecule.GetNumAtoms(), molecule.GetNumBonds()) if molecule is not None else (0, 0)
