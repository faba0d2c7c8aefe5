"""Docking ligands into a receptor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, islice
from os import PathLike, fspath
from typing import IO, Any

from rdkit import Chem

from logos_cli.docking import engines
from logos_cli.docking.contacts import Contact, ContactFinder, consistency
from logos_cli.docking.ligand import LigandOptions
from logos_cli.docking.pool import Docked, Failure, Job, Pool, Result, Task, error_of, usable_cores
from logos_cli.docking.poses import from_bytes
from logos_cli.docking.protonation import PH
from logos_cli.docking.receptor import Receptor, ReceptorOptions, ResidueId, prepare, read_model
from logos_cli.docking.rmsd import rmsd
from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.formats._input import Input
from logos_cli.formats._ligand_given import read_given
from logos_cli.formats._structure_model import Model
from logos_cli.records import Record, Status
from logos_cli.workflows._dock_box import BoxOptions, Place, find_place, site_of
from logos_cli.workflows._dock_ligands import Candidate, Ligands, iter_candidates

VINA_VERSION = "1"
_SHARE_KNOWN = 0.9
"""A site is compared with a receptor that has at least this share of its residues."""


@dataclass(frozen=True, slots=True)
class DockOptions:
    """How to dock.

    Attributes
    ----------
    box : BoxOptions
        Where; without one, around the receptor's own ligand.
    receptor : ReceptorOptions
    ph : float, optional
        pH of the ligands' protonation; None docks them as they are given.
    stereo : bool
        Dock every stereoisomer that a ligand leaves open.
    mode : {"dock", "score", "minimize"}
        Search poses, or score or relax given ones.
    exhaustiveness, n_poses, energy_range_kcal_per_mol, seed
        See :class:`~logos_cli.docking.engines.Search`.
    engine : str
        ``auto``, ``vina``, ``vina-binary``, ``smina``, ``gnina`` or ``unidock``.
    cpu : int, optional
        Cores; None takes those that this process may use. Ligands share them: one each, or more where there are
        fewer ligands than cores.
    seconds_per_ligand : float, optional
        A ligand that takes longer is given up.
    reference : str, optional
        A file with known poses; RMSDs to them are told.
    check : bool
        Test the best pose of each ligand with PoseBusters.
    """

    box: BoxOptions = field(default_factory=BoxOptions)
    receptor: ReceptorOptions = field(default_factory=ReceptorOptions)
    ph: float | None = PH
    stereo: bool = False
    mode: engines.Mode = "dock"
    exhaustiveness: int = 32
    n_poses: int = 9
    energy_range_kcal_per_mol: float = 3.0
    seed: int = 1
    engine: str = "auto"
    cpu: int | None = None
    seconds_per_ligand: float | None = None
    reference: str | None = None
    check: bool = False

    def __post_init__(self) -> None:
        if self.cpu is not None and self.cpu < 1:
            raise UsageError(f"--cpu is {self.cpu}; it must be 1 or more")
        if self.seconds_per_ligand is not None and self.seconds_per_ligand <= 0:
            raise UsageError("--time-per-ligand must be above 0")
        if self.mode not in ("dock", "score", "minimize"):
            raise UsageError(f"there is no mode {self.mode!r}", hint="choose dock, score or minimize")
        self.search(1)

    def search(self, threads: int) -> engines.Search:
        """Return how the engine searches."""
        return engines.Search(
            self.mode, self.exhaustiveness, self.n_poses, self.energy_range_kcal_per_mol, self.seed, threads
        )


@dataclass(slots=True)
class DockTally:
    """What became of every ligand."""

    docked: int = 0
    failed: int = 0
    unusable: int = 0
    kept: int = 0
    kept_failed: int = 0
    contradicting: int = 0
    implausible: int = 0
    verb: str = "docked"

    @property
    def requested(self) -> int:
        """All of them."""
        return self.docked + self.failed + self.unusable + self.kept + self.kept_failed

    @property
    def lost(self) -> int:
        """Ligands without a pose."""
        return self.failed + self.unusable + self.kept_failed

    def __str__(self) -> str:
        parts = [f"{self.requested:,} requested → {self.docked + self.kept:,} {self.verb}"]
        said = (
            (self.kept, "from before"), (self.unusable, "not usable"), (self.failed, "failed"),
            (self.kept_failed, "failed before"),
            (self.contradicting, "contradict their site"), (self.implausible, "not plausible"),
        )  # fmt: skip
        if extra := ", ".join(f"{count:,} {what}" for count, what in said if count):
            parts.append(f"({extra})")
        return " ".join(parts)


@dataclass(slots=True)
class Pose:
    """One pose.

    Attributes
    ----------
    molecule : Chem.Mol
        With all hydrogens and one conformer, in the receptor's frame.
    rank : int
        From 1, the best.
    rmsd_angstrom : float, optional
        To the reference.
    """

    molecule: Chem.Mol
    rank: int
    vina_kcal_per_mol: float
    rmsd_angstrom: float | None = None


@dataclass(slots=True)
class DockedLigand:
    """A record with its scores, and the poses that it stands for."""

    record: Record
    poses: list[Pose] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)


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
    for docked in run.results(ligands, stdin):
        yield docked.record


class Docking:
    """One run: the receptor read and the engine found, neither prepared nor started.

    Attributes
    ----------
    place : Place
        The box; known once ligands have been seen.
    receptor : Receptor
        Prepared when first asked for.
    tally : DockTally
    """

    def __init__(
        self, receptor: str | PathLike[str], options: DockOptions, *, tally: DockTally | None = None
    ) -> None:
        self.options = options
        self.engine = engines.choose(options.engine)
        self.tally = DockTally() if tally is None else tally
        self.tally.verb = {"dock": "docked", "score": "scored", "minimize": "minimised"}[options.mode]
        with closing(Input(fspath(receptor))) as source:
            self.model: Model = read_model(source, options.receptor.model)
            self.sha256 = source.sha256
        self._references = _references(options.reference)
        self._hint: dict[str, Any] = {}

    @cached_property
    def place(self) -> Place:
        """Where is docked to."""
        return find_place(self.model, self.options.box, self._hint)

    @cached_property
    def receptor(self) -> Receptor:
        """The prepared receptor."""
        place = self.place
        return prepare(
            self.model, place.box, self.options.receptor, occupied=place.occupied, sha256=self.sha256
        )

    @cached_property
    def _contacts(self) -> ContactFinder:
        return ContactFinder(self.receptor)

    def plan(self) -> dict[str, Any]:
        """Return what a run would do, resolved; the receptor is not prepared."""
        options = self.options
        return {
            "receptor": self.model.name,
            "box": self.place.box.to_json(),
            "engine": self.engine,
            "engine_version": engine_version(self.engine),
            "mode": options.mode,
            "exhaustiveness": options.exhaustiveness,
            "num_modes": options.n_poses,
            "seed": options.seed,
            "ph": options.ph,
            "cpu": options.cpu or usable_cores(),
        }

    def candidates(self, ligands: Ligands, stdin: IO[bytes] | None = None) -> Iterator[Candidate]:
        """Yield the ligands; the first may say where to dock."""
        placed = self.options.mode != "dock"
        source = iter_candidates(ligands, placed=placed, stereo=self.options.stereo, stdin=stdin)
        first = next(source, None)
        if first is None:
            raise InputError("there is no ligand", hint="name a file with -l, or pipe ligands in")
        self._hint = first.record.source
        yield first
        yield from source

    def results(self, ligands: Ligands, stdin: IO[bytes] | None = None) -> Iterator[DockedLigand]:
        """Yield the ligands with their poses, in the order in which they were given."""
        yield from self.dock(self.candidates(ligands, stdin))

    def dock(self, candidates: Iterable[Candidate]) -> Iterator[DockedLigand]:
        """Dock; see :meth:`results`."""
        options = self.options
        n_cores = options.cpu or usable_cores()
        source = iter(candidates)
        first = list(islice(source, n_cores + 1))
        is_all = len(first) <= n_cores
        n_usable = sum(candidate.error is None for candidate in first)
        if is_all and not n_usable:
            for candidate in first:
                yield self._unusable(candidate)
            return
        n_workers = n_usable if is_all else n_cores
        receptor = self.receptor
        job = Job(
            self.engine,
            engines.Target(receptor.rigid_pdbqt, receptor.flexible_pdbqt, self.place.box),
            options.search(max(1, n_cores // n_workers)),
            LigandOptions(options.ph, options.mode != "dock", options.seed),
            n_workers,
            options.seconds_per_ligand,
            receptor.pdb if options.check else None,
        )
        with Pool(job) as pool:
            yield from _Course(self, pool).run(chain(first, source))

    # -- results -----------------------------------------------------------------------------------

    def _unusable(self, candidate: Candidate) -> DockedLigand:
        self.tally.unusable += 1
        return DockedLigand(_failed(candidate.record, candidate.error or InputError("not usable")))

    def _docked(self, candidate: Candidate, result: Result) -> DockedLigand:
        outcome = result.outcome
        if isinstance(outcome, Failure):
            self.tally.failed += 1
            return DockedLigand(_failed(candidate.record, error_of(outcome)))
        self.tally.docked += 1
        poses = [
            Pose(from_bytes(binary), rank, score)
            for rank, (binary, score) in enumerate(
                zip(outcome.poses, outcome.scores_kcal_per_mol, strict=True), 1
            )
        ]
        said: dict[str, Any] = {}
        if self._references:
            self._compare(poses, said)
        contacts = self._contacts.find(poses[0].molecule)
        record = replace(candidate.record, scores=dict(candidate.record.scores))
        n_heavy = poses[0].molecule.GetNumHeavyAtoms()
        best = poses[0].vina_kcal_per_mol
        record.scores["vina"] = _score(round(best, 3))
        record.scores["vina_efficiency"] = _score(round(best / n_heavy, 4))
        self._compare_site(candidate.record, contacts, said)
        if outcome.checks is not None:
            failed = sorted(name for name, good in outcome.checks if not good)
            said["checks"] = {"valid": not failed, "failed": failed, "tests": len(outcome.checks)}
            self.tally.implausible += bool(failed)
        record.extra = {**record.extra, "docking": self._account(outcome, poses, contacts, said)}
        return DockedLigand(record, poses, contacts)

    def _account(
        self, outcome: Docked, poses: list[Pose], contacts: list[Contact], said: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what a record says of the docking."""
        options = self.options
        receptor: dict[str, Any] = {"path": self.model.name}
        if self.sha256 is not None:
            receptor["sha256"] = self.sha256
        receptor["notes"] = list(self.receptor.notes)
        found: dict[str, Any] = {
            "receptor": receptor,
            "box": self.place.box.to_json(),
            "engine": self.engine,
            "engine_version": engine_version(self.engine),
            "mode": options.mode,
            "seed": options.seed,
        }
        if options.mode == "dock":
            found |= {"exhaustiveness": options.exhaustiveness, "num_modes": options.n_poses}
        if options.ph is not None:
            found["ph"] = options.ph
        found |= {"n_torsions": outcome.n_torsions, "wall_s": round(outcome.wall_s, 2)}
        if outcome.notes:
            found["notes"] = list(outcome.notes)
        found["poses"] = [
            {"rank": pose.rank, "vina": round(pose.vina_kcal_per_mol, 3)}
            | ({} if pose.rmsd_angstrom is None else {"rmsd_angstrom": round(pose.rmsd_angstrom, 3)})
            for pose in poses
        ]
        found |= said
        found["contacts"] = [contact.to_json() for contact in contacts]
        found["pose"] = Chem.MolToMolBlock(poses[0].molecule)
        return found

    def _compare(self, poses: list[Pose], said: dict[str, Any]) -> None:
        """Tell how far the poses are from a reference of the same molecule."""
        reason = ""
        for reference in self._references:
            try:
                for pose in poses:
                    pose.rmsd_angstrom = rmsd(pose.molecule, reference)
            except LogosError as error:
                reason = error.message
            else:
                return
        said["rmsd_angstrom"] = {"value": None, "reason": reason}

    def _compare_site(self, record: Record, contacts: list[Contact], said: dict[str, Any]) -> None:
        """Tell whether the pose lies in the site that the ligand was made for."""
        site = [ResidueId((name.chain, name.number, name.insertion)) for name in site_of(record)]
        if not site:
            return
        known = {residue for _, residue in self._contacts.residues}
        if sum(residue in known for residue in site) < _SHARE_KNOWN * len(site):
            said["site"] = {"value": None, "reason": "the receptor has not the residues of the site"}
            return
        agreement = consistency(contacts, site)
        if agreement is None:
            return
        self.tally.contradicting += agreement.contradicts
        record_scores = {"in_site": round(agreement.in_site, 3), "covered": round(agreement.covered, 3)}
        said["site"] = {**record_scores, "contradicts": agreement.contradicts}


