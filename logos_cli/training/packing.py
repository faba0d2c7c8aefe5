"""Sentences of very different length into rows without much padding.

Several sentences share a row; attention stays within each (block-diagonal mask) and positions start again at
every sentence. Rows come in a few widths (tiers), because attention costs the square of the width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

TIERS: Final = (128, 256, 512, 1024, 2048)
_WIDTH_STEP: Final = 16
_IGNORED: Final = -100


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rows of one tier, ready for a causal language model.

    Attributes
    ----------
    input_ids, position_ids, labels : Tensor of int64, shape (n_rows, width)
        ``labels`` are the next tokens, -100 after the last token of a sentence and in padding.
    mask : Tensor of float, shape (n_rows, 1, width, width)
        0 where the column may be attended from the row, else the lowest finite number.
    n_targets : int
        Labels that count.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor
    n_targets: int


def pack(lengths: Sequence[int], tiers: Sequence[int] = TIERS) -> dict[int, list[list[int]]]:
    """Distribute sentences over rows: first fit, longest first, each in the narrowest tier that holds it.

    Returns
    -------
    dict
        Tier to rows, a row being the indices of its sentences.

    Raises
    ------
    ValueError
        If a sentence is longer than the widest tier.
    """
    rows: dict[int, list[list[int]]] = {}
    free: dict[int, list[int]] = {}
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        tier = next((tier for tier in tiers if length <= tier), None)
        if tier is None:
            raise ValueError(f"a sentence of {length} tokens does not fit into {tiers[-1]}")
        space = free.setdefault(tier, [])
        row = next((row for row, left in enumerate(space) if left >= length), None)
        if row is None:
            rows.setdefault(tier, []).append([index])
            space.append(tier - length)
        else:
            rows[tier][row].append(index)
            space[row] -= length
    return rows


def micro_batches(
    sentences: Sequence[NDArray[np.uint16]],
    n_tokens: int,
    pad_id: int,
    mask_dtype: torch.dtype = torch.float32,
) -> Iterator[MicroBatch]:
    """Yield the sentences packed, about ``n_tokens`` a batch (at least one row)."""
    for tier, rows in sorted(pack([len(sentence) for sentence in sentences]).items()):
        n_rows = max(1, n_tokens // tier)
        for start in range(0, len(rows), n_rows):
            chosen = [[sentences[index] for index in row] for row in rows[start : start + n_rows]]
            yield _micro_batch(chosen, pad_id, mask_dtype)


def _micro_batch(
    rows: Sequence[Sequence[NDArray[np.uint16]]], pad_id: int, mask_dtype: torch.dtype
) -> MicroBatch:
    longest = max(sum(map(len, row)) for row in rows)
    shape = (len(rows), -(-longest // _WIDTH_STEP) * _WIDTH_STEP)
    ids = np.full(shape, pad_id, np.int64)
    labels = np.full(shape, _IGNORED, np.int64)
    positions = np.zeros(shape, np.int64)
    document = np.full(shape, -1, np.int32)  # padding is one more document, so that no row attends to nothing
    for row, sentences in enumerate(rows):
        start = 0
        for number, sentence in enumerate(sentences):
            end = start + len(sentence)
            ids[row, start:end] = sentence
            labels[row, start : end - 1] = sentence[1:]
            positions[row, start:end] = np.arange(len(sentence))
            document[row, start:end] = number
            start = end
    allowed = np.tril(document[:, :, None] == document[:, None, :])
    mask = torch.zeros((shape[0], 1, shape[1], shape[1]), dtype=mask_dtype)
    mask.masked_fill_(torch.from_numpy(~allowed)[:, None], torch.finfo(mask_dtype).min)
    return MicroBatch(
        torch.from_numpy(ids),
        torch.from_numpy(positions),
        torch.from_numpy(labels),
        mask,
        int((labels >= 0).sum()),
    )
