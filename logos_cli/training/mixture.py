"""Which sentences a training step sees: domains mixed by weight, each shuffled anew in every pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import UsageError
from logos_cli.training.corpus import Shard, Tokens


class Mixture:
    """Draws sentences, each domain getting its share of the *tokens*.

    The draw of a step follows from seed, step number and the place in each domain, so that a run that is
    resumed from :meth:`state` goes on as if it had not been interrupted.

    Raises
    ------
    UsageError
        If a weight names a domain that the corpus does not have.
    """

    def __init__(self, shards: Mapping[str, Shard], seed: int) -> None:
        self._shards = dict(shards)
        self._names = sorted(shards)
        self._seed = seed
        self._drawn = dict.fromkeys(self._names, 0)
        self._orders: dict[str, tuple[int, NDArray[np.int64]]] = {}

    def draw(self, step: int, n_tokens: int, weights: Mapping[str, float]) -> list[Tokens]:
        """Return sentences of at least ``n_tokens`` tokens together, in random order of domains."""
        if unknown := sorted(set(weights) - set(self._names)):
            raise UsageError(
                f"the corpus has no domain {', '.join(unknown)}", hint=f"it has {', '.join(self._names)}"
            )
        names = [name for name in self._names if weights.get(name, 0) > 0]
        rates = np.array([weights[name] / self._shards[name].mean_length for name in names])
        random = np.random.default_rng((self._seed, 0, step))
        sentences: list[Tokens] = []
        total = 0
        while total < n_tokens:
            sentence = self._next(names[random.choice(len(names), p=rates / rates.sum())])
            sentences.append(sentence)
            total += len(sentence)
        return sentences

    def _next(self, name: str) -> Tokens:
        shard = self._shards[name]
        cycle, place = divmod(self._drawn[name], len(shard))
        self._drawn[name] += 1
        if name not in self._orders or self._orders[name][0] != cycle:
            random = np.random.default_rng((self._seed, 1 + self._names.index(name), cycle))
            self._orders[name] = (cycle, random.permutation(len(shard)))
        return shard[int(self._orders[name][1][place])]

    def epochs(self) -> dict[str, float]:
        """Return how often each domain has been seen."""
        return {name: self._drawn[name] / len(self._shards[name]) for name in self._names}

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {"drawn": dict(self._drawn)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another mixture over the same shards was."""
        self._drawn = {name: int(state["drawn"][name]) for name in self._names}
