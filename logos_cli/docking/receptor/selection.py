"""Select the residues of a receptor from a structure, and name them as the force field does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.docking.box import Box
from logos_cli.errors import StructureError
from logos_cli.structure.ligand.dictionary import component
from logos_cli.structure.ligands import Ligand, find_ligands
from logos_cli.structure.model import StructureModel
from logos_cli.structure.residues import residue_names
from logos_cli.structure.residues.force_field_names import NAMES
from logos_cli.structure.types import Residue, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

COFACTORS = frozenset(
    (
        "5GP",
        "ACO",
        "ADP",
        "AMP",
        "ANP",
        "ATP",
        "B12",
        "BCL",
        "BTN",
        "CAA",
        "CBL",
        "CLA",
        "CLF",
        "CNC",
        "COA",
        "COB",
        "COH",
        "F3S",
        "F43",
        "FAD",
        "FCO",
        "FDA",
        "FES",
        "FMN",
        "FNR",
        "GDP",
        "GNP",
        "GSH",
        "GTP",
        "H2S",
        "H4B",
        "HAS",
        "HBI",
        "HCA",
        "HCS",
        "HDD",
        "HEA",
        "HEB",
        "HEC",
        "HEM",
        "HIF",
        "ICS",
        "LPA",
        "LUM",
        "MCN",
        "MDO",
        "MGD",
        "MQ7",
        "MTE",
        "MTQ",
        "NAD",
        "NAI",
        "NAJ",
        "NAP",
        "NDP",
        "NHD",
        "PCD",
        "PEB",
        "PHO",
        "PLP",
        "PLQ",
        "PMP",
        "PNS",
        "PQQ",
        "RET",
        "SAH",
        "SAM",
        "SF4",
        "SNN",
        "TDP",
        "THF",
        "TPP",
        "TPQ",
        "UQ",
        "UQ1",
        "UQ2",
        "XCC",
    )
)
"""Coenzymes and prosthetic groups that belong to the receptor if they lie in the box."""

_AS_STANDARD = {"MSE": ("MET", {"SE": "SD"}), "SEC": ("CYS", {"SE": "SG"}), "UNK": ("ALA", {})}
"""Residues that are built as another one: its name, and the renamed atoms."""

_BY_HYDROGENS = (("ASP", {"HD1", "HD2"}, "ASH"), ("GLU", {"HE1", "HE2"}, "GLH"))
_OLD_NAMES = {"O1P": "OP1", "O2P": "OP2", "OT1": "O", "OT2": "OXT", "OC1": "O", "OC2": "OXT"}
_BACKBONE = ("N", "CA", "C")
STANDARD = frozenset(name for name in residue_names.STANDARD if name not in ("SEC", "PYL", "ASX", "GLX", "XLE", "UNK"))
NUCLEOTIDES = frozenset(("A", "C", "G", "U", "DA", "DC", "DG", "DT"))


@dataclass(slots=True)
class Standard:
    """A residue that the force field knows.

    Attributes
    ----------
    name : str
        The standard name; ``variant`` is the protonation state if the file has it (``HIE``).
    atoms : list of (name, atomic number, flat index)
    """

    residue: Residue
    name: str
    atoms: list[tuple[str, int, int]]
    variant: str | None = None


@dataclass(slots=True)
class Selection:
    """The parts of the receptor.

    Attributes
    ----------
    chains : list of list of Standard
    extras : list of Ligand
        Kept groups that the force field does not know: metals, cofactors, modified residues.
    left_out : list of str
        The ligands that were dropped because the box is drawn around them.
    notes : list of str
    """

    chains: list[list[Standard]]
    extras: list[Ligand]
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Keep:
    """The heterogens that the user keeps: waters, component ids, or chains and numbers; never those of ``drop``."""

    water: bool = False
    names: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


def select(model: StructureModel, box: Box, keep: Keep, occupied: NDArray[np.float64] | None = None) -> Selection:
    """Select the parts of a model that make the receptor of a box.

    Parameters
    ----------
    occupied : ndarray, shape (n_atoms, 3), optional
        Positions (Å) of the ligand that the box was drawn around; groups there are that ligand, not receptor.

    Raises
    ------
    StructureError
        If there is no protein.
    """
    ligands, receptors = find_ligands(model)
    found = Selection([], [])
    chooser = _Chooser(model, box, keep, occupied, found)
    loose = [ligand for ligand in ligands if not ligand.peptide]
    peptides = [ligand for ligand in ligands if ligand.peptide]
    inside = {index for chain in receptors for index in chain.members}
    for peptide in peptides:
        if chooser.is_occupied(peptide.atoms) or chooser.is_named(peptide, keep.drop):
            found.left_out.append(str(peptide))
        else:
            inside.update(residue.index for residue in peptide.residues)
    if not inside:
        what = "nucleic acid only" if model.residues.with_role(Role.NUCLEIC) else "no amino acids"
        raise StructureError(
            f"the receptor has no protein chain ({what})",
            source=model.name,
            hint="give the file of the protein; -l takes the ligands",
        )
    inside.update(model.residues.with_role(Role.NUCLEIC))
    chooser.add_chains(sorted(inside))
    chooser.add_heterogens(loose)
    if keep.water:
        chooser.add_waters()
    return found


@dataclass(slots=True)
class _Chooser:
    model: StructureModel
    box: Box
    keep: Keep
    occupied: NDArray[np.float64] | None
    found: Selection

    # -- chains ------------------------------------------------------------------------------------

    def add_chains(self, indices: Sequence[int]) -> None:
        """Add polymer residues, chain by chain in file order."""
        groups: dict[tuple[str, str | None], list[Standard]] = {}
        changed: Counter[str] = Counter()
        n_incomplete = 0
        for index in indices:
            residue = self.model.residues[index]
            standard = _standard(self.model, residue)
            if standard is None:
                self.found.extras.append(Ligand([residue], self.model.atoms([index])))
                changed[residue.name] += 1
                continue
            if standard.name in STANDARD and len({name for name, _, _ in standard.atoms}.intersection(_BACKBONE)) < 3:
                n_incomplete += 1
                continue
            groups.setdefault((residue.chain, residue.label_chain), []).append(standard)
        self.found.chains = list(groups.values())
        if not self.found.chains:
            raise StructureError(
                "the receptor has no residue with a complete backbone (N, CA, C)",
                source=self.model.name,
                hint="docking needs all atoms; a trace of Cα atoms is not enough",
            )
        if n_incomplete:
            residues = "1 residue lacks" if n_incomplete == 1 else f"{n_incomplete} residues lack"
            self.found.notes.append(f"{residues} part of the backbone and is left out")
        if changed:
            self.found.notes.append(f"modified residues are kept as they are: {_counted(changed)}")

    # -- heterogens --------------------------------------------------------------------------------

    def add_heterogens(self, ligands: Sequence[Ligand]) -> None:
        """Add the kept heterogens, and metals and cofactors in the box; note the dropped ones."""
        kept: Counter[str] = Counter()
        dropped: Counter[str] = Counter()
        for ligand in ligands:
            if not len(ligand.atoms):
                continue
            if self.is_occupied(ligand.atoms):
                self.found.left_out.append(str(ligand))
                continue
            near = bool(self.box.contains(self.model.positions[ligand.atoms]).any())
            wanted = self.is_named(ligand, self.keep.names)
            if not self.is_named(ligand, self.keep.drop) and (wanted or (near and self._belongs(ligand))):
                self.found.extras.append(ligand)
                kept[ligand.title] += 1
            elif near:
                dropped[ligand.title] += 1
        if kept:
            self.found.notes.append(f"kept as part of the receptor: {_counted(kept)}")
        if dropped:
            self.found.notes.append(f"dropped from the box: {_counted(dropped)} (--keep keeps them)")
        if self.found.left_out:
            self.found.notes.append(f"removed, as the box is drawn around it: {', '.join(self.found.left_out)}")

    def add_waters(self) -> None:
        """Add the waters in the box."""
        waters = []
        for index in self.model.residues.with_role(Role.WATER):
            residue = self.model.residues[index]
            atoms = [atom for atom in self.model.atoms([index]).tolist() if int(self.model.elements[atom]) == 8]
            if atoms and self.box.contains(self.model.positions[atoms[:1]]).all():
                waters.append(Standard(residue, "HOH", [("O", 8, atoms[0])]))
        if waters:
            self.found.chains.append(waters)
        self.found.notes.append(f"{len(waters)} waters in the box are kept")

    def is_occupied(self, atoms: NDArray[np.intp]) -> bool:
        """Return whether most of these atoms lie at atoms of the box's ligand."""
        if self.occupied is None or not len(atoms) or not len(self.occupied):
            return False
        away = np.linalg.norm(self.model.positions[atoms][:, None] - self.occupied[None], axis=2).min(axis=1)
        return bool((away < 1.0).mean() > 0.5)

    @staticmethod
    def is_named(ligand: Ligand, names: Sequence[str]) -> bool:
        """Return whether a component id, or chain and number, names this group."""
        places = {f"{residue.chain}:{residue.number_text}" for residue in ligand.residues}
        return any(name in places or name.upper() in ligand.names for name in names)

    def _belongs(self, ligand: Ligand) -> bool:
        if len(ligand.atoms) == 1:
            return bool(gemmi.Element(int(self.model.elements[ligand.atoms[0]])).is_metal)
        return all(name in COFACTORS for name in ligand.names)


