"""One sampler over the logits of any backend.

The order is that of ``transformers``: repetition penalty, constraint, temperature, top-k, top-p, min-p. What
decides is computed in float64 and per row, and a row's randomness comes from its own generator, so that a sequence
does not depend on its neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.base import Backend
from logos_cli.engine.sampling import Sampling as Sampling  # offered here too

_WIDE = 4096
"""Of a larger vocabulary, the tokens that can be chosen are picked out first."""

_FEW = 256

Bits = NDArray[np.int32]
"""Permitted tokens, one bit each, shape (n, ceil(n_tokens / 32)), the lowest bit first."""


def unpacked(bits: Bits, n_tokens: int) -> NDArray[np.bool_]:
    """Return bits as booleans, shape (n, n_tokens)."""
    flat = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")
    return flat[:, :n_tokens].view(np.bool_)


def sample_generator(seed: int, id: str) -> np.random.Generator:
    """Return the source of randomness of one sample, made from the run's seed and the sample's id alone."""
    digest = hashlib.blake2b(f"{seed}\0{id}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log-probabilities (natural logarithms) along the last axis."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return wide


def choose(
    logits: NDArray[np.float32],
    sampling: Sampling,
    draws: NDArray[np.float64],
    *,
    seen: NDArray[np.bool_],
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Choose the next token of each row.

    Parameters
    ----------
    logits : ndarray, shape (n, n_logits)
    draws : ndarray, shape (n,)
        Uniform numbers in [0, 1), one a row.
    seen : ndarray of bool, shape (n, n_tokens)
        Tokens of prompt and answer so far. Logits beyond ``n_tokens`` belong to no token.
    allowed : ndarray of bool, shape (n, n_tokens), optional
        What the constraint permits; at least one token in each row.

    Returns
    -------
    tokens : ndarray of int, shape (n,)
    logps : ndarray, shape (n,)
        Log-probability of each under the model itself: at temperature 1, before penalty, constraint and cuts.
    """
    options = TokenDistribution(logits, sampling, seen=seen, allowed=allowed)
    tokens = options.draw(draws)
    return tokens, options.logps(tokens)


