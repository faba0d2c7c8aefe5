"""What a model thinks of given token sequences, in batches of rows of like length."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from logos_cli.training.model import carried

Rows = Sequence[Sequence[int] | NDArray[Any]]

_N_BATCH_TOKENS: Final = 8_192


@torch.inference_mode()
def token_logps(network: Any, rows: Rows, prefix: Sequence[int] = ()) -> list[NDArray[np.float64]]:
    """Return the natural log-probability of each token, given those before it.

    Parameters
    ----------
    network : transformers causal language model
    rows : sequence of sequences of int
        Token ids. Without a prefix, nothing predicts the first token of a row, and its value is 0.
    prefix : sequence of int
        What comes before each of the rows; it is read once.
    """
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(rows)
    before = _Prefix(network, prefix)
    for numbers, ids, mask in _batches(rows, network.device, len(prefix)):
        logits = before.logits(ids, mask)
        chosen = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0].double().cpu().numpy()
        for row, number in enumerate(numbers):
            found[number] = chosen[row, : len(rows[number])]
            if not prefix:
                found[number][0] = 0.0
    return found


@torch.inference_mode()
def probability_of(network: Any, rows: Rows, token: int) -> list[NDArray[np.float64]]:
    """Return the probability that ``token`` comes next, after each token of each row."""
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(rows)
    for numbers, ids, mask in _batches(rows, network.device, 0):
        logits = network(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
        column = logits.log_softmax(-1)[..., token].double().exp().cpu().numpy()
        for row, number in enumerate(numbers):
            found[number] = column[row, : len(rows[number])]
    return found


class _Prefix:
    """The network after tokens that all rows share."""

    def __init__(self, network: Any, prefix: Sequence[int]) -> None:
        self.network = network
        self.length = len(prefix)
        if prefix:
            out = network(input_ids=torch.tensor([list(prefix)], device=network.device), use_cache=True)
            self.past, self.last = carried(out), out.logits[:, -1:].float()

    def logits(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return for each place of the rows the logits of the token that stands there."""
        if not self.length:
            logits = self.network(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
            return torch.cat([torch.zeros_like(logits[:, :1]), logits[:, :-1]], dim=1)
        past = copy.deepcopy(self.past)
        for cache in past.values():
            cache.batch_repeat_interleave(len(ids))
        whole = torch.cat([mask.new_ones(len(ids), self.length), mask], dim=1)
        out = self.network(input_ids=ids, attention_mask=whole, use_cache=True, **past)
        first = self.last.expand(len(ids), -1, -1)
        return torch.cat([first, out.logits[:, :-1].float()], dim=1)


def _batches(rows: Rows, device: Any, n_before: int) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Yield numbers of rows, their ids and the mask; short rows are padded on the right, where none looks."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    while order:
        longest = len(rows[order[-1]])
        count = max(1, _N_BATCH_TOKENS // (longest + n_before))
        numbers, order = order[-count:], order[:-count]
        ids = torch.zeros(len(numbers), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, number in enumerate(numbers):
            length = len(rows[number])
            ids[row, :length] = torch.as_tensor(np.asarray(rows[number], dtype=np.int64))
            mask[row, :length] = 1
        yield numbers, ids.to(device), mask.to(device)