class _Course:
    """Keeps results in the order of the ligands."""

    def __init__(self, run: Docking, pool: Pool) -> None:
        self._run = run
        self._pool = pool
        self._given: dict[int, Candidate] = {}
        self._ready: dict[int, DockedLigand] = {}

    def run(self, candidates: Iterable[Candidate]) -> Iterator[DockedLigand]:
        turn = 0
        for result in self._pool.run(self._tasks(candidates)):
            self._ready[result.index] = self._run._docked(self._given.pop(result.index), result)
            while turn in self._ready:
                yield self._ready.pop(turn)
                turn += 1
        while turn in self._ready:  # unusable ones after the last result
            yield self._ready.pop(turn)
            turn += 1

    def _tasks(self, candidates: Iterable[Candidate]) -> Iterator[Task]:
        for index, candidate in enumerate(candidates):
            if candidate.error is not None:
                self._ready[index] = self._run._unusable(candidate)
                continue
            self._given[index] = candidate
            yield Task(index, candidate.smiles, candidate.molblock)


def _score(value: float) -> dict[str, Any]:
    return {"value": value, "unit": "kcal/mol", "better": "lower", "version": VINA_VERSION}


def _failed(record: Record, error: LogosError) -> Record:
    """Return a ligand's record as an error, which has no sentence; the ligand's is kept under ``docking``."""
    if record.status is not Status.OK:
        return record
    reason = error.message + (f" ({error.hint})" if error.hint else "")
    extra = {**record.extra, "docking": {"text": record.text}}
    return replace(record, status=Status.ERROR, reason=reason, text="", extra=extra)


def _references(path: str | None) -> list[Chem.Mol]:
    """Return the known poses of a file.

    Raises
    ------
    LogosError
        If it has none.
    """
    if path is None:
        return []
    from logos_cli.workflows._dock_box import posed

    found = []
    for given in read_given(path):
        if isinstance(given, LogosError):
            raise given
        posed(given, path)
        found.append(given.molecule)
    return found


def engine_version(engine: str) -> str:
    """Return the version of the vina package; of a program, nothing is known without starting it."""
    if engine != "vina":
        return ""
    try:
        return version("vina")
    except PackageNotFoundError:
        return ""
