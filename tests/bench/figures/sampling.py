"""What each task's samples are worth at other temperatures, cuts and penalties: the ground of `generation_config.json`.

Figures are of held-out data: distances of molecules to those that were held out, frameworks and antibodies that are
valid and not of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Final

import numpy as np

from logos_cli import registry
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.engine.sampling import Sampling
from logos_cli.evaluators.molecules.sets import ChemNetDistance
from logos_cli.evaluators.statistics import first_occurrences, mean
from logos_cli.grammar import Form, parse
from logos_cli.grammar.spec import Kind
from logos_cli.records import Record, Status
from logos_cli.workflows.generate.generation import GenerateOptions, generate
from tests.bench.figures.bench import SEED, Bench, canonical, say
from tests.bench.figures.reactions import sampled_answers, split_reactions, tops, with_values
from tests.bench.figures.samples import (
    antibody_figures,
    framework_figures,
    is_heavy,
    payload_or_none,
    training_molecules,
)
from tests.bench.figures.statistics import Figure, figure, percent

PUBLISHED: Final = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)
VALUES: Final = (
    PUBLISHED,
    replace(PUBLISHED, repetition_penalty=1.0),
    Sampling(temperature=0.7, top_p=0.95, repetition_penalty=1.05),
    Sampling(temperature=0.7),
    Sampling(temperature=0.8),
    Sampling(temperature=0.9),
    Sampling(temperature=0.9, top_p=0.95),
    Sampling(temperature=1.0, top_p=0.95),
    Sampling(),
)
LOOP_VALUES: Final = (PUBLISHED, *(Sampling(temperature=temperature) for temperature in (0.3, 0.5, 0.7, 1.0)))

N_MOLECULES: Final = 2_000
N_HELD_OUT: Final = 4_000
N_REACTIONS: Final = 60
N_ANTIBODIES: Final = 40
N_DESIGNS: Final = 16
_MORE_BY_DEFAULT: Final = 5.0


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


def retrosynthesis(bench: Bench, values: Sampling) -> dict[str, Figure]:
    """Return how often the true reactants are first, and among ten, of reactions to choose by, not to test."""
    return _tops(bench, values, Form.RETROSYNTHESIS)


def reactions(bench: Bench, values: Sampling) -> dict[str, Figure]:
    """Return how often the true product is first, and among ten."""
    return _tops(bench, values, Form.REACTION)


def _tops(bench: Bench, values: Sampling, form: Form) -> dict[str, Figure]:
    picked = split_reactions(bench.data, bench.size(N_REACTIONS), "valid")
    found = tops(form, picked, sampled_answers(bench, form, picked, values))
    return {"top-1 (%)": found["top_1_percent"], "top-10 (%)": found["top_10_percent"]}


def loops(bench: Bench, values: Sampling) -> dict[str, Figure]:
    """Return the share of native residues in designs of the CDR-H3 of held-out antibodies, at the native length."""
    means, firsts, numbered = [], [], []
    for heavy in held_out_antibodies(bench):
        options = with_values(GenerateOptions(n_samples=N_DESIGNS, seed=SEED), values)
        options = replace(options, load=LoadOptions(str(bench.directory), backend="torch"))
        records = list(generate("antibody", heavy, options, cdr="H3", scheme="chothia"))
        shares = [_recovery(heavy, record) for record in records if record.status is Status.OK]
        numbered.append(bool(shares))
        if shares:
            means.append(100 * float(np.mean(shares)))
            firsts.append(100 * shares[0])
    return {
        "recovery (%)": figure(mean(means)),
        "recovery, likeliest (%)": figure(mean(firsts)),
        "designed (%)": percent(numbered),
    }


def _recovery(heavy: str, record: Record) -> float:
    """Return the share of native residues in a loop of the native length; all else is the framework, which is kept."""
    n_loop = len(str(record.scores["cdr_h3"]["value"]))
    chain = parse(record.text or "", Form.ANTIBODY).left[0].payload
    n_equal = sum(a == b for a, b in zip(chain, heavy, strict=True))
    return (n_equal - (len(heavy) - n_loop)) / n_loop


def held_out_antibodies(bench: Bench) -> list[str]:
    """Return heavy chains of the held-out antibodies, drawn at random."""
    begin, end = len(Kind.ANTIBODY.start), len(Kind.ANTIBODY.end)
    chains = [text[begin:-end] for text in bench.held_out.sentences("antibody", "valid") if text.count("<") == 2]
    chains = [chain for chain in chains if is_heavy(chain)]
    order = np.random.default_rng(SEED).permutation(len(chains))[: bench.size(N_ANTIBODIES)]
    return [chains[index] for index in order]


TASKS: Final[dict[str, Callable[[Bench, Sampling], dict[str, Figure]]]] = {
    "molecule": molecules,
    "antibody": antibodies,
    "material": frameworks,
    "retrosynthesis": retrosynthesis,
    "reaction": reactions,
    "antibody --cdr": loops,
}


def defaults(bench: Bench) -> dict[str, dict[str, Figure]]:
    """Molecules, antibodies and frameworks as `logos generate` samples them: by the model's own values, else the task's."""
    own = open_model(LoadOptions(str(bench.directory), offline=True)).task_sampling
    more = copy(bench)
    more.scale = min(1.0, _MORE_BY_DEFAULT * bench.scale)
    found = {}
    for name in ("molecule", "antibody", "material"):
        preset: Sampling = registry.load("tasks", name).preset
        values = replace(preset, **dict(own.get(name, {})))  # type: ignore[arg-type]
        found[name] = TASKS[name](more, values)
    return found


def sweep(bench: Bench, task: str, done: Sequence[dict[str, float]] = ()) -> Iterator[dict[str, Any]]:
    """Yield the figures of a task for each of the values that is not done yet."""
    for values in LOOP_VALUES if task == "antibody --cdr" else VALUES:
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
