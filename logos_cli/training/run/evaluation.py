"""What held-out sentences say while a model is trained: loss, perplexity, and whether samples are sentences."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from logos_cli.errors import GrammarError
from logos_cli.grammar import parse
from logos_cli.training.config import EvaluationConfig
from logos_cli.training.corpus.mixture import example_of
from logos_cli.training.corpus.packing import Example, build, plan_batches
from logos_cli.training.corpus.shards import Shard
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.model import carried
from logos_cli.training.run.distributed import ProcessGroup
from logos_cli.training.run.feed import deal
from logos_cli.training.run.forward import loss_sum

_LONGEST_PROMPT: Final = 512
_ROWS: Final = 32


@dataclass(frozen=True, slots=True)
class EvaluationSetup:
    """How losses are computed in a run: attention, precision, micro batches, and who computes.

    Attributes
    ----------
    fixed_rows : int or None
        Rows of every micro batch, if their number is fixed.
    sharded : bool
        Parameters lie in shards.
    """

    attention: str
    precision: str
    n_micro_tokens: int
    tiers: tuple[int, ...]
    fixed_rows: int | None
    pad_id: int
    sharded: bool
    world: ProcessGroup


def first_examples(shard: Shard, domain: str, n_tokens: int, answer_only: bool) -> list[Example]:
    """Return the first sentences of a shard, about ``n_tokens`` tokens of them and at least one."""
    found: list[Example] = []
    total = 0
    while total < n_tokens and len(found) < len(shard):
        found.append(example_of(shard, domain, len(found), answer_only))
        total += len(found[-1].tokens)
    return found


@torch.no_grad()
def held_out_losses(
    forward: Any, shards: Mapping[str, Shard], n_tokens: int, answer_only: Collection[str], scene: EvaluationSetup
) -> dict[str, dict[str, float]]:
    """Return loss (nats a token) and perplexity of each domain over its first held-out tokens.

    Parameters
    ----------
    forward : callable
        A SentenceLoss, compiled or not, in evaluation mode.
    shards : mapping of str to Shard
    n_tokens : int
        Of each domain, about.
    answer_only : collection of str
        Domains of which only the answer counts.
    scene : Scene
    """
    world = scene.world
    sums: list[float] = []
    counts: list[int] = []
    for domain, shard in shards.items():
        examples = first_examples(shard, domain, n_tokens, domain in answer_only)
        plans = plan_batches(examples, scene.n_micro_tokens, scene.tiers)
        total = 0.0
        for plan in deal(plans, world.rank, world.size, even=scene.sharded):
            batch = build(plan, scene.pad_id, scene.fixed_rows).to(world.device)
            total += loss_sum(forward, batch, scene.attention, scene.precision).item()
        sums.append(total)
        counts.append(max(1, sum(example.n_targets for example in examples)))
    results = {}
    for domain, total, count in zip(shards, world.sum(sums), counts, strict=True):
        loss = total / count
        results[domain] = {"loss": round(loss, 4), "perplexity": round(math.exp(min(loss, 80.0)), 4)}
    return results


def weighted_mean(results: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]) -> float:
    """Return the mean loss, each domain counting with its weight in the mixture."""
    shares = {domain: weights.get(domain, 0.0) for domain in results}
    if not any(shares.values()):
        shares = dict.fromkeys(results, 1.0)
    total = sum(shares.values())
    return sum(shares[domain] * results[domain]["loss"] for domain in results) / total if total else math.nan


def prompts(shards: Mapping[str, Shard], n_samples: int, has_begin: bool) -> list[tuple[str, list[int]]]:
    """Return domain and prompt of the samples: held-out sentences up to where their answer begins.

    A sentence whose answer begins at once is given its first tag, which says what it is.
    """
    found = []
    for domain, shard in shards.items():
        chosen = 0
        for index in range(len(shard)):
            n_prompt = max(shard.answer_start(index), 1 + has_begin)
            if chosen < n_samples and n_prompt <= _LONGEST_PROMPT:
                found.append((domain, [int(token) for token in shard[index][:n_prompt]]))
                chosen += 1
            if chosen == n_samples:
                break
    return found


def well_formed_samples(
    model: Any, vocabulary: Vocabulary, asked: Sequence[tuple[str, list[int]]], config: EvaluationConfig, seed: int
) -> dict[str, dict[str, float]]:
    """Complete prompts and return how many of the finished sentences of each domain are well formed.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode.
    vocabulary : Vocabulary
    asked : sequence of (str, list of int)
        Domain and prompt.
    config : EvaluationConfig
    seed : int
        Same seed, same samples.

    Returns
    -------
    dict
        For each domain ``n_samples``, ``n_finished`` and, if any finished, the share ``well_formed`` of those.
    """
    random = torch.Generator().manual_seed(seed)
    tally: dict[str, list[int]] = {domain: [0, 0, 0] for domain, _ in asked}
    ordered = sorted(asked, key=lambda pair: len(pair[1]))
    for start in range(0, len(ordered), _ROWS):
        part = ordered[start : start + _ROWS]
        answers = _complete(model, [prompt for _, prompt in part], vocabulary, config, random)
        for (domain, prompt), (answer, is_finished) in zip(part, answers, strict=True):
            count = tally[domain]
            count[0] += 1
            count[1] += is_finished
            count[2] += is_finished and is_sentence(vocabulary.decode([*prompt, *answer]))
    return {
        domain: {"n_samples": n, "n_finished": finished}
        | ({"well_formed": round(good / finished, 4)} if finished else {})
        for domain, (n, finished, good) in tally.items()
    }


def is_sentence(text: str) -> bool:
    """Whether a text is a well-formed sentence."""
    try:
        parse(text)
    except GrammarError:
        return False
    return True


@torch.no_grad()
def _complete(
    model: Any, asked: Sequence[list[int]], vocabulary: Vocabulary, config: EvaluationConfig, random: torch.Generator
) -> list[tuple[list[int], bool]]:
    """Return answer and whether it ended, for each prompt; rows are padded on the left."""
    device = next(model.parameters()).device
    width = max(map(len, asked))
    ids = torch.tensor([[vocabulary.pad_id] * (width - len(prompt)) + prompt for prompt in asked])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in asked])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    answers: list[list[int]] = [[] for _ in asked]
    finished = [False] * len(asked)
    past: dict[str, Any] = {}
    for _ in range(config.max_new_tokens):
        out = model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            use_cache=True,
            **past,
        )
        past = carried(out)
        chosen = _choose(out.logits[:, -1].float().cpu(), config.temperature, random)
        for row, token in enumerate(chosen.tolist()):
            if not finished[row]:
                finished[row] = token == vocabulary.eos_id
                if not finished[row]:
                    answers[row].append(token)
        if all(finished):
            break
        ids = chosen[:, None]
        positions = positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones(len(asked), 1, dtype=mask.dtype)], 1)
    return list(zip(answers, finished, strict=True))


def _choose(logits: torch.Tensor, temperature: float, random: torch.Generator) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(1)
    weights = torch.softmax(logits / temperature, 1)
    return torch.multinomial(weights, 1, generator=random)[:, 0]
