"""One sampler over the logits of any backend.

The order is that of ``transformers``: repetition penalty, constraint, temperature, top-k, top-p, min-p. Choices are
computed in float64 for each row, with random numbers from the row's own generator, so that a sequence does not depend on
its neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.base import Backend
from logos_cli.engine.sampling import Sampling as Sampling  # part of this module's interface
from logos_cli.errors import ModelError

_WIDE = 4096
"""In a larger vocabulary, the tokens that can be chosen are selected first."""

_FEW = 256

Bits = NDArray[np.int32]
"""Permitted tokens, one bit each, shape (n, ceil(n_tokens / 32)), the lowest bit first."""


def unpack_bits(bits: Bits, n_tokens: int) -> NDArray[np.bool_]:
    """Return bits as booleans, shape (n, n_tokens)."""
    flat = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")
    return flat[:, :n_tokens].view(np.bool_)


def sample_generator(seed: int, id: str) -> np.random.Generator:
    """Return the random generator of one sample, which depends only on the run's seed and the sample's id."""
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
        Uniform numbers in [0, 1), one for each row.
    seen : ndarray of bool, shape (n, n_tokens)
        Tokens of prompt and answer so far. Logits beyond ``n_tokens`` belong to no token.
    allowed : ndarray of bool, shape (n, n_tokens), optional
        Tokens that the constraint permits, at least one in each row.

    Returns
    -------
    tokens : ndarray of int, shape (n,)
    logps : ndarray, shape (n,)
        Log-probability of each under the model itself: at temperature 1, before penalty, constraint and cuts.
    """
    distribution = TokenDistribution(logits, sampling, seen=seen, allowed=allowed)
    tokens = distribution.draw(draws)
    return tokens, distribution.logps(tokens)


class TokenDistribution:
    """The distribution of the next token of each row.

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
        """Return a token for the uniform number in [0, 1) of each row."""
        return self._tokens(_pick(self._weights, draws))

    def likeliest(self, rows: Sequence[int]) -> NDArray[np.intp]:
        """Return the likeliest permitted token of some rows, without the repetition penalty."""
        scores = self._logits[rows, : self._n_tokens]
        if self._allowed is not None:
            scores = np.where(self._allowed[rows], scores, -np.inf)
        best: NDArray[np.intp] = scores.argmax(axis=1)
        return best

    def redraw(self, row: int, draw: float, refused: Sequence[int]) -> int | None:
        """Return another token for one row.

        It is drawn from the same weights without the refused tokens. If no weight is left, top-k, top-p and min-p
        are applied again to the remaining tokens.

        Returns
        -------
        int or None
            None if every token that the constraint permits has been refused.
        """
        scores, weights = self._scores[row : row + 1], self._weights[row : row + 1].copy()
        is_refused = np.isin(np.arange(scores.shape[1]) if self._ids is None else self._ids[row], refused)
        weights[0, is_refused] = 0.0
        if not weights.any():
            scores = np.where(is_refused, -np.inf, scores)
            if not np.isfinite(scores).any():
                return None
            weights = _weights(scores, self._sampling, None)
        column = _pick(weights, np.array([draw]))[0]
        return int(column if self._ids is None else self._ids[row, column])

    def logps(self, tokens: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the log-probability of one token of each row under the model itself."""
        logits = self._logits
        peak = logits.max(axis=1, keepdims=True)
        # float32 suffices for the exponentials, but not for their sum
        total = np.exp(logits - peak).sum(axis=1, dtype=np.float64)
        token_logits = logits[np.arange(len(logits)), tokens] - peak[:, 0].astype(np.float64)
        logps: NDArray[np.float64] = token_logits - np.log(total)
        return logps

    def _tokens(self, columns: NDArray[np.intp]) -> NDArray[np.intp]:
        return columns if self._ids is None else self._ids[np.arange(len(columns)), columns]


