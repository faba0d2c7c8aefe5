"""Dock ligands into a receptor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, groupby
from os import PathLike
from typing import IO

from logos_cli.docking.candidates import LigandCandidate, of_record
from logos_cli.docking.engines import engines
from logos_cli.docking.options import DockOptions
from logos_cli.docking.place import BoxOptions
from logos_cli.docking.receptor.preparation import ReceptorOptions
from logos_cli.docking.results import DockedLigand, Pose, Reporter, Site
from logos_cli.docking.session import Session
from logos_cli.docking.tally import DockTally
from logos_cli.errors import InputError, LogosError, MissingError, UsageError
from logos_cli.formats.in_memory import structure_input
from logos_cli.io.selection import Selection
from logos_cli.options import options_or_fields
from logos_cli.records import Record
from logos_cli.workflows.dock.ligands import iter_candidates
from logos_cli.workflows.inputs import Givens, listed

__all__ = [
    "BoxOptions",
    "DockOptions",
    "DockTally",
    "DockedLigand",
    "Docking",
    "PocketDocking",
    "Pose",
    "ReceptorOptions",
    "dock",
]


def dock(
    receptor: str | PathLike[str] | object,
    ligands: Givens,
    options: DockOptions | None = None,
    *,
    tally: DockTally | None = None,
    stdin: IO[bytes] | None = None,
    **choices: object,
) -> Iterator[Record]:
    """Dock ligands into a receptor.

    Parameters
    ----------
    receptor : str, path or object
        PDB, mmCIF or BinaryCIF; or a structure of gemmi, Bio.PDB or biotite.
    ligands : str, path, Record, text, object, or iterable of these
        Files (SMILES, SDF, records …; ``-`` is standard input), and all objects that ``encode`` takes. To score or relax
        poses (``mode="score"``, ``"minimize"``), an RDKit molecule needs a conformer.
    options : DockOptions, optional
        Its fields, and those of ``read``, may be keywords instead: ``dock("complex.pdb", "CCO", form="molecule")``.

    Yields
    ------
    Record
        One per ligand, in their order, with ``vina`` (kcal/mol) among its scores and the best pose under
        ``docking``. A ligand without a pose has the ``status`` ``error``.

    Raises
    ------
    LogosError
        If the receptor, the box or an option cannot be used, no docking engine is installed, or a string is neither a
        file nor a text with a stated form.
    TypeError
        If an object is of an unknown type.

    Examples
    --------
    >>> from logos_cli import dock
    >>> [record] = dock("complex.pdb", "ligand.smi", exhaustiveness=8)  # doctest: +SKIP
    >>> record.scores["vina"]["value"]  # doctest: +SKIP
    -7.9
    """
    options = options_or_fields(DockOptions, options, choices, "dock")
    if not isinstance(receptor, (str, PathLike)):
        receptor = structure_input(receptor)
    given = listed(ligands, options.read.form, records=True)
    run = Docking(receptor, options, tally=tally)
    return (docked.record for docked in run.results(given, stdin))


class Docking(Session):
    """A run that docks ligands from files and objects into one receptor."""

    def candidates(self, ligands: Givens, stdin: IO[bytes] | None = None) -> Iterator[LigandCandidate]:
        """Yield the ligands."""
        source = iter_candidates(ligands, self.options, stdin)
        first = next(source, None)
        if first is None:
            raise InputError("there is no ligand", hint="name a file with -l, or pipe ligands in")
        self.set_first_ligand(first)
        yield first
        yield from source

    def results(
        self, ligands: Givens, stdin: IO[bytes] | None = None, *, selection: Selection | None = None
    ) -> Iterator[DockedLigand]:
        """Yield the ligands with their poses, in input order."""
        yield from self.dock(self._wanted(self.candidates(ligands, stdin), selection))

    def _wanted(self, candidates: Iterable[LigandCandidate], selection: Selection | None) -> Iterator[LigandCandidate]:
        place = selection.of_file(0, "ligands") if selection is not None else None
        if place is not None and selection is not None:
            place.units = selection.pending
        for candidate in candidates:
            if place is not None and not place.takes(candidate.record.id):
                continue
            self.tally.asked += 1
            yield candidate
        if place is not None and selection is not None:
            selection.note_end(0, place.n_seen)

    def begin(self, record: Record) -> None:
        """Find the box for a record, so that an error in it is raised early.

        Raises
        ------
        LogosError
            If there is no box.
        """
        self.set_first_ligand(of_record(record, placed=False))
        _ = self.place


class PocketDocking:
    """A run that docks each record into the structure of its pocket.

    Attributes
    ----------
    site : Site
        The first binding site; known after the first record.
    tally : DockTally
    """

    def __init__(self, options: DockOptions, *, tally: DockTally | None = None) -> None:
        self.options = options
        self.tally = DockTally() if tally is None else tally
        self._reporter = Reporter(options, engines.choose(options.engine), self.tally)
        self._runs: list[Docking] = []
        self._last: tuple[str, int] | None = None

    @property
    def site(self) -> Site:
        """The first binding site."""
        return self._runs[0].site

    @property
    def sites(self) -> list[Site]:
        """All binding sites that ligands have been docked into."""
        return [site for run in self._runs for site in run.sites]

    def plan(self) -> dict[str, object]:
        """Return the resolved options of the run, for its first receptor."""
        return self._runs[0].plan() if self._runs else {}

    def begin(self, record: Record) -> Docking:
        """Return the run for a record's structure, with its box; the receptor is prepared when it is needed.

        Raises
        ------
        LogosError
            If the record names no structure, or one that cannot be docked into.
        """
        structure = _structure_of(record)
        if structure is None:
            raise UsageError("the prompt has no structure to dock into", hint="give --receptor FILE")
        if structure == self._last:
            return self._runs[-1]
        path, number = structure
        receptor = replace(self.options.receptor, model=number)
        run = Docking(path, replace(self.options, receptor=receptor), tally=self.tally)
        run.begin(record)
        self._runs.append(run)
        self._last = structure
        return run

    def results(self, records: Iterable[Record]) -> Iterator[DockedLigand]:
        """Yield the ligands with their poses, in the order of the records, which are grouped by structure."""
        for _, group in groupby(records, _structure_of):
            yield from self._dock_together(group)

    def _dock_together(self, records: Iterator[Record]) -> Iterator[DockedLigand]:
        """Dock the records of one structure; if it cannot be used, each of them gets the reason."""
        first = next(records)
        records = chain([first], records)
        try:
            run = self.begin(first)
            _ = run.receptor
        except MissingError:
            raise
        except LogosError as error:
            for record in records:
                self.tally.asked += 1
                yield self._reporter.unusable(LigandCandidate(record, error=error))
            return
        yield from run.results(records)


def _structure_of(record: Record) -> tuple[str, int] | None:
    """Return the structure file of a record's pocket, and the number of the model in it."""
    path, number = record.source.get("path"), record.source.get("model", 1)
    if not isinstance(path, str) or not isinstance(number, int) or "residues" not in record.source:
        return None
    return path, number
