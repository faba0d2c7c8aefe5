"""A process that docks: it makes the maps once and forks workers that share them.

The parent sends ligands and reads results through pipes. A worker that dies or takes too long costs its ligand
only: it is replaced by another fork, which has the maps already. Nothing else runs in this process, so that
forking is safe whatever the parent has loaded.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import IO, TYPE_CHECKING, Any, NoReturn

from logos_cli.docking import libraries
from logos_cli.docking.check import Checker
from logos_cli.docking.engines import engines
from logos_cli.docking.ligand import LigandOptions, prepare, read_ligand
from logos_cli.docking.poses import read_poses, to_bytes
from logos_cli.docking.receptor.flexible import positions_of
from logos_cli.docking.receptor.preparation import Receptor
from logos_cli.errors import LogosError
from logos_cli.processes.environment import Failure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PR_SET_PDEATHSIG = 1
_TITLE = "the ligand"
"""Its record says which."""


@dataclass(frozen=True, slots=True)
class ServerSetup:
    """All that the server is told before the ligands."""

    engine: str
    target: engines.Target
    search: engines.Search
    ligands: LigandOptions
    n_workers: int
    seconds_per_ligand: float | None = None
    checked_in: Receptor | None = None
    """The receptor, if the best poses are to be checked."""


@dataclass(frozen=True, slots=True)
class Task:
    """One ligand: its SMILES, or a mol block whose coordinates count."""

    index: int
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
    wall_s, prepare_s : float
        Time of the search alone, and of preparing the ligand.
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
    prepare_s: float = 0.0
    checks: tuple[tuple[str, bool], ...] | None = None
    flexible: tuple[NDArray[np.float64], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a task."""

    index: int
    outcome: Docked | Failure


def dock_one(engine: engines.Engine, task: Task, options: LigandOptions, checker: Checker | None = None) -> Docked:
    """Prepare and dock one ligand.

    Raises
    ------
    LogosError
        If it cannot be docked.
    """
    start = time.perf_counter()
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
        begin - start,
        checks,
        flexible if moved is not None and len(moved) else (),
    )


# -- worker ------------------------------------------------------------------------------------------


def _work(pipe: Connection, engine: engines.Engine, options: LigandOptions, checker: Checker | None) -> None:
    """Dock what comes through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)  # a program that it starts is ended with it
    _end_with_parent()
    while True:
        try:
            task: Task = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        outcome: Docked | Failure
        try:
            outcome = dock_one(engine, task, options, checker)
        except LogosError as error:
            outcome = Failure.of(error)
        except MemoryError:
            outcome = Failure("out of memory", "use fewer workers (--cpu)")
        except Exception as error:  # noqa: BLE001 - the boundary of a ligand: its record tells, others go on
            outcome = Failure(f"{type(error).__name__}: {engines.reason(error)}", "this is a defect; report the ligand")
        try:
            pipe.send(Result(task.index, outcome))
        except (BrokenPipeError, OSError):
            os._exit(0)


def _end_with_parent() -> None:
    """Let the system kill this process when the server dies, where it can; it would finish its ligand first."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    task: Task | None = None
    deadline: float | None = None

    def kill(self) -> None:
        """End the worker and what it has started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # gone already, or no group of its own yet
            self.process.kill()


# -- server ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Server:
    job: ServerSetup
    engine: engines.Engine
    checker: Checker | None
    answers: IO[bytes]
    workers: list[_Worker] = field(default_factory=list)
    waiting: deque[Task] = field(default_factory=deque)
    finished: bool = False

    def start_worker(self) -> _Worker:
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_work, args=(there, self.engine, self.job.ligands, self.checker), daemon=True)
        process.start()
        there.close()
        worker = _Worker(process, here)
        self.workers.append(worker)
        return worker

    def send(self, message: Any) -> None:
        try:
            pickle.dump(message, self.answers)
            self.answers.flush()
        except BrokenPipeError:
            self.leave()

    def leave(self) -> NoReturn:
        """End at once: nobody is there any more to answer to."""
        self.close()
        os._exit(1)

    def run(self, requests: Connection) -> None:
        """Hand out tasks and results until all is done."""
        for _ in range(self.job.n_workers):
            self.start_worker()
        while not (self.finished and not self.waiting and all(worker.task is None for worker in self.workers)):
            self._hand_out()
            sources: list[Any] = [worker.pipe for worker in self.workers if worker.task is not None]
            sources.append(requests)  # even when all is asked for: its end says that nobody waits any more
            for ready in wait(sources, self._patience()):
                if ready is requests:
                    self._read(requests)
                else:
                    self._collect(next(worker for worker in self.workers if worker.pipe is ready))
            self._enforce_deadlines()

    def _read(self, requests: Connection) -> None:
        try:
            message = requests.recv()
        except (EOFError, OSError):  # the parent is gone, or has enough
            self.leave()
        if message is None:
            self.finished = True
        else:
            self.waiting.append(message)

    def _hand_out(self) -> None:
        for worker in self.workers:
            if worker.task is None and self.waiting:
                worker.task = self.waiting.popleft()
                limit = self.job.seconds_per_ligand
                worker.deadline = None if limit is None else time.monotonic() + limit
                try:
                    worker.pipe.send(worker.task)
                except (BrokenPipeError, OSError):
                    self._replace(worker, _died(worker))

    def _patience(self) -> float | None:
        deadlines = [worker.deadline for worker in self.workers if worker.task and worker.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _collect(self, worker: _Worker) -> None:
        try:
            result: Result = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            self._replace(worker, _died(worker))
            return
        worker.task = worker.deadline = None
        self.send(result)

    def _enforce_deadlines(self) -> None:
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.task is not None and worker.deadline is not None and now >= worker.deadline:
                limit = self.job.seconds_per_ligand
                self._replace(worker, Failure(f"stopped after {limit:g} s", "raise --time-per-ligand"))

    def _replace(self, worker: _Worker, failure: Failure) -> None:
        """Give up a worker's ligand, and put another worker in its place."""
        task = worker.task
        worker.kill()
        worker.process.join()
        worker.pipe.close()
        self.workers.remove(worker)
        self.start_worker()
        if task is not None:
            self.send(Result(task.index, failure))

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.process.join()
        self.engine.close()


def _died(worker: _Worker) -> Failure:
    code = worker.process.exitcode
    how = f"by signal {-code} ({_signal_name(-code)})" if code is not None and code < 0 else f"with status {code}"
    return Failure(f"the docking program ended {how}", "the other ligands went on; try this one alone")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def serve(requests_fd: int, answers_fd: int) -> None:
    """Be the server: read a job and tasks, write results."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    requests = Connection(requests_fd, writable=False)
    answers = os.fdopen(answers_fd, "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Vina prints
    job: ServerSetup = requests.recv()
    try:
        libraries.load("meeko")  # before forking: its workers need not
        engine = engines.start(job.engine, job.target, job.search)
        checker = None if job.checked_in is None else Checker(job.checked_in)
    except LogosError as error:
        pickle.dump(Failure.of(error), answers)
        answers.flush()
        sys.exit(1)
    server = _Server(job, engine, checker, answers)
    try:
        server.send("ready")
        server.run(requests)
    finally:
        server.close()
