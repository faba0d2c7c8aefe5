"""The ligands of a docking run, from files, records and objects."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import IO

from rdkit import Chem

from logos_cli.docking.candidates import LigandCandidate, isomers, of_item, of_record
from logos_cli.docking.options import DockOptions
from logos_cli.errors import InputError, LogosError, MoleculeError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.ids import FileLabels, UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Record, Source, Status
from logos_cli.structure.ligand.user_molecule import UserMolecule, from_rdkit, read_given
from logos_cli.workflows.decode import iter_decoded
from logos_cli.workflows.encode import record_of
from logos_cli.workflows.inputs import Given, Givens, entries_in_hand, is_path, path_of


def iter_candidates(ligands: Givens, options: DockOptions, stdin: IO[bytes] | None = None) -> Iterator[LigandCandidate]:
    """Yield the ligands, each with its error if it cannot be docked.

    To score or relax poses, molecules come from SDF, MOL2, records of poses, or RDKit molecules with a conformer. To
    dock, ``options.stereo`` yields all stereoisomers of a molecule with undefined centres.
    """
    placed = options.mode != "dock"
    if isinstance(ligands, (str, PathLike, Record, ScienceObject)) or not isinstance(ligands, Iterable):
        ligands = [ligands]
    form = options.read.form
    paths = [path_of(each) for each in ligands if is_path(each, form)] if isinstance(ligands, (list, tuple)) else []
    labels = FileLabels(paths)
    for number, source in enumerate(ligands, 1):
        for candidate in _candidates(source, f"ligand:{number}", options.read, placed, labels, stdin):
            if options.stereo and not placed and candidate.error is None:
                yield from isomers(candidate)
            else:
                yield candidate


def _candidates(
    source: Given, id: str, read: ReadOptions, placed: bool, labels: FileLabels, stdin: IO[bytes] | None
) -> Iterator[LigandCandidate]:
    if isinstance(source, Record):
        yield of_record(source, placed=placed)
    elif isinstance(source, ScienceObject):
        yield of_item(Record(id, source.forms[0], to_text(source)), source, placed=placed)
    elif is_path(source, read.form):
        yield from _of_file(path_of(source), read, placed, labels, stdin)
    elif placed and isinstance(source, Chem.Mol):
        yield _of_molecule(source, id)
    else:
        for entry in entries_in_hand(source, read, id):
            record = record_of(entry, None, read)
            if entry.item is None or record.status is not Status.OK:
                error = entry.error or InputError(record.reason or "not valid")
                yield LigandCandidate(record, error=error)
            else:
                yield of_item(record, entry.item, placed=placed)


def _of_file(
    path: str, read: ReadOptions, placed: bool, labels: FileLabels, stdin: IO[bytes] | None
) -> Iterator[LigandCandidate]:
    if placed:
        yield from _placed(path, labels, stdin)
        return
    for decoded in iter_decoded([path], stdin, read, labels=labels):
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


def _placed(path: str, labels: FileLabels, stdin: IO[bytes] | None) -> Iterator[LigandCandidate]:
    """Yield the molecules of a file with their coordinates; a pipe is copied to a file first."""
    try:
        with closing(Input(path, stdin)) as source:
            naming = _Naming(source.stem, labels.of_file(path, source.stem))
            kind = detect(source).name
            if kind == "sentences":
                for entry in detect(source).read(source, ReadOptions()):
                    yield of_record(entry.record or Record(entry.id, "", ""), placed=True)
                return
            if path != "-":
                yield from _given(path, path, naming)
                return
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder, f"{source.stem}.sdf")
                copy.write_bytes(source.read())
                yield from _given(str(copy), source.name, naming)
    except LogosError as error:
        name = "<stdin>" if path == "-" else path
        yield LigandCandidate(Record.from_error(name, "molecule", error), error=error.at(name))


def _of_molecule(molecule: Chem.Mol, id: str) -> LigandCandidate:
    """Return an RDKit molecule with the pose of its conformer."""
    title = molecule.GetProp("_Name") if molecule.HasProp("_Name") else ""
    source: Source = {"object": "rdkit.Chem.Mol"}
    try:
        return of_given(from_rdkit(molecule, title or id), source)
    except LogosError as error:
        return LigandCandidate(Record.from_error(title or id, "molecule", error, source), error=error)


class _Naming:
    """Ids of the poses of a file, which often have one title: unique in the file and, if it has a label, over all files."""

    def __init__(self, stem: str, qualified: Callable[[str], str] | None) -> None:
        self._ids = UniqueIds(stem)
        self._qualified = qualified

    def id_of(self, title: str) -> str:
        """Return the id of the next pose."""
        id = self._ids.take(title)
        return id if self._qualified is None else self._qualified(id)


def _given(path: str, name: str, naming: _Naming) -> Iterator[LigandCandidate]:
    for number, given in enumerate(read_given(path), 1):
        if isinstance(given, LogosError):
            yield LigandCandidate(Record.from_error(f"{name}:{number}", "molecule", given), error=given)
        else:
            place: Source = {"path": name, "record": number}
            if given.tags:
                place["tags"] = given.tags
            candidate = of_given(given, place)
            candidate.record.id = naming.id_of(given.title)
            yield candidate


def of_given(given: UserMolecule, source: Source) -> LigandCandidate:
    """Return a molecule with a pose as a ligand."""
    record = Record(given.title, "molecule", to_text(Molecule(given.smiles)), source=source)
    if given.molecule.GetNumConformers():
        # the dimension in the file's header may be wrong; the coordinates decide
        given.molecule.GetConformer().Set3D(given.positions is not None)
        return LigandCandidate(record, given.smiles, Chem.MolToMolBlock(given.molecule))
    error = MoleculeError(f"{given.title} has no coordinates", hint="give an SDF or MOL2 file with poses")
    return LigandCandidate(record, error=error)
