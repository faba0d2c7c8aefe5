"""Dock ligands in the processes of a pool; each computes its maps once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logos_cli.docking import libraries
from logos_cli.docking.check import Checker
from logos_cli.docking.engines import engines
from logos_cli.docking.ligand import LigandOptions, prepare, read_ligand
from logos_cli.docking.poses import read_poses, to_bytes
from logos_cli.docking.receptor.flexible import positions_of
from logos_cli.docking.receptor.preparation import Receptor
from logos_cli.processes.pool import Pool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    begin = time.perf_counter()
    found = engine.find(prepared.pdbqt)
    wall_s = time.perf_counter() - begin
    poses = read_poses(found.pdbqt, _TITLE)
    scores = found.scores_kcal_per_mol[: len(poses)]
    flexible = tuple(positions_of(found.pdbqt))[: len(scores)]
    moved = flexible[0] if flexible else None
    checks = None if checker is None else tuple(checker.check(poses[0], moved).items())
    return Docked(
        tuple(map(to_bytes, poses[: len(scores)])),
        tuple(scores),
        prepared.n_torsions,
        tuple(prepared.notes),
        wall_s,
        checks,
        flexible if moved is not None and len(moved) else (),
    )


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

    Raises
    ------
    LogosError
        If the engine refuses the receptor or cannot be started.
    """
    return Pool(
        Docker,
        setup,
        n_workers,
        seconds_per_item=seconds_per_ligand,
        prefetch=False,
        environment={"OMP_NUM_THREADS": "1"},
    )
