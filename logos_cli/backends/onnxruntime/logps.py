"""Log-probabilities of given tokens: each sequence is read from where it departs from the one before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.onnxruntime.network import Network

PASS_TOKENS = 256
"""Most tokens of a row in one pass: the scores of attention between all of them are in memory together."""


def token_logps(
    network: Network, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
) -> list[NDArray[np.float64]]:
    """Return the natural log-probability of each wanted token: one for each token of a sequence but the first.

    Sequences are read in their order of tokens into one row of the cache, where a beginning that is common to
    neighbours (a wild type before its first mutation, a pocket before its ligands) stays.
    """
    logps: list[NDArray[np.float64]] = [np.empty(0)] * len(sequences)
    longest = max(map(len, sequences), default=0)
    logits = np.empty((longest, network.config.vocabulary_size), np.float32)
    totals = np.empty(longest)
    before: Sequence[int] = ()
    for index in sorted(range(len(sequences)), key=lambda index: tuple(sequences[index])):
        sequence = sequences[index][:-1]  # the last token is only predicted
        if not sequence:
            continue
        shared = n_shared(before, sequence)
        for start in range(shared, len(sequence), PASS_TOKENS):
            tokens = sequence[start : start + PASS_TOKENS]
            logits[start : start + len(tokens)] = network.read(0, tokens, start)
        new = logits[shared : len(sequence)]
        peaks = new.max(axis=1, keepdims=True, initial=-np.inf)
        sums = np.exp(new - peaks).sum(axis=1, dtype=np.float64)
        totals[shared : len(sequence)] = np.log(sums) + peaks[:, 0]
        logps[index] = logits[np.arange(len(sequence)), list(wanted[index])] - totals[: len(sequence)]
        before = sequence
    return logps


def n_shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the length of the common beginning of two sequences."""
    most = min(len(first), len(second))
    return next((place for place in range(most) if first[place] != second[place]), most)
