"""A small receptor that tests make themselves: a peptide with every kind of residue, a metal, waters, a ligand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import rdDistGeom

SEQUENCE = "ACDEFGHIKLMNPQRSTVWYHDE"
LIGAND = "Cc1ccccc1"


_FILE = Path(__file__).parent / "golden" / "peptide.pdb"


@cache
def peptide() -> str:
    """Return the ATOM lines of a peptide of 23 residues, numbered from 101."""
    return _FILE.read_text()


def embedded() -> str:
    """Make these lines: seconds of distance geometry, which is why they are kept (``python -m tests.receptors``)."""
    molecule = Chem.AddHs(Chem.MolFromSequence(SEQUENCE))
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = 7
    parameters.useRandomCoords = True
    assert rdDistGeom.EmbedMolecule(molecule, parameters) == 0
    lines = []
    for line in Chem.MolToPDBBlock(Chem.RemoveHs(molecule)).splitlines():
        if line.startswith("ATOM"):
            number = int(line[22:26]) + 100
            lines.append(f"{line[:21]}A{number:4d}{line[26:]}")
    return "\n".join(lines) + "\n"


def centre() -> tuple[float, float, float]:
    """Return the middle of the peptide, Å."""
    rows = peptide().splitlines()
    columns = [[float(line[start : start + 8]) for line in rows] for start in (30, 38, 46)]
    x, y, z = (sum(column) / len(column) for column in columns)
    return x, y, z


def hetatm(serial: int, name: str, residue: str, number: int, xyz: tuple[float, float, float], element: str) -> str:
    """Return one HETATM line."""
    x, y, z = xyz
    label = f" {name:<3}" if len(element) == 1 else f"{name:<4}"
    return (
        f"HETATM{serial:5d} {label} {residue:>3} A{number:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00          "
        f"{element:>2}\n"
    )


def ligand_block(*, flat: bool = False, zero: bool = False) -> str:
    """Return toluene beside the peptide as a mol block, or what passes for one."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(LIGAND))
    assert rdDistGeom.EmbedMolecule(molecule, randomSeed=1) == 0
    conformer = molecule.GetConformer()
    middle = centre()
    for row in range(molecule.GetNumAtoms()):
        place = conformer.GetAtomPosition(row)
        moved = [value + shift + 6.0 for value, shift in zip((place.x, place.y, place.z), middle, strict=True)]
        if flat:
            moved[2] = 0.0
        conformer.SetAtomPosition(row, [0.0] * 3 if zero else moved)
    return Chem.MolToMolBlock(Chem.RemoveHs(molecule))


def with_two_ligands() -> str:
    """Return the peptide with two toluenes, MBN A:301 and, on its other side, MBN A:401."""
    lines = []
    for number, shift in ((301, 0.0), (401, -12.0)):
        for row, xyz in enumerate(Chem.MolFromMolBlock(ligand_block()).GetConformer().GetPositions().tolist()):
            name = f"C{row or ''}"
            x, y, z = (value + shift for value in xyz)
            lines.append(hetatm(number + row, name, "MBN", number, (x, y, z), "C"))
    return peptide() + "TER\n" + "".join(lines) + "END\n"


def with_ligand() -> str:
    """Return the peptide with toluene (MBN A:301) as a crystal ligand, zinc, magnesium far away, glycerol and water."""
    rows = Chem.MolFromMolBlock(ligand_block()).GetConformer().GetPositions().tolist()
    names = ["C", "C1", "C2", "C3", "C4", "C5", "C6"]
    lines = [
        hetatm(900 + row, name, "MBN", 301, tuple(xyz), "C")
        for row, (name, xyz) in enumerate(zip(names, rows, strict=True))
    ]
    x, y, z = rows[0]
    lines += [
        hetatm(920, "ZN", "ZN", 302, (x + 3.5, y, z), "ZN"),
        hetatm(921, "MG", "MG", 303, (x + 60, y, z), "MG"),
        hetatm(922, "O", "HOH", 304, (x, y + 3.5, z), "O"),
        hetatm(923, "C1", "EDO", 305, (x, y, z + 4.0), "C"),
        hetatm(924, "O1", "EDO", 305, (x, y, z + 5.4), "O"),
        hetatm(925, "C2", "EDO", 305, (x + 1.2, y, z + 3.2), "C"),
        hetatm(926, "O2", "EDO", 305, (x + 2.2, y, z + 4.1), "O"),
    ]
    return peptide() + "TER\n" + "".join(lines) + "END\n"


if __name__ == "__main__":
    _FILE.write_text(embedded())