class Distribution(Protocol):
    """The interface of :class:`TokenDistribution`, on any device."""

    def draw(self, draws: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return a token for the uniform number in [0, 1) of each row."""

    def likeliest(self, rows: Sequence[int]) -> NDArray[np.intp]:
        """Return the likeliest permitted token of some rows, without the repetition penalty."""

    def redraw(self, row: int, draw: float, refused: Sequence[int]) -> int | None:
        """Return another token for one row; None if all permitted tokens are refused."""

    def logps(self, tokens: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the log-probability of one token of each row under the model itself."""


class Sampler(Protocol):
    """The interface of :class:`HostSampler`, on any device."""

    def begin(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> None:
        """Read prompts in free slots."""

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> None:
        """Read one token in each slot; slots ascend."""

    def copy(self, source: int, target: int) -> None:
        """Copy a slot to a free one."""

    def distribution(self, slots: Sequence[int], permitted: Bits | None) -> Distribution:
        """Return the distribution of the next token of each slot; ``permitted`` has one row for each slot."""

    def mark_seen(self, slots: Sequence[int], tokens: NDArray[np.intp]) -> None:
        """Mark the chosen tokens as seen."""


class HostSampler:
    """Runs a backend, and keeps the next logits and the seen tokens of each slot.

    Parameters
    ----------
    n_slots : int
        Number of slots of the backend.
    """

    def __init__(self, backend: Backend, sampling: Sampling, n_slots: int) -> None:
        self._backend, self._sampling = backend, sampling
        self._seen = np.zeros((n_slots, len(backend.tokenizer.vocabulary)), bool)
        self._logits = np.empty((0, 0), np.float32)

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
        if not len(self._logits):
            self._logits = np.zeros((len(self._seen), logits.shape[1]), np.float32)
        self._logits[slots] = logits

    def copy(self, source: int, target: int) -> None:
        """Copy a slot to a free one."""
        self._backend.copy(source, target)
        self._seen[target] = self._seen[source]
        if len(self._logits):
            self._logits[target] = self._logits[source]

    def distribution(self, slots: Sequence[int], permitted: Bits | None) -> TokenDistribution:
        """Return the distribution of the next token of each slot; ``permitted`` has one row for each slot."""
        seen = self._seen[slots]
        allowed = None if permitted is None else unpack_bits(permitted, seen.shape[1])
        return TokenDistribution(self._logits[slots], self._sampling, seen=seen, allowed=allowed)

    def mark_seen(self, slots: Sequence[int], tokens: NDArray[np.intp]) -> None:
        """Mark the chosen tokens as seen."""
        self._seen[slots, tokens] = True


def check_numbers(logps: NDArray[np.float64]) -> None:
    """Refuse log-probabilities that are no numbers: nothing that such a model returns means anything.

    Raises
    ------
    ModelError
        If one is NaN.
    """
    if np.isnan(logps).any():
        raise ModelError(
            "the model computes values that are no numbers (NaN)",
            hint="download it again, if its weights are damaged; or --dtype float32, if float16 is too narrow for it",
        )


def _penalised(scores: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    return np.where(scores > 0, scores / penalty, scores * penalty)


def _weights(
    scores: NDArray[np.float64], sampling: Sampling, beyond: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return unnormalised probabilities after temperature and cuts.

    ``beyond`` is the weight, in each row, of the tokens without a column, which top-p excludes.
    """
    if sampling.temperature == 0:
        weights = np.zeros(scores.shape)
        weights[np.arange(len(scores)), scores.argmax(axis=1)] = 1.0
        return weights
    # a shift of the largest score to 0 prevents an overflow at a tiny temperature
    scores = (scores - scores.max(axis=1, keepdims=True)) / sampling.temperature
    return _cut(np.exp(scores), sampling, beyond)


def _pick(weights: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the column of each row's draw."""
    cumulative = weights.cumsum(axis=1)
    targets = draws * cumulative[:, -1]
    columns = (cumulative <= targets[:, None]).sum(axis=1)
    # rounding can move a draw near 1 beyond the last token with a weight
    last = weights.shape[1] - 1 - (weights[:, ::-1] > 0).argmax(axis=1)
    picked: NDArray[np.intp] = np.minimum(columns, last)
    return picked


def _cut(weights: NDArray[np.float64], sampling: Sampling, beyond: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Set the weights that top-k, top-p and min-p exclude to 0; the likeliest token always stays."""
    if 0 < sampling.top_k < weights.shape[1]:
        kth = np.partition(weights, -sampling.top_k, axis=1)[:, -sampling.top_k, None]
        weights = np.where(weights >= kth, weights, 0.0)
    if sampling.top_p < 1:
        weights = np.where(_nucleus(weights, sampling.top_p, beyond), weights, 0.0)
    if sampling.min_p > 0:
        weights = np.where(weights >= sampling.min_p * weights.max(axis=1, keepdims=True), weights, 0.0)
    return weights


def _nucleus(weights: NDArray[np.float64], top_p: float, beyond: NDArray[np.float64] | None) -> NDArray[np.bool_]:
    """Return the mask of the likeliest tokens that together reach ``top_p``; of equal ones the first."""
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
    """Return the tokens of a large vocabulary that can be chosen, so that sorting them is cheap.

    Returns
    -------
    ids : ndarray of int, shape (n, n_candidates)
        Tokens, ascending in each row, padded with 0.
    scores : ndarray, shape (n, n_candidates)
        Logits after the penalty; ``-inf`` for padding.
    beyond : ndarray, shape (n,)
        Weight, relative to the likeliest token, of the tokens that top-p excludes in any case.
    """
    rows: list[tuple[NDArray[np.intp], NDArray[np.float32], float]] = []
    for row, logits_of_row in enumerate(logits):
        ids = np.arange(seen.shape[1]) if allowed is None else allowed[row].nonzero()[0]
        scores = logits_of_row[: seen.shape[1]]
        if sampling.repetition_penalty != 1:
            scores = scores.copy()
            old = seen[row].nonzero()[0]
            scores[old] = _penalised(scores[old].astype(np.float64), sampling.repetition_penalty)
        if len(ids) < len(scores):
            scores = scores[ids]
        rows.append(_likely(ids, scores, sampling))
    width = max(len(ids) for ids, _, _ in rows)
    all_ids = np.zeros((len(rows), width), np.intp)
    all_scores = np.full((len(rows), width), -np.inf)
    for row, (ids, scores, _) in enumerate(rows):
        all_ids[row, : len(ids)], all_scores[row, : len(ids)] = ids, scores
    return all_ids, all_scores, np.array([beyond for _, _, beyond in rows])


def _likely(
    ids: NDArray[np.intp], scores: NDArray[np.float32], sampling: Sampling
) -> tuple[NDArray[np.intp], NDArray[np.float32], float]:
    """Return the tokens of one row that the cuts may keep, with their scores, and the weight of the others."""
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
        # all tokens below this weight together have less than 1 - top_p
        least = 0.99 * (1 - sampling.top_p) * float(weights.sum(dtype=np.float64)) / len(weights)
    elif sampling.min_p > 0:
        least = 0.99 * sampling.min_p
    kept = weights >= least
    if sampling.top_p < 1:
        beyond = float(weights.sum(where=~kept, dtype=np.float64))
    return ids[kept], scores[kept], beyond
