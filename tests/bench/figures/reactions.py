"""Forward reactions and retrosynthesis on the test split of USPTO-50K: is the true answer among the first k?

Prompts are canonical and reactants sorted, as in the corpus; answers are compared canonically. ``beam`` takes
the answers of the task by default, those of a beam search, products ranked by the likelihood in both directions;
``samples`` those of a number of samples with its preset, ranked by how often an answer came and then by its likelihood.
"""

from __future__ import annotations

import csv
import lzma
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from logos_cli import registry
from logos_cli.backends.base import LoadOptions
from logos_cli.engine.sampling import Sampling
from logos_cli.errors import GrammarError, MoleculeError
from logos_cli.evaluators.reactions.ranking import Answer, Proposal, canonical_answer, rank_of, ranked_answers, top_k
from logos_cli.formats.base import Entry
from logos_cli.grammar import Form, parse
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Status
from logos_cli.workflows.generate.generation import GenerateOptions, GenerateTally, generate
from tests.bench.figures.bench import SEED, Bench, canonical, watch
from tests.bench.figures.statistics import Figure, figure, percent

N_BEAM: Final = 500
N_SAMPLED: Final = 100
N_SAMPLES: Final = 32
TOPS: Final = (1, 3, 5, 10)
FORMS: Final = (Form.RETROSYNTHESIS, Form.REACTION)


def reactions(bench: Bench) -> dict[str, Any]:
    """Top-k of both directions, by beam search and by samples."""
    picked = split_reactions(bench.data, bench.size(N_BEAM))
    result: dict[str, Any] = {}
    for form in FORMS:
        found, valid = searched_answers(bench, form, picked)
        ranked = [[answer for answer, _ in answers] for answers in found]
        # the order without the likelihood of the reaction backward, which products are ranked by as well
        alone = [[answer for answer, _ in sorted(answers, key=lambda each: -each[1])] for answers in found]
        sampled = sampled_answers(bench, form, picked[: bench.size(N_SAMPLED)])
        result[form.value] = {
            "beam": {**tops(form, picked, ranked), "readable_percent": percent(valid)},
            "one_direction": tops(form, picked, alone),
            "samples": tops(form, picked, sampled),
        }
    return result


def split_reactions(data: Path, count: int, split: str = "test") -> list[Reaction]:
    """Return test reactions drawn at random, written as in the corpus."""
    with lzma.open(data / "reactions" / "uspto50k.csv.xz", "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == split]
    order = np.random.default_rng(SEED).permutation(len(rows))[:count]
    return [as_in_corpus(rows[index]["reactants"], rows[index]["product"]) for index in order]


def as_in_corpus(reactants: str, product: str) -> Reaction:
    """Return a reaction with canonical SMILES and sorted reactants."""
    written = sorted(str(canonical(smiles)) for smiles in reactants.split("."))
    return Reaction(tuple(written), str(canonical(product)))


def searched_answers(
    bench: Bench, form: Form, picked: Sequence[Reaction]
) -> tuple[list[list[tuple[Answer | None, float]]], list[bool]]:
    """Return the answers of the task to each prompt with their log-probabilities, best first, and whether each answer of its
    beam search is valid.
    """
    tally = GenerateTally()
    prompts = [Entry(str(number), reaction) for number, reaction in enumerate(picked)]
    ranked: list[list[tuple[Answer | None, float]]] = [[] for _ in picked]
    found = generate(form.value, prompts, _options(bench), tally=tally)
    for record in watch(found, registry.load("tasks", form.value).beam * len(picked), f"{form.value}, beam"):
        if record.status is not Status.ERROR:
            answer = answer_of(record.text or "", form)
            ranked[int(record.sample["prompt"])].append((answer, float(record.scores["logp"]["value"])))
    valid = tally.unique + tally.repeated
    return ranked, [True] * valid + [False] * (tally.requested - valid)


def _options(bench: Bench) -> GenerateOptions:
    load = LoadOptions(str(bench.directory), backend="torch", device=str(bench.backend.info.device))
    return GenerateOptions(seed=SEED, max_new_tokens=250, load=load)


def sampled_answers(
    bench: Bench, form: Form, picked: Sequence[Reaction], values: Sampling | None = None
) -> list[list[Answer | None]]:
    """Return the answers of the task, the most frequent first; sampled as the task does, or with other values."""
    options = replace(_options(bench), n_samples=N_SAMPLES)
    if values is not None:
        options = with_values(options, values)
    made = list(
        watch(generate(form.value, picked, options, samples=True), N_SAMPLES * len(picked), f"{form.value}, samples")
    )
    proposals = [
        Proposal(answer_of(record.text or "", form) if record.status is Status.OK else None, record.sample.get("logp"))
        for record in made
    ]
    return [list(ranked_answers(proposals[start : start + N_SAMPLES])) for start in range(0, len(made), N_SAMPLES)]


def with_values(options: GenerateOptions, values: Sampling) -> GenerateOptions:
    """Return options of a generation with other temperature, cut and penalty."""
    return replace(
        options, temperature=values.temperature, top_p=values.top_p, repetition_penalty=values.repetition_penalty
    )


def answer_of(text: str, form: Form) -> Answer | None:
    """Return the canonical molecules of an answer, sorted; None if it is not well formed or one is not valid."""
    try:
        return canonical_answer(block.payload for block in parse(text, form).right)
    except (GrammarError, MoleculeError):
        return None


def tops(form: Form, picked: Sequence[Reaction], ranked: Sequence[Sequence[Answer | None]]) -> dict[str, Figure]:
    """Return how often the truth is among the first k, in percent."""
    ranks = [
        rank_of(_truth(form, reaction), list(dict.fromkeys(filter(None, answers))))
        for reaction, answers in zip(picked, ranked, strict=False)
    ]
    return {f"top_{k}_percent": figure(top_k(ranks, k), 100) for k in TOPS}


def _truth(form: Form, reaction: Reaction) -> Answer:
    return (reaction.product,) if form is Form.REACTION else tuple(sorted(reaction.reactants))
