"""Ligands to dock: a record with its molecule, or with the error if it cannot be docked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rdkit import Chem

from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.docking.ligand import stereoisomers
from logos_cli.errors import InputError, LogosError, MoleculeError
from logos_cli.grammar import parse
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Record, Status
from logos_cli.records.parts import docking_of


@dataclass(slots=True)
class LigandCandidate:
    """One ligand to dock, or the error if it cannot be docked.

    Attributes
    ----------
    record : Record
        The input record; results are added to it.
    molblock : str, optional
        Its pose, for scoring and minimising.
    """

    record: Record
    smiles: str = ""
    molblock: str | None = None
    error: LogosError | None = None


def of_item(record: Record, item: ScienceObject, *, placed: bool) -> LigandCandidate:
    """Return the ligand of a record's object.

    Parameters
    ----------
    placed : bool
        Keep its coordinates: the record must have a pose that docking wrote.
    """
    if isinstance(item, Molecule):
        smiles: str | None = item.smiles
    elif isinstance(item, Complex):
        smiles = item.ligand
    else:
        kind = type(item).__name__.lower()
        hint = "write a peptide as SMILES; proteins are not docked" if kind in ("protein", "antibody") else None
        return LigandCandidate(record, error=MoleculeError(f"a {kind} is no ligand", hint=hint))
    if smiles is None:
        return LigandCandidate(record, error=MoleculeError("the record is a site without a ligand"))
    molblock = _pose_of(record) if placed else None
    if placed and molblock is None:
        error = MoleculeError(
            f"{record.id} has no pose", hint="scoring needs poses: give an SDF, or records that logos dock wrote"
        )
        return LigandCandidate(record, error=error)
    return LigandCandidate(record, smiles, molblock)


def of_record(record: Record, *, placed: bool) -> LigandCandidate:
    """Return the ligand of a record."""
    if record.status is not Status.OK:
        return LigandCandidate(record, error=InputError(record.reason or "not valid"))
    try:
        return of_item(record, from_sentence(parse(record.text)), placed=placed)
    except LogosError as error:
        return LigandCandidate(record, error=error)


def _pose_of(record: Record) -> str | None:
    pose: object = docking_of(record.extra).get("pose")
    return pose if isinstance(pose, str) else None


def isomers(candidate: LigandCandidate) -> Iterator[LigandCandidate]:
    """Yield the stereoisomers of a ligand with undefined centres, or the ligand itself."""
    try:
        found = stereoisomers(parse_smiles(candidate.smiles))
    except LogosError as error:
        yield replace(candidate, error=error)
        return
    if len(found) < 2:
        yield candidate
        return
    for number, isomer in enumerate(found, 1):
        smiles = str(Chem.MolToSmiles(isomer))
        record = replace(
            candidate.record, id=f"{candidate.record.id}#{number}", extra={**candidate.record.extra, "isomer": smiles}
        )
        yield LigandCandidate(record, smiles)
