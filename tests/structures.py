"""Small structures that tests write themselves: a peptide with every kind of residue, and ligands of RDKit beside it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

from rdkit import Chem
from rdkit.Chem import rdDistGeom

from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from tests import receptors

AMIDE = "O=C(NCCO)c1ccc(Cl)cc1"
"""A ligand with an element of two letters, chain and ring."""


def read(data: bytes | str, name: str = "-", **options: object) -> list[Entry]:
    """Return the entries of a file by the format that its content speaks."""
    source = Input("-", io.BytesIO(data.encode() if isinstance(data, str) else data))
    return list(detect(source).read(source, ReadOptions(**options)))  # type: ignore[arg-type]


def one(data: bytes | str, **options: object) -> Entry:
    """Return the only entry of a file, which is no error."""
    entries = read(data, **options)
    assert len(entries) == 1, [entry.id for entry in entries]
    assert entries[0].error is None, str(entries[0].error)
    return entries[0]


def notes(entry: Entry) -> str:
    """Return what is noted of an entry as one text."""
    return "; ".join(entry.source.get("notes", ()))


@cache
def _embedded(smiles: str) -> Chem.Mol:
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(molecule, randomSeed=7) == 0
    return Chem.RemoveHs(molecule)


def atom_line(
    name: str, residue: str, chain: str, number: int, xyz: Sequence[float], element: str, *, record: str = "HETATM"
) -> str:
    """Return an atom as a line of PDB; the name begins in column 14, or 13 with an element of two letters."""
    label = name if len(name) > 3 or len(element) > 1 else f" {name}"
    x, y, z = xyz
    return (
        f"{record:<6}{1:5d} {label:<4} {residue:>3} {chain}{number:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 10.00"
        f"          {element.upper():>2}"
    )


def ligand_lines(
    smiles: str = AMIDE,
    residue: str = "LIG",
    *,
    chain: str = "L",
    number: int = 1,
    shift: float = 5.0,
    names: Sequence[str] | None = None,
    record: str = "HETATM",
) -> list[str]:
    """Return the heavy atoms of a molecule beside the peptide, named by element and number."""
    molecule = _embedded(smiles)
    middle = receptors.centre()
    counts: dict[str, int] = {}
    lines = []
    for atom, xyz in zip(molecule.GetAtoms(), molecule.GetConformer().GetPositions().tolist(), strict=True):
        symbol = atom.GetSymbol()
        counts[symbol] = counts.get(symbol, 0) + 1
        name = names[atom.GetIdx()] if names else f"{symbol.upper()}{counts[symbol]}"
        place = [value + centre + shift for value, centre in zip(xyz, middle, strict=True)]
        lines.append(atom_line(name, residue, chain, number, place, symbol, record=record))
    return lines


def peptide_lines() -> list[str]:
    """Return the peptide ACDEFGHIKLMNPQRSTVWYHDE, residues 101 to 123 of chain A, with element columns."""
    lines = receptors.peptide().splitlines()
    return [f"{line[:76]:<76}{line[12:16].strip()[0]:>2}" for line in lines]


def pdb(*parts: Sequence[str], end: bool = True) -> str:
    """Return a PDB file of these lines."""
    return "\n".join(line for part in parts for line in part) + ("\nEND\n" if end else "\n")


def renamed(lines: Sequence[str], old: str, new: str) -> list[str]:
    """Give residues of one name another; one of four letters stands in columns 18 to 21."""
    return [f"{line[:17]}{new:<4}{line[21:]}" if line[17:20] == old else line for line in lines]
