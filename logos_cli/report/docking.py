"""The page of the best docked ligands: drawing, scores, checks, contacts, and the pose in the binding site."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import gemmi
import numpy as np
from rdkit import Chem

from logos_cli.chemistry.drawing import draw_molecule
from logos_cli.chemistry.molblock import read_molblock
from logos_cli.docking.contacts import HYDROGEN_BOND_ANGSTROM, METAL_ANGSTROM, SALT_BRIDGE_ANGSTROM
from logos_cli.docking.receptor.flexible import from_json, placed
from logos_cli.docking.receptor.preparation import Receptor, as_mmcif
from logos_cli.errors import LogosError
from logos_cli.io.json_types import JsonMapping, JsonObject
from logos_cli.records import Record, Status
from logos_cli.records.parts import (
    BoxPart,
    ContactPart,
    DockingPart,
    ReceptorPart,
    SitePart,
    docking_of,
    logp_of,
    number_of,
    score_value,
)
from logos_cli.report._docking_scene import SCRIPT, STYLE
from logos_cli.report.page import Page
from logos_cli.report.plots import histogram

N_SHOWN = 10

_KINDS = {
    "hydrogen_bond": ("hydrogen bond", "#1565c0"),
    "salt_bridge": ("salt bridge", "#c2571a"),
    "metal": ("metal", "#7b3fb5"),
    "hydrophobic": ("hydrophobic", "#8a9a5b"),
}
"""Name and colour of each kind of contact."""

_DRAWN = {"metal": METAL_ANGSTROM, "salt_bridge": SALT_BRIDGE_ANGSTROM, "hydrogen_bond": HYDROGEN_BOND_ANGSTROM}
"""Kinds of contact that the viewer draws as lines, the strongest first, with their largest lengths."""

_NEAR = ("near", "#b4bcc8")
_DRAWING = (260, 190)
_AROUND_ANGSTROM = 15.0
_TINY = 1e-6
_SETTINGS = (
    ("engine", "engine"),
    ("mode", "mode"),
    ("exhaustiveness", "exhaustiveness"),
    ("seed", "seed"),
    ("ph", "pH"),
)


@dataclass(order=True, slots=True)
class _RankedLigand:
    """A candidate for the page; in a heap the worst comes first."""

    goodness: tuple[float, int]
    record: Record = field(compare=False)
    receptor: Receptor = field(compare=False)


class BestLigands:
    """Keeps the best of many ligands while they are docked, and returns their page.

    Parameters
    ----------
    count : int
        Number of ligands on the page.
    """

    def __init__(self, count: int = N_SHOWN) -> None:
        self.count = count
        self.scores: list[float] = []
        self._best: list[_RankedLigand] = []

    def add(self, record: Record, receptor: Receptor) -> None:
        """Add a docked record; a record without a score or a pose is ignored."""
        value = number_of(record.scores, "vina")
        if record.status is not Status.OK or value is None or not _docking(record).get("pose"):
            return
        self.scores.append(value)
        ligand = _RankedLigand((-value, -len(self.scores)), record, receptor)
        if len(self._best) < self.count:
            heapq.heappush(self._best, ligand)
        else:
            heapq.heappushpop(self._best, ligand)

    def page(self, account: str = "") -> str:
        """Return the page.

        Parameters
        ----------
        account : str
            One line with the counts of all ligands.
        """
        best = [(ligand.record, _receptor_of_pose(ligand)) for ligand in sorted(self._best, reverse=True)]
        return _page(best, self.scores, account)


def _receptor_of_pose(ligand: _RankedLigand) -> Receptor:
    """Return the receptor with the flexible side chains of the pose."""
    return placed(ligand.receptor, from_json(_docking(ligand.record).get("flexible", ())))


def _page(best: Sequence[tuple[Record, Receptor]], scores: Sequence[float], account: str) -> str:
    page = Page("Docked ligands", account)
    if not best:
        page.paragraph("No ligand has a pose.")
        return page.render()
    page.element(_facts(best[0][0]))
    if len(scores) > len(best):
        page.plot(
            histogram(scores, scores_shown=[_vina(record) for record, _ in best], unit="kcal/mol"),
            f"All {len(scores):,} docked ligands by score; dark: the {len(best)} best, which the page shows.",
        )
    receptors: list[Receptor] = []
    scenes, cards = [], []
    for rank, (record, receptor) in enumerate(best, 1):
        number = next((n for n, other in enumerate(receptors) if other.key == receptor.key), None)
        if number is None:
            number = len(receptors)
            receptors.append(receptor)
        scenes.append(_scene(record, receptor, number))
        cards.append(_card(rank, record))
    page.element(
        f'<div class="poses"><section>{"".join(cards)}</section>{_STAGE}</div>',
        style=STYLE,
        script=SCRIPT,
        data={"logosPoses": {"receptors": [_heavy_cif(receptor) for receptor in receptors], "poses": scenes}},
    )
    return page.render()


# -- text ----------------------------------------------------------------------------------------------


def _docking(record: Record) -> DockingPart:
    return docking_of(record.extra)


def _vina(record: Record) -> float:
    value = number_of(record.scores, "vina")
    return math.nan if value is None else value


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _facts(record: Record) -> str:
    """Return the settings of docking and the notes on the receptor."""
    docking = _docking(record)
    receptor, box = docking.get("receptor", ReceptorPart()), docking.get("box", BoxPart())
    facts = {"receptor": str(receptor.get("path", "")), "box": _box_text(box)}
    settings: Mapping[str, object] = docking
    for key, label in _SETTINGS:
        if settings.get(key) not in (None, ""):
            facts[label] = str(settings[key])
    if docking.get("engine_version"):
        facts["engine"] += f" {docking['engine_version']}"
    listed = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>" for label, text in facts.items() if text
    )
    notes = "".join(f"<li>{escape(str(note))}</li>" for note in receptor.get("notes", ()))
    details = f'<details class="notes"><summary>The receptor</summary><ul>{notes}</ul></details>' if notes else ""
    return f'<dl class="facts">{listed}</dl>{details}'


def _box_text(box: BoxPart) -> str:
    if "center_angstrom" not in box:
        return ""
    sides, centre = box["size_angstrom"], box["center_angstrom"]
    text = f"{' × '.join(f'{side:.1f}' for side in sides)} Å at {', '.join(_number(x, 1) for x in centre)}"
    return f"{text} ({box['origin']})" if box.get("origin") else text


def _card(rank: int, record: Record) -> str:
    docking = _docking(record)
    vina = record.scores["vina"]
    smiles = _smiles(record)
    parts = [
        f'<article class="pose" id="ligand-{rank}"><div class="drawing">{_drawing(smiles)}</div><div>',
        f'<h3><button type="button"><span class="rank">{rank}</span>{escape(record.id)}</button></h3>',
        f'<div class="score">{_number(_vina(record), 2)} <small>{escape(str(vina.get("unit", "")))}</small></div>',
        f'<div class="values">{"".join(_values(record))}</div>',
        *_verdicts(docking),
        "</div>",
        f'<ul class="contacts row">{"".join(map(_contact, docking.get("contacts", ())))}</ul>',
    ]
    parts += [f'<p class="soft row verdict">{escape(str(note))}</p>' for note in docking.get("notes", ())]
    return "".join([*parts, f'<code class="row">{escape(smiles)}</code></article>'])


def _smiles(record: Record) -> str:
    """Return the docked SMILES, with the charges and the stereo of the pose."""
    return str(Chem.MolToSmiles(_pose(record)))


def _drawing(smiles: str) -> str:
    try:
        svg = draw_molecule(smiles, size=_DRAWING)
    except LogosError:
        return ""
    return svg[svg.index("<svg") :]


def _values(record: Record) -> Iterator[str]:
    """Yield the other scores, including those of other commands."""
    docking = _docking(record)
    shown: dict[str, str] = {}
    for name in record.scores:
        value = score_value(record.scores, name)
        if name != "vina" and isinstance(value, int | float) and not isinstance(value, bool):
            label = "efficiency" if name == "vina_efficiency" else name.replace("_", " ")
            shown[label] = _number(value, 3 if isinstance(value, float) else 0)
    poses = docking.get("poses", [])
    if poses and "rmsd_angstrom" in poses[0]:
        shown["RMSD"] = f"{poses[0]['rmsd_angstrom']:.2f} Å"
    if (logp := logp_of(record.sample)) is not None:
        shown["log-probability"] = _number(logp, 1)
    shown["heavy atoms"] = str(_pose(record).GetNumHeavyAtoms())
    if docking.get("n_torsions") is not None:
        shown["rotatable bonds"] = str(docking["n_torsions"])
    if len(poses) > 1:
        shown["poses"] = str(len(poses))
    for label, text in shown.items():
        yield f"<span>{escape(label)} <b>{escape(text)}</b></span>"


def _verdicts(docking: DockingPart) -> Iterator[str]:
    """Yield the results of the checks and of the comparison with the site."""
    if checks := docking.get("checks"):
        failed = [str(name).replace("_", " ") for name in checks.get("failed", ())]
        tests = checks.get("tests", 0)
        text = f"PoseBusters: {tests - len(failed)} of {tests} tests passed"
        if failed:
            text += f"; failed: {', '.join(failed)}"
        yield _verdict(text, good=not failed)
    site = docking.get("site", SitePart())
    if "in_site" in site:
        text = f"site: {site['in_site']:.0%} of the contacts are in the site, {site['covered']:.0%} of the site has contacts"
        yield _verdict(text, good=not site.get("contradicts"))


def _verdict(text: str, *, good: bool) -> str:
    return f'<p class="verdict {"good" if good else "bad"}">{escape(text)}</p>'


def _contact(contact: ContactPart) -> str:
    kinds = [_KINDS[kind] for kind in contact.get("kinds", ()) if kind in _KINDS] or [_NEAR]
    dots = "".join(f'<i class="dot" style="background:{colour}"></i>' for _, colour in kinds)
    title = ", ".join(name for name, _ in kinds)
    return (
        f'<li title="{escape(title)}">{dots}{escape(str(contact["residue"]))} '
        f"<small>{contact['distance_angstrom']:.1f} Å</small></li>"
    )


def _key() -> str:
    entries = [*_KINDS.values(), _NEAR]
    listed = "".join(
        f'<li><i class="dot" style="background:{colour}"></i>{escape(name)}</li>' for name, colour in entries
    )
    return f'<ul class="key">{listed}</ul>'


_STAGE = (
    '<aside class="stage"><div class="bar"><strong id="pose-name"></strong>'
    '<button type="button" id="pose-labels" aria-pressed="true">names</button>'
    '<button type="button" id="pose-fold" aria-pressed="true">fold</button>'
    '<button type="button" id="pose-centre">centre</button></div>'
    f'<div class="viewer" id="pose-viewer"></div>{_key()}</aside>'
)


# -- scene ---------------------------------------------------------------------------------------------


def _pose(record: Record) -> Chem.Mol:
    """Return the heavy atoms of the best pose."""
    return Chem.RemoveHs(read_molblock(str(_docking(record)["pose"]))[0])


def _scene(record: Record, receptor: Receptor, number: int) -> JsonObject:
    """Return the 3D scene of one ligand."""
    pose = _pose(record)
    residues = _residues(receptor)
    near, labels = [], []
    contacts = list(_docking(record).get("contacts", ()))
    for contact in contacts:
        name, _, place = str(contact["residue"]).rpartition(" ")
        if (residue := residues.get(place)) is not None:
            near.append((place.rpartition(":")[0], int(residue.seqid.num or 0)))
            if contact.get("kinds"):  # the names of all near residues would hide the pose
                labels.append((f"{name.title()} {place}", _label_position(residue)))
    return {
        "receptor": number,
        "text": Chem.MolToMolBlock(pose),
        "near": near,
        "labels": labels,
        "lines": list(_lines(pose, contacts, residues)),
        "turn": _turn(pose, receptor),
        "title": f"{record.id}  {_number(_vina(record), 2)} kcal/mol",
    }


def _residues(receptor: Receptor) -> dict[str, gemmi.Residue]:
    return {
        f"{chain.name}:{residue.seqid.num}{residue.seqid.icode.strip()}": residue
        for chain in receptor.structure[0]
        for residue in chain
    }


def _label_position(residue: gemmi.Residue) -> dict[str, float]:
    """Return the position of a residue's label: the centre of its side chain, or of the residue."""
    heavy = [atom for atom in residue if not atom.is_hydrogen()]
    side = [atom for atom in heavy if atom.name not in ("N", "C", "O", "CA")] or heavy
    return _point(np.mean([atom.pos.tolist() for atom in side], axis=0).tolist())


