"""Write poses: to an SDF, or to a directory with poses, records, the prepared receptor and the run's arguments."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from rdkit import Chem

from logos_cli.docking.receptor.flexible import pdb_lines, placed
from logos_cli.errors import FormatError, OutputError, UsageError
from logos_cli.records import Record, Status
from logos_cli.records.parts import DockingPart, SitePart, docking_of, score_value

if TYPE_CHECKING:
    from logos_cli.docking.results import DockedLigand, Pose, Site

POSES, RECORDS, RUN = "poses.sdf", "records.jsonl", "run.json"
RECEPTORS = "receptors"
"""Folder of the receptors of poses with flexible side chains."""
_RECEPTOR_END = "_receptor.cif"
_END = b"$$$$\n"
_LONGEST_NAME = 100


def sdf_entry(docked: DockedLigand, pose: Pose) -> str:
    """Return one pose as an entry of an SDF, with the record's id as its title and its scores as tags."""
    record = docked.record
    molecule = pose.molecule
    molecule.SetProp("_Name", " ".join(record.id.split()))
    tags: dict[str, object] = {"rank": pose.rank, "vina": f"{pose.vina_kcal_per_mol:.3f}"}
    if pose.rmsd_angstrom is not None:
        tags["rmsd_angstrom"] = f"{pose.rmsd_angstrom:.3f}"
    tags["vina_efficiency"] = f"{pose.vina_kcal_per_mol / molecule.GetNumHeavyAtoms():.4f}"
    tags["smiles"] = Chem.MolToSmiles(Chem.RemoveHs(Chem.Mol(molecule)))
    if pose.side_chains:
        tags["flexible"] = pdb_lines(pose.side_chains)
    if pose.rank == 1:
        tags |= _best_only(docking_of(record.extra))
    for name in record.scores:
        tags.setdefault(name, score_value(record.scores, name))
    for name, value in _given_tags(record).items():
        tags[name if name not in tags else f"input_{name}"] = value
    body = "".join(f">  <{name}>\n{value}\n\n" for name, value in tags.items() if value not in (None, ""))
    return f"{Chem.MolToMolBlock(molecule)}{body}$$$$\n"


def _given_tags(record: Record) -> Mapping[str, object]:
    """Return the data fields of the ligand's own SDF."""
    tags: object = record.source.get("tags")
    return tags if isinstance(tags, Mapping) else {}


def _best_only(docking: DockingPart) -> dict[str, object]:
    """Return the tags of the best pose only: the site, the checks, the contacts."""
    found: dict[str, object] = {}
    site, checks = docking.get("site", SitePart()), docking.get("checks")
    if "in_site" in site:
        found |= {"site_in": site["in_site"], "site_covered": site["covered"]}
        if site["contradicts"]:
            found["contradicts_site"] = "true"
    if checks is not None:
        found["plausible"] = str(checks["valid"]).lower()
        found["checks_failed"] = " ".join(checks["failed"])
    found["contacts"] = " ".join(each["residue"].replace(" ", ":") for each in docking.get("contacts", ()))
    return found


def write_sdf(docked: DockedLigand, stream: IO[str]) -> None:
    """Write all poses of a ligand."""
    stream.write("".join(sdf_entry(docked, pose) for pose in docked.poses))


