"""Check a configuration against a corpus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from logos_cli.errors import InputError, UsageError
from logos_cli.training.config import TrainConfig
from logos_cli.training.corpus.mixture import check_domains, resolve_answer_only
from logos_cli.training.corpus.shards import Corpus


def resolve(config: TrainConfig, corpus: Corpus) -> TrainConfig:
    """Return the configuration with the default weights of the corpus, after checks of its domains.

    Raises
    ------
    UsageError
        If there is no domain of a name, or no domain has a weight.
    """
    domains = sorted(name for name, splits in corpus.manifest["domains"].items() if "train" in splits)
    weights = config.data.weights or {name: weight for name, weight in corpus.weights.items() if name in domains}
    check_domains(weights, domains)
    check_domains(config.data.decay_weights, domains)
    resolve_answer_only(config.data.answer_only, domains)
    if not any(weights.values()):
        raise UsageError(
            "no domain of the corpus has a weight", source=str(corpus.directory), hint="give [data] weights"
        )
    return replace(config, data=replace(config.data, weights=weights))


def longest_sentence(corpus: Corpus, config: TrainConfig, context_tokens: int) -> int:
    """Return the length of the longest sentence of the mixed domains, in tokens.

    Raises
    ------
    InputError
        If it is longer than the model's context.
    """
    used = {name for part in (config.data.weights, config.data.decay_weights) for name, w in part.items() if w}
    longest = 1
    for split in ("train", "valid"):
        for name, shard in corpus.shards(split).items():
            if name in used and len(shard):
                longest = max(longest, int(np.diff(shard.ends, prepend=0).max()))
    if longest > context_tokens:
        raise InputError(
            f"the corpus has a sentence of {longest} tokens, and the model a context of {context_tokens}",
            source=str(corpus.directory),
            hint="raise model.context_length, or build the corpus with a smaller --context-length",
        )
    return longest
