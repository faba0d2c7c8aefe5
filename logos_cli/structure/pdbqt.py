"""Read PDBQT: the atoms of AutoDock and Vina, with charges and atom types, and without bonds.

Columns 1 to 66 are those of PDB; 71 to 76 hold a charge, 78 and 79 an atom type, which is no element: ``A`` is an
aromatic carbon, ``NA`` a nitrogen that accepts hydrogen bonds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import gemmi

from logos_cli.errors import FormatError
from logos_cli.structure.kinds import TREE
from logos_cli.structure.pdb.load import load_pdb
from logos_cli.structure.types import StructureFile

_ELEMENTS = {
    "A": "C",
    "CG": "C",
    "HD": "H",
    "HS": "H",
    "N": "N",
    "NA": "N",
    "NS": "N",
    "NX": "N",
    "OA": "O",
    "OS": "O",
    "OX": "O",
    "SA": "S",
}
"""Elements of atom types with other names; case counts: Na is sodium."""

_PSEUDO = re.compile(r"G\d?|W|TZ|Q|DD?")
"""Types of points that are no atoms: glue of opened rings, hydration sites, directions of zinc."""

_STRUCTURAL = (b"ROOT", b"ENDROOT", b"BRANCH", b"ENDBRANCH", b"TORSDOF", b"BEGIN_RES", b"END_RES")
_FIELDS = re.compile(r"( *\d+).{16}   " + r"( *-?\d{1,4}\.\d{3})" * 3)
_NAME = re.compile(r"REMARK +Name *= *(.+)")


def load_pdbqt(data: bytes, name: str) -> StructureFile:
    """Read the atoms of a PDBQT file as a structure.

    Raises
    ------
    FormatError
        If a line has damaged fields or no atom type; the error names the line.
    StructureError
        If there are no atoms.
    """
    lines: list[bytes] = []
    n_pseudo = 0
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.rstrip(b"\r")
        if text[:4] not in (b"ATOM", b"HETA"):
            lines.append(b"" if text.startswith(_STRUCTURAL) else text)
            continue
        kind = text[76:80].decode("latin-1").strip()
        if _PSEUDO.fullmatch(kind):
            n_pseudo += 1
            lines.append(b"")
            continue
        element = element_of(kind)
        if element is None:
            raise FormatError(
                f"columns 78 and 79 hold {kind!r}, which is no atom type of AutoDock",
                source=f"{name}:{number}",
                hint="the line is shifted or cut off; write the PDBQT file again",
            )
        lines.append(text[:66].ljust(76) + f"{element.upper():>2}".encode())
    file = load_pdb(b"\n".join(lines), name)
    file.kind = "pdbqt"
    if n_pseudo:
        file.notes.append(f"{n_pseudo} points that are no atoms (types G, W, TZ) are left out")
    return file


@cache
def element_of(kind: str) -> str | None:
    """Return the element of an atom type of AutoDock, or None if there is no such type."""
    if kind in _ELEMENTS:
        return _ELEMENTS[kind]
    if re.fullmatch(r"C(?:G\d?|[1-9])", kind):
        return "C"
    found = gemmi.Element(kind.capitalize())
    return found.name if found.atomic_number and kind[:1].isupper() else None


# -- ligands --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class PdbqtAtom:
    """An atom of a ligand; ``position`` in Å."""

    serial: int
    element: str
    position: tuple[float, float, float]


@dataclass(slots=True)
class PdbqtPose:
    """One ligand of one model.

    Attributes
    ----------
    model : int
        Number of the model, from 1.
    title : str
        Name of the ligand, if the file has one.
    smiles : str
        The molecule that Meeko wrote (``REMARK SMILES``), or empty.
    pairs : list of (int, int)
        Atoms of the SMILES (from 1) with their serial numbers.
    """

    model: int
    title: str = ""
    smiles: str = ""
    pairs: list[tuple[int, int]] = field(default_factory=list)
    atoms: list[PdbqtAtom] = field(default_factory=list)


def has_tree(data: bytes) -> bool:
    """Return whether a file has a ligand: a tree of torsions outside of flexible side chains."""
    return bool(TREE.search(re.sub(rb"BEGIN_RES.*?END_RES", b"", data, flags=re.DOTALL)))


def poses(data: bytes, name: str) -> Iterator[PdbqtPose]:
    """Yield the ligands of a file, model by model, without flexible side chains.

    Raises
    ------
    FormatError
        If an atom line cannot be parsed; the error names the line.
    """
    pose = PdbqtPose(1)
    n_models = 0
    in_residue = False
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        head = line.split(maxsplit=1)[0] if line.strip() else ""
        if head == "MODEL":
            n_models += 1
            if pose.atoms:
                yield pose
            pose = PdbqtPose(n_models)
        elif head in ("ENDMDL", "TORSDOF"):
            if pose.atoms:
                yield pose
            pose = PdbqtPose(max(n_models, 1))
        elif head in ("BEGIN_RES", "END_RES"):
            in_residue = head == "BEGIN_RES"
        elif head == "REMARK":
            _read_remark(pose, line)
        elif line[:4] in ("ATOM", "HETA") and not in_residue:
            _add_atom(pose, line, f"{name}:{number}")
    if pose.atoms:
        yield pose


def _read_remark(pose: PdbqtPose, line: str) -> None:
    words = line.split()
    if words[1:3] == ["SMILES", "IDX"]:
        numbers = [int(word) for word in words[3:] if word.isdecimal()]
        pose.pairs += zip(numbers[::2], numbers[1::2], strict=False)
    elif words[1:2] == ["SMILES"] and len(words) == 3:
        pose.smiles = words[2]
    elif found := _NAME.match(line):
        pose.title = found[1].strip()


def _add_atom(pose: PdbqtPose, line: str, place: str) -> None:
    kind = line[76:80].strip()
    if _PSEUDO.fullmatch(kind):
        return
    element = element_of(kind)
    fields = _FIELDS.fullmatch(line, 6, 54)
    if element is None or fields is None:
        what = f"{kind!r} is no atom type of AutoDock" if fields else "its fields do not keep to their columns"
        raise FormatError(
            f"the line is no atom: {what}", source=place, hint="it is damaged; write the PDBQT file again"
        )
    x, y, z = (float(value) for value in fields.groups()[1:])
    pose.atoms.append(PdbqtAtom(int(fields[1]), element, (x, y, z)))
