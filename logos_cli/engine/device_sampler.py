"""The sampler of ``sampler.py`` where the logits are: on a GPU, only what was chosen comes back to the host.

At 256 sequences and 128,000 tokens the logits of one step are 131 MB. Order and meaning are those of the host's
sampler, which is the reference, and so are the random numbers; the masks of the constraint come as bits. What
decides is computed in float64, but on Apple's GPUs, which have float32 only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from logos_cli.backends.base import TensorBackend
from logos_cli.engine.sampler import Bits, TokenDistribution, unpacked
from logos_cli.engine.sampling import Sampling

_RANKED = 1024
"""So many of the likeliest tokens are sorted to find the nucleus of top-p; all are only if it is larger."""


class DeviceSampler:
    """Lets a backend read tokens, and keeps of each slot the logits that follow and the tokens seen.

    Parameters
    ----------
    n_slots : int
        Slots of the backend that are used.
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
        """Make a free slot the same as another."""
        self._backend.copy(source, target)
        with torch.inference_mode():
            self._logits[target] = self._logits[source]
            self._seen[target] = self._seen[source]

    def choices(self, slots: Sequence[int], permitted: Bits | None) -> DeviceDistribution:
        """Return what may come next in each slot; ``permitted`` has one row a slot."""
        index = self._index(slots)
        with torch.inference_mode():
            return DeviceDistribution(self._logits[index], self._sampling, self._seen[index], permitted)

    def note(self, slots: Sequence[int], tokens: NDArray[np.intp]) -> None:
        """Note the tokens that were chosen."""
        with torch.inference_mode():
            self._seen[self._index(slots), self._index(tokens.tolist())] = True

    def _index(self, numbers: Sequence[int]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._logits.device)


class DeviceDistribution:
    """The tokens that may come next in each row, with their weights.

    Parameters
    ----------
    logits : Tensor, shape (n, n_logits)
    seen : Tensor of bool, shape (n, n_tokens)
    permitted : ndarray of int32, optional
        Bits of what the constraint permits.
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
        """Return a token for each row's uniform number in [0, 1)."""
        cumulative = self._weights.cumsum(dim=1)
        total = cumulative[:, -1:].contiguous()
        targets = torch.from_numpy(draws).to(self._wide).to(total.device)[:, None] * total
        columns = torch.searchsorted(cumulative, targets, right=True)
        # rounding can carry a draw near 1 past the last token of weight
        columns = torch.minimum(columns, torch.searchsorted(cumulative, total))[:, 0]
        # one transfer brings both
        both = torch.stack([columns.to(self._wide), self._logps(columns)]).cpu().numpy()
        self._drawn = both[0].astype(np.intp), both[1].astype(np.float64)
        return self._drawn[0].copy()

    @torch.inference_mode()
    def likeliest(self, rows: Sequence[int]) -> NDArray[np.intp]:
        """Return the likeliest permitted token of some rows, whatever has been seen."""
        scores = self._scores()[rows]
        if self._allowed is not None:
            scores.masked_fill_(~self._allowed[rows], -torch.inf)
        best: NDArray[np.intp] = scores.argmax(dim=1).cpu().numpy()
        return best

    @torch.inference_mode()
    def redraw(self, row: int, draw: float, refused: Sequence[int]) -> int | None:
        """Return another token for one row, which the host draws: it is rare, and one row is small."""
        one = slice(row, row + 1)
        allowed = None if self._permitted is None else unpacked(self._permitted[one], self._n_tokens)
        options = TokenDistribution(
            self._logits[one].float().cpu().numpy(), self._sampling, seen=self._seen[one].cpu().numpy(), allowed=allowed
        )
        return options.redraw(0, draw, refused)

    @torch.inference_mode()
    def logps(self, tokens: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the log-probability of one token of each row under the model itself."""
        if self._drawn is not None and np.array_equal(tokens, self._drawn[0]):
            return self._drawn[1]
        chosen = torch.from_numpy(tokens).to(self._logits.device)
        logps: NDArray[np.float64] = self._logps(chosen).cpu().numpy().astype(np.float64)
        return logps

    def _logps(self, tokens: Tensor) -> Tensor:
        logits = self._logits.float()
        peak = logits.amax(dim=1, keepdim=True)
        total = (logits - peak).exp().sum(dim=1, dtype=self._wide)
        chosen = logits.gather(1, tokens[:, None])[:, 0]
        return chosen.to(self._wide) - peak[:, 0].to(self._wide) - total.log()


def _weights(scores: Tensor, sampling: Sampling) -> Tensor:
    """Return unnormalised probabilities after temperature and cuts; ``scores`` is overwritten."""
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
    """Return which tokens are the likeliest that together reach ``top_p``; of equal ones the first."""
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
