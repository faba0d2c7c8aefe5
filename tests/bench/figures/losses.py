"""Loss and perplexity of held-out sentences, beside n-gram models of the same domain and a uniform one."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.grammar import TAGS
from tests.bench.figures.bench import Bench, HeldOut, say
from tests.bench.figures.likelihood import token_logps
from tests.bench.figures.statistics import Figure, Floats, bootstrap, ratio

N_TOKENS: Final = 20_000
# The domains of natural sequences: their figures are wanted narrow, and per residue.
SEQUENCES: Final = {"protein": 80_000, "antibody": 40_000}
ORDERS: Final = {"unigram": 1, "fivegram": 5}


def losses(bench: Bench) -> dict[str, Any]:
    """Cross-entropy per token over whole sentences, over answers alone, and per residue."""
    result = {}
    for domain in bench.held_out.valid:
        if domain in bench.held_out.train:
            result[domain] = domain_losses(bench, domain)
            model, rival = (result[domain][name]["value"] for name in ("perplexity", "fivegram_perplexity"))
            say(f"  {domain}: perplexity {model}, 5-gram {rival}")
    return result


def domain_losses(bench: Bench, domain: str) -> dict[str, Any]:
    """Return the figures of one domain, all on the same sentences."""
    held_out = bench.held_out
    shard = held_out.valid[domain]
    picked = held_out.picked(domain, bench.size(SEQUENCES.get(domain, N_TOKENS)))
    rows = [np.asarray(shard[index], dtype=np.int64) for index in picked]
    logps = {"model": token_logps(bench.network, rows), **baselines(bench, domain, rows)}
    answers = [shard.answer_start(index) for index in picked]
    whole = [np.arange(len(row)) >= 1 for row in rows]
    result: dict[str, Any] = {"n_tokens": int(sum(mask.sum() for mask in whole)), **compare(logps, whole)}
    result["uniform_perplexity"] = held_out.ngram(domain, 1).n_seen
    if any(answer > 1 for answer in answers):
        after = [np.arange(len(row)) >= answer for row, answer in zip(rows, answers, strict=True)]
        result["answer"] = compare(logps, after)
    if domain in SEQUENCES:
        residues = [letters(held_out, row) for row in rows]
        result["residue"] = compare(logps, residues)
    return result


def baselines(bench: Bench, domain: str, rows: list[NDArray[np.int64]]) -> dict[str, list[Floats]]:
    """Return the log-probabilities of n-gram models of a domain's whole training shard.

    Where it is known how many of its tokens the model has seen, ``fivegram_of_as_much`` has counted as many.
    """
    ends = np.cumsum([len(row) for row in rows])
    tokens = np.concatenate(rows)
    models = {name: bench.held_out.ngram(domain, order) for name, order in ORDERS.items()}
    if domain in bench.seen:
        models["fivegram_of_as_much"] = bench.held_out.ngram(domain, ORDERS["fivegram"], bench.seen[domain])
    return {name: np.split(model.logp(tokens, ends), ends[:-1]) for name, model in models.items()}


def letters(held_out: HeldOut, row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a residue stands, and no tag or end."""
    vocabulary = held_out.vocabulary
    others = {vocabulary.id_of(tag) for tag in TAGS} | {vocabulary.bos_id, vocabulary.eos_id}
    return ~np.isin(row, [number for number in others if number is not None])


def compare(logps: dict[str, list[Floats]], masks: list[NDArray[np.bool_]]) -> dict[str, Figure]:
    """Return loss and perplexity of the model, perplexities of the rest, and what the model gains, in nats.

    The gain over the 5-gram is taken sentence by sentence, so that its interval says whether it is real.
    """
    counts = np.array([mask.sum() for mask in masks], dtype=np.float64)
    spent = {
        name: np.array([-row[mask].sum() for row, mask in zip(rows, masks, strict=True)])
        for name, rows in logps.items()
    }
    per_token = {name: np.stack([nats, counts], axis=1) for name, nats in spent.items()}
    found = {"loss": bootstrap(per_token["model"], ratio), "perplexity": perplexity(per_token["model"])}
    for name in [name for name in spent if name != "model"]:
        found[f"{name}_perplexity"] = perplexity(per_token[name])
    gained = np.stack([spent["fivegram"] - spent["model"], counts], axis=1)
    found["gain_over_fivegram_nats"] = bootstrap(gained, ratio)
    return found


def perplexity(units: Floats) -> Figure:
    """Return the exponential of nats per token."""
    return bootstrap(units, lambda sums: np.exp(ratio(sums)))
