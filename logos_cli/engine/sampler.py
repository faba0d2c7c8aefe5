"""One sampler over the logits of any backend.

The order is that of ``transformers``: repetition penalty, constraint, temperature, top-k, top-p, min-p. All
arithmetic is in float64 and per row, and a row's randomness comes from its own generator, so that a sequence
does not depend on its neighbours.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose a token.

    Attributes
    ----------
    temperature : float
        Divides the logits; 0 always takes the likeliest token.
    top_k : int
        Keep this many likeliest tokens; 0 keeps all.
    top_p : float
        Keep the likeliest tokens that together reach this probability; 1 keeps all.
    min_p : float
        Keep the tokens at least this likely compared with the likeliest; 0 keeps all.
    repetition_penalty : float
        Divides positive logits, and multiplies negative ones, of the tokens of prompt and answer; 1 is none.
    max_new_tokens : int
        Tokens after which a sequence is cut.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_new_tokens: int = 1000

    def __post_init__(self) -> None:
        rules = (
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min_p", 0 <= self.min_p <= 1, "between 0 and 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "above 0"),
            ("max_new_tokens", self.max_new_tokens >= 1, "1 or more"),
        )
        for name, good, wanted in rules:
            value = getattr(self, name)
            if not (good and math.isfinite(value)):
                raise UsageError(f"{name.replace('_', '-')} is {value}; it must be {wanted}")


def sample_generator(seed: int, id: str) -> np.random.Generator:
    """Return the source of randomness of one sample, made from the run's seed and the sample's id alone."""
    digest = hashlib.blake2b(f"{seed}\0{id}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log-probabilities along the last axis."""
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
    model = log_softmax(logits)
    scores = logits[:, : seen.shape[1]].astype(np.float64)
    if sampling.repetition_penalty != 1:
        penalised = np.where(
            scores > 0, scores / sampling.repetition_penalty, scores * sampling.repetition_penalty
        )
        scores = np.where(seen, penalised, scores)
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    rows = np.arange(len(scores))
    if sampling.temperature == 0:
        tokens = scores.argmax(axis=1)
        return tokens, model[rows, tokens]
    # the largest score is moved to 0 first: a tiny temperature must not overflow
    scores = (scores - scores.max(axis=1, keepdims=True)) / sampling.temperature
    weights = _cut(np.exp(scores), sampling)
    cumulative = weights.cumsum(axis=1)
    targets = draws * cumulative[:, -1]
    tokens = (cumulative <= targets[:, None]).sum(axis=1)
    # rounding can carry a draw near 1 past the last token of weight
    last = weights.shape[1] - 1 - (weights[:, ::-1] > 0).argmax(axis=1)
    tokens = np.minimum(tokens, last)
    return tokens, model[rows, tokens]


def _cut(weights: NDArray[np.float64], sampling: Sampling) -> NDArray[np.float64]:
    """Set to 0 the weights that top-k, top-p and min-p leave out; the likeliest token always stays."""
    if 0 < sampling.top_k < weights.shape[1]:
        kth = np.partition(weights, -sampling.top_k, axis=1)[:, -sampling.top_k, None]
        weights = np.where(weights >= kth, weights, 0.0)
    if sampling.top_p < 1:
        order = np.argsort(-weights, axis=1, kind="stable")
        ranked = np.take_along_axis(weights, order, axis=1)
        likelier = ranked.cumsum(axis=1) - ranked
        kept = np.zeros(weights.shape, bool)
        np.put_along_axis(kept, order, likelier < sampling.top_p * ranked.sum(axis=1, keepdims=True), axis=1)
        weights = np.where(kept, weights, 0.0)
    if sampling.min_p > 0:
        weights = np.where(weights >= sampling.min_p * weights.max(axis=1, keepdims=True), weights, 0.0)
    return weights
