"""Evaluation of a model in training: loss and perplexity of held-out sentences, and the share of well-formed samples."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import torch

from logos_cli.backends.device import translate_errors
from logos_cli.errors import DeviceMemoryError, GrammarError
from logos_cli.grammar import parse
from logos_cli.training.config import EvaluationConfig, TrainConfig
from logos_cli.training.corpus.mixture import example_of
from logos_cli.training.corpus.packing import Example, plan_batches
from logos_cli.training.corpus.shards import Corpus, Shard
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.model import carried
from logos_cli.training.run import distributed
from logos_cli.training.run.feed import deal
from logos_cli.training.run.learner import Learner

_LONGEST_PROMPT: Final = 512
_ROWS: Final = 32


class HeldOut:
    """The held-out sentences of the domains that a run trains on.

    Parameters
    ----------
    corpus : Corpus
    config : TrainConfig
    answer_only : collection of str
        Domains in which only the answer counts.
    """

    def __init__(self, corpus: Corpus, config: TrainConfig, answer_only: Collection[str]) -> None:
        data = config.data
        used = {name for part in (data.weights, data.decay_weights) for name, weight in part.items() if weight}
        self.shards = {name: shard for name, shard in corpus.shards("valid").items() if name in used and len(shard)}
        self._vocabulary = corpus.vocabulary
        self._config = config.evaluation
        self._weights = data.weights
        self._n_micro_tokens = data.n_micro_tokens
        self._answer_only = answer_only

    def measure(self, learner: Learner, seed: int) -> tuple[dict[str, dict[str, float]], float]:
        """Return the measurements of each domain, and the mean loss by the weights of the mixture.

        Every process calls this; the first one draws samples.

        Parameters
        ----------
        learner : Learner
        seed : int
            Seed of the samples.
        """
        results = self._losses(learner)
        if learner.is_sharded:
            distributed.reshard(learner.module)
        elif self._config.n_samples and learner.world.is_first:
            given = prompts(self.shards, self._config.n_samples, self._vocabulary.bos_id is not None)
            with learner.sampling() as model:
                samples = well_formed_samples(model, self._vocabulary, given, self._config, seed)
            for domain, tally in samples.items():
                results[domain] |= tally
        learner.world.wait()
        return results, weighted_mean(results, self._weights)

    def _losses(self, learner: Learner) -> dict[str, dict[str, float]]:
        """Return loss (nats per token) and perplexity of each domain over its first held-out tokens."""
        world = learner.world
        sums: list[float] = []
        counts: list[int] = []
        for domain, shard in self.shards.items():
            examples = first_examples(shard, domain, self._config.n_tokens, domain in self._answer_only)
            plans = plan_batches(examples, self._n_micro_tokens, learner.tiers)
            sums.append(learner.loss_of(deal(plans, world.rank, world.size, even=learner.is_sharded)))
            counts.append(max(1, sum(example.n_targets for example in examples)))
        losses = {
            domain: total / count for domain, total, count in zip(self.shards, world.sum(sums), counts, strict=True)
        }
        return {
            domain: {"loss": round(loss, 4), "perplexity": round(math.exp(min(loss, 80.0)), 4)}
            for domain, loss in losses.items()
        }


def first_examples(shard: Shard, domain: str, n_tokens: int, answer_only: bool) -> list[Example]:
    """Return the first sentences of a shard, about ``n_tokens`` tokens of them and at least one."""
    found: list[Example] = []
    total = 0
    while total < n_tokens and len(found) < len(shard):
        found.append(example_of(shard, domain, len(found), answer_only))
        total += len(found[-1].tokens)
    return found


def weighted_mean(results: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]) -> float:
    """Return the mean loss, weighted by the mixture."""
    shares = {domain: weights.get(domain, 0.0) for domain in results}
    if not any(shares.values()):
        shares = dict.fromkeys(results, 1.0)
    total = sum(shares.values())
    return sum(shares[domain] * results[domain]["loss"] for domain in results) / total if total else math.nan


def prompts(shards: Mapping[str, Shard], n_samples: int, has_begin: bool) -> list[tuple[str, list[int]]]:
    """Return domain and prompt of the samples: held-out sentences up to the start of their answers.

    The prompt of a sentence without one is its first tag, which determines its kind.
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
    model: Any, vocabulary: Vocabulary, requested: Sequence[tuple[str, list[int]]], config: EvaluationConfig, seed: int
) -> dict[str, dict[str, float]]:
    """Complete prompts and return how many of the finished sentences of each domain are well formed.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode.
    vocabulary : Vocabulary
    requested : sequence of (str, list of int)
        Domain and prompt.
    config : EvaluationConfig
    seed : int
        Seed of the samples.

    Returns
    -------
    dict
        For each domain ``n_samples``, ``n_finished`` and, if any has finished, the share ``well_formed`` of those.
    """
    random = torch.Generator().manual_seed(seed)
    tally: dict[str, list[int]] = {domain: [0, 0, 0] for domain, _ in requested}
    ordered = sorted(requested, key=lambda pair: len(pair[1]))
    start, n_rows = 0, _ROWS
    while start < len(ordered):
        part = ordered[start : start + n_rows]
        try:
            with translate_errors():
                answers = _complete(model, [prompt for _, prompt in part], vocabulary, config, random)
        except DeviceMemoryError:
            if len(part) == 1:
                raise
            n_rows = len(part) // 2
            continue
        start += len(part)
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
    """Return whether a text is a well-formed sentence."""
    try:
        parse(text)
    except GrammarError:
        return False
    return True


@torch.no_grad()
def _complete(
    model: Any,
    requested: Sequence[list[int]],
    vocabulary: Vocabulary,
    config: EvaluationConfig,
    random: torch.Generator,
) -> list[tuple[list[int], bool]]:
    """Return the answer of each prompt, and whether it has ended; rows are padded on the left."""
    device = next(model.parameters()).device
    width = max(map(len, requested))
    ids = torch.tensor([[vocabulary.pad_id] * (width - len(prompt)) + prompt for prompt in requested])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in requested])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    answers: list[list[int]] = [[] for _ in requested]
    finished = [False] * len(requested)
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
        mask = torch.cat([mask, torch.ones(len(requested), 1, dtype=mask.dtype)], 1)
    return list(zip(answers, finished, strict=True))


def _choose(logits: torch.Tensor, temperature: float, random: torch.Generator) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(1)
    weights = torch.softmax(logits / temperature, 1)
    return torch.multinomial(weights, 1, generator=random)[:, 0]
