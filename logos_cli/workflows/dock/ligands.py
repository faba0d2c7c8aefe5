"""The ligands of a run: from files, records, or the receptor's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rdkit import Chem

from logos_cli.docking.candidates import LigandCandidate, isomers, of_item, of_record
from logos_cli.errors import InputError, LogosError, MoleculeError
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Record, Source, Status
from logos_cli.structure.ligand.user_molecule import UserMolecule, read_given
from logos_cli.workflows.decode import iter_decoded

if TYPE_CHECKING:
    from logos_cli.formats.base import ReadOptions

LigandSource = str | PathLike[str] | Record | ScienceObject
Ligands = LigandSource | Iterable[LigandSource]


def iter_candidates(
    ligands: Ligands, *, placed: bool, stereo: bool, stdin: IO[bytes] | None = None
) -> Iterator[LigandCandidate]:
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
                yield from isomers(candidate)
            else:
                yield candidate


def _listed(ligands: Ligands) -> Iterable[LigandSource]:
    if isinstance(ligands, str | PathLike | Record | ScienceObject):
        return [ligands]
    return ligands


def _candidates(source: LigandSource, placed: bool, stdin: IO[bytes] | None) -> Iterator[LigandCandidate]:
    if isinstance(source, Record):
        yield of_record(source, placed=placed)
        return
    if isinstance(source, ScienceObject):
        yield of_item(Record("ligand", source.forms[0], to_text(source)), source, placed=placed)
        return
    path = fspath(source)
    if placed:
        yield from _placed(path, stdin)
        return
    for decoded in iter_decoded([path], stdin):
        if decoded.error is not None or decoded.item is None or decoded.record.status is not Status.OK:
            error = decoded.error or InputError(decoded.record.reason or "not valid")
            yield LigandCandidate(decoded.record, error=error)
            continue
        record = decoded.record
        if not record.text:
            form = decoded.item.forms[0]
            record = replace(record, kind=record.kind or form, text=to_text(decoded.item, form))
        yield of_item(record, decoded.item, placed=False)


# -- given poses -------------------------------------------------------------------------------------


def _placed(path: str, stdin: IO[bytes] | None) -> Iterator[LigandCandidate]:
    """Yield the molecules of a file with their coordinates; a pipe is copied to a file first."""
    try:
        with closing(Input(path, stdin)) as source:
            kind = detect(source).name
            if kind == "sentences":
                for entry in detect(source).read(source, _options()):
                    yield of_record(entry.record or Record(entry.id, "", ""), placed=True)
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
        yield LigandCandidate(Record.from_error(name, "molecule", error), error=error.at(name))


def _options() -> ReadOptions:
    from logos_cli.formats.base import ReadOptions

    return ReadOptions()


def _given(path: str, name: str) -> Iterator[LigandCandidate]:
    for number, given in enumerate(read_given(path), 1):
        if isinstance(given, LogosError):
            yield LigandCandidate(Record.from_error(f"{name}:{number}", "molecule", given), error=given)
        else:
            place: Source = {"path": name, "record": number}
            if given.tags:
                place["tags"] = given.tags
            yield of_given(given, place)


def of_given(given: UserMolecule, source: Source) -> LigandCandidate:
    """Return a molecule with a pose as a ligand."""
    record = Record(given.title, "molecule", to_text(Molecule(given.smiles)), source=source)
    if given.molecule.GetNumConformers():
        # what the file's header says of dimensions may be wrong; the coordinates decide
        given.molecule.GetConformer().Set3D(given.positions is not None)
        return LigandCandidate(record, given.smiles, Chem.MolToMolBlock(given.molecule))
    error = MoleculeError(f"{given.title} has no coordinates", hint="give an SDF or MOL2 file with poses")
    return LigandCandidate(record, error=error)
