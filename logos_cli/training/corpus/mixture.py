"""Draw the sentences of a training step: domains mixed by weight, each shuffled anew in every pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError, UsageError
from logos_cli.training.corpus.emphasis import Emphasis
from logos_cli.training.corpus.packing import Example
from logos_cli.training.corpus.shards import Shard


class Mixture:
    """Draws sentences, so that each domain gets its share of the *tokens*.

    The draw of a step follows from seed, step number and the place in each domain, so that a run that is
    resumed from :meth:`state` goes on as if it had not been interrupted.

    Parameters
    ----------
    shards : mapping of str to Shard
    seed : int
    answer_only : collection of str
        Domains in which only the answer counts in the loss.
    n_vocabulary : int, optional
        Bound of token ids; a larger id means that a shard was altered.
    emphasis : Emphasis, optional
        Weights of tokens, if they are not all the same.

    Raises
    ------
    UsageError
        If the corpus has no domain of a name.
    """

    def __init__(
        self,
        shards: Mapping[str, Shard],
        seed: int,
        answer_only: Collection[str] = (),
        n_vocabulary: int | None = None,
        emphasis: Emphasis | None = None,
    ) -> None:  # fmt: skip
        self._shards = dict(shards)
        self._names = sorted(shards)
        self._seed = seed
        self._answer_only = resolve_answer_only(answer_only, self._names)
        self._n_vocabulary = n_vocabulary
        self._emphasis = emphasis
        self._drawn = dict.fromkeys(self._names, 0)
        self._orders: dict[str, tuple[int, NDArray[np.int64]]] = {}

    def draw(self, step: int, n_tokens: int, weights: Mapping[str, float]) -> list[Example]:
        """Return sentences of at least ``n_tokens`` tokens together, in random order of domains.

        Raises
        ------
        UsageError
            If a weight names a domain that the corpus does not have.
        InputError
            If a token id is not in the vocabulary.
        """
        check_domains(weights, self._names)
        names = [name for name in self._names if weights.get(name, 0) > 0]
        rates = np.array([weights[name] / self._shards[name].mean_length for name in names])
        rates /= rates.sum()
        mean = sum(rate * self._shards[name].mean_length for rate, name in zip(rates, names, strict=True))
        random = np.random.default_rng((self._seed, 0, step))
        examples: list[Example] = []
        total = 0
        while total < n_tokens:
            for choice in random.choice(len(names), size=int(n_tokens / mean) + 1, p=rates):
                examples.append(self._next(names[choice]))
                total += len(examples[-1].tokens)
                if total >= n_tokens:
                    break
        return examples

    def _next(self, name: str) -> Example:
        shard = self._shards[name]
        cycle, place = divmod(self._drawn[name], len(shard))
        self._drawn[name] += 1
        if name not in self._orders or self._orders[name][0] != cycle:
            random = np.random.default_rng((self._seed, 1 + self._names.index(name), cycle))
            self._orders[name] = (cycle, random.permutation(len(shard)))
        index = int(self._orders[name][1][place])
        example = example_of(shard, name, index, name in self._answer_only, self._emphasis)
        if self._n_vocabulary is not None and int(example.tokens.max(initial=0)) >= self._n_vocabulary:
            raise InputError(
                f"sentence {example.index} of {name} has token {int(example.tokens.max())}, but the "
                f"vocabulary has {self._n_vocabulary} tokens",
                hint="the shard was altered; build the corpus again",
            )
        return example

    def epochs(self, state: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Return the passes over each domain, now or in a state."""
        drawn = self._drawn if state is None else state["drawn"]
        return {name: drawn[name] / len(self._shards[name]) for name in self._names}

    def state(self) -> dict[str, Any]:
        """Return the state for :meth:`restore`."""
        return {"drawn": dict(self._drawn)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of another mixture over the same shards."""
        self._drawn = {name: int(state["drawn"][name]) for name in self._names}


def example_of(shard: Shard, domain: str, index: int, answer_only: bool, emphasis: Emphasis | None = None) -> Example:
    """Return one sentence of a shard."""
    tokens, start = shard[index], shard.answer_start(index)
    if emphasis is None:
        return Example(domain, index, tokens, start if answer_only else 1)
    first = start if answer_only and not emphasis.prompt else 1
    return Example(domain, index, tokens, first, emphasis.weights(tokens, start, answer_only))


def resolve_answer_only(names: Collection[str], domains: Collection[str]) -> frozenset[str]:
    """Return the domains in which only the answer counts; ``*`` is all of them.

    Raises
    ------
    UsageError
        If there is no domain of a name.
    """
    if "*" in names:
        return frozenset(domains)
    check_domains(names, domains)
    return frozenset(names)


def check_domains(names: Collection[str], domains: Collection[str]) -> None:
    """Refuse names that no domain of the corpus has.

    Raises
    ------
    UsageError
        If there is such a name.
    """
    if unknown := sorted(set(names) - set(domains)):
        raise UsageError(f"the corpus has no domain {', '.join(unknown)}", hint=f"it has {', '.join(sorted(domains))}")
