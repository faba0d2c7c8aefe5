"""Ligands for the CrossDocked test pockets: drug-likeness, diversity and, with --dock, docking scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.benchmarks.base import Benchmark, Case, CaseOutcome, Figure, data_file, percent
from logos_cli.benchmarks.ligand import docking
from logos_cli.errors import InputError, LogosError, MoleculeError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import mean, rate
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.io.json_types import JsonObject
from logos_cli.objects.complex import Complex
from logos_cli.records import Record, Status
from logos_cli.structure.distances import CONTACT_ANGSTROM

if TYPE_CHECKING:
    from logos_cli.docking.options import DockOptions
    from logos_cli.report.page import Page

_SUFFIXES = (".pdb.gz", ".pdb", ".cif.gz", ".cif")
_N_SAMPLES = 100
_SHOWN = 8
_PROPERTIES = ("qed", "sa", "logp", "lipinski_violations", "heavy_atoms")


class LigandBenchmark(Benchmark):
    """100 ligands for each pocket, after the protocol of Luo et al. 2021; docked with --dock.

    Every figure is the mean over pockets of the mean over the valid ligands of a pocket.
    """

    name = "ligand"
    help = f"CrossDocked test pockets, 100 ligands each, from the residues within {CONTACT_ANGSTROM} Å of the reference ligand."
    task = "ligand"
    decides = "QED"
    n_samples = _N_SAMPLES
    figures = (
        Figure("valid", "Samples that RDKit accepts.", "%"),
        Figure("unique", "Share of a pocket's valid ligands that are distinct.", "%"),
        Figure("QED", "Drug-likeness."),
        Figure("SA", "Synthetic accessibility, 1 (easy) to 10.", better="lower"),
        Figure("logP", "Crippen's logP.", better=None),
        Figure("Lipinski violations", "Number of violated rules of four.", better="lower"),
        Figure("heavy atoms", "Size.", better=None),
        Figure("diversity", "One minus the mean Tanimoto similarity of a pocket's ligands (Morgan, radius 2)."),
        *docking.FIGURES,
    )
    layout = "crossdocked: for each pocket NAME.pdb (the receptor) and NAME.sdf (the reference ligand in the receptor)"
    baseline_help = "the reference ligands of 100 random other pockets."

    def cases(self, data: Path) -> Iterator[Case]:
        """Yield the pockets."""
        directory = data_file(data, "crossdocked", layout=self.layout)
        for path, ligand in _pairs(directory):
            stem = ligand.name.split(".sdf")[0]
            try:
                with closing(Input(str(path))) as source:
                    options = ReadOptions(form=Form.COMPLEX, ligand=str(ligand))
                    entries = [entry for entry in detect(source).read(source, options) if entry.error is None]
            except LogosError as error:
                raise error.at(str(path)) from error
            if len(entries) != 1:
                raise InputError(f"the pocket of {ligand.name} is ambiguous", source=str(path), hint=self.layout)
            item = entries[0].item
            if isinstance(item, Complex) and item.ligand:
                id = f"crossdocked:{stem}"
                truth = {"reference": item.ligand, "receptor": str(path), "posed": str(ligand)}
                yield Case(id, (Entry(id, item, entries[0].source),), truth)

    def outcome(self, case: Case, records: Sequence[Record]) -> CaseOutcome:
        """Return the properties of each valid ligand."""
        return _outcome([_ligand(record) for record in records], case.truth["reference"])

    def baseline(self, case: Case, data: Path, rng: np.random.Generator) -> CaseOutcome:
        """Evaluate ligands of other pockets."""
        others = [smiles for smiles in _references(data) if smiles != case.truth["reference"]]
        drawn = [others[index] for index in rng.integers(len(others), size=_N_SAMPLES)] if others else []
        return _outcome(drawn, case.truth["reference"])

    def dock(self, case: Case, outcomes: Sequence[CaseOutcome], options: DockOptions) -> None:
        """Dock the distinct ligands, and the reference ligand from its SMILES."""
        docking.dock_ligands(case.truth["receptor"], case.truth["posed"], outcomes, options)

    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return means over pockets; the pocket is the unit."""
        names = {
            "qed": "QED",
            "sa": "SA",
            "logp": "logP",
            "lipinski_violations": "Lipinski violations",
            "heavy_atoms": "heavy atoms",
            "diversity": "diversity",
        }
        figures = {
            "valid": percent(rate([(o["n_valid"], o["n"]) for o in outcomes])),
            "unique": percent(rate([(o["n_unique"], o["n_valid"]) for o in outcomes])),
        }
        for key, name in names.items():
            figures[name] = mean(o[key] for o in outcomes if o[key] is not None)
        return figures | docking.figures(outcomes)

    def illustrate(self, page: Page, outcomes: Mapping[str, CaseOutcome], _data: Path | None) -> None:
        """Draw the ligand with the best QED of some pockets."""
        from logos_cli.chemistry.drawing import draw_molecule

        drawn = [
            (draw_molecule(outcome["best"]), f"{id.split(':')[1].split('.')[0]}: QED {outcome['best_qed']:.2f}")
            for id, outcome in list(outcomes.items())[:_SHOWN]
            if outcome["best"]
        ]
        if drawn:
            page.heading("Most drug-like ligand of each pocket", 3)
            page.drawings(drawn)


@lru_cache(maxsize=1)
def _references(data: Path) -> tuple[str, ...]:
    return tuple(case.truth["reference"] for case in PLUGIN.cases(data))


def _pairs(directory: Path) -> Iterator[tuple[Path, Path]]:
    """Yield receptor and ligand files of the same name."""
    for ligand in sorted([*directory.glob("*.sdf"), *directory.glob("*.sdf.gz")]):
        stem = ligand.name.split(".sdf")[0]
        receptor = next((p for suffix in _SUFFIXES if (p := directory / f"{stem}{suffix}").exists()), None)
        if receptor is not None:
            yield receptor, ligand


def _ligand(record: Record) -> str | None:
    from logos_cli.grammar import parse

    if record.status is not Status.OK:
        return None
    return parse(record.text, Form.COMPLEX).left[-1].payload


def _outcome(ligands: Sequence[str | None], reference: str) -> CaseOutcome:
    from logos_cli.evaluators.molecules.properties import MeasuredMolecule, morgan_fingerprint
    from logos_cli.evaluators.molecules.sets import internal_diversity

    measured = []
    for smiles in ligands:
        if smiles is not None:
            try:
                measured.append(MeasuredMolecule(smiles))
            except MoleculeError:
                continue
    distinct = {molecule.canonical_smiles: molecule for molecule in measured}
    best = max(distinct.values(), key=lambda molecule: molecule.qed, default=None)
    outcome: JsonObject = {
        "n": len(ligands),
        "n_valid": len(measured),
        "n_unique": len(distinct),
        "best": best.canonical_smiles if best else None,
        "best_qed": best.qed if best else None,
        "reference": reference,
        "ligands": list(distinct),
    }
    for name in _PROPERTIES:
        outcome[name] = float(np.mean([getattr(molecule, name) for molecule in measured])) if measured else None
    fingerprints = [morgan_fingerprint(molecule.molecule) for molecule in distinct.values()]
    outcome["diversity"] = internal_diversity(fingerprints, (1,))[0].value if len(fingerprints) > 1 else None
    return outcome


PLUGIN = LigandBenchmark()
