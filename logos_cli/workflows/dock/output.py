"""Write poses: to an SDF, or to a directory with poses, records, the prepared receptor and the run's arguments."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rdkit import Chem

from logos_cli.chemistry.sd_tags import tag_text, title_line
from logos_cli.docking.receptor.flexible import pdb_lines, placed
from logos_cli.io.json_types import to_json
from logos_cli.records import Record
from logos_cli.records.parts import DockingPart, SitePart, docking_of, score_value

if TYPE_CHECKING:
    from logos_cli.docking.results import DockedLigand, Pose, Site

PLAN = "docking.json"
"""The resolved options of a run."""
RECEPTORS = "receptors"
"""Folder of the receptors of poses with flexible side chains."""
_RECEPTOR_END = "_receptor.cif"
_LONGEST_NAME = 100


def sdf_entry(docked: DockedLigand, pose: Pose) -> str:
    """Return one pose as an entry of an SDF, with the record's id as its title and its scores as tags."""
    record = docked.record
    molecule = pose.molecule
    molecule.SetProp("_Name", title_line(record.id))
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
    body = "".join(tag_text(name, value) for name, value in tags.items() if value not in (None, ""))
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


def sdf_text(docked: DockedLigand) -> str:
    """Return all poses of a ligand as entries of an SDF."""
    return "".join(sdf_entry(docked, pose) for pose in docked.poses)


def write_sdf(docked: DockedLigand, stream: IO[str]) -> None:
    """Write all poses of a ligand."""
    stream.write(sdf_text(docked))


def write_receptors(docked: DockedLigand, run: Path) -> None:
    """Write the receptor of each pose to the directory of a run, if side chains moved."""
    if docked.site is None:
        return
    for pose in docked.poses:
        if pose.side_chains:
            (run / RECEPTORS).mkdir(exist_ok=True)
            name = f"{_file_name(docked.record.id)}_pose{pose.rank}{_RECEPTOR_END}"
            _put(run / RECEPTORS / name, placed(docked.site.receptor, pose.side_chains).cif)


def describe(sites: Sequence[Site], plan: Mapping[str, object], run: Path) -> None:
    """Write the prepared receptors, one for each site, and the resolved options to the directory of a run."""
    for number, site in enumerate(sites, 1):
        mark = f"-{number}" if len(sites) > 1 else ""
        receptor = site.receptor
        _put(run / f"receptor{mark}.pdbqt", receptor.rigid_pdbqt)
        _put(run / f"flexible{mark}.pdbqt", receptor.flexible_pdbqt)
        _put(run / f"receptor{mark}.cif", receptor.cif)
    if len(sites) > 1:
        boxes = [{"receptor": site.model.name, "box": site.place.box.to_json()} for site in sites]
        plan = {**plan, "sites": boxes}
    _put(run / PLAN, to_json(plan, indent=2) + "\n")


def _put(path: Path, text: str) -> None:
    if text:
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)


def _file_name(id: str) -> str:
    """Return the file name of a ligand: its id, or the characters that fit a file name with a hash of the id."""
    name = re.sub(r"[^\w+.-]+", "_", id)[:_LONGEST_NAME]
    return name if name == id else f"{name}-{hashlib.sha256(id.encode()).hexdigest()[:8]}"
