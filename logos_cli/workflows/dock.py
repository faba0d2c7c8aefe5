"""Docking ligands into a receptor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from os import PathLike
from typing import IO, Any

from logos_cli.docking.candidates import Candidate
from logos_cli.docking.options import DockOptions
from logos_cli.docking.place import BoxOptions
from logos_cli.docking.receptor import ReceptorOptions
from logos_cli.docking.results import DockedLigand, Pose
from logos_cli.docking.session import Session
from logos_cli.docking.tally import DockTally
from logos_cli.errors import InputError, UsageError
from logos_cli.records import Record
from logos_cli.workflows._dock_ligands import Ligands, iter_candidates

__all__ = [
    "BoxOptions", "DockOptions", "DockTally", "DockedLigand", "Docking", "Pose", "ReceptorOptions", "dock",
]  # fmt: skip


def dock(
    receptor: str | PathLike[str],
    ligands: Ligands,
    options: DockOptions | None = None,
    *,
    tally: DockTally | None = None,
    stdin: IO[bytes] | None = None,
    **choices: Any,
) -> Iterator[Record]:
    """Dock ligands into a receptor.

    Parameters
    ----------
    receptor : str or path
        PDB, mmCIF or BinaryCIF.
    ligands : str, path, Record, Molecule, Complex or iterable of these
        Files (SMILES, SDF, records …; ``-`` is standard input) or objects.
    options : DockOptions, optional
        Or give its fields as keywords.

    Yields
    ------
    Record
        One a ligand, in their order, with ``vina`` (kcal/mol) among its scores and the best pose under
        ``docking``; ``status`` is ``error`` where there is none.

    Raises
    ------
    LogosError
        If the receptor, the box or an option cannot be used, or no engine is there.

    Examples
    --------
    >>> from logos_cli import dock
    >>> [record] = dock("complex.pdb", "ligand.smi", exhaustiveness=8)  # doctest: +SKIP
    >>> record.scores["vina"]["value"]  # doctest: +SKIP
    -7.9
    """
    if options is not None and choices:
        raise UsageError("give either options or its fields, not both")
    if options is None:
        known = {each.name for each in fields(DockOptions)}
        for name in choices:
            if name not in known:
                raise UsageError(f"dock has no option {name!r}", hint=f"it has {', '.join(sorted(known))}")
        options = DockOptions(**choices)
    run = Docking(receptor, options, tally=tally)
    return (docked.record for docked in run.results(ligands, stdin))


class Docking(Session):
    """One run: ligands from files and objects, docked to one receptor."""

    def candidates(self, ligands: Ligands, stdin: IO[bytes] | None = None) -> Iterator[Candidate]:
        """Yield the ligands."""
        placed = self.options.mode != "dock"
        source = iter_candidates(ligands, placed=placed, stereo=self.options.stereo, stdin=stdin)
        first = next(source, None)
        if first is None:
            raise InputError("there is no ligand", hint="name a file with -l, or pipe ligands in")
        self.look_at(first)
        yield first
        yield from source

    def results(self, ligands: Ligands, stdin: IO[bytes] | None = None) -> Iterator[DockedLigand]:
        """Yield the ligands with their poses, in the order in which they were given."""
        yield from self.dock(self.candidates(ligands, stdin))
