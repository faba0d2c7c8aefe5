"""Binding sites by P2Rank's protocol: whether one of the first n predicted sites is at the ligand.

The data are structures with their ligands, or structures with a ligand in a file of the same name (``.sdf``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from logos_cli.benchmarks.base import Benchmark, Case, CaseOutcome, Figure, data_file, percent
from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.sites.geometry import dca, dcc, ligand_ranks, top_n
from logos_cli.evaluators.sites.truth import read_structure
from logos_cli.evaluators.statistics import bootstrap, f1, mcc, share
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form, parse
from logos_cli.io.input import Input
from logos_cli.io.json_types import JsonMapping, JsonObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record, Status
from logos_cli.records.parts import number_of
from logos_cli.structure.distances import CONTACT_ANGSTROM
from logos_cli.structure.ligand.user_molecule import read_given
from logos_cli.structure.residues.places import ResiduePlaces, residue_places
from logos_cli.structure.site_centre import site_centre
from logos_cli.tasks.joined import join_chains

if TYPE_CHECKING:
    from logos_cli.report.page import Page

Floats = NDArray[np.float64]

_SUFFIXES = (".pdb", ".cif", ".bcif", ".ent", ".mmcif")
_RULES = {"dca": dca, "dcc": dcc}
_N_RANDOM = 5
_RANDOM_ANGSTROM = 8.0
_COLOURS = ("#d81b60", "#1e88e5", "#ffc107", "#43a047")


class SiteBenchmark(Benchmark):
    """P2Rank's success rates on one set of structures.

    Parameters
    ----------
    name : str
        Name of the set; its structures are in ``sites/NAME``.
    title : str
        Description of the set.
    published : mapping
        Published Top-n by DCA.
    remark : str
        Remark for the reader of the figures.
    """

    task = "site"
    decides = "top-n, DCA"
    n_samples = None
    are_joined: ClassVar[bool] = False
    layout = "sites/NAME: structures (PDB, mmCIF, BinaryCIF) with their ligands, or each with its ligand in an SDF file"
    baseline_help = f"{_N_RANDOM} sites around random residues (within {_RANDOM_ANGSTROM:g} Å), in random order."

    def __init__(self, name: str, title: str, published: Mapping[str, float] | None = None, remark: str = "") -> None:
        self.set_name, self.name = name, f"site_{name}"
        self.task_options: JsonMapping = {"method": "model"}
        self.help = (
            f"{title}: ligands found by one of the first n predicted sites, where n is the number of ligands of the "
            "structure."
        )
        self.figures = (
            Figure(
                "top-n, DCA",
                "Ligands with a site's centre within 4 Å of one of their atoms.",
                "%",
                published=published or {},
                remark=remark,
            ),
            Figure("top-(n+2), DCA", "As top-n, DCA, for the first n + 2 sites.", "%"),
            Figure("top-n, DCC", "Ligands with a site's centre within 4 Å of their centre.", "%"),
            Figure("top-(n+2), DCC", "As top-n, DCC, for the first n + 2 sites.", "%"),
            Figure(
                "residue MCC",
                f"Residues of the first n sites compared with those within {CONTACT_ANGSTROM} Å of a ligand, pooled.",
            ),
            Figure("residue F1", "As residue MCC, but F1."),
            Figure("answered", "Structures with a predicted site.", "%"),
        )

    def cases(self, data: Path) -> Iterator[Case]:
        """Yield the structures with a relevant ligand."""
        directory = data_file(data, f"sites/{self.set_name}", layout=self.layout.replace("NAME", self.set_name))
        for path in sorted(directory.iterdir()):
            stem = _stem(path)
            if stem is None:
                continue
            try:
                ligands = _ligands(path, directory / stem)
                prompts = tuple(_chains(path, f"{self.set_name}:{stem}", are_joined=self.are_joined))
            except LogosError as error:
                raise error.at(str(path)) from error
            if ligands and prompts:
                yield Case(f"{self.set_name}:{stem}", prompts, {"ligands": ligands})

    def outcome(self, case: Case, records: Sequence[Record]) -> CaseOutcome:
        """Return the ranks of the ligands and the residues of the first sites."""
        ranked = [record for record in records if record.status is Status.OK and record.extra.get("site")]
        ranked.sort(key=lambda record: -(number_of(record.scores, "score") or 0.0))  # all chains together
        sites = []
        for record in ranked:
            site = cast(JsonObject, record.extra["site"])
            centre = site["centre_angstrom"]
            if centre is not None:
                prompt = str(record.sample["prompt"])
                sites.append((np.array(centre), {(prompt, place) for place in tagged_positions(record)}))
        return self._outcome(case, sites)

    def _outcome(self, case: Case, sites: Sequence[tuple[Floats, set[tuple[str, int]]]]) -> CaseOutcome:
        ligands = case.truth["ligands"]
        ranks = {
            name: ligand_ranks([[rule(centre, ligand) for ligand in ligands] for centre, _ in sites])
            or [None] * len(ligands)
            for name, rule in _RULES.items()
        }
        predicted = set().union(*(members for _, members in sites[: len(ligands)]))
        return {
            **ranks,
            "counts": _counts(case, predicted),
            "sites": [
                {"centre": [round(float(x), 2) for x in centre], "residues": sorted(map(list, members))}
                for centre, members in sites[: len(ligands) + 2]
            ],
        }

    def baseline(self, case: Case, _data: Path, rng: np.random.Generator) -> CaseOutcome | None:
        """Evaluate sites around random residues."""
        residues = [
            (prompt.id, place, atoms)
            for prompt, places in _places(case)
            for place, atoms in enumerate(places.atoms)
            if len(atoms)
        ]
        if not residues:
            return None
        middles = np.array([atoms.mean(axis=0) for _, _, atoms in residues])
        protein = np.concatenate([atoms for _, _, atoms in residues])
        sites = []
        for index in rng.permutation(len(residues))[:_N_RANDOM]:
            near = np.flatnonzero(np.linalg.norm(middles - middles[index], axis=1) <= _RANDOM_ANGSTROM)
            members = {residues[i][:2] for i in near}
            sites.append((site_centre([residues[i][2] for i in near], protein), members))
        return self._outcome(case, sites)

    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return P2Rank's rates and the agreement of residues; a structure is the unit."""
        figures = {}
        for name in _RULES:
            rows = [outcome[name] for outcome in outcomes]
            figures[f"top-n, {name.upper()}"] = percent(top_n(rows))
            figures[f"top-(n+2), {name.upper()}"] = percent(top_n(rows, 2))
        counts = [outcome["counts"] for outcome in outcomes]
        figures["residue MCC"], figures["residue F1"] = bootstrap(counts, mcc), bootstrap(counts, f1)
        figures["answered"] = percent(share(outcome["sites"] for outcome in outcomes))
        return figures

    def illustrate(self, page: Page, outcomes: Mapping[str, CaseOutcome], data: Path | None) -> None:
        """Show the first structure whose ligand a site finds, or else the first structure."""
        if data is None or not outcomes:
            return
        ranks = {id: outcome["dca"][0] for id, outcome in outcomes.items()}
        with_ligand = [id for id, rank in ranks.items() if rank is not None and rank <= 3]
        id = (with_ligand or list(outcomes))[0]
        case = next((case for case in self.cases(data) if case.id == id), None)
        if case is not None:
            from logos_cli.report.page import Structure

            structure = _scene(case, outcomes[id])
            page.heading("Predicted sites and the ligand", 3)
            page.structure(Structure(**structure), f"{id}: centres of the first sites in colour, the ligand in black.")


