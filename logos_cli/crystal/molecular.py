"""Find the molecules of a crystal without metals: they add up to no charge, and to the formula of the file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Final

from logos_cli.crystal.cell import is_full
from logos_cli.crystal.charges import charge_of
from logos_cli.crystal.fragments import Piece, pieces
from logos_cli.crystal.molecules import FragmentReader, OpenHydrogensError, read_molecule
from logos_cli.errors import InputError, LogosError, StructureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from logos_cli.crystal.bonds import BondGraph
    from logos_cli.crystal.cell import UnitCell

_MOST_KINDS: Final = 8
"""Most kinds of ions that are searched for missing hydrogens."""
_SAME: Final = 0.02
"""Largest relative difference of two equal counts of atoms."""
_ALWAYS_NEUTRAL: Final = frozenset(("O", "N", "C", "S"))
"""Elements with a single atom that is a molecule without its hydrogens: water, ammonia, methane, hydrogen sulfide."""


_ADDED: Final = "hydrogens are missing from the file and were added by valence: the cell has no charge"
_STRONG_ACIDS: Final = "[F-,Cl-,Br-,I-,$([O-][Cl,Br,I]),$([O-][N+](=O)[O-,OX1]),$([O-]S(=O)(=O))]"

Members = dict[str, list[Piece]]
"""The pieces of a cell by the SMILES of their molecule."""


@dataclass(slots=True)
class Molecules:
    """The molecules of a cell.

    Attributes
    ----------
    counts : Counter of str
        Number of each molecule, by SMILES with stereo.
    failures : dict
        Errors of pieces that are no molecule, by message.
    notes : list of str
        Notes on added hydrogens.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, LogosError] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_molecules(atoms: UnitCell, graph: BondGraph, formula: Mapping[str, float]) -> Molecules:
    """Return the molecules of a cell, with hydrogens that are missing by charges or bond lengths.

    Parameters
    ----------
    formula : mapping
        Counts of the file's formula by element; empty if it has none.

    Raises
    ------
    StructureError
        If a hydrogen is bonded to no atom, or the cell has a charge that missing hydrogens do not explain, or another
        number of hydrogens than the formula. If some molecules cannot be read, those with a charge are left out.
    """
    heavy = [i for i, symbol in enumerate(atoms.elements) if symbol != "H"]
    reader = FragmentReader(atoms, graph)
    if loose := [h for h in graph.loose if is_full(atoms.occupancy[[h]]).all()]:
        named = ", ".join(sorted({atoms.labels[h] for h in loose})[:4])
        raise StructureError(
            f"{len(loose)} hydrogens of the cell ({named}) are at no other atom",
            hint="an atom is missing from the file, or the hydrogens are not where they belong",
        )
    found = Molecules(notes=reader.notes)
    members: dict[str, list[Piece]] = {}
    for piece in pieces(heavy, graph.organic.__getitem__):
        first = piece.atoms[0]
        lone = len(piece.atoms) == 1 and atoms.elements[first] in _ALWAYS_NEUTRAL and not graph.hydrogens[first]
        try:
            smiles = read_molecule(reader, piece, neutral=lone)
            if lone:
                reader.note(_ADDED)
        except InputError as error:
            found.failures.setdefault(error.message, error)
            continue
        members.setdefault(smiles, []).append(piece)
    if found.failures:
        members = {smiles: group for smiles, group in members.items() if not charge_of(smiles)}
    else:
        members = _completed(reader, members, formula)
    found.counts.update({smiles: len(group) for smiles, group in members.items()})
    return found


def _completed(reader: FragmentReader, members: Members, formula: Mapping[str, float]) -> Members:
    """Return the molecules with the hydrogens that they lack.

    For uncharged molecules the formula of the file decides whether hydrogens are missing, else the bond lengths.
    """
    members = _neutralised(reader, members)
    wanted = _hydrogens_of_formula(members, formula)
    if wanted is not None and _has_hydrogens(members, wanted):
        return members
    completed: Members = {}
    for smiles, group in members.items():
        other = _completed_smiles(reader, smiles, group[0])
        completed.setdefault(other, []).extend(group)
        if other != smiles:
            reader.note(f"hydrogens are missing from the file and were added by bond lengths: {other}")
    if wanted is not None and not _has_hydrogens(completed, wanted):
        raise StructureError(
            f"the molecules of the cell have {_total(members)['H']} hydrogens, but by the formula of the file "
            f"(_chemical_formula_sum) there are {wanted:g}",
            hint="hydrogens are missing from the file: add them, or correct the formula",
        )
    return completed


