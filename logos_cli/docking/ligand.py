"""Prepare a ligand for docking: one molecule, protonated, with a conformer, as PDBQT."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import EnumerateStereoisomers, rdMolDescriptors

from logos_cli import limits
from logos_cli.chemistry.conformer import embed, ring_conformers
from logos_cli.chemistry.geometry_marks import drop_impossible_marks
from logos_cli.chemistry.molblock import read_molblock
from logos_cli.chemistry.protonation import protonate
from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.docking import libraries
from logos_cli.docking.defaults import MAX_STEREOISOMERS, PH, SEED
from logos_cli.docking.vina_types import LIGAND_TYPES
from logos_cli.errors import MoleculeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUPPORTED = "Vina knows H, C, N, O, F, Si, P, S, Cl, Br and I"
_PEPTIDE = Chem.MolFromSmarts("[NX3][CX4;H1,H2][CX3](=O)[NX3][CX4;H1,H2][CX3](=O)")


@dataclass(frozen=True, slots=True)
class LigandOptions:
    """Options of the preparation of ligands.

    Attributes
    ----------
    ph : float, optional
        pH that sets the protonation state; None keeps that of the input.
    placed : bool
        Keep the given coordinates (scoring and minimising) instead of embedding a new conformer.
    seed : int
        Seed of the conformer.
    ring_conformers : int
        Largest number of conformers that differ by the shape of a saturated ring.
    """

    ph: float | None = PH
    placed: bool = False
    seed: int = SEED
    ring_conformers: int = 1


@dataclass(slots=True)
class Prepared:
    """A prepared ligand.

    Attributes
    ----------
    molecule : Chem.Mol
        With all hydrogens and one conformer.
    pdbqt : str
        The input of Vina, with Meeko's remarks about the molecule.
    n_torsions : int
        Number of rotatable bonds.
    """

    molecule: Chem.Mol
    pdbqt: str
    n_torsions: int
    notes: list[str] = field(default_factory=list)


def read_ligand(smiles: str, molblock: str | None) -> Chem.Mol:
    """Return the molecule of a SMILES, or of a mol block with its coordinates.

    Raises
    ------
    MoleculeError
        If RDKit cannot read it.
    """
    if molblock is None:
        return parse_smiles(smiles)
    molecule = read_molblock(molblock)[0]
    if molecule.GetNumConformers() and molecule.GetConformer().Is3D():
        Chem.AssignStereochemistryFrom3D(molecule)
        drop_impossible_marks(molecule)
    return molecule


def placed_positions(molecule: Chem.Mol, title: str) -> NDArray[np.float64]:
    """Return the positions (Å) of a molecule's atoms, shape (n_atoms, 3).

    Raises
    ------
    MoleculeError
        If it has none, they are two-dimensional, or all of them are the same.
    """
    if not molecule.GetNumConformers():
        raise MoleculeError(f"{title} has no coordinates", hint="give a file with a pose: SDF, MOL2, PDB or mmCIF")
    positions: NDArray[np.float64] = np.array(molecule.GetConformer().GetPositions())
    if len(positions) > 1 and not np.ptp(positions, axis=0).any():
        raise MoleculeError(
            f"all atoms of {title} lie at one point", hint="the file has no coordinates; give one with a pose"
        )
    if len(positions) > 3 and not np.ptp(positions[:, 2]) and not positions[:, 2].any():
        raise MoleculeError(
            f"the coordinates of {title} are two-dimensional (every z is 0)",
            hint="give a file with a pose in the receptor's frame",
        )
    return positions


def prepare(molecule: Chem.Mol, title: str, options: LigandOptions) -> Prepared:
    """Prepare one ligand.

    Raises
    ------
    MoleculeError
        If it is too large, has atoms that Vina does not support, or no conformer is found.
    MissingError
        If Meeko is not installed.
    """
    notes: list[str] = []
    positions = placed_positions(molecule, title) if options.placed else None
    molecule = _without_salts(molecule, notes)
    _check(molecule, title)
    if options.ph is not None:
        state = protonate(molecule, options.ph)
        molecule = state.molecule
        notes += state.notes
    _check_turning(molecule, title)
    full = embed(molecule, options.seed, title) if positions is None else Chem.AddHs(molecule, addCoords=True)
    _note_stereo(molecule, notes)
    pdbqt, n_torsions = _pdbqt(full, title)
    return Prepared(full, pdbqt, n_torsions, notes)


def other_rings(prepared: Prepared, title: str, options: LigandOptions) -> list[Prepared]:
    """Return a prepared ligand in further conformers of its saturated rings, which the search keeps as they are.

    Raises
    ------
    MoleculeError
        If Meeko cannot prepare one.
    """
    if options.placed:
        return []
    found = ring_conformers(prepared.molecule, options.seed, options.ring_conformers)
    return [Prepared(each, *_pdbqt(each, title), prepared.notes) for each in found[1:]]


def stereoisomers(molecule: Chem.Mol, most: int = MAX_STEREOISOMERS) -> list[Chem.Mol]:
    """Return the molecules with every undefined stereocentre and double bond defined, in a fixed order."""
    enumeration: Any = EnumerateStereoisomers
    options = enumeration.StereoEnumerationOptions(
        onlyUnassigned=True, unique=True, maxIsomers=most, tryEmbedding=False, rand=1
    )
    flat = Chem.Mol(molecule)
    flat.RemoveAllConformers()
    found = {Chem.MolToSmiles(each): each for each in enumeration.EnumerateStereoisomers(flat, options)}
    return [found[smiles] for smiles in sorted(found)]


def _without_salts(molecule: Chem.Mol, notes: list[str]) -> Chem.Mol:
    """Return the largest organic fragment, and add a note on the others."""
    with rdBase.BlockLogs():
        fragments = Chem.GetMolFrags(molecule, asMols=True)
    if len(fragments) < 2:
        return molecule
    best: Chem.Mol = max(
        fragments, key=lambda each: (_has_carbon(each), each.GetNumHeavyAtoms(), Chem.MolToSmiles(each))
    )
    others = Counter(Chem.MolToSmiles(each) for each in fragments if each is not best)
    listed = ", ".join(smiles if count == 1 else f"{count} {smiles}" for smiles, count in sorted(others.items()))
    notes.append(f"stripped {listed}")
    return best


def _has_carbon(molecule: Chem.Mol) -> bool:
    return any(atom.GetAtomicNum() == 6 for atom in molecule.GetAtoms())


def _check(molecule: Chem.Mol, title: str) -> None:
    table = Chem.GetPeriodicTable()
    for atom in molecule.GetAtoms():
        if atom.GetAtomicNum() == 0:
            raise MoleculeError(f"{title} has an attachment point (*)", hint="dock a whole molecule")
        symbol = table.GetElementSymbol(atom.GetAtomicNum())
        if symbol not in _ELEMENTS:
            raise MoleculeError(
                f"atom {atom.GetIdx() + 1} of {title} is {symbol}, which Vina does not know",
                hint=f"{_SUPPORTED}; a program that knows {symbol} is needed",
            )
    n_heavy = molecule.GetNumHeavyAtoms()
    if n_heavy > limits.DOCKED.value:
        raise MoleculeError(
            f"{title} is too large for Vina: {n_heavy} heavy atoms, at most {limits.DOCKED.text} can be searched",
            hint=_hint_of_size(molecule, limits.DOCKED),
        )


def _check_turning(molecule: Chem.Mol, title: str) -> None:
    """Refuse a molecule with too many bonds that turn, before it gets a conformer: that of a peptide takes a minute."""
    if molecule.GetNumHeavyAtoms() <= limits.TURNING.value:
        return
    full = Chem.AddHs(molecule)
    full.RemoveAllConformers()
    anywhere = Chem.Conformer(full.GetNumAtoms())  # Meeko wants one, and counts bonds without looking at it
    anywhere.Set3D(True)
    full.AddConformer(anywhere)
    _, n_torsions = _pdbqt(full, title)
    if n_torsions > limits.TURNING.value:
        raise MoleculeError(
            f"{title} is too large for Vina: {n_torsions} bonds turn, at most {limits.TURNING.text} can be searched",
            hint=_hint_of_size(molecule, limits.TURNING),
        )


_ELEMENTS = frozenset(("H", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I"))


def _hint_of_size(molecule: Chem.Mol, limit: limits.Limit) -> str:
    """Return what to do about a ligand that is too large: Vina's search is unreliable there, and takes hours."""
    n_peptide_bonds = len(molecule.GetSubstructMatches(_PEPTIDE, maxMatches=1000))
    if n_peptide_bonds > 2:
        return "it is a peptide; a program for peptide docking is needed"
    return f"dock a part of it, or {limit.hint}"