class PocketBenchmark(SiteBenchmark):
    """The same success rates of an engine that finds pockets by the shape of the structure; the model does not answer."""

    decides = ""
    are_joined = True

    def __init__(self, engine: str, name: str, title: str) -> None:
        super().__init__(name, title)
        self.name = f"{engine}_{name}"
        self.task_options = {"method": "geometry", "pocket_engine": engine}


def _stem(path: Path) -> str | None:
    """Return the name of a structure file without its endings; None for another file."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), None)
    return None if suffix is None else name[: -len(suffix)]


def _ligands(path: Path, beside: Path) -> list[Floats]:
    """Return the heavy atoms of each relevant ligand, Å."""
    for suffix in (".sdf", ".sdf.gz"):
        file = Path(f"{beside}{suffix}")
        if file.exists():
            molecules = [molecule for molecule in read_given(str(file)) if not isinstance(molecule, LogosError)]
            return [molecule.positions for molecule in molecules if molecule.positions is not None]
    with closing(Input(str(path))) as source:
        return list(read_structure(source).ligands)


def _chains(path: Path, prefix: str, *, are_joined: bool) -> Iterator[Entry]:
    """Yield all protein chains of a structure, also those with equal sequences: each may have its own ligand."""
    with closing(Input(str(path))) as source:
        entries = detect(source).read(source, ReadOptions(form=Form.PROTEIN))
        for entry in join_chains(entries) if are_joined else entries:
            if isinstance(entry.item, Protein | Complex):
                yield Entry(f"{prefix}:{entry.id}", entry.item, entry.source)


def _places(case: Case) -> Iterator[tuple[Entry, ResiduePlaces]]:
    for prompt in case.prompts:
        if isinstance(prompt, Entry) and isinstance(prompt.item, Protein | Complex):
            chains = prompt.item.chains if isinstance(prompt.item, Complex) else (prompt.item,)
            places = residue_places(prompt.source, [len(chain.sequence) for chain in chains])
            if places is not None:
                yield prompt, places


def _counts(case: Case, predicted: set[tuple[str, int]]) -> list[int]:
    """Return true and false positives, false and true negatives among all residues."""
    ligands = np.concatenate(case.truth["ligands"])
    counts = [0, 0, 0, 0]
    for prompt, places in _places(case):
        for place, atoms in enumerate(places.atoms):
            near = bool(len(atoms)) and bool(
                (np.linalg.norm(atoms[:, None] - ligands[None], axis=2) <= CONTACT_ANGSTROM).any()
            )
            counts[(0 if near else 1) if (prompt.id, place) in predicted else (2 if near else 3)] += 1
    return counts


def tagged_positions(record: Record) -> list[int]:
    """Return the positions that the record of a site tags, from 0, chain after chain."""
    first, places = 0, []
    for chain in Complex.from_sentence(parse(record.text, Form.SEARCH)).chains:
        places += [first + place for place in chain.site]
        first += len(chain.sequence)
    return places


def _scene(case: Case, outcome: CaseOutcome) -> JsonObject:
    """Return the fields of the 3D scene of a case."""
    first = case.prompts[0]
    path = str(first.source["path"])
    with closing(Input(path)) as source:
        text = source.read().decode("utf-8", "replace")
    format = "pdb" if ".pdb" in path or ".ent" in path else "cif"
    spheres = [
        {"center": dict(zip("xyz", site["centre"], strict=True)), "radius": 2.0, "color": colour, "opacity": 0.7}
        for site, colour in zip(outcome["sites"], _COLOURS, strict=False)
    ]
    atoms = [
        {"center": dict(zip("xyz", map(float, atom), strict=True)), "radius": 0.6, "color": "black"}
        for ligand in case.truth["ligands"]
        for atom in ligand
    ]
    return {
        "text": text,
        "format": format,
        "styles": [({}, {"cartoon": {"color": "#c9d2dc"}}), ({"hetflag": True}, {"stick": {}})],
        "spheres": [*spheres, *atoms],
    }


_STAND_IN = "The set replaces COACH420 and HOLO4K if their structures are not available"

PLUGINS = {
    "site_coach420": SiteBenchmark(
        "coach420",
        "COACH420",
        {"LOGOS-1B": 59.2, "LOGOS-3B": 65.0, "LOGOS-8B": 65.2, "MetaPocket 2": 63.4, "P2Rank": 72.0},
    ),
    "site_crossdocked": SiteBenchmark(
        "crossdocked",
        "CrossDocked test pairs, one docked ligand each",
        remark=f"{_STAND_IN}; the ligands are docked poses.",
    ),
    "site_holo4k": SiteBenchmark(
        "holo4k", "HOLO4K", {"LOGOS-1B": 58.0, "LOGOS-3B": 58.2, "LOGOS-8B": 58.5, "MetaPocket 2": 57.9}
    ),
    "site_posebusters": SiteBenchmark("posebusters", "PoseBusters crystal complexes", remark=f"{_STAND_IN}."),
    "pocketnet_posebusters": PocketBenchmark("pocketnet", "posebusters", "PoseBusters crystal complexes"),
    "pocketnet_crossdocked": PocketBenchmark("pocketnet", "crossdocked", "CrossDocked test pairs"),
    "fpocket_posebusters": PocketBenchmark("fpocket", "posebusters", "PoseBusters crystal complexes"),
    "fpocket_crossdocked": PocketBenchmark("fpocket", "crossdocked", "CrossDocked test pairs"),
}