@dataclass(slots=True)
class ResultFolder:
    """A directory of results, for a run that can be resumed.

    A ligand's poses are written before its record: a ligand with a record is done, and one without is docked again.

    Attributes
    ----------
    done : dict of str to Record
        Ligands of an earlier run, by id.
    """

    path: Path
    done: dict[str, Record]
    _poses: IO[str]
    _records: IO[str]

    @classmethod
    @contextmanager
    def open(cls, path: Path, *, overwrite: bool, resume: bool) -> Iterator[Self]:
        """Open a directory, and make it if there is none.

        Raises
        ------
        UsageError
            If it holds results and neither ``overwrite`` nor ``resume`` is set.
        OutputError
            If it cannot be written.
        """
        has_results = (path / RECORDS).exists() or (path / POSES).exists()
        if has_results and not (overwrite or resume):
            raise UsageError("the directory holds results", source=str(path), hint="add --resume or --overwrite")
        try:
            path.mkdir(parents=True, exist_ok=True)
            done = _recover(path) if resume and has_results else {}
            mode = "a" if done else "w"
            if not done:
                for stale in (path / RECEPTORS).glob(f"*{_RECEPTOR_END}"):
                    stale.unlink()
            with (
                (path / POSES).open(mode, encoding="utf-8", newline="\n") as poses,
                (path / RECORDS).open(mode, encoding="utf-8", newline="\n") as records,
            ):
                yield cls(path, done, poses, records)
        except (FileNotFoundError, NotADirectoryError, PermissionError, FileExistsError) as error:
            raise OutputError(
                f"cannot be written: {error.strerror}", source=str(path), hint="choose another place"
            ) from error

    def write(self, docked: DockedLigand) -> None:
        """Write a ligand's poses and its record."""
        write_sdf(docked, self._poses)
        self._poses.flush()
        self._write_receptors(docked)
        self._records.write(docked.record.to_json() + "\n")
        self._records.flush()

    def _write_receptors(self, docked: DockedLigand) -> None:
        """Write the receptor of each pose, if side chains moved."""
        if docked.site is None:
            return
        for pose in docked.poses:
            if pose.side_chains:
                (self.path / RECEPTORS).mkdir(exist_ok=True)
                name = f"{_file_name(docked.record.id)}_pose{pose.rank}{_RECEPTOR_END}"
                self._put(f"{RECEPTORS}/{name}", placed(docked.site.receptor, pose.side_chains).cif)

    def describe(self, sites: Sequence[Site], run: Mapping[str, object]) -> None:
        """Write the prepared receptors, one for each site, and the arguments of the run."""
        for number, site in enumerate(sites, 1):
            mark = f"-{number}" if len(sites) > 1 else ""
            receptor = site.receptor
            self._put(f"receptor{mark}.pdbqt", receptor.rigid_pdbqt)
            self._put(f"flexible{mark}.pdbqt", receptor.flexible_pdbqt)
            self._put(f"receptor{mark}.cif", receptor.cif)
        if len(sites) > 1:
            described = [{"receptor": site.model.name, "box": site.place.box.to_json()} for site in sites]
            run = {**run, "sites": described}
        self._put(RUN, json.dumps(run, indent=2, ensure_ascii=False) + "\n")

    def _put(self, name: str, text: str) -> None:
        if text:
            part = self.path / f"{name}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(self.path / name)


def _file_name(id: str) -> str:
    """Return the file name of a ligand: its id, or the characters that fit a file name with a hash of the id."""
    name = re.sub(r"[^\w+.-]+", "_", id)[:_LONGEST_NAME]
    return name if name == id else f"{name}-{hashlib.sha256(id.encode()).hexdigest()[:8]}"


def _recover(path: Path) -> dict[str, Record]:
    """Read the records of an earlier run, and cut off unfinished records and poses."""
    done: dict[str, Record] = {}
    ledger = path / RECORDS
    content = ledger.read_bytes() if ledger.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            record = Record.from_json(line)
        except FormatError as error:
            raise error.at(f"{ledger}:{number}") from error
        done[record.id] = record
    if len(whole) < len(content):
        os.truncate(ledger, len(whole))
    poses = path / POSES
    if poses.exists():
        _cut(poses, {" ".join(id.split()) for id, record in done.items() if record.status is Status.OK})
    return done


def _cut(poses: Path, titles: set[str]) -> None:
    """Cut an SDF before the first entry that is broken or belongs to no record."""
    kept = 0
    entry: list[bytes] = []
    with poses.open("rb") as stream:
        for line in stream:
            entry.append(line)
            if line == _END:
                if entry[0].decode("utf-8", "replace").strip() not in titles:
                    break
                kept += sum(map(len, entry))
                entry = []
    os.truncate(poses, kept)
