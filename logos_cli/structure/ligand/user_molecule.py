"""Read the molecule of ``--ligand``: an SDF, MOL2, PDBQT or SMILES file, or a SMILES."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from logos_cli.chemistry.molecule_records import MOL2_MARK, MoleculeText, mol2_records, sdf_records
from logos_cli.chemistry.sd_tags import read_tags
from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.errors import InputError, LogosError
from logos_cli.io import places
from logos_cli.io.input import Input
from logos_cli.records import Source
from logos_cli.structure.kinds import is_pdbqt, is_structure
from logos_cli.structure.ligand.chemistry import to_smiles

_SELECTION = re.compile(
    r"\w[\w-]{0,19}|(?:[^\s:/\\]+:)?(?:[\w-]{0,20}:){1,2}(?:-?\d+[A-Za-z]?|\.)|[^\s:/\\]+:[\w-]{0,20}:\w[\w-]{0,19}"
)
"""A component; chain and number, also as part of an id; an id of a ligand without a number."""
_FILE = re.compile(r"\.(?:sdf|sd|mol|mol2|mdl|smi|smiles|pdbqt|pdb|ent|cif|mmcif)(?:\.(?:gz|zst))?$", re.IGNORECASE)


@dataclass(slots=True)
class UserMolecule:
    """One molecule of the user, without hydrogens.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 3), or None
        Positions in Å; None if the input has no three-dimensional coordinates.
    source : dict
        Path and SHA-256 of the file; empty for a SMILES.
    tags : dict
        The data fields of its SDF.
    """

    molecule: Chem.Mol
    title: str
    positions: NDArray[np.float64] | None = None
    source: Source = field(default_factory=Source)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def smiles(self) -> str:
        """Canonical isomeric SMILES, with stereo from the coordinates if there are any."""
        molecule = Chem.Mol(self.molecule)
        if self.positions is not None:
            Chem.AssignStereochemistryFrom3D(molecule)
        return to_smiles(molecule)

    @property
    def numbers(self) -> list[int]:
        """Atomic numbers."""
        return [atom.GetAtomicNum() for atom in self.molecule.GetAtoms()]


def is_selection(text: str) -> bool:
    """Return whether the value of ``--ligand`` names a ligand of the structure, not a molecule."""
    return not places.is_file(text) and not _FILE.search(text) and bool(_SELECTION.fullmatch(text))


def read_given(text: str) -> list[UserMolecule | LogosError]:
    """Return the molecules of a file or SMILES; an error stands for a molecule that cannot be read.

    Raises
    ------
    InputError
        If the file cannot be read, or the text is no SMILES.
    """
    if not places.is_file(text):
        if _FILE.search(text) or ("/" in text and Path(text).parent.is_dir() and len(text) > 3 and "." in text):
            raise InputError("there is no such file", source=text, hint="--ligand takes a file, an id or a SMILES")
        return [UserMolecule(_plain(parse_smiles(text)), "ligand")]
    with closing(Input(text)) as source:
        if is_pdbqt(source.head):
            return list(_of_pdbqt(source.read(), source))
        if is_structure(source.head):
            raise InputError(
                "a structure file has no bond orders",
                source=text,
                hint="give the molecule as SDF or MOL2, or put it into the structure and choose it by chain and number",
            )
        found = [_read(record, source) for record in _records(list(source.text_lines()))]
    if not found:
        raise InputError("there is no molecule in the file", source=text, hint="give a SDF, MOL2 or SMILES file")
    return found


def _of_pdbqt(data: bytes, source: Input) -> Iterator[UserMolecule | LogosError]:
    """Yield the poses of a PDBQT file, or the errors of those that are no molecules."""
    from logos_cli.structure.ligand.pdbqt_molecule import molecule_of
    from logos_cli.structure.pdbqt import poses

    for pose in poses(data, source.name):
        try:
            molecule = molecule_of(pose)
        except LogosError as error:
            yield error.at(source.name)
        else:
            positions = np.array(molecule.GetConformer().GetPositions())
            yield UserMolecule(molecule, pose.title or source.stem, positions, source.provenance)


def _records(lines: list[str]) -> Iterable[MoleculeText | str]:
    """Return the records of a SDF or MOL2 file, or the lines of a SMILES file."""
    if any(line.startswith(MOL2_MARK) for line in lines):
        return mol2_records(lines)
    if any(line.startswith("M  END") for line in lines):
        return sdf_records(lines)
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _read(record: MoleculeText | str, source: Input) -> UserMolecule | LogosError:
    try:
        if isinstance(record, MoleculeText):
            molecule, title = record.read()[0], record.title
        else:
            smiles, *words = record.split()
            molecule, title = parse_smiles(smiles), " ".join(words)
    except LogosError as error:
        return error.at(source.name)
    molecule = _plain(molecule)
    tags = read_tags(record.text) if isinstance(record, MoleculeText) else {}
    given = UserMolecule(molecule, title or source.stem, None, source.provenance, tags)
    return _with_positions(given, is_3d=_is_marked_3d(record))


def from_rdkit(molecule: Chem.Mol, title: str) -> UserMolecule:
    """Return an RDKit molecule with the positions of its conformer, if that is three-dimensional.

    Raises
    ------
    MoleculeError
        If RDKit does not accept it.
    """
    with rdBase.BlockLogs():
        parse_smiles(Chem.MolToSmiles(molecule))
        plain = Chem.Mol(molecule)
        Chem.SanitizeMol(plain)
    return _with_positions(UserMolecule(_plain(plain), title), is_3d=False)


def _with_positions(given: UserMolecule, *, is_3d: bool) -> UserMolecule:
    """Return a molecule with the positions of its conformer; ``is_3d`` means that its header has the mark 3D."""
    if given.molecule.GetNumConformers():
        positions = np.array(given.molecule.GetConformer().GetPositions())
        # a planar molecule may lie in the plane z = 0 of a receptor's frame; then the header has the mark 3D
        if given.molecule.GetConformer().Is3D() or is_3d or (positions[:, 2] != 0).any():
            given.positions = positions
    return given


def _is_marked_3d(record: MoleculeText | str) -> bool:
    lines = record.text.split("\n", 2) if isinstance(record, MoleculeText) else ()
    return len(lines) > 1 and lines[1][20:22] == "3D"


def _plain(molecule: Chem.Mol) -> Chem.Mol:
    with rdBase.BlockLogs():
        return Chem.RemoveAllHs(molecule)
