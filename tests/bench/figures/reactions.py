"""Forward reactions and retrosynthesis on the test split of USPTO-50K: is the true answer among the first k?

Prompts are canonical and reactants sorted, as in the corpus; answers are compared canonically. ``beam`` takes
the likeliest answers of a beam search, ``samples`` what the task does: samples with its preset, under the grammar,
ranked by how often an answer came and then by its likelihood.
"""

from __future__ import annotations

import csv
import lzma
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from logos_cli import registry
from logos_cli.backends.base import LoadOptions
from logos_cli.engine.sampling import Sampling
from logos_cli.errors import GrammarError, MoleculeError
from logos_cli.evaluators.reactions.ranking import Answer, Proposal, canonical_answer, rank_of, ranked_answers, top_k
from logos_cli.grammar import Form, parse
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Status
from logos_cli.workflows.generate.generation import GenerateOptions, generate
from tests.bench.figures.beam import BeamSearch
from tests.bench.figures.bench import SEED, Bench, canonical, watch
from tests.bench.figures.statistics import Figure, figure, percent

N_BEAM: Final = 500
N_SAMPLED: Final = 100
WIDTH: Final = 10
N_SAMPLES: Final = 32
TOPS: Final = (1, 3, 5, 10)
FORMS: Final = (Form.RETROSYNTHESIS, Form.REACTION)


def reactions(bench: Bench) -> dict[str, Any]:
    """Top-k of both directions, by beam search and by samples."""
    picked = test_reactions(bench.data, bench.size(N_BEAM))
    result: dict[str, Any] = {}
    for form in FORMS:
        ranked = list(beam_answers(bench, form, picked))
        sampled = sampled_answers(bench, form, picked[: bench.size(N_SAMPLED)])
        result[form.value] = {
            "beam": {**tops(form, picked, ranked), "readable_percent": percent(_readable(ranked))},
            "samples": tops(form, picked, sampled),
        }
    return result


def test_reactions(data: Path, count: int, split: str = "test") -> list[Reaction]:
    """Return test reactions drawn at random, written as in the corpus."""
    with lzma.open(data / "reactions" / "uspto50k.csv.xz", "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == split]
    order = np.random.default_rng(SEED).permutation(len(rows))[:count]
    return [as_in_corpus(rows[index]["reactants"], rows[index]["product"]) for index in order]


def as_in_corpus(reactants: str, product: str) -> Reaction:
    """Return a reaction with canonical SMILES and sorted reactants."""
    written = sorted(str(canonical(smiles)) for smiles in reactants.split("."))
    return Reaction(tuple(written), str(canonical(product)))


def beam_answers(bench: Bench, form: Form, picked: Sequence[Reaction]) -> Iterator[list[Answer | None]]:
    """Yield the answers of a beam search, best first."""
    task = registry.load("tasks", form.value)
    opened = [task.from_object(reaction).text for reaction in picked]
    prompts = [bench.ids(text) for text in opened]
    # what reactants have and the product has not, or the other way, is a few groups
    limits = [60 + 3 * len(prompt) // 2 for prompt in prompts]
    decode = bench.backend.tokenizer.decode
    search = watch(BeamSearch(bench.backend, WIDTH).run(prompts, limits), len(prompts), f"{form.value}, beam")
    for text, found in zip(opened, search, strict=True):
        yield [answer_of(text + decode(hypothesis.tokens), form) for hypothesis in found]


def sampled_answers(
    bench: Bench, form: Form, picked: Sequence[Reaction], values: Sampling | None = None
) -> list[list[Answer | None]]:
    """Return the answers of the task, the most frequent first; sampled as the task does, or with other values."""
    options = GenerateOptions(
        n_samples=N_SAMPLES, seed=SEED, max_new_tokens=250, load=LoadOptions(str(bench.directory), backend="torch")
    )
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


def _readable(ranked: Sequence[Sequence[Answer | None]]) -> list[bool]:
    return [answer is not None for answers in ranked for answer in answers]
