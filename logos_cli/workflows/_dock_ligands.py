"""The ligands of a run: from files, records, or the receptor's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any

from rdkit import Chem

from logos_cli.docking.ligand import stereoisomers
from logos_cli.errors import InputError, LogosError, MoleculeError
from logos_cli.formats._input import Input
from logos_cli.formats._ligand_given import Given, read_given
from logos_cli.formats._smiles import parse_smiles
from logos_cli.formats.base import detect
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Record, Status
from logos_cli.workflows.decode import decode, iter_decoded

LigandSource = str | PathLike[str] | Record | ScienceObject
Ligands = LigandSource | Iterable[LigandSource]

_MAX_ISOMERS = 32


@dataclass(slots=True)
class Candidate:
    """One ligand to dock, or why it cannot be.

    Attributes
    ----------
    record : Record
        What it came from; results are added to it.
    molblock : str, optional
        Its pose, where that counts.
    """

    record: Record
    smiles: str = ""
    molblock: str | None = None
    error: LogosError | None = None


def iter_candidates(
    ligands: Ligands, *, placed: bool, stereo: bool, stdin: IO[bytes] | None = None
) -> Iterator[Candidate]:
    """Yield the ligands.

    Parameters
    ----------
    placed : bool
        Coordinates count: molecules come from SDF, MOL2, or from records of poses.
    stereo : bool
        Yield every stereoisomer that the molecule leaves open.
    """
    for source in _listed(ligands):
        for candidate in _candidates(source, placed, stdin):
            if stereo and not placed and candidate.error is None:
                yield from _isomers(candidate)
            else:
                yield candidate


def _listed(ligands: Ligands) -> Iterable[LigandSource]:
    if isinstance(ligands, str | PathLike | Record | ScienceObject):
        return [ligands]
    return ligands


def _candidates(source: LigandSource, placed: bool, stdin: IO[bytes] | None) -> Iterator[Candidate]:
    if isinstance(source, Record):
        yield _of_record(source, placed)
        return
    if isinstance(source, ScienceObject):
        yield _of_item(Record("ligand", source.forms[0], to_text(source)), source, placed)
        return
    path = fspath(source)
    if placed:
        yield from _placed(path, stdin)
        return
    for decoded in iter_decoded([path], stdin):
        if decoded.error is not None or decoded.item is None or decoded.record.status is not Status.OK:
            error = decoded.error or InputError(decoded.record.reason or "not valid")
            yield Candidate(decoded.record, error=error)
            continue
        record = decoded.record
        if not record.text:
            form = decoded.item.forms[0]
            record = replace(record, kind=record.kind or form, text=to_text(decoded.item, form))
        yield _of_item(record, decoded.item, placed=False)


def _of_item(record: Record, item: ScienceObject, placed: bool) -> Candidate:
    if isinstance(item, Molecule):
        smiles: str | None = item.smiles
    elif isinstance(item, Complex):
        smiles = item.ligand
    else:
        kind = type(item).__name__.lower()
        hint = (
            "write a peptide as SMILES; proteins are not docked" if kind in ("protein", "antibody") else None
        )
        return Candidate(record, error=MoleculeError(f"a {kind} is no ligand", hint=hint))
    if smiles is None:
        return Candidate(record, error=MoleculeError("the record is a site without a ligand"))
    molblock = _pose_of(record) if placed else None
    if placed and molblock is None:
        error = MoleculeError(
            f"{record.id} has no pose",
            hint="scoring needs poses: give an SDF, or records that logos dock wrote",
        )
        return Candidate(record, error=error)
    return Candidate(record, smiles, molblock)


def _of_record(record: Record, placed: bool) -> Candidate:
    if record.status is not Status.OK:
        return Candidate(record, error=InputError(record.reason or "not valid"))
    try:
        return _of_item(record, decode(record), placed)
    except LogosError as error:
        return Candidate(record, error=error)


def _pose_of(record: Record) -> str | None:
    docking = record.extra.get("docking")
    pose = docking.get("pose") if isinstance(docking, dict) else None
    return pose if isinstance(pose, str) else None


# -- given poses -------------------------------------------------------------------------------------


def _placed(path: str, stdin: IO[bytes] | None) -> Iterator[Candidate]:
    """Yield the molecules of a file with their coordinates; a pipe is copied to a file first."""
    try:
        with closing(Input(path, stdin)) as source:
            kind = detect(source).name
            if kind == "sentences":
                for entry in detect(source).read(source, _options()):
                    yield _of_record(entry.record or Record(entry.id, "", ""), placed=True)
                return
            if path != "-":
                yield from _given(path, path)
                return
            with tempfile.NamedTemporaryFile("wb", suffix=".sdf", delete=False) as copy:
                copy.write(source.read())
        try:
            yield from _given(copy.name, "<stdin>")
        finally:
            Path(copy.name).unlink()
    except LogosError as error:
        name = "<stdin>" if path == "-" else path
        yield Candidate(Record.from_error(name, "molecule", error), error=error.at(name))


def _options() -> Any:
    from logos_cli.formats.base import ReadOptions

    return ReadOptions()


def _given(path: str, name: str) -> Iterator[Candidate]:
    for number, given in enumerate(read_given(path), 1):
        if isinstance(given, LogosError):
            yield Candidate(Record.from_error(f"{name}:{number}", "molecule", given), error=given)
        else:
            yield of_given(given, {"path": name, "record": number})


def of_given(given: Given, source: dict[str, Any]) -> Candidate:
    """Return a molecule with a pose as a ligand."""
    record = Record(given.title, "molecule", to_text(Molecule(given.smiles)), source=source)
    if given.molecule.GetNumConformers():
        # what the file's header says of dimensions may be wrong; the coordinates decide
        given.molecule.GetConformer().Set3D(given.positions is not None)
        return Candidate(record, given.smiles, Chem.MolToMolBlock(given.molecule))
    error = MoleculeError(f"{given.title} has no coordinates", hint="give an SDF or MOL2 file with poses")
    return Candidate(record, error=error)


# -- stereoisomers -----------------------------------------------------------------------------------


def _isomers(candidate: Candidate) -> Iterator[Candidate]:
    """Yield a ligand once for each stereoisomer that its SMILES leaves open."""
    try:
        found = stereoisomers(parse_smiles(candidate.smiles), _MAX_ISOMERS)
    except LogosError as error:
        yield replace(candidate, error=error)
        return
    if len(found) < 2:
        yield candidate
        return
    for number, isomer in enumerate(found, 1):
        smiles = str(Chem.MolToSmiles(isomer))
        record = replace(
            candidate.record,
            id=f"{candidate.record.id}#{number}",
            extra={**candidate.record.extra, "isomer": smiles},
        )
        yield Candidate(record, smiles)
