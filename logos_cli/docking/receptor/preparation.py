"""Prepare a receptor for docking: complete it, add hydrogens, type the atoms, and cache the result."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.docking.box import Box
from logos_cli.docking.defaults import PH
from logos_cli.docking.receptor.atom_types import Typed, TypedAtom, type_extra, type_standard
from logos_cli.docking.receptor.repair import repair
from logos_cli.docking.receptor.selection import Keep, Selection, select
from logos_cli.errors import InputError, StructureError, UsageError
from logos_cli.io.input import Input
from logos_cli.io.json_types import JsonObject
from logos_cli.records.json_text import parse_json
from logos_cli.resources import cache_dir
from logos_cli.structure import read as reading
from logos_cli.structure.model import StructureModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHE_SCHEMA = 3
_REACH_ANGSTROM = 4.0
"""A box with no atom of the receptor within this distance lies beside the protein."""


@dataclass(frozen=True, slots=True)
class ReceptorOptions:
    """Options of the preparation of a receptor.

    Attributes
    ----------
    ph : float
        pH that sets the protonation states, unless the file's hydrogens and names do.
    keep_water : bool
        Keep the waters in the box.
    keep, drop : tuple of str
        Component ids (``ZN``), or chains and numbers (``A:301``), of heterogens that stay or go in any case.
    flexible : tuple of str
        Chain and number of residues with flexible side chains: ``A:45``.
    model : int
        One-based model of an ensemble.
    """

    ph: float = PH
    keep_water: bool = False
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    flexible: tuple[str, ...] = ()
    model: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.ph <= 14:
            raise UsageError(f"the pH is {self.ph:g}", hint="give one between 0 and 14")


class ResidueId(tuple[str, int, str]):
    """Chain, number and insertion code of a residue in the file."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self[0]}:{self[1]}{self[2]}"


@dataclass(frozen=True)
class Receptor:
    """A prepared receptor.

    Attributes
    ----------
    name, sha256 : str
        The file, and its hash if it has one.
    rigid_pdbqt, flexible_pdbqt : str
        Input of Vina; the second is empty without flexible side chains.
    cif : str
        All its atoms as mmCIF, with the chains and numbers of the file.
    key : str
        Hash of everything that the preparation depends on.
    notes : tuple of str
    """

    name: str
    sha256: str | None
    rigid_pdbqt: str
    flexible_pdbqt: str
    cif: str
    key: str
    notes: tuple[str, ...]
    from_cache: bool = False

    @cached_property
    def structure(self) -> gemmi.Structure:
        """The prepared structure."""
        return gemmi.make_structure_from_block(gemmi.cif.read_string(self.cif)[0])

    @property
    def pdb(self) -> str:
        """The prepared structure in PDB format, which keeps one letter of a chain's name."""
        structure = self.structure.clone()
        structure.shorten_chain_names()
        return str(structure.make_pdb_string())

    @cached_property
    def heavy(self) -> tuple[NDArray[np.float64], NDArray[np.intp], list[tuple[str, ResidueId]]]:
        """Positions (Å) of the heavy atoms, the residue (row) of each, and the residues: name and id."""
        positions, owners = [], []
        residues: list[tuple[str, ResidueId]] = []
        for chain in self.structure[0]:
            for residue in chain:
                place = ResidueId((chain.name, int(residue.seqid.num or 0), residue.seqid.icode.strip()))
                for atom in residue:
                    if not atom.is_hydrogen():
                        positions.append(atom.pos.tolist())
                        owners.append(len(residues))
                residues.append((residue.name, place))
        return np.array(positions).reshape(-1, 3), np.array(owners, dtype=np.intp), residues


def read_model(source: Input, number: int = 1) -> StructureModel:
    """Read the structure of a receptor.

    Raises
    ------
    InputError
        If it is no structure.
    """
    data = source.read()
    if not data.strip():
        raise InputError("the file is empty", source=source.name, hint="check that it was written completely")
    return StructureModel(reading.load(data, source.name), source.name, number)


