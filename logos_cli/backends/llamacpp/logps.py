"""Log-probabilities of given tokens with llama.cpp: logits at every position, many sequences in lockstep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.backends.llamacpp.library import LlamaContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEQUENCES = 16
"""Sequences at a time, of similar length, so that they end together."""

_TOKENS = 512
_LOGITS = 1 << 22
"""Most logits of a batch."""


def token_logps(
    sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]], room_for: Callable[[int, int], LlamaContext]
) -> list[NDArray[np.float64]]:
    """Return the natural log-probability of each wanted token: one for each token of a sequence but the first.

    Parameters
    ----------
    room_for : callable
        Returns an empty context for a number of sequences and of tokens.
    """
    logps: list[NDArray[np.float64]] = [np.empty(max(0, len(sequence) - 1)) for sequence in sequences]
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]), reverse=True)
    for start in range(0, len(order), SEQUENCES):
        group = order[start : start + SEQUENCES]
        # llama.cpp computes a step of one row by other code, which rounds differently
        context = room_for(max(2, len(group)), len(sequences[group[0]]))
        texts, targets, rows = [sequences[i] for i in group], [wanted[i] for i in group], [logps[i] for i in group]
        _fill_in(context, texts, targets, rows)
    return logps


def _fill_in(
    context: LlamaContext,
    sequences: Sequence[Sequence[int]],
    wanted: Sequence[Sequence[int]],
    logps: Sequence[NDArray[np.float64]],
) -> None:
    """Fill in the log-probabilities of sequences, a stretch of each at a time."""
    n_tokens = max(len(sequences), min(_TOKENS, _LOGITS // context.model.n_vocabulary))
    stretch = n_tokens // len(sequences)
    for start in range(0, len(sequences[0]) - 1, stretch):
        places = [
            (slot, place)
            for slot, sequence in enumerate(sequences)
            for place in range(start, min(start + stretch, len(sequence) - 1))
        ]
        tokens = [sequences[slot][place] for slot, place in places]
        slots, positions = zip(*places, strict=True)
        logits = context.decode(tokens, positions, slots, len(tokens))
        wide = logits.astype(np.float64)
        highest = wide.max(axis=1)
        sums = np.log(np.exp(wide - highest[:, None]).sum(axis=1)) + highest
        for row, (slot, place) in enumerate(places):
            logps[slot][place] = wide[row, wanted[slot][place]] - sums[row]