def _completed_smiles(reader: FragmentReader, smiles: str, piece: Piece) -> str:
    """Return an uncharged molecule with the hydrogens that it lacks by its bond lengths."""
    if "+" in smiles or "-]" in smiles or len(piece.atoms) == 1:
        return smiles
    try:
        other = read_molecule(reader, piece, neutral=True)
    except InputError as error:
        if isinstance(error, OpenHydrogensError):
            raise
        return smiles
    return other if _n_hydrogens(other) > _n_hydrogens(smiles) else smiles


def _neutralised(reader: FragmentReader, members: Members) -> Members:
    """Return the molecules after adding hydrogens to ions without counter-ions.

    Raises
    ------
    StructureError
        If no choice of ions removes the charge, or several do.
    """
    charges = {smiles: charge_of(smiles) * len(group) for smiles, group in members.items()}
    total = sum(charges.values())
    if not total:
        return members
    ions = [smiles for smiles, charge in charges.items() if charge * total > 0 and not _is_strong_acid(smiles)]
    ways = [
        way
        for size in range(1, min(len(ions), _MOST_KINDS) + 1)
        for way in combinations(ions[:_MOST_KINDS], size)
        if sum(charges[smiles] for smiles in way) == total
    ]
    listed = ", ".join(f"{len(members[smiles])} {smiles}" for smiles in list(members)[:_MOST_KINDS])
    refusal = StructureError(
        f"the molecules of the cell have the charge {total:+d} together ({listed})",
        hint="hydrogens or ions are missing from the file: add them",
    )
    if len(ways) != 1:
        raise refusal
    neutral: Members = {}
    for smiles, group in members.items():
        try:
            other = read_molecule(reader, group[0], neutral=True) if smiles in ways[0] else smiles
        except OpenHydrogensError:
            raise
        except StructureError as error:
            raise refusal from error
        neutral.setdefault(other, []).extend(group)
    reader.note(_ADDED)
    return neutral


def _is_strong_acid(smiles: str) -> bool:
    """Return whether an anion is that of a strong acid, which keeps its charge: another ion lacks hydrogens."""
    from rdkit import Chem

    return bool(Chem.MolFromSmiles(smiles).HasSubstructMatch(Chem.MolFromSmarts(_STRONG_ACIDS)))


def _n_hydrogens(smiles: str) -> int:
    return _composition({smiles: 1})["H"]


def _hydrogens_of_formula(members: Members, formula: Mapping[str, float]) -> float | None:
    """Return the number of hydrogens in the cell by the formula of the file.

    None if other atoms are in another ratio: the formula includes something (solvent, counter-ions) that the file lacks.
    """
    if not formula.get("C"):
        return None
    cell = _total(members)
    units = cell["C"] / formula["C"]
    heavy = (set(cell) | set(formula)) - {"H"}
    if any(abs(cell[symbol] - units * formula.get(symbol, 0)) > _SAME * max(1, cell[symbol]) for symbol in heavy):
        return None
    return units * formula.get("H", 0)


def _has_hydrogens(members: Members, wanted: float) -> bool:
    return abs(_total(members)["H"] - wanted) <= _SAME * max(1.0, wanted)


def _total(members: Members) -> Counter[str]:
    return _composition({smiles: len(group) for smiles, group in members.items()})


def _composition(counts: Mapping[str, int]) -> Counter[str]:
    from rdkit import Chem

    found: Counter[str] = Counter()
    for smiles, count in counts.items():
        for atom in Chem.MolFromSmiles(smiles).GetAtoms():
            found[atom.GetSymbol()] += count
            found["H"] += count * atom.GetTotalNumHs()
    return found