def prepare(
    model: StructureModel,
    box: Box,
    options: ReceptorOptions | None = None,
    *,
    occupied: NDArray[np.float64] | None = None,
    sha256: str | None = None,
    cache: bool = True,
) -> Receptor:
    """Prepare a receptor for docking into a box.

    Of alternative locations the one with the highest occupancy is taken. Waters are dropped unless kept, and so are
    heterogens, except metals and cofactors with an atom in the box. Missing atoms are built, but not missing loops.
    Hydrogens are added by the pH. Bonds are those of residue and component definitions. Nothing is downloaded.

    Parameters
    ----------
    occupied : ndarray, shape (n_atoms, 3), optional
        Positions (Å) of the ligand that the box is drawn around; it is removed from the receptor.
    cache : bool
        Read the receptor from the cache, or write it to the cache.

    Raises
    ------
    StructureError
        If there is no protein, or it cannot be completed.
    UsageError
        If the box lies beside the protein, or a flexible residue does not exist.
    MissingError
        If an optional package is missing.
    """
    options = options or ReceptorOptions()
    chosen = select(model, box, Keep(options.keep_water, options.keep, options.drop), occupied)
    key = _key(model, chosen, options)
    notes = (*model.notes.lines, *chosen.notes)
    if cache and (found := _from_cache(key, model.name, sha256, notes)) is not None:
        _check_box(found, box)
        return found
    _check_positions(model, chosen)
    repaired = repair(model, chosen.chains, options.ph)
    typed = type_standard(repaired, options.flexible, model.name)
    made = _notes(repaired.n_added)
    for ligand in chosen.extras:
        atoms, notes_of_group = type_extra(model, ligand, options.ph)
        typed.atoms += atoms
        made += notes_of_group
    receptor = Receptor(
        model.name, sha256, _pdbqt(typed.atoms), typed.flexible_pdbqt, _cif(typed), key, (*notes, *made)
    )
    _check_box(receptor, box)
    if cache:
        _to_cache(receptor, made)
    return receptor


def _notes(n_added: int) -> list[str]:
    if not n_added:
        return []
    atoms = "1 missing heavy atom was" if n_added == 1 else f"{n_added} missing heavy atoms were"
    return [f"{atoms} built"]


def _check_positions(model: StructureModel, chosen: Selection) -> None:
    """Refuse residues with two atoms at one point, as their hydrogens would have no direction."""
    for chain in chosen.chains:
        for each in chain:
            taken: dict[tuple[float, ...], str] = {}
            for name, number, row in each.atoms:
                place = tuple(round(float(value), 3) for value in model.positions[row])
                if number > 1 and (other := taken.setdefault(place, name)) != name:
                    raise StructureError(
                        f"atoms {other} and {name} of {each.residue} lie at one point",
                        source=model.name,
                        hint="the coordinates are missing or damaged; repair them, or remove the residue",
                    )


def _check_box(receptor: Receptor, box: Box) -> None:
    positions = receptor.heavy[0]
    if not box.contains(positions, _REACH_ANGSTROM).any():
        low, high = positions.min(axis=0), positions.max(axis=0)
        extent = ", ".join(
            f"{axis} {one:.0f} to {other:.0f}" for axis, one, other in zip("xyz", low, high, strict=True)
        )
        raise UsageError(
            f"the box ({box}) has no atom of the receptor in or near it",
            source=receptor.name,
            hint=f"the receptor extends over {extent} Å",
        )


# -- writing -------------------------------------------------------------------------------------------


def four_columns(number: int) -> int:
    """Return a residue's number in the four columns of the PDB format."""
    return number if -999 <= number <= 9999 else number % 10000


def _pdbqt(atoms: Sequence[TypedAtom]) -> str:
    lines = []
    for serial, atom in enumerate(atoms, 1):
        x, y, z = atom.position
        name = atom.name[:4] if len(atom.name) >= 4 else f" {atom.name:<3}"
        residue = atom.residue
        lines.append(
            f"ATOM  {serial % 100000:5d} {name} {atom.residue_name[:3]:>3} {(residue.chain or ' ')[0]}"
            f"{four_columns(residue.number):4d}{residue.insertion or ' '}   {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00"
            f"    {atom.charge:+6.3f} {atom.type:<2}\n"
        )
    return "".join(lines)


