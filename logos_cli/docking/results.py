"""Results of docking: poses, their scores and contacts, and the records that hold them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from rdkit import Chem

from logos_cli.chemistry.rmsd import rmsd
from logos_cli.docking.candidates import LigandCandidate
from logos_cli.docking.contacts import Contact, ContactFinder, consistency
from logos_cli.docking.engines import engines
from logos_cli.docking.engines.worker import Docked
from logos_cli.docking.options import DockOptions
from logos_cli.docking.place import SHARE_KNOWN, DockingBox, posed, site_of
from logos_cli.docking.poses import from_bytes
from logos_cli.docking.receptor.flexible import SideChain, outside, placed, side_chains
from logos_cli.docking.receptor.preparation import Receptor, ResidueId, prepare
from logos_cli.docking.tally import DockTally
from logos_cli.errors import InputError, LogosError, SystemFaultError, TimeLimitError, WorkerLostError
from logos_cli.processes.failure import Failure
from logos_cli.records import Record, Score, Status
from logos_cli.records.parts import DockingPart, PosePart, ReceptorPart
from logos_cli.structure.ligand.user_molecule import read_given
from logos_cli.structure.model import StructureModel

VINA_VERSION = "1"


@dataclass(slots=True)
class Pose:
    """One pose.

    Attributes
    ----------
    molecule : Chem.Mol
        With all hydrogens and one conformer, in the receptor's frame.
    rank : int
        Rank by score; the best is 1.
    rmsd_angstrom : float, optional
        RMSD to the reference.
    side_chains : tuple of SideChain
        The receptor's flexible residues in this pose.
    """

    molecule: Chem.Mol
    rank: int
    vina_kcal_per_mol: float
    rmsd_angstrom: float | None = None
    side_chains: tuple[SideChain, ...] = ()

    def to_json(self) -> PosePart:
        """Return the pose as a part of a record."""
        found: PosePart = {"rank": self.rank, "vina": round(self.vina_kcal_per_mol, 3)}
        if self.rmsd_angstrom is not None:
            found["rmsd_angstrom"] = round(self.rmsd_angstrom, 3)
        return found


@dataclass(slots=True)
class DockedLigand:
    """A record with its scores and poses."""

    record: Record
    poses: list[Pose] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    site: Site | None = None
    """The binding site that it was docked into, if it was."""
    reason: str | None = None
    """The reason if it has no pose."""


@dataclass
class Site:
    """One binding site of a receptor; the receptor is prepared for it at the first access."""

    model: StructureModel
    sha256: str | None
    options: DockOptions
    place: DockingBox

    @cached_property
    def receptor(self) -> Receptor:
        """The prepared receptor."""
        place = self.place
        receptor = prepare(self.model, place.box, self.options.receptor, occupied=place.occupied, sha256=self.sha256)
        if beyond := outside(receptor, place.box):
            note = (
                f"{', '.join(beyond)}: flexible, but reaching out of the box, into which Vina forces side chains; "
                "enlarge it (--autobox-add, --size)"
            )
            receptor = replace(receptor, notes=(*receptor.notes, note))
        return receptor

    @cached_property
    def contacts(self) -> ContactFinder:
        """The finder of its contacts with a pose."""
        return ContactFinder(self.receptor)


class Reporter:
    """Makes the results of a run, and counts them.

    Attributes
    ----------
    references : list of Chem.Mol
        Known poses, for RMSDs.
    """

    def __init__(self, options: DockOptions, engine: str, tally: DockTally) -> None:
        self.options = options
        self.engine = engine
        self.tally = tally
        self.references = _references(options.reference)

    def unusable(self, candidate: LigandCandidate) -> DockedLigand:
        """Return the result of a candidate that cannot be docked."""
        if candidate.record.status is Status.INVALID:
            self.tally.invalid += 1
        else:
            self.tally.unusable += 1
        return _without_pose(candidate.record, candidate.error or InputError("not usable"))

    def docked(self, candidate: LigandCandidate, outcome: Docked | Failure, site: Site) -> DockedLigand:
        """Return a ligand with its poses, or the reason why it has none.

        Raises
        ------
        SystemFaultError
            If the system refused what docking needs: a full disk is no property of the ligand.
        """
        if isinstance(outcome, Failure):
            error = outcome.error
            if isinstance(error, SystemFaultError):
                raise error
            self.tally.failed += 1
            if isinstance(error, TimeLimitError):
                error.hint = "raise --time-per-ligand"
            elif isinstance(error, WorkerLostError):
                error.hint = "the other ligands went on; try this one alone"
            return _without_pose(candidate.record, error)
        self.tally.docked += 1
        self.tally.search_s += outcome.wall_s
        poses = [
            Pose(from_bytes(binary), rank, score)
            for rank, (binary, score) in enumerate(zip(outcome.poses, outcome.scores_kcal_per_mol, strict=True), 1)
        ]
        for pose, positions in zip(poses, outcome.flexible, strict=False):  # empty, or one per pose
            pose.side_chains = side_chains(site.receptor, positions)
        details: DockingPart = {}
        if self.references:
            self._compare(poses, details)
        moved = placed(site.receptor, poses[0].side_chains)
        finder = site.contacts if moved is site.receptor else ContactFinder(moved)
        contacts = finder.find(poses[0].molecule)
        record = replace(candidate.record, scores=dict(candidate.record.scores))
        n_heavy = poses[0].molecule.GetNumHeavyAtoms()
        best = poses[0].vina_kcal_per_mol
        record.scores["vina"] = _score(round(best, 3))
        record.scores["vina_efficiency"] = _score(round(best / n_heavy, 4))
        self._compare_site(candidate.record, contacts, site, details)
        if outcome.checks is not None:
            failed = sorted(name for name, good in outcome.checks if not good)
            details["checks"] = {"valid": not failed, "failed": failed, "tests": len(outcome.checks)}
            self.tally.implausible += bool(failed)
        record.extra = {**record.extra, "docking": self._account(outcome, poses, contacts, site, details)}
        return DockedLigand(record, poses, contacts, site)

    def _account(
        self, outcome: Docked, poses: list[Pose], contacts: list[Contact], site: Site, details: DockingPart
    ) -> DockingPart:
        """Return the docking as a part of a record."""
        options = self.options
        receptor: ReceptorPart = {"path": site.model.name}
        if site.sha256 is not None:
            receptor["sha256"] = site.sha256
        receptor["notes"] = list(site.receptor.notes)
        found: DockingPart = {
            "receptor": receptor,
            "box": site.place.box.to_json(),
            "engine": self.engine,
            "engine_version": engines.version_of(self.engine),
            "mode": options.mode,
            "seed": options.seed,
        }
        if options.mode == "dock":
            found["exhaustiveness"], found["num_modes"] = options.exhaustiveness, options.n_poses
            if options.ring_conformers > 1:
                found["ring_conformers"] = options.ring_conformers
        if options.ph is not None:
            found["ph"] = options.ph
        found["n_torsions"] = outcome.n_torsions
        if outcome.notes:
            found["notes"] = list(outcome.notes)
        found["poses"] = [pose.to_json() for pose in poses]
        found.update(details)
        found["contacts"] = [contact.to_json() for contact in contacts]
        if poses[0].side_chains:
            found["flexible"] = [each.to_json() for each in poses[0].side_chains]
        found["pose"] = Chem.MolToMolBlock(poses[0].molecule)
        return found

    def _compare(self, poses: list[Pose], details: DockingPart) -> None:
        """Set the RMSDs of the poses to a reference of the same molecule."""
        reason = ""
        for reference in self.references:
            try:
                for pose in poses:
                    pose.rmsd_angstrom = rmsd(pose.molecule, reference)
            except LogosError as error:
                reason = error.message
            else:
                return
        details["rmsd_angstrom"] = {"value": None, "reason": reason}

    def _compare_site(self, record: Record, contacts: list[Contact], site: Site, details: DockingPart) -> None:
        """Add whether the pose lies in the site that the ligand was made for."""
        wanted = [ResidueId((name.chain, name.number, name.insertion)) for name in site_of(record)]
        if not wanted:
            return
        known = {residue for _, residue in site.contacts.residues}
        if sum(residue in known for residue in wanted) < SHARE_KNOWN * len(wanted):
            details["site"] = {"value": None, "reason": "the receptor lacks the residues of the site"}
            return
        agreement = consistency(contacts, wanted)
        if agreement is None:
            return
        self.tally.contradicting += agreement.contradicts
        details["site"] = {
            "in_site": round(agreement.in_site, 3),
            "covered": round(agreement.covered, 3),
            "contradicts": agreement.contradicts,
        }


def _score(value: float) -> Score:
    return {"value": value, "unit": "kcal/mol", "better": "lower", "version": VINA_VERSION}


def _without_pose(record: Record, error: LogosError) -> DockedLigand:
    """Return a ligand that is not docked: the sentence of its record moves to ``docking``."""
    reason = error.message + (f" ({error.hint})" if error.hint else "")
    if record.status is Status.OK:
        extra = {**record.extra, "docking": {"text": record.text}}
        record = replace(record, status=Status.ERROR, reason=reason, text="", extra=extra)
    return DockedLigand(record, reason=reason)


def _references(path: str | None) -> list[Chem.Mol]:
    """Return the known poses of a file.

    Raises
    ------
    LogosError
        If it has none.
    """
    if path is None:
        return []
    found = []
    for given in read_given(path):
        if isinstance(given, LogosError):
            raise given
        posed(given, path)
        found.append(given.molecule)
    return found
