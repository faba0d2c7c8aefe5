"""Log-probabilities of given tokens with llama.cpp: logits at every position, many sequences in lockstep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.backends.llamacpp.library import LlamaContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEQUENCES = 16
"""At a time; neighbours in length, so that they end together."""

_TOKENS = 512
_LOGITS = 1 << 22
"""Logits that a batch gives at most."""


def token_logps(
    sequences: Sequence[Sequence[int]], room_for: Callable[[int, int], LlamaContext]
) -> list[NDArray[np.float64]]:
    """Return the natural log-probability of each token but the first of each sequence.

    Parameters
    ----------
    room_for : callable
        Takes a number of sequences and of tokens, and returns an empty context for them.
    """
    found: list[NDArray[np.float64]] = [np.empty(max(0, len(each) - 1)) for each in sequences]
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]), reverse=True)
    for start in range(0, len(order), SEQUENCES):
        group = order[start : start + SEQUENCES]
        # a step of one row takes other code paths in llama.cpp, and rounds otherwise
        room = room_for(max(2, len(group)), len(sequences[group[0]]))
        _read(room, [sequences[index] for index in group], [found[index] for index in group])
    return found


def _read(room: LlamaContext, sequences: Sequence[Sequence[int]], found: Sequence[NDArray[np.float64]]) -> None:
    """Fill in the log-probabilities of sequences, a stretch of each at a time."""
    n_tokens = max(len(sequences), min(_TOKENS, _LOGITS // room.model.n_vocabulary))
    stretch = n_tokens // len(sequences)
    for start in range(0, len(sequences[0]) - 1, stretch):
        places = [
            (slot, place)
            for slot, sequence in enumerate(sequences)
            for place in range(start, min(start + stretch, len(sequence) - 1))
        ]
        tokens = [sequences[slot][place] for slot, place in places]
        slots, positions = zip(*places, strict=True)
        logits = room.decode(tokens, positions, slots, len(tokens))
        wide = logits.astype(np.float64)
        highest = wide.max(axis=1)
        sums = np.log(np.exp(wide - highest[:, None]).sum(axis=1)) + highest
        for row, (slot, place) in enumerate(places):
            found[slot][place] = wide[row, sequences[slot][place + 1]] - sums[row]