def _cif(typed: Typed) -> str:
    """Return the atoms as mmCIF, with the residues in the order of the file."""
    structure = gemmi.Structure()
    structure.name = "receptor"
    model = gemmi.Model(1)
    by_residue: dict[int, list[TypedAtom]] = {}
    for atom in (*typed.atoms, *typed.flexible):
        by_residue.setdefault(atom.residue.index, []).append(atom)
    chains: dict[str, gemmi.Chain] = {}
    for index in sorted(by_residue):
        atoms = by_residue[index]
        first = atoms[0].residue
        residue = gemmi.Residue()
        residue.name = atoms[0].residue_name
        residue.seqid = gemmi.SeqId(first.number, first.insertion or " ")
        residue.het_flag = "H" if first.hetero else "A"
        residue.subchain = first.label_chain or first.chain or "A"
        for each in atoms:
            made = gemmi.Atom()
            made.name, made.element = each.name, gemmi.Element(each.number)
            made.pos = gemmi.Position(*each.position)
            made.occ = 1.0
            residue.add_atom(made)
        chain = chains.setdefault(first.chain or "A", gemmi.Chain(first.chain or "A"))
        if not first.hetero:
            residue.label_seq = len(chain) + 1  # without it, viewers take a chain for many small molecules
        chain.add_residue(residue)
    for chain in chains.values():
        model.add_chain(chain)
    structure.add_model(model)
    return as_mmcif(structure)


def as_mmcif(structure: gemmi.Structure) -> str:
    """Return the atoms of a structure as mmCIF, without other categories."""
    groups = gemmi.MmcifOutputGroups(False, atoms=True, group_pdb=True)
    return str(structure.make_mmcif_block(groups).as_string())


# -- cache ---------------------------------------------------------------------------------------------


def _key(model: StructureModel, chosen: Selection, options: ReceptorOptions) -> str:
    """Return the hash of everything that the preparation depends on: atoms, options, versions of programs."""
    digest = hashlib.sha256()
    stated = {
        "schema": CACHE_SCHEMA,
        "ph": options.ph,
        "flexible": options.flexible,
        "versions": {name: _version(name) for name in ("meeko", "openmm", "pdbfixer", "rdkit")},
        "chains": [
            [(each.name, each.variant, str(each.residue), [(name, at) for name, _, at in each.atoms]) for each in chain]
            for chain in chosen.chains
        ],
        "extras": [(str(ligand), ligand.atoms.tolist(), ligand.links) for ligand in chosen.extras],
    }
    digest.update(json.dumps(stated, sort_keys=True).encode())
    digest.update(np.round(model.positions, 3).tobytes())
    digest.update(model.elements.tobytes())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _path(key: str) -> Path:
    return cache_dir() / "receptors" / f"{key[:40]}.json"


def _from_cache(key: str, name: str, sha256: str | None, notes: Sequence[str]) -> Receptor | None:
    try:
        data: JsonObject = parse_json(_path(key).read_text(encoding="utf-8"))
        if data["key"] != key:
            return None
        texts = (data["rigid_pdbqt"], data["flexible_pdbqt"], data["cif"])
        return Receptor(name, sha256, *texts, key, (*notes, *data["made"]), from_cache=True)
    except (OSError, ValueError, KeyError, TypeError):  # absent, cut off or foreign: made anew
        return None


def _to_cache(receptor: Receptor, made: Sequence[str]) -> None:
    """Write a receptor to the cache; a cache that cannot be written is ignored."""
    path = _path(receptor.key)
    data = {
        name: value
        for name, value in asdict(receptor).items()
        if name in ("key", "rigid_pdbqt", "flexible_pdbqt", "cif")
    }
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=path.stem, suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(data | {"made": list(made)}, stream)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
