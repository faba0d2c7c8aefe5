"""Metal-organic frameworks without a prompt: valid, novel and unique at sequence level.

The published figure of MOFFlow-2 also requires a predicted structure that passes MOFChecker, which a sequence does not
have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.benchmarks.base import Benchmark, Case, CaseOutcome, Figure, data_file, percent
from logos_cli.benchmarks.tables import read_jsonl
from logos_cli.chemistry.smiles import canonical_smiles
from logos_cli.errors import GrammarError, MoleculeError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import share
from logos_cli.grammar import Form, parse
from logos_cli.grammar.spec import Kind
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.records import Record, Status

if TYPE_CHECKING:
    from logos_cli.report.page import Page

_N_SAMPLES = 10_000
_N_AT_ONCE = 100
_SHOWN = 8

Key = tuple[str, tuple[str, ...]]
"""Metal node and sorted canonical linkers."""


class MaterialBenchmark(Benchmark):
    """10,000 samples without a prompt, in cases of 100, so that a run can be stopped and distributed."""

    name = "material"
    help = "Frameworks without a prompt, in cases of 100 samples, compared with the training library of metals and linkers."
    task = "material"
    decides = "new building block"
    n_samples = _N_AT_ONCE
    figures = (
        Figure("valid", "The metal is in the training library, and RDKit accepts the linkers.", "%"),
        Figure(
            "valid, novel, unique",
            "Valid, not in the training library, and the first of its kind.",
            "%",
            published={"LOGOS-1B": 37.96, "LOGOS-3B": 38.97, "LOGOS-8B": 39.02, "MOFFlow-2": 31.35},
            comparable=False,
            remark="Sequence level: the published figure also requires a predicted structure that passes MOFChecker.",
        ),
        Figure("new building block", "Share of the valid samples with a linker that the library lacks.", "%"),
    )
    layout = "mofs/train.jsonl, one framework a line with nodes and linkers as lists of SMILES"
    baseline_help = (
        "the metal node of one training framework with the linkers of another. It passes easily: a valid, novel and "
        "unique framework need not be a good one."
    )

    def cases(self, data: Path) -> Iterator[Case]:
        """Yield cases whose prompt is the opening tag."""
        library = data_file(
            data, "mofs/train.jsonl", "mofs/train.jsonl.xz", "mofs/mofid.train.jsonl.xz", layout=self.layout
        )
        for number in range(1, _N_SAMPLES // _N_AT_ONCE + 1):
            id = f"material:{number:03d}"
            yield Case(id, (Record(id, Form.MATERIAL, Kind.MATERIAL.start),), {"library": str(library)})

    def outcome(self, case: Case, records: Sequence[Record]) -> CaseOutcome:
        """Return the key of each sample, and its validity and novelty."""
        return _outcome([_key_of(record) for record in records], case.truth["library"])

    def baseline(self, case: Case, _data: Path, rng: np.random.Generator) -> CaseOutcome:
        """Evaluate combinations of two training frameworks each."""
        known = sorted(_library(case.truth["library"]))
        pairs = rng.integers(len(known), size=(_N_AT_ONCE, 2))
        return _outcome([(known[a][0], known[b][1]) for a, b in pairs], case.truth["library"])

    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return the shares in per cent; a sample is the unit."""
        samples = [sample for outcome in outcomes for sample in outcome["samples"]]
        seen: set[str] = set()
        flags = []
        for sample in samples:
            first = sample["key"] not in seen
            seen.add(sample["key"])
            flags.append(sample["valid"] and sample["novel"] and first)
        figures = {
            "valid": share(sample["valid"] for sample in samples),
            "valid, novel, unique": share(flags),
            "new building block": share(sample["new_linker"] for sample in samples if sample["valid"]),
        }
        return {name: percent(estimate) for name, estimate in figures.items()}

    def illustrate(self, page: Page, outcomes: Mapping[str, CaseOutcome], _data: Path | None) -> None:
        """Draw the linkers of the first valid, novel frameworks."""
        from logos_cli.chemistry.drawing import draw_molecule

        novel = [s for outcome in outcomes.values() for s in outcome["samples"] if s["valid"] and s["novel"]]
        drawn = []
        for sample in novel[:_SHOWN]:
            metal, _, linkers = sample["key"].partition("/")
            drawn.append((draw_molecule(linkers.replace("/", ".")), f"node {metal}"))
        if drawn:
            page.heading("Linkers of new frameworks", 3)
            page.drawings(drawn)


def _outcome(keys: Sequence[Key | None], library: str) -> CaseOutcome:
    known = _library(library)
    metals = {metal for metal, _ in known}
    blocks = {linker for _, linkers in known for linker in linkers}
    return {
        "samples": [
            {
                "key": "" if key is None else "/".join((key[0], *key[1])),
                "valid": key is not None and key[0] in metals,
                "novel": key is not None and key not in known,
                "new_linker": key is not None and not blocks.issuperset(key[1]),
            }
            for key in keys
        ]
    }


def _key_of(record: Record) -> Key | None:
    if record.status is Status.ERROR:
        return None
    try:
        material = Material.from_sentence(parse(record.text, Form.MATERIAL)).distinct()
        return material.metal, tuple(sorted(map(canonical_smiles, material.linkers)))
    except (GrammarError, MoleculeError):
        return None


@lru_cache(maxsize=1)
def _library(path: str) -> frozenset[Key]:
    """Return the frameworks of a data set that RDKit accepts, as for training."""
    keys = set()
    for row in read_jsonl(Path(path)):
        if not row.get("linkers_clean", True):
            continue
        # MOFid quotes some strings twice
        nodes, linkers = ([text.replace('"', "") for text in row[name]] for name in ("nodes", "linkers"))
        try:
            material = material_from_blocks(nodes, linkers).distinct()
        except MoleculeError:
            continue
        keys.add((material.metal, tuple(sorted(material.linkers))))
    return frozenset(keys)


PLUGIN = MaterialBenchmark()