def _turn(pose: Chem.Mol, receptor: Receptor) -> list[float]:
    """Return the rotation (quaternion x, y, z, w) that turns the open side of the binding site to the reader."""
    middle = np.array(pose.GetConformer().GetPositions()).mean(axis=0)
    away = middle - receptor.heavy[0]
    away = away[np.linalg.norm(away, axis=1) <= _AROUND_ANGSTROM]
    outward = away.mean(axis=0) if len(away) else np.zeros(3)
    length = float(np.linalg.norm(outward))
    if not length:
        return [0.0, 0.0, 0.0, 1.0]
    x, y, z = (outward / length).tolist()
    if z < -1 + _TINY:
        return [1.0, 0.0, 0.0, 0.0]
    turn = np.array([y, -x, 0.0, 1 + z])
    return [round(float(value), 5) for value in turn / np.linalg.norm(turn)]


def _lines(
    pose: Chem.Mol, contacts: Iterable[JsonMapping], residues: Mapping[str, gemmi.Residue]
) -> Iterator[tuple[dict[str, float], dict[str, float], str]]:
    """Yield a line for each residue with a polar contact, between the nearest atoms that can form it."""
    polar = [atom.GetIdx() for atom in pose.GetAtoms() if atom.GetAtomicNum() in (7, 8, 9, 16)]
    if not polar:
        return
    ligand_atoms = np.array(pose.GetConformer().GetPositions())[polar]
    for contact in contacts:
        residue = residues.get(str(contact["residue"]).rpartition(" ")[2])
        kind = next((kind for kind in _DRAWN if kind in contact.get("kinds", ())), None)
        if residue is None or kind is None:
            continue
        positions = [atom.pos.tolist() for atom in residue if _can_form(residue.name, atom, kind)]
        residue_atoms = np.array(positions).reshape(-1, 3)
        distances = np.linalg.norm(residue_atoms[:, None] - ligand_atoms[None], axis=2)
        if distances.size and distances.min() <= _DRAWN[kind]:
            row, column = np.unravel_index(int(distances.argmin()), distances.shape)
            yield _point(residue_atoms[row].tolist()), _point(ligand_atoms[column].tolist()), _KINDS[kind][1]


def _can_form(residue: str, atom: gemmi.Atom, kind: str) -> bool:
    if kind == "metal":
        return atom.element.is_metal
    return atom.element.name in ("N", "O") and (residue, atom.name) != ("PRO", "N")


def _point(xyz: Sequence[float]) -> dict[str, float]:
    return {axis: round(float(value), 3) for axis, value in zip("xyz", xyz, strict=True)}


def _heavy_cif(receptor: Receptor) -> str:
    """Return the receptor without hydrogens."""
    structure = receptor.structure.clone()
    structure.remove_hydrogens()
    return as_mmcif(structure)
