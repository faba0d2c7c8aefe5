"""What each task's samples are worth at other temperatures, cuts and penalties: the ground of `generation_config.json`.

Figures are of held-out data: distances of molecules to those that were held out, frameworks and antibodies that are
valid and not of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, Final

from logos_cli.engine.sampling import Sampling
from logos_cli.evaluators.molecules.sets import ChemNetDistance
from logos_cli.evaluators.statistics import first_occurrences
from logos_cli.grammar import Form
from logos_cli.grammar.spec import Kind
from tests.bench.figures.bench import Bench, canonical, say
from tests.bench.figures.samples import antibody_figures, framework_figures, payload_or_none, training_molecules
from tests.bench.figures.statistics import Figure, percent

TEMPERATURES: Final = (0.7, 0.8, 0.9, 1.0, 1.2)
TOP_P: Final = (0.85, 0.95, 1.0)
PENALTIES: Final = (1.0, 1.05)

N_MOLECULES: Final = 2_000
N_HELD_OUT: Final = 4_000


def grid(temperatures: Sequence[float] = TEMPERATURES) -> Iterator[Sampling]:
    """Yield the values; the penalty, which hardly any text profits from, beside the two usual cuts only."""
    for temperature, top_p, penalty in product(temperatures, TOP_P, PENALTIES):
        if penalty == 1.0 or top_p == 0.85:
            yield Sampling(temperature=temperature, top_p=top_p, repetition_penalty=penalty)


def molecules(bench: Bench, values: Sampling) -> dict[str, Figure]:
    """Return validity, uniqueness, novelty, and the Fréchet ChemNet distance to held-out molecules."""
    made = bench.sample(Kind.MOLECULE.start, bench.size(N_MOLECULES), 250, end=Kind.MOLECULE.end, values=values)
    payloads = [payload_or_none(sample, Form.MOLECULE) for sample in made]
    written = [canonical(payload) if payload else None for payload in payloads]
    first = first_occurrences(written)
    unique = [smiles for smiles, is_first in zip(written, first, strict=True) if smiles and is_first]
    known = training_molecules(bench.held_out)
    return {
        "valid (%)": percent(written),
        "unique of valid (%)": percent(f for f, smiles in zip(first, written, strict=True) if smiles),
        "novel of unique (%)": percent(smiles not in known for smiles in unique),
        "FCD to held-out": _chemnet_distance(bench, unique),
    }


def _chemnet_distance(bench: Bench, unique: Sequence[str]) -> Figure:
    begin, end = len(Kind.MOLECULE.start), len(Kind.MOLECULE.end)
    held_out = [text[begin:-end] for text in bench.held_out.sentences("molecule", "valid") if text.count("<") == 2]
    value = ChemNetDistance()(unique, held_out[: bench.size(N_HELD_OUT)]) if len(unique) > 1 else None
    return {"value": value, "low": None, "high": None, "n": len(unique)}


def antibodies(bench: Bench, values: Sampling) -> dict[str, Figure]:
    """Return the share of antibodies that number, and of those that are new and unique."""
    return antibody_figures(bench, bench.sample(Kind.ANTIBODY.start, bench.size(200), 400, values=values))


def frameworks(bench: Bench, values: Sampling) -> dict[str, Figure]:
    """Return the share of frameworks that are valid, and of those that are novel and unique."""
    return framework_figures(bench, bench.sample(Kind.MATERIAL.start, bench.size(400), 500, values=values))


TASKS: Final[dict[str, Callable[[Bench, Sampling], dict[str, Figure]]]] = {
    "molecule": molecules,
    "antibody": antibodies,
    "material": frameworks,
}


def sweep(bench: Bench, task: str, done: Sequence[dict[str, float]] = ()) -> Iterator[dict[str, Any]]:
    """Yield the figures of a task for each of the values that is not done yet."""
    for values in grid():
        named = {
            "temperature": values.temperature,
            "top_p": values.top_p,
            "repetition_penalty": values.repetition_penalty,
        }
        if named in done:
            continue
        say(f"{task}: {named}")
        yield {"task": task, "sampling": named, "figures": TASKS[task](bench, values)}


def rows_of(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table for each task."""
    for task in dict.fromkeys(row["task"] for row in found):
        rows = [row for row in found if row["task"] == task]
        names = list(rows[0]["figures"])
        yield f"| {task}: temperature | top-p | penalty | " + " | ".join(names) + " |"
        yield "| --- " * (3 + len(names)) + "|"
        for row in rows:
            cells = [str(value) for value in row["sampling"].values()]
            cells += [_cell(row["figures"][name]) for name in names]
            yield "| " + " | ".join(cells) + " |"
        yield ""


def _cell(figure: Figure) -> str:
    if figure["value"] is None:
        return "–"
    interval = "" if figure["low"] is None else f" [{figure['low']:.1f}, {figure['high']:.1f}]"
    return f"{figure['value']:.1f}{interval}" if interval else f"{figure['value']:.2f}"
