"""Pack sentences of very different length into rows with little padding.

Several sentences share a row; attention stays within each (block-diagonal mask) and positions start again at
every sentence. Rows come in a few widths (tiers), because attention costs the square of the width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

TIERS: Final = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
_WIDTH_STEP: Final = 16
_IGNORED: Final = -100


@dataclass(frozen=True, slots=True)
class Example:
    """One sentence of a corpus, for training.

    Attributes
    ----------
    domain, index : str, int
        Its position in the corpus.
    tokens : ndarray of int, shape (n_tokens,)
        All tokens, from begin to end token.
    first_target : int
        The first token that counts in the loss: 1 for all, the first one of the answer in post-training.
    weights : ndarray of float32, shape (n_tokens,), optional
        Weights of the tokens in the loss, if they are not all 1.
    """

    domain: str
    index: int
    tokens: NDArray[Any]
    first_target: int = 1
    weights: NDArray[np.float32] | None = None

    @property
    def n_targets(self) -> int:
        """Tokens that count in the loss."""
        return max(0, len(self.tokens) - max(1, self.first_target))

    @property
    def weight(self) -> float:
        """Sum of the weights of the tokens in the loss."""
        if self.weights is None:
            return self.n_targets
        return float(self.weights[max(1, self.first_target) :].sum())


@dataclass(frozen=True, slots=True)
class PackedRows:
    """The sentences of the rows of one forward pass, before they become tensors."""

    width: int
    rows: tuple[tuple[Example, ...], ...]

    @property
    def examples(self) -> Iterator[Example]:
        """The sentences of all rows."""
        return (example for row in self.rows for example in row)

    @property
    def n_targets(self) -> int:
        """Tokens that count in the loss."""
        return sum(example.n_targets for example in self.examples)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rows of one width, ready for a causal language model.

    Attributes
    ----------
    input_ids, position_ids : Tensor of int64, shape (n_rows, width)
    documents : Tensor of int32, shape (n_rows, width)
        Number of the sentence within its row; -1 is padding.
    targets : Tensor of int64, shape (n_targets,)
        Positions in the flattened rows before each token in the loss.
    labels : Tensor of int64, shape (n_targets,)
        Those tokens; -100 for unused positions, if their number is fixed.
    weights : Tensor of float32, shape (n_targets,), optional
        Their weights; None if all are 1.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    documents: torch.Tensor
    targets: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor | None = None

    def to(self, device: torch.device) -> MicroBatch:
        """Return the batch on a device."""
        if device.type == "cpu":
            return self
        tensors = {part.name: tensor for part in fields(self) if (tensor := getattr(self, part.name)) is not None}
        if device.type == "cuda":
            tensors = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        return MicroBatch(**{name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()})


def tiers_for(context_length: int, *, fixed: bool = False) -> tuple[int, ...]:
    """Return the widths of rows for sentences of at most ``context_length`` tokens.

    Each is a third or a half wider than the one before: wider steps waste more on padding, narrower ones make more
    forward passes. ``fixed``: one width only, for devices that compile a program for each shape.
    """
    if fixed:
        return (context_length,)
    widths = [128]
    while widths[-1] < context_length:
        widths.append(widths[-1] * 3 // 2 if widths[-1].bit_count() == 1 else widths[-1] * 4 // 3)
    return tuple(widths)


def pack(lengths: Sequence[int], tiers: Sequence[int] = TIERS) -> dict[int, list[list[int]]]:
    """Distribute sentences over rows: best fit, longest first, each in the narrowest possible tier.

    Returns
    -------
    dict
        Rows by tier; a row has the indices of its sentences.

    Raises
    ------
    ValueError
        If a sentence is longer than the widest tier.
    """
    rows: dict[int, list[list[int]]] = {}
    open_rows: dict[int, dict[int, list[list[int]]]] = {}  # tier -> free tokens -> rows with so many
    free_sets: dict[int, int] = {}  # tier -> bit set of the numbers of free tokens that occur
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        tier = next((tier for tier in tiers if length <= tier), None)
        if tier is None:
            raise ValueError(f"a sentence of {length} tokens does not fit into {tiers[-1]}")
        spaces, free = open_rows.setdefault(tier, {}), free_sets.get(tier, 0)
        if fitting := free >> length:
            space = length + (fitting & -fitting).bit_length() - 1
            row = spaces[space].pop()
            if not spaces[space]:
                free &= ~(1 << space)
        else:
            space, row = tier, []
            rows.setdefault(tier, []).append(row)
        row.append(index)
        if left := space - length:
            spaces.setdefault(left, []).append(row)
            free |= 1 << left
        free_sets[tier] = free
    return rows


def plan_batches(examples: Sequence[Example], n_tokens: int, tiers: Sequence[int] = TIERS) -> list[PackedRows]:
    """Return packed sentences, about ``n_tokens`` per forward pass (at least one row), widest rows last."""
    plans = []
    for tier, rows in sorted(pack([len(example.tokens) for example in examples], tiers).items()):
        n_rows = max(1, n_tokens // tier)
        for start in range(0, len(rows), n_rows):
            chosen = rows[start : start + n_rows]
            plans.append(PackedRows(tier, tuple(tuple(examples[index] for index in row) for row in chosen)))
    return plans


def build(plan: PackedRows, pad_id: int, fixed_rows: int | None = None) -> MicroBatch:
    """Return the tensors of a forward pass.

    Parameters
    ----------
    plan : PackedRows
    pad_id : int
    fixed_rows : int, optional
        Number of rows, of the full width, for devices that compile a program for each shape; by default there are no
        more rows and no wider ones than needed.
    """
    lengths = np.array([len(example.tokens) for example in plan.examples], dtype=np.int64)
    per_row = np.array([len(row) for row in plan.rows], dtype=np.int64)
    used = [sum(len(example.tokens) for example in row) for row in plan.rows]
    if fixed_rows is None:
        shape = (len(plan.rows), max(_WIDTH_STEP, -(-max(used, default=0) // _WIDTH_STEP) * _WIDTH_STEP))
    else:
        shape = (max(fixed_rows, len(plan.rows)), plan.width)
    ids = np.full(shape, pad_id, np.int64)
    targets = labels = np.zeros(0, np.int64)
    weights = None
    is_weighted = any(example.weights is not None for example in plan.examples)
    positions = np.zeros(shape, np.int64)
    documents = np.full(shape, -1, np.int32)  # padding is one more document: no position attends to nothing
    if lengths.size:
        row = np.repeat(np.arange(len(plan.rows)), per_row)
        before = np.cumsum(lengths) - lengths  # tokens of all sentences before each
        row_start = np.repeat(np.cumsum(used) - used, per_row)
        begin = row * shape[1] + before - row_start  # where each sentence begins in the flat rows
        within = np.arange(lengths.sum()) - np.repeat(before, lengths)
        place = np.repeat(begin, lengths) + within
        tokens = np.concatenate([example.tokens for example in plan.examples]).astype(np.int64)
        ids.flat[place] = tokens
        positions.flat[place] = within
        number = np.concatenate([np.arange(count) for count in per_row])
        documents.flat[place] = np.repeat(number, lengths).astype(np.int32)
        first = np.array([max(1, example.first_target) for example in plan.examples])
        counts = within >= np.repeat(first, lengths)
        targets, labels = place[counts] - 1, tokens[counts]
        if is_weighted:
            each = [np.ones(len(e.tokens), np.float32) if e.weights is None else e.weights for e in plan.examples]
            weights = np.concatenate(each)[counts]
    if fixed_rows is not None:
        spare = ids.size - len(targets)
        targets = np.concatenate([targets, np.zeros(spare, np.int64)])
        labels = np.concatenate([labels, np.full(spare, _IGNORED, np.int64)])
        if weights is not None:
            weights = np.concatenate([weights, np.zeros(spare, np.float32)])
    return MicroBatch(
        torch.from_numpy(ids),
        torch.from_numpy(positions),
        torch.from_numpy(documents),
        torch.from_numpy(targets),
        torch.from_numpy(labels),
        None if weights is None else torch.from_numpy(weights),
    )


def dense_mask(documents: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the additive attention mask, shape (n_rows, 1, width, width).

    0 where the column may be attended from the row (same sentence, not later), else the lowest finite number.
    """
    place = torch.arange(documents.shape[1], device=documents.device)
    allowed = (documents[:, :, None] == documents[:, None, :]) & (place[:, None] >= place[None, :])
    lowest = torch.finfo(dtype).min
    return torch.where(allowed, 0.0, lowest).to(dtype)[:, None]


def block_mask(documents: torch.Tensor) -> Any:
    """Return the same mask as blocks for flex attention, which skips empty ones."""
    from torch.nn.attention.flex_attention import create_block_mask

    n_rows, width = documents.shape

    def allowed(row: torch.Tensor, _head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return (documents[row, query] == documents[row, key]) & (query >= key)

    return create_block_mask(allowed, n_rows, None, width, width, device=documents.device, _compile=False)


def attention_pairs(examples: Iterable[Example]) -> int:
    """Return the sum of squared lengths; causal attention computes half of these pairs."""
    return sum(len(example.tokens) ** 2 for example in examples)
