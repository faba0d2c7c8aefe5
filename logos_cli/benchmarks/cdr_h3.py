"""Design of the third heavy-chain loop of antibodies: the share of native residues that designs recover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from logos_cli.benchmarks.base import Benchmark, Case, CaseOutcome, Figure, data_file, percent
from logos_cli.benchmarks.tables import read_jsonl
from logos_cli.errors import FormatError, InputError, MissingError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import mean, share
from logos_cli.formats.base import Entry
from logos_cli.grammar import Form, parse
from logos_cli.io.json_types import JsonMapping
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.antibody_numbering import regions
from logos_cli.records import Record, Status
from logos_cli.records.parts import number_of

_LOOP = "CDR-H3"
_SCHEME = "chothia"
_PLAUSIBILITY, _OF_NATIVE = "plausibility, likeliest", "plausibility of the native chain"
_REMARK = (
    "Plausibility is the mean log-probability of each residue given all others under AntiBERTy, as published (extra "
    "`plausibility`). Published are means over designs for RADAb's test set; here it is the likeliest design of each antibody "
    "of this set. Nine in ten residues of a chain are its framework, which is kept: the native chains of this set have the "
    "figure that is beside it."
)
_NOT_INSTALLED = "AntiBERTy is not installed: pip install 'logos-cli[plausibility]'"


class LoopBenchmark(Benchmark):
    """CDR-H3 after Chothia (95-102) with the native length; the prompt includes a known light chain."""

    name = "cdr_h3"
    help = "Design of the CDR-H3 (Chothia 95-102) of antibodies in its framework, with the native length."
    task = "antibody"
    question = "antibody --cdr"
    decides = "recovery, likeliest"
    n_samples = 20
    task_options: JsonMapping = MappingProxyType({"cdr": "H3", "scheme": _SCHEME})
    figures = (
        Figure("recovery", "Native residues that a design has, mean over designs.", "%"),
        Figure("recovery, likeliest", "Recovery of the likeliest design under the model.", "%"),
        Figure(
            "likelier than native", "Antibodies with a design that is likelier than the native loop.", "%", better=None
        ),
        Figure(
            _PLAUSIBILITY,
            "Plausibility of the whole heavy chain of the likeliest design under AntiBERTy.",
            "nat",
            published={"LOGOS-8B": -0.533, "LOGOS-3B": -0.542, "LOGOS-1B": -0.560, "RADAb": -0.530},
            comparable=False,
            remark=_REMARK,
        ),
        Figure(_OF_NATIVE, "Plausibility of the native heavy chains of the same antibodies.", "nat", better=None),
        Figure("designed", "Antibodies that number and have a design.", "%"),
    )
    layout = "antibodies/test.jsonl: one antibody a line, with the keys heavy and, if known, light"
    baseline_help = "the loop of another antibody of the set, of the same length if there is one."

    def cases(self, data: Path) -> Iterator[Case]:
        """Yield the antibodies."""
        path = _table_of(data)
        for number, row in enumerate(read_jsonl(path), 1):
            heavy, light = row.get("heavy"), row.get("light")
            if not heavy:
                raise FormatError("the antibody has no heavy chain", source=f"{path}:{number}")
            chains = (heavy, light) if light else (heavy,)
            id = f"cdr_h3:{number:05d}"
            yield Case(id, (Entry(id, Antibody(chains)),), {"heavy": heavy})

    def outcome(self, case: Case, records: Sequence[Record]) -> CaseOutcome:
        """Return the recovery of each design, the likeliest design first."""
        span = _span(case.truth["heavy"])
        if span is None:
            return {"native": None, "designs": [], "recovery": [], "delta_logp": None}
        heavy, (start, end) = case.truth["heavy"], span
        designs, deltas, chains = [], [], []
        for record in records:
            if record.status is Status.OK:
                chain = parse(record.text, Form.ANTIBODY).left[0].payload
                chains.append(chain)
                designs.append(chain[start : len(chain) - (len(heavy) - end)])
                deltas.append(number_of(record.scores, "delta_logp"))
        best = max((delta for delta in deltas if delta is not None), default=None)
        return _outcome(heavy, span, designs, best, chains[0] if chains else None)

    def baseline(self, case: Case, data: Path, rng: np.random.Generator) -> CaseOutcome | None:
        """Evaluate a loop of another antibody of the set."""
        span = _span(case.truth["heavy"])
        if span is None:
            return None
        native = case.truth["heavy"][slice(*span)]
        others = [
            loop for loop in _loops(data_file(data, "antibodies/test.jsonl", layout=self.layout)) if loop != native
        ]
        equal = [loop for loop in others if len(loop) == len(native)]
        loops = equal or others
        if not loops:
            return None
        loop, heavy = loops[int(rng.integers(len(loops)))], case.truth["heavy"]
        return _outcome(heavy, span, [loop], None, heavy[: span[0]] + loop + heavy[span[1] :])

    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return means over antibodies in per cent."""
        designed = [outcome for outcome in outcomes if outcome["recovery"]]
        deltas = [outcome["delta_logp"] for outcome in designed if outcome["delta_logp"] is not None]
        figures = {
            "recovery": mean(float(np.mean(outcome["recovery"])) for outcome in designed),
            "recovery, likeliest": mean(outcome["recovery"][0] for outcome in designed),
            "likelier than native": share(delta > 0 for delta in deltas),
            "designed": share(outcome["recovery"] for outcome in outcomes),
        }
        found = {name: percent(estimate) for name, estimate in figures.items()}
        for name, key in ((_PLAUSIBILITY, "plausibility"), (_OF_NATIVE, "native_plausibility")):
            values = [outcome[key] for outcome in designed if outcome.get(key) is not None]
            found[name] = mean(values) if values else Estimate.unknown(_NOT_INSTALLED)
        return found


def _table_of(data: Path) -> Path:
    return data_file(data, "antibodies/test.jsonl", "antibodies/test.jsonl.gz", layout=LoopBenchmark.layout)


def _outcome(
    heavy: str, span: tuple[int, int], designs: Sequence[str], delta_logp: float | None, chain: str | None
) -> CaseOutcome:
    """Return the outcome of designed loops; ``chain`` is the heavy chain of the first."""
    native = heavy[slice(*span)]
    return {
        "native": native,
        "designs": list(designs),
        "recovery": [sum(a == b for a, b in zip(native, design, strict=False)) / len(native) for design in designs],
        "delta_logp": delta_logp,
        "plausibility": None if chain is None else _plausibility(chain),
        "native_plausibility": None if chain is None else _plausibility(heavy),
    }


@lru_cache(maxsize=1 << 14)
def _plausibility(chain: str) -> float | None:
    """Return the plausibility of a chain under AntiBERTy; None if it is not installed."""
    from logos_cli.evaluators.antibodies.antiberty import load_antiberty

    try:
        return float(load_antiberty().residue_logps(chain).mean())
    except MissingError:
        return None


@lru_cache(maxsize=1 << 14)
def _span(heavy: str) -> tuple[int, int] | None:
    try:
        return regions(heavy, _SCHEME).get(_LOOP)
    except InputError:
        return None


@lru_cache(maxsize=1)
def _loops(path: Path, most: int = 200) -> tuple[str, ...]:
    """Return the loops of the first antibodies of a set: numbering all would take longer than the design."""
    loops = []
    for _, row in zip(range(most), read_jsonl(path), strict=False):
        span = _span(row["heavy"])
        if span is not None and span[1] > span[0]:
            loops.append(row["heavy"][slice(*span)])
    return tuple(loops)


PLUGIN = LoopBenchmark()