def _note_stereo(molecule: Chem.Mol, notes: list[str]) -> None:
    n_undefined = rdMolDescriptors.CalcNumUnspecifiedAtomStereoCenters(molecule)
    if n_undefined:
        centres = "1 stereocentre is" if n_undefined == 1 else f"{n_undefined} stereocentres are"
        notes.append(f"{centres} undefined; one isomer is docked (--stereo docks all)")


def _pdbqt(full: Chem.Mol, title: str) -> tuple[str, int]:
    meeko = libraries.load("meeko")
    with rdBase.BlockLogs():
        try:
            setup = meeko.MoleculePreparation()(full)[0]
            text, good, reason = meeko.PDBQTWriterLegacy.write_string(setup)
        except (RuntimeError, ValueError, KeyError) as error:
            raise MoleculeError(f"Meeko cannot prepare {title}: {str(error).splitlines()[0]}") from error
    if not good:
        raise MoleculeError(f"Meeko cannot prepare {title}: {' '.join(str(reason).split())}")
    for atom in setup.atoms:
        if not atom.is_ignore and atom.atom_type not in LIGAND_TYPES:
            symbol = Chem.GetPeriodicTable().GetElementSymbol(int(atom.atomic_num))
            raise MoleculeError(
                f"atom {atom.index + 1} of {title} ({symbol}) has no atom type in Vina", hint=_SUPPORTED
            )
    return text, text.count("\nBRANCH")
