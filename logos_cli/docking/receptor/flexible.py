"""Flexible side chains: their positions in each pose, and the receptor of a pose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.docking.box import Box
from logos_cli.docking.receptor.preparation import Receptor, ResidueId, as_mmcif, four_columns
from logos_cli.errors import StructureError
from logos_cli.records.parts import SideChainPart

if TYPE_CHECKING:
    from numpy.typing import NDArray

Position = tuple[float, float, float]
_SAME_PLACE_ANGSTROM = 0.01
"""PDBQT rounds to three decimals."""


@dataclass(frozen=True, slots=True)
class SideChain:
    """A flexible residue in one pose.

    Attributes
    ----------
    name : str
        Name of the residue: ``PHE``.
    atoms : tuple of (str, (float, float, float))
        Name and position (Å) of each flexible atom, and of the CA atom.
    """

    name: str
    residue: ResidueId
    atoms: tuple[tuple[str, Position], ...]

    def to_json(self) -> SideChainPart:
        """Return the side chain as a part of a record."""
        return {"residue": f"{self.name} {self.residue}", "atoms": {name: list(at) for name, at in self.atoms}}


def positions_of(pdbqt: str) -> list[NDArray[np.float64]]:
    """Parse the positions (Å) of all flexible atoms, shape (n_atoms, 3), of each model of a PDBQT.

    A text without MODEL lines is one model; one without flexible residues has no atoms.
    """
    models: list[list[Position]] = []
    is_flexible = False
    for line in pdbqt.splitlines():
        if line.startswith("MODEL") or not models:
            models.append([])
        if line.startswith("BEGIN_RES"):
            is_flexible = True
        elif line.startswith("END_RES"):
            is_flexible = False
        elif is_flexible and line.startswith(("ATOM", "HETATM")):
            models[-1].append((float(line[30:38]), float(line[38:46]), float(line[46:54])))
    return [np.array(model, dtype=np.float64).reshape(-1, 3) for model in models or [[]]]


def side_chains(receptor: Receptor, positions: NDArray[np.float64]) -> tuple[SideChain, ...]:
    """Return the flexible residues of a pose.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 3)
        Positions (Å) of the flexible atoms, in the order of ``receptor.flexible_pdbqt``; empty if the engine writes none.

    Raises
    ------
    StructureError
        If these are not the atoms of the receptor.
    """
    if not len(positions):
        return ()
    owners = _owners(receptor)
    if len(owners) != len(positions):
        raise StructureError(
            f"the pose has {len(positions)} flexible atoms, the receptor {len(owners)}", source=receptor.name
        )
    found: dict[ResidueId, tuple[str, list[tuple[str, Position]]]] = {}
    for (name, residue, atom), (x, y, z) in zip(owners, positions.tolist(), strict=True):
        found.setdefault(residue, (name, []))[1].append((atom, (x, y, z)))
    return tuple(SideChain(name, residue, tuple(atoms)) for residue, (name, atoms) in found.items())


def _owners(receptor: Receptor) -> list[tuple[str, ResidueId, str]]:
    """Return residue and name of each flexible atom, found by its position, as PDBQT cuts chains and numbers."""
    wanted = positions_of(receptor.flexible_pdbqt)[0]
    named = [
        (residue.name, _place(chain, residue), atom.name)
        for chain in receptor.structure[0]
        for residue in chain
        for atom in residue
    ]
    everything = np.array(
        [atom.pos.tolist() for chain in receptor.structure[0] for residue in chain for atom in residue]
    )
    found = []
    for position in wanted:
        away = np.abs(everything - position).max(axis=1)
        nearest = int(away.argmin())
        if away[nearest] > _SAME_PLACE_ANGSTROM:
            raise StructureError("a flexible atom is not one of the receptor", source=receptor.name)
        found.append(named[nearest])
    return found


def _place(chain: gemmi.Chain, residue: gemmi.Residue) -> ResidueId:
    return ResidueId((chain.name, int(residue.seqid.num or 0), residue.seqid.icode.strip()))


def from_json(parts: Iterable[SideChainPart]) -> tuple[SideChain, ...]:
    """Return the side chains of :meth:`SideChain.to_json`."""
    found = []
    for each in parts:
        name, _, place = str(each["residue"]).rpartition(" ")
        chain, _, number = place.rpartition(":")
        digits = number.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        atoms = tuple((str(atom), (float(x), float(y), float(z))) for atom, (x, y, z) in each["atoms"].items())
        found.append(SideChain(name, ResidueId((chain, int(digits), number[len(digits) :])), atoms))
    return tuple(found)


def placed(receptor: Receptor, chains: Sequence[SideChain]) -> Receptor:
    """Return the receptor with the side chains of a pose; the same one if none has moved."""
    if not chains:
        return receptor
    structure = receptor.structure.clone()
    moved = {(each.residue, atom): position for each in chains for atom, position in each.atoms}
    for chain in structure[0]:
        for residue in chain:
            for atom in residue:
                if (position := moved.get((_place(chain, residue), atom.name))) is not None:
                    atom.pos = gemmi.Position(*position)
    digest = hashlib.sha256(f"{receptor.key}{sorted(moved.items())}".encode()).hexdigest()
    return replace(receptor, cif=as_mmcif(structure), key=digest)


def pdb_lines(chains: Sequence[SideChain]) -> str:
    """Return the side chains as ATOM lines of a PDB file, with one letter for a chain's name."""
    lines = []
    serial = 0
    for each in chains:
        chain, number, insertion = each.residue
        for name, (x, y, z) in each.atoms:
            serial += 1
            label = name[:4] if len(name) >= 4 else f" {name:<3}"
            lines.append(
                f"ATOM  {serial % 100000:5d} {label} {each.name[:3]:>3} {(chain or ' ')[0]}"
                f"{four_columns(number):4d}{insertion or ' '}   {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          "
                f"{name[0]:>2}"
            )
    return "\n".join(lines)


def outside(receptor: Receptor, box: Box) -> list[str]:
    """Return the flexible residues with an atom outside the box, where Vina's grids end."""
    if not receptor.flexible_pdbqt:
        return []
    chains = side_chains(receptor, positions_of(receptor.flexible_pdbqt)[0])
    return [
        f"{each.name} {each.residue}"
        for each in chains
        if not box.contains(np.array([position for _, position in each.atoms])).all()
    ]