class TokenDistribution:
    """The tokens that may come next in each row, with their weights.

    Parameters
    ----------
    logits, sampling, seen, allowed
        See :func:`choose`.
    """

    def __init__(
        self,
        logits: NDArray[np.float32],
        sampling: Sampling,
        *,
        seen: NDArray[np.bool_],
        allowed: NDArray[np.bool_] | None = None,
    ) -> None:
        self._logits, self._allowed, self._n_tokens = logits, allowed, seen.shape[1]
        self._sampling = sampling
        self._ids: NDArray[np.intp] | None = None
        beyond: NDArray[np.float64] | None = None
        if seen.shape[1] > _WIDE and (allowed is not None or sampling.cuts):
            self._ids, scores, beyond = _candidates(logits, sampling, seen, allowed)
        else:
            scores = logits[:, : seen.shape[1]].astype(np.float64)
            if sampling.repetition_penalty != 1:
                scores = np.where(seen, _penalised(scores, sampling.repetition_penalty), scores)
            if allowed is not None:
                scores = np.where(allowed, scores, -np.inf)
        self._scores = scores
        self._weights = _weights(scores, sampling, beyond)

    def draw(self, draws: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return a token for each row's uniform number in [0, 1)."""
        return self._tokens(_pick(self._weights, draws))

    def likeliest(self, rows: Sequence[int]) -> NDArray[np.intp]:
        """Return the likeliest permitted token of some rows, whatever has been seen."""
        scores = self._logits[rows, : self._n_tokens]
        if self._allowed is not None:
            scores = np.where(self._allowed[rows], scores, -np.inf)
        best: NDArray[np.intp] = scores.argmax(axis=1)
        return best

    def redraw(self, row: int, draw: float, refused: Sequence[int]) -> int | None:
        """Return another token for one row.

        It is drawn from the same weights without the tokens that have been refused; when none of weight is
        left, top-k, top-p and min-p are applied anew to the tokens that remain.

        Returns
        -------
        int or None
            None if every token that the constraint permits has been refused.
        """
        scores, weights = self._scores[row : row + 1], self._weights[row : row + 1].copy()
        gone = np.isin(np.arange(scores.shape[1]) if self._ids is None else self._ids[row], refused)
        weights[0, gone] = 0.0
        if not weights.any():
            scores = np.where(gone, -np.inf, scores)
            if not np.isfinite(scores).any():
                return None
            weights = _weights(scores, self._sampling, None)
        column = _pick(weights, np.array([draw]))[0]
        return int(column if self._ids is None else self._ids[row, column])

    def logps(self, tokens: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the log-probability of one token of each row under the model itself."""
        logits = self._logits
        peak = logits.max(axis=1, keepdims=True)
        # float32 is enough for the many exponentials, not for their sum
        total = np.exp(logits - peak).sum(axis=1, dtype=np.float64)
        chosen = logits[np.arange(len(logits)), tokens] - peak[:, 0].astype(np.float64)
        logps: NDArray[np.float64] = chosen - np.log(total)
        return logps

    def _tokens(self, columns: NDArray[np.intp]) -> NDArray[np.intp]:
        return columns if self._ids is None else self._ids[np.arange(len(columns)), columns]


class Distribution(Protocol):
    """What :class:`TokenDistribution` offers, wherever the logits are."""

    def draw(self, draws: NDArray[np.float64]) -> NDArray[np.intp]: ...  # noqa: D102
    def likeliest(self, rows: Sequence[int]) -> NDArray[np.intp]: ...  # noqa: D102
    def redraw(self, row: int, draw: float, refused: Sequence[int]) -> int | None: ...  # noqa: D102
    def logps(self, tokens: NDArray[np.intp]) -> NDArray[np.float64]: ...  # noqa: D102


class Sampler(Protocol):
    """What :class:`HostSampler` offers, wherever the logits are."""

    def begin(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> None: ...  # noqa: D102
    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> None: ...  # noqa: D102
    def copy(self, source: int, target: int) -> None: ...  # noqa: D102
    def choices(self, slots: Sequence[int], permitted: Bits | None) -> Distribution: ...  # noqa: D102
    def note(self, slots: Sequence[int], tokens: NDArray[np.intp]) -> None: ...  # noqa: D102


class HostSampler:
    """Lets a backend read tokens, and keeps of each slot the logits that follow and the tokens seen.

    Parameters
    ----------
    n_slots : int
        Slots of the backend that are used.
    """

    def __init__(self, backend: Backend, sampling: Sampling, n_slots: int) -> None:
        self._backend, self._sampling = backend, sampling
        self._seen = np.zeros((n_slots, len(backend.tokenizer.vocabulary)), bool)
        self._logits: NDArray[np.float32] | None = None

    def begin(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> None:
        """Read prompts in free slots."""
        self._keep(slots, self._backend.prefill_many(slots, prompts))
        self._seen[slots] = False
        for slot, prompt in zip(slots, prompts, strict=True):
            self._seen[slot, list(prompt)] = True

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> None:
        """Read one token in each slot; slots ascend."""
        self._keep(slots, self._backend.step(slots, tokens))

    def _keep(self, slots: Sequence[int], logits: NDArray[np.float32]) -> None:
        if self._logits is None:
            self._logits = np.zeros((len(self._seen), logits.shape[1]), np.float32)
        self._logits[slots] = logits

    def copy(self, source: int, target: int) -> None:
        """Make a free slot the same as another."""
        self._backend.copy(source, target)
        self._seen[target] = self._seen[source]
        if self._logits is not None:
            self._logits[target] = self._logits[source]

    def choices(self, slots: Sequence[int], permitted: Bits | None) -> TokenDistribution:
        """Return what may come next in each slot; ``permitted`` has one row a slot."""
        assert self._logits is not None, "nothing has been read"
        seen = self._seen[slots]
        allowed = None if permitted is None else unpacked(permitted, seen.shape[1])
        return TokenDistribution(self._logits[slots], self._sampling, seen=seen, allowed=allowed)

    def note(self, slots: Sequence[int], tokens: NDArray[np.intp]) -> None:
        """Note the tokens that were chosen."""
        self._seen[slots, tokens] = True


def _penalised(scores: NDArray[Any], penalty: float) -> NDArray[Any]:
    return np.where(scores > 0, scores / penalty, scores * penalty)


def _weights(
    scores: NDArray[np.float64], sampling: Sampling, beyond: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return unnormalised probabilities after temperature and cuts.

    ``beyond`` is, by row, the weight of the tokens that have no column because top-p leaves them out.
    """
    if sampling.temperature == 0:
        weights = np.zeros(scores.shape)
        weights[np.arange(len(scores)), scores.argmax(axis=1)] = 1.0
        return weights
    # the largest score is moved to 0 first: a tiny temperature must not overflow
    scores = (scores - scores.max(axis=1, keepdims=True)) / sampling.temperature
    return _cut(np.exp(scores), sampling, beyond)


def _pick(weights: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the column in which each row's draw falls."""
    cumulative = weights.cumsum(axis=1)
    targets = draws * cumulative[:, -1]
    columns = (cumulative <= targets[:, None]).sum(axis=1)
    # rounding can carry a draw near 1 past the last token of weight
    last = weights.shape[1] - 1 - (weights[:, ::-1] > 0).argmax(axis=1)
    picked: NDArray[np.intp] = np.minimum(columns, last)
    return picked


def _cut(weights: NDArray[np.float64], sampling: Sampling, beyond: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Set to 0 the weights that top-k, top-p and min-p leave out; the likeliest token always stays."""
    if 0 < sampling.top_k < weights.shape[1]:
        kth = np.partition(weights, -sampling.top_k, axis=1)[:, -sampling.top_k, None]
        weights = np.where(weights >= kth, weights, 0.0)
    if sampling.top_p < 1:
        weights = np.where(_nucleus(weights, sampling.top_p, beyond), weights, 0.0)
    if sampling.min_p > 0:
        weights = np.where(weights >= sampling.min_p * weights.max(axis=1, keepdims=True), weights, 0.0)
    return weights


def _nucleus(weights: NDArray[np.float64], top_p: float, beyond: NDArray[np.float64] | None) -> NDArray[np.bool_]:
    """Return which tokens are the likeliest that together reach ``top_p``; of equal ones the first."""
    ranked = -np.sort(-weights, axis=1)
    cumulative = ranked.cumsum(axis=1)
    total = cumulative[:, -1] if beyond is None else cumulative[:, -1] + beyond
    n_kept = (cumulative - ranked < top_p * total[:, None]).sum(axis=1, keepdims=True)
    least = np.take_along_axis(ranked, n_kept - 1, axis=1)
    above = weights > least
    equal = weights == least
    n_equal = n_kept - above.sum(axis=1, keepdims=True)
    if (equal.sum(axis=1, keepdims=True) > n_equal).any():
        equal &= equal.cumsum(axis=1) <= n_equal
    kept: NDArray[np.bool_] = above | equal
    return kept


def _candidates(
    logits: NDArray[np.float32], sampling: Sampling, seen: NDArray[np.bool_], allowed: NDArray[np.bool_] | None
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Leave out, of a large vocabulary, what cannot be chosen; sorting what remains is cheap.

    Returns
    -------
    ids : ndarray of int, shape (n, n_candidates)
        Tokens, ascending in each row, padded with 0.
    scores : ndarray, shape (n, n_candidates)
        Their logits after the penalty; ``-inf`` for padding.
    beyond : ndarray, shape (n,)
        Weight, relative to the likeliest token, of what top-p leaves out for certain.
    """
    found: list[tuple[NDArray[np.intp], NDArray[np.float32], float]] = []
    for row, logits_of_row in enumerate(logits):
        ids = np.arange(seen.shape[1]) if allowed is None else allowed[row].nonzero()[0]
        scores = logits_of_row[: seen.shape[1]]
        if sampling.repetition_penalty != 1:
            scores = scores.copy()
            old = seen[row].nonzero()[0]
            scores[old] = _penalised(scores[old].astype(np.float64), sampling.repetition_penalty)
        if len(ids) < len(scores):
            scores = scores[ids]
        found.append(_likely(ids, scores, sampling))
    width = max(len(ids) for ids, _, _ in found)
    all_ids = np.zeros((len(found), width), np.intp)
    all_scores = np.full((len(found), width), -np.inf)
    for row, (ids, scores, _) in enumerate(found):
        all_ids[row, : len(ids)], all_scores[row, : len(ids)] = ids, scores
    return all_ids, all_scores, np.array([beyond for _, _, beyond in found])


def _likely(
    ids: NDArray[np.intp], scores: NDArray[np.float32], sampling: Sampling
) -> tuple[NDArray[np.intp], NDArray[np.float32], float]:
    """Return the tokens of one row that the cuts may keep, their scores, and the weight of the others."""
    if len(ids) <= _FEW:
        return ids, scores, 0.0
    if sampling.temperature == 0:
        best = scores.argmax()
        return ids[best : best + 1], scores[best : best + 1], 0.0
    if 0 < sampling.top_k < len(ids):
        kept = scores >= np.partition(scores, -sampling.top_k)[-sampling.top_k]
        return ids[kept], scores[kept], 0.0
    weights = np.exp((scores - scores.max()) / np.float32(sampling.temperature))
    least, beyond = 0.0, 0.0
    if sampling.top_p < 1:
        # tokens below this weight have together less than 1 - top_p, were there none but them
        least = 0.99 * (1 - sampling.top_p) * float(weights.sum(dtype=np.float64)) / len(weights)
    elif sampling.min_p > 0:
        least = 0.99 * sampling.min_p
    kept = weights >= least
    if sampling.top_p < 1:
        beyond = float(weights.sum(where=~kept, dtype=np.float64))
    return ids[kept], scores[kept], beyond