def _counted(names: Counter[str]) -> str:
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in sorted(names.items()))


def _standard(model: StructureModel, residue: Residue) -> Standard | None:
    """Return a polymer residue under its standard name, or None if the force field has none."""
    name, renamed = _AS_STANDARD.get(residue.name, (residue.standard_name, {}))
    variant = NAMES[residue.name].state if name != residue.name and residue.name in NAMES else None
    if name not in STANDARD and name not in NUCLEOTIDES:
        return None
    known = _heavy_names(name)
    atoms: dict[str, tuple[str, int, int]] = {}
    for atom in model.atoms([residue.index]).tolist():
        called = model.atom_name(atom)
        called = renamed.get(called, _OLD_NAMES.get(called, called)).replace("*", "'")
        if (name, called) == ("ILE", "CD"):  # the name of GROMOS
            called = "CD1"
        if called in known and called not in atoms:
            atoms[called] = (called, known[called], atom)
    hydrogens = _hydrogen_names(model, residue)
    return Standard(residue, name, list(atoms.values()), variant or _variant(name, hydrogens))


@cache
def _heavy_names(name: str) -> dict[str, int]:
    """Return the atomic numbers of the heavy atoms of a standard residue by name."""
    known = component(name)
    return {} if known is None else dict(known.elements)


def _hydrogen_names(model: StructureModel, residue: Residue) -> set[str]:
    atoms = range(residue.first, residue.last)
    return {model.atom_name(atom) for atom in atoms if int(model.elements[atom]) in (1, 119)}


def _variant(name: str, hydrogens: set[str]) -> str | None:
    """Return the protonation state of a residue by the file's own hydrogens."""
    if name == "HIS" and hydrogens & {"HD1", "HE2"}:
        return "HIP" if {"HD1", "HE2"} <= hydrogens else "HID" if "HD1" in hydrogens else "HIE"
    for residue, acid, variant in _BY_HYDROGENS:
        if name == residue and hydrogens & acid:
            return variant
    if name == "LYS" and len(hydrogens & {"HZ1", "HZ2", "HZ3"}) == 2:
        return "LYN"
    return None
