"""The sampler of ``sampler.py`` on the device of the logits: only the chosen tokens return to the host.

For 256 sequences and 128,000 tokens the logits of one step are 131 MB. Order, meaning and random numbers are those of
the host's sampler, which is the reference; the masks of the constraint are bits. Choices are computed in float64, except
on Apple's GPUs, which have only float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from logos_cli.backends.base import TensorBackend
from logos_cli.engine.sampler import Bits, TokenDistribution, unpack_bits
from logos_cli.engine.sampling import Sampling

_RANKED = 1024
"""Number of likeliest tokens that are sorted to find the nucleus of top-p; a larger nucleus needs all."""


class DeviceSampler:
    """Runs a backend, and keeps the next logits and the seen tokens of each slot.

    Parameters
    ----------
    n_slots : int
        Number of slots of the backend.
    """

    def __init__(self, backend: TensorBackend, sampling: Sampling, n_slots: int) -> None:
        self._backend, self._sampling, self._n_slots = backend, sampling, n_slots
        self._n_tokens = len(backend.tokenizer.vocabulary)
        self._logits = self._seen = torch.empty(0)

    def begin(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> None:
        """Read prompts in free slots."""
        logits = self._backend.prefill_tensor(slots, prompts)
        with torch.inference_mode():
            if not len(self._logits):
                size = (self._n_slots, logits.shape[1])
                self._logits = torch.zeros(size, dtype=logits.dtype, device=logits.device)
                self._seen = torch.zeros((self._n_slots, self._n_tokens), dtype=torch.bool, device=logits.device)
            self._logits[self._index(slots)] = logits
            self._seen[self._index(slots)] = False
            rows = [slot for slot, prompt in zip(slots, prompts, strict=True) for _ in prompt]
            self._seen[self._index(rows), self._index([token for prompt in prompts for token in prompt])] = True

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> None:
        """Read one token in each slot; slots ascend."""
        logits = self._backend.step_tensor(slots, tokens)
        with torch.inference_mode():
            self._logits[self._index(slots)] = logits

    def copy(self, source: int, target: int) -> None:
        """Copy a slot to a free one."""
        self._backend.copy(source, target)
        with torch.inference_mode():
            self._logits[target] = self._logits[source]
            self._seen[target] = self._seen[source]

    def distribution(self, slots: Sequence[int], permitted: Bits | None) -> DeviceDistribution:
        """Return the distribution of the next token of each slot; ``permitted`` has one row for each slot."""
        index = self._index(slots)
        with torch.inference_mode():
            return DeviceDistribution(self._logits[index], self._sampling, self._seen[index], permitted)

    def mark_seen(self, slots: Sequence[int], tokens: NDArray[np.intp]) -> None:
        """Mark the chosen tokens as seen."""
        with torch.inference_mode():
            self._seen[self._index(slots), self._index(tokens.tolist())] = True

    def _index(self, numbers: Sequence[int]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._logits.device)


class DeviceDistribution:
    """The distribution of the next token of each row.

    Parameters
    ----------
    logits : Tensor, shape (n, n_logits)
    seen : Tensor of bool, shape (n, n_tokens)
    permitted : ndarray of int32, optional
        Bits of the tokens that the constraint permits.
    """

    def __init__(self, logits: Tensor, sampling: Sampling, seen: Tensor, permitted: Bits | None) -> None:
        self._logits, self._sampling, self._seen, self._permitted = logits, sampling, seen, permitted
        self._wide = torch.float32 if logits.device.type == "mps" else torch.float64
        self._n_tokens = seen.shape[1]
        self._drawn: tuple[NDArray[np.intp], NDArray[np.float64]] | None = None
        scores = self._scores()
        if (penalty := sampling.repetition_penalty) != 1:
            penalised = torch.where(scores > 0, scores / penalty, scores * penalty)
            scores = torch.where(seen, penalised, scores)
        if self._allowed is not None:
            scores.masked_fill_(~self._allowed, -torch.inf)
        self._weights = _weights(scores, sampling)

    def _scores(self) -> Tensor:
        return self._logits[:, : self._n_tokens].to(self._wide, copy=True)

    @cached_property
    def _allowed(self) -> Tensor | None:
        if self._permitted is None:
            return None
        bits = torch.from_numpy(self._permitted).to(self._logits.device)
        places = torch.arange(32, dtype=torch.int32, device=bits.device)
        return ((bits[:, :, None] >> places) & 1).bool().flatten(1)[:, : self._n_tokens]

    @torch.inference_mode()
    def draw(self, draws: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return a token for the uniform number in [0, 1) of each row."""
        cumulative = self._weights.cumsum(dim=1)
        total = cumulative[:, -1:].contiguous()
        targets = torch.from_numpy(draws).to(self._wide).to(total.device)[:, None] * total
        columns = torch.searchsorted(cumulative, targets, right=True)
        # rounding can move a draw near 1 beyond the last token with a weight
        columns = torch.minimum(columns, torch.searchsorted(cumulative, total))[:, 0]
        # one transfer for both
        both = torch.stack([columns.to(self._wide), self._logps(columns)]).cpu().numpy()
        self._drawn = both[0].astype(np.intp), both[1].astype(np.float64)
        return self._drawn[0].copy()

    @torch.inference_mode()
    def likeliest(self, rows: Sequence[int]) -> NDArray[np.intp]:
        """Return the likeliest permitted token of some rows, without the repetition penalty."""
        scores = self._scores()[rows]
        if self._allowed is not None:
            scores.masked_fill_(~self._allowed[rows], -torch.inf)
        best: NDArray[np.intp] = scores.argmax(dim=1).cpu().numpy()
        return best

    @torch.inference_mode()
    def redraw(self, row: int, draw: float, refused: Sequence[int]) -> int | None:
        """Return another token for one row; the host draws it, because this is rare and one row is small."""
        rows = slice(row, row + 1)
        allowed = None if self._permitted is None else unpack_bits(self._permitted[rows], self._n_tokens)
        logits, seen = self._logits[rows].float().cpu().numpy(), self._seen[rows].cpu().numpy()
        return TokenDistribution(logits, self._sampling, seen=seen, allowed=allowed).redraw(0, draw, refused)

    @torch.inference_mode()
    def logps(self, tokens: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the log-probability of one token of each row under the model itself."""
        if self._drawn is not None and np.array_equal(tokens, self._drawn[0]):
            return self._drawn[1]
        columns = torch.from_numpy(tokens).to(self._logits.device)
        logps: NDArray[np.float64] = self._logps(columns).cpu().numpy().astype(np.float64)
        return logps

    def _logps(self, tokens: Tensor) -> Tensor:
        logits = self._logits.float()
        peak = logits.amax(dim=1, keepdim=True)
        total = (logits - peak).exp().sum(dim=1, dtype=self._wide)
        token_logits = logits.gather(1, tokens[:, None])[:, 0]
        return token_logits.to(self._wide) - peak[:, 0].to(self._wide) - total.log()


def _weights(scores: Tensor, sampling: Sampling) -> Tensor:
    """Return unnormalised probabilities after temperature and cuts, overwriting ``scores``."""
    if sampling.temperature == 0:
        weights = torch.zeros_like(scores)
        return weights.scatter_(1, scores.argmax(dim=1, keepdim=True), 1.0)
    scores -= scores.amax(dim=1, keepdim=True)
    weights = scores.div_(sampling.temperature).exp_()
    if 0 < sampling.top_k < weights.shape[1]:
        kth = weights.topk(sampling.top_k, dim=1).values[:, -1:]
        weights.masked_fill_(weights < kth, 0.0)
    if sampling.top_p < 1:
        weights.masked_fill_(~_nucleus(weights, sampling.top_p), 0.0)
    if sampling.min_p > 0:
        weights.masked_fill_(weights < sampling.min_p * weights.amax(dim=1, keepdim=True), 0.0)
    return weights


def _nucleus(weights: Tensor, top_p: float) -> Tensor:
    """Return the mask of the likeliest tokens that together reach ``top_p``; of equal ones the first."""
    target = top_p * weights.sum(dim=1, keepdim=True)
    width = min(_RANKED, weights.shape[1])
    while True:
        ranked = weights.topk(width, dim=1).values
        n_kept = (ranked.cumsum(dim=1) - ranked < target).sum(dim=1, keepdim=True)
        if width == weights.shape[1] or bool((n_kept < width).all()):
            break
        width = weights.shape[1]
    least = ranked.gather(1, n_kept - 1)
    above, equal = weights > least, weights == least
    n_equal = n_kept - above.sum(dim=1, keepdim=True)
    return above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= n_equal))
