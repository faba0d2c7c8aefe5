"""Dock ligands in the processes of a pool; each computes its maps once."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from logos_cli.docking import libraries
from logos_cli.docking.check import Checker
from logos_cli.docking.engines import engines
from logos_cli.docking.ligand import LigandOptions, other_rings, prepare, read_ligand
from logos_cli.docking.poses import read_poses, to_bytes
from logos_cli.docking.receptor.flexible import positions_of
from logos_cli.docking.receptor.preparation import Receptor
from logos_cli.processes.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from rdkit import Chem

_TITLE = "the ligand"
"""Title in error messages; the record has the id."""


@dataclass(frozen=True, slots=True)
class DockingSetup:
    """The setup of a process: receptor, box, engine and options.

    Attributes
    ----------
    checked_in : Receptor, optional
        The receptor, if the best poses should be checked.
    """

    engine: str
    target: engines.Target
    search: engines.Search
    ligands: LigandOptions
    checked_in: Receptor | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One ligand: its SMILES, or a mol block with its pose."""

    smiles: str
    molblock: str | None = None


@dataclass(frozen=True, slots=True)
class Docked:
    """Poses of one ligand, the best first.

    Attributes
    ----------
    poses : tuple of bytes
        RDKit's binary molecules with all hydrogens and one conformer each.
    scores_kcal_per_mol : tuple of float
    wall_s : float
        Time of the search alone.
    checks : tuple of (str, bool), optional
        PoseBusters' tests of the best pose.
    flexible : tuple of ndarray, shape (n_atoms, 3)
        Positions (Å) of the receptor's flexible atoms in each pose; empty if none moves.
    """

    poses: tuple[bytes, ...]
    scores_kcal_per_mol: tuple[float, ...]
    n_torsions: int
    notes: tuple[str, ...] = ()
    wall_s: float = 0.0
    checks: tuple[tuple[str, bool], ...] | None = None
    flexible: tuple[NDArray[np.float64], ...] = ()


def dock_one(engine: engines.Engine, task: Task, options: LigandOptions, checker: Checker | None = None) -> Docked:
    """Prepare and dock one ligand.

    Raises
    ------
    LogosError
        If it cannot be docked.
    """
    prepared = prepare(read_ligand(task.smiles, task.molblock), _TITLE, options)
    shapes = [prepared, *other_rings(prepared, _TITLE, options)]
    begin = time.perf_counter()
    answers = [engine.find(each.pdbqt) for each in shapes]
    wall_s = time.perf_counter() - begin
    found = _best(answers, engine.search)
    moved = found[0].moved
    checks = None if checker is None else tuple(checker.check(found[0].molecule, moved).items())
    notes = [*prepared.notes, f"{len(shapes)} ring conformers docked"] if len(shapes) > 1 else prepared.notes
    return Docked(
        tuple(to_bytes(each.molecule) for each in found),
        tuple(each.score for each in found),
        prepared.n_torsions,
        tuple(notes),
        wall_s,
        checks,
        tuple(each.moved for each in found if each.moved is not None) if moved is not None and len(moved) else (),
    )


class _Pose(NamedTuple):
    molecule: Chem.Mol
    score: float
    moved: NDArray[np.float64] | None


def _best(answers: Sequence[engines.Found], search: engines.Search) -> list[_Pose]:
    """Return the best poses of a ligand's conformers, the best first, within the limits of one search."""
    found = []
    for answer in answers:
        poses = read_poses(answer.pdbqt, _TITLE)
        scores = answer.scores_kcal_per_mol[: len(poses)]
        moved = tuple(positions_of(answer.pdbqt))[: len(scores)]
        found += [_Pose(poses[place], score, moved[place] if moved else None) for place, score in enumerate(scores)]
    if len(answers) < 2:
        return found
    found.sort(key=lambda each: each.score)
    worst = found[0].score + search.energy_range_kcal_per_mol
    return [each for each in found[: search.n_poses] if each.score <= worst]


class Docker:
    """Docks one ligand after another.

    Raises
    ------
    LogosError
        If the engine refuses the receptor or cannot be started.
    """

    def __init__(self, setup: DockingSetup) -> None:
        libraries.load("meeko")  # here, before the workers are forked
        self._options = setup.ligands
        self._engine = engines.start(setup.engine, setup.target, setup.search)
        self._checker = None if setup.checked_in is None else Checker(setup.checked_in)

    def __call__(self, task: Task) -> Docked:
        """Dock a ligand, see :func:`dock_one`."""
        return dock_one(self._engine, task, self._options, self._checker)

    def close(self) -> None:
        """Remove the engine's files."""
        self._engine.close()


DockingPool = Pool[DockingSetup, Task, Docked]


def start_pool(setup: DockingSetup, n_workers: int, seconds_per_ligand: float | None = None) -> DockingPool:
    """Start processes that dock.

    They are copies of this process, which saves them the imports, unless it has prepared the receptor itself: threads of
    OpenMM do not survive a fork.

    Raises
    ------
    LogosError
        If the engine refuses the receptor or cannot be started.
    """
    return Pool(
        Docker,
        setup,
        n_workers,
        inherit="openmm" not in sys.modules,
        seconds_per_item=seconds_per_ligand,
        prefetch=False,
        environment={"OMP_NUM_THREADS": "1"},
    )
