"""A network of transformers, called with the arguments that its forward pass takes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache

from logos_cli.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_LOGITS_BYTES = 1 << 28
"""Of the logits of one pass, in single precision; one sequence may have more."""
_TOKENS = 1 << 13
"""Most tokens in one pass, with those that pad; one sequence may have more."""


class Network:
    """A causal language model of transformers.

    Sequences of several lengths are read together with padding behind them, which no token before it sees. This holds
    for every causal network, whatever its positions and windows; :func:`check_causal` proves it of this one.
    """

    def __init__(self, model: torch.nn.Module, device: torch.device, n_vocabulary: int) -> None:
        self.model = model
        self.device = device
        self.n_vocabulary = n_vocabulary
        taken = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in taken
        self._selects_logits = "logits_to_keep" in taken
        self._cache_name = "cache" if "cache" in taken else "past_key_values"

    def passes(self, sequences: Sequence[Sequence[int]], *, all_logits: bool) -> Iterator[list[int]]:
        """Yield the indices of sequences that are read together: of similar length, and within the limits of a pass."""
        per_pass = min(_TOKENS, _LOGITS_BYTES // (4 * self.n_vocabulary)) if all_logits else _TOKENS
        group: list[int] = []
        for index in sorted(range(len(sequences)), key=lambda index: len(sequences[index])):
            if group and (len(group) + 1) * len(sequences[index]) > per_pass:
                yield group
                group = []
            group.append(index)
        if group:
            yield group

    def read(self, sequences: Sequence[Sequence[int]], cache: DynamicCache | None = None) -> Tensor:
        """Return the logits after every token, shape (n_sequences, longest, n_vocabulary)."""
        return self._call(self._padded(sequences), cache, None)

    def last(self, sequences: Sequence[Sequence[int]], cache: DynamicCache | None = None) -> Tensor:
        """Return the logits after the last token of each sequence, shape (n_sequences, n_vocabulary)."""
        ends = torch.tensor([len(tokens) - 1 for tokens in sequences], device=self.device)
        rows = torch.arange(len(sequences), device=self.device)
        if not self._selects_logits:
            return self._call(self._padded(sequences), cache, None)[rows, ends]
        places, inverse = torch.unique(ends, return_inverse=True)
        return self._call(self._padded(sequences), cache, places)[rows, inverse]

    def step(self, tokens: Sequence[int], lengths: Sequence[int], cache: DynamicCache) -> Tensor:
        """Append a token to sequences whose cache ends together, and so has padding before the shorter ones.

        Parameters
        ----------
        lengths : sequence of int
            The number of tokens of each sequence before the new one.
        """
        longest = max(lengths) + 1
        length = torch.tensor(lengths, device=self.device)
        mask = torch.arange(longest, device=self.device) >= (longest - 1 - length)[:, None]
        ids = torch.tensor(tokens, device=self.device)[:, None]
        return self._call(ids, cache, None, mask.long(), length[:, None])[:, -1]

    def _padded(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        longest = max(map(len, sequences))
        return torch.tensor([[*tokens, *[0] * (longest - len(tokens))] for tokens in sequences], device=self.device)

    def _call(
        self,
        ids: Tensor,
        cache: DynamicCache | None,
        places: Tensor | None,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        arguments: dict[str, object] = {"input_ids": ids, "use_cache": cache is not None}
        # a mask of ones means that no token pads; without a mask, some networks guess it from the ids
        arguments["attention_mask"] = torch.ones_like(ids) if mask is None else mask
        if cache is not None:
            arguments[self._cache_name] = cache
        if positions is not None and self._takes_positions:
            arguments["position_ids"] = positions
        if places is not None:
            arguments["logits_to_keep"] = places
        logits: Tensor = self.model(**arguments).logits
        return logits

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
    ) -> list[NDArray[np.float64]]:
        """Return the natural log-probability of each wanted token: one for each token of a sequence but the first."""
        import numpy as np

        found = [np.empty(0)] * len(sequences)
        for group in self.passes(sequences, all_logits=True):
            members = [sequences[index] for index in group]
            for index, tokens, logits in zip(group, members, self.read(members), strict=True):
                rows = logits[: len(tokens) - 1].float()
                chosen = rows.gather(1, torch.tensor(wanted[index], dtype=torch.long, device=rows.device)[:, None])[
                    :, 0
                ]
                found[index] = (chosen - rows.logsumexp(1)).double().cpu().numpy()
        return found


def check_causal(network: Network, probes: Sequence[Sequence[int]]) -> None:
    """Refuse a network whose logits depend on later tokens: an encoder, or one that attends in both directions.

    Raises
    ------
    ModelError
        If it is one, or has no logits for some tokens of the vocabulary.
    """
    together = network.read(probes)
    if together.shape[-1] < network.n_vocabulary:
        raise ModelError(
            f"the network has logits for {together.shape[-1]:,} tokens, the tokenizer has {network.n_vocabulary:,}",
            hint="the files are of two models: download the model again",
        )
    for tokens, logits in zip(probes, together, strict=True):
        alone = network.read([tokens[: len(tokens) // 2]])[0]
        if not agree(alone, logits[: len(alone)]):
            raise ModelError(
                "the network is not causal: its logits depend on later tokens",
                hint="give a decoder; an encoder such as BERT or ESM completes no text",
            )


def agree(one: Tensor, other: Tensor) -> bool:
    """Whether logits are the same but for the rounding of their type."""
    largest = 1e-3 if one.dtype is torch.float32 else 0.1
    scale = max(1.0, float(one.abs().max()))
    return bool((one.float() - other.float()).abs().max() <= largest * scale)


def tensors_of(cache: DynamicCache) -> Iterable[tuple[Tensor, Tensor]]:
    """Yield keys and values of each layer, shape (n_sequences, n_heads, n_tokens, width).

    Raises
    ------
    ValueError
        If a layer has none.
    """
    for layer in cache.layers:
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if keys is None or values is None:
            raise ValueError("the network keeps something else than keys and values")
        yield keys, values
