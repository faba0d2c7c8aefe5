"""Train a causal language model to rank sentences by a measured value.

The loss of a batch has two parts. The first is Bradley and Terry's for all pairs with different values: the logarithm of
the logistic function of the difference of their log-likelihoods. It is the loss that ranked best among those that
Hawkins-Hooker et al. (2024, arXiv 2405.08020) compared for protein language models; the log-likelihood of a wild type
cancels in it. The second is the cross-entropy of the best sentences, so that the model goes on writing such sentences.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import spearman

Floats = NDArray[np.float64]
Progress = Callable[[int, int, float], None]
"""Called with the number of epochs done, the number of epochs, and the rank correlation of the sentences aside."""

_N_READ: Final = 8_192
"""Tokens that are read at once without gradients."""
_MAX_NORM: Final = 1.0
_WARMUP: Final = 0.1


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a model is adapted.

    Attributes
    ----------
    n_epochs : int
        Passes over the table, at most.
    patience : int
        Epochs without a better rank correlation of held-out sentences after which training ends.
    batch_size : int
        Sentences of a step; all their pairs are compared.
    learning_rate, weight_decay : float
    ranking, likelihood : float
        Weights of the two parts of the loss; the second counts nats a token.
    best_share : float
        Share of the sentences, the best ones, whose cross-entropy counts.
    deadline : float, optional
        Time of ``time.monotonic`` after which no epoch begins and the epoch under way ends.
    seed : int
    """

    n_epochs: int = 12
    patience: int = 3
    batch_size: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    ranking: float = 1.0
    likelihood: float = 0.5
    best_share: float = 0.3
    deadline: float | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FitResult:
    """How an adaptation ended.

    Attributes
    ----------
    curve : tuple of float
        Rank correlation of log-likelihoods and measured values of the sentences aside, after each epoch.
    n_steps, n_tokens : int
    seconds : float
    """

    curve: tuple[float, ...]
    n_steps: int
    n_tokens: int
    seconds: float


def log_likelihoods(model: Any, ids: Sequence[Sequence[int]], pad_id: int) -> Floats:
    """Return the log-probability of each sentence after its first token, in nats."""
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    found = np.zeros(len(ids))
    model.eval()
    start = 0
    with torch.inference_mode():
        while start < len(order):
            end = start + 1
            while end < len(order) and (end - start + 1) * len(ids[order[end]]) <= _N_READ:
                end += 1
            rows = order[start:end]
            found[rows] = _sums(model, [ids[row] for row in rows], pad_id)[0].double().numpy()
            start = end
    return found


def _sums(model: Any, ids: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log-probability and number of predicted tokens of each sentence; padding follows and is never read."""
    lengths = torch.tensor([len(row) for row in ids])
    tokens = torch.full((len(ids), int(lengths.max())), pad_id)
    for place, row in enumerate(ids):
        tokens[place, : len(row)] = torch.tensor(row)
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1].float()
    labels = tokens[:, 1:]
    each = -functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
    counted = torch.arange(labels.shape[1])[None] < (lengths - 1)[:, None]
    return (each * counted).sum(1), lengths - 1


def _loss(
    sums: torch.Tensor, counts: torch.Tensor, values: torch.Tensor, is_best: torch.Tensor, options: FitOptions
) -> torch.Tensor:
    """Return the loss of a batch."""
    total = sums.new_zeros(())
    better = values[:, None] > values[None, :]
    if options.ranking and better.any():
        total = total + options.ranking * functional.softplus(sums[None, :] - sums[:, None])[better].mean()
    if options.likelihood and is_best.any():
        total = total - options.likelihood * (sums[is_best].sum() / counts[is_best].sum())
    return total


def fit(
    model: Any,
    ids: Sequence[Sequence[int]],
    values: Floats,
    trained: Sequence[int],
    aside: Sequence[int],
    pad_id: int,
    options: FitOptions,
    progress: Progress | None = None,
) -> FitResult:
    """Adapt a model in place, and leave it with the weights of its best epoch.

    Parameters
    ----------
    ids : sequence
        Token ids of the sentences.
    values : ndarray
        Their measured values, higher being better.
    trained, aside : sequence of int
        Sentences to train on, and others that decide when training ends and which epoch is kept.

    Raises
    ------
    LogosError
        If the loss is not a number.
    """
    began = time.monotonic()
    rows = np.array(trained)
    is_best = values >= np.quantile(values[rows], 1 - options.best_share)
    truth = values[list(aside)]

    def correlation() -> Estimate:
        return spearman(log_likelihoods(model, [ids[row] for row in aside], pad_id), truth)

    best, best_state, best_epoch = correlation(), None, 0
    curve: list[float] = []
    n_of_epoch = math.ceil(len(rows) / options.batch_size)
    n_all = options.n_epochs * n_of_epoch
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, n_all))
    random = np.random.default_rng(options.seed)
    n_steps = n_tokens = 0
    for epoch in range(options.n_epochs):
        model.train()
        for batch in np.array_split(random.permutation(rows), n_of_epoch):
            if options.deadline is not None and time.monotonic() > options.deadline:
                break
            sums, counts = _sums(model, [ids[row] for row in batch], pad_id)
            loss = _loss(sums, counts, torch.from_numpy(values[batch]), torch.from_numpy(is_best[batch]), options)
            if not torch.isfinite(loss):
                raise LogosError("the loss is not a number", hint="a smaller learning rate may help")
            if not loss.requires_grad:
                continue
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), _MAX_NORM)
            optimizer.step()
            schedule.step()
            n_steps, n_tokens = n_steps + 1, n_tokens + int(counts.sum())
        found = correlation()
        curve.append(float("nan") if found.value is None else found.value)
        if progress:
            progress(epoch + 1, options.n_epochs, curve[-1])
        if best.value is None or (found.value is not None and found.value > best.value):
            best, best_state, best_epoch = found, copy.deepcopy(model.state_dict()), epoch
        is_late = options.deadline is not None and time.monotonic() > options.deadline
        if is_late or epoch - best_epoch >= options.patience:
            break
    if best_state is not None:
        model.load_state_dict(best_state)
    model.eval()
    return FitResult(tuple(curve), n_steps, n_tokens, time.monotonic() - began)


def _rate(step: int, n_steps: int) -> float:
    """Return the factor of the learning rate: it rises, then falls to a tenth."""
    warmup = max(1, int(_WARMUP * n_steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, n_steps - warmup))))
