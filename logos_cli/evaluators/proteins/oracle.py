"""Fitness of designed variants, predicted by a regression on measured variants.

The published oracles of GFP and AAV are convolutional networks whose weights are not used here: a report must name
this oracle beside its figures. It adds up an effect for each residue at each position, and corrects the sum by a network with
two hidden layers on the same residues. Both are trained together, from one seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.proteins.tables import check_fitness
from logos_cli.evaluators.statistics import spearman

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]

_LETTERS: Final = "ACDEFGHIKLMNPQRSTVWY"
_N_LETTERS: Final = len(_LETTERS) + 1  # and one column for all others
_N_AT_ONCE: Final = 8192


@dataclass(frozen=True, slots=True)
class OracleOptions:
    """Options of the training of an oracle."""

    n_hidden: int = 32
    n_epochs: int = 6
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    dropout: float = 0.1
    held_out: float = 0.1
    seed: int = 0


@dataclass(slots=True)
class FitnessOracle:
    """A trained oracle; :func:`train_oracle` returns one.

    Attributes
    ----------
    length : int
        Number of residues of every sequence.
    held_out : Estimate
        Spearman correlation of predicted and measured values of held-out variants.
    """

    length: int
    held_out: Estimate
    _network: _Network = field(repr=False)
    _mean: float = 0.0
    _deviation: float = 1.0

    def __call__(self, sequences: Sequence[str]) -> list[float]:
        """Return the fitness of each sequence, in the unit of the table.

        Raises
        ------
        InputError
            If a sequence differs in length from those of the table.
        """
        scaled = _predict(self._network, tokens(sequences, self.length))
        values: list[float] = (scaled * self._deviation + self._mean).tolist()
        return values


def tokens(sequences: Sequence[str], length: int) -> NDArray[np.int64]:
    """Return the column of each residue in a one-hot row, shape (n, length).

    Raises
    ------
    InputError
        If a sequence has another length.
    """
    for number, sequence in enumerate(sequences, 1):
        if len(sequence) != length:
            raise InputError(
                f"sequence {number} has {len(sequence):,} residues, the sequences of the oracle's table have {length:,}",
                hint="the oracle supports substitutions only, no insertions or deletions",
            )
    known = np.full(256, _N_LETTERS - 1, dtype=np.int64)
    known[np.frombuffer(_LETTERS.encode(), np.uint8)] = np.arange(len(_LETTERS))
    letters = np.frombuffer("".join(sequences).encode("ascii", "replace"), np.uint8)
    return known[letters].reshape(len(sequences), length) + _N_LETTERS * np.arange(length)


def train_oracle(
    sequences: Sequence[str], fitness: Sequence[float] | Floats, options: OracleOptions | None = None
) -> FitnessOracle:
    """Train an oracle on measured variants of one length.

    Raises
    ------
    InputError
        If a fitness is not finite, all values are equal, or the sequences differ in length.
    """
    options = options or OracleOptions()
    measured = check_fitness(fitness)
    if len(sequences) != len(measured):
        raise InputError(f"there are {len(sequences):,} sequences and {len(measured):,} measured values")
    rows = tokens(sequences, len(sequences[0]))
    order = np.random.default_rng(options.seed).permutation(len(rows))
    n_held_out = int(len(rows) * options.held_out)
    aside, trained = order[:n_held_out], order[n_held_out:]
    mean, deviation = float(measured[trained].mean()), float(measured[trained].std())
    if deviation == 0.0:
        raise InputError("all measured values are equal: there is nothing to learn")
    network = _train(rows[trained], (measured[trained] - mean) / deviation, options)
    held_out = spearman(_predict(network, rows[aside]), measured[aside])
    return FitnessOracle(len(sequences[0]), held_out, network, mean, deviation)


class _Network:
    """The sum of single effects and a network that corrects it."""

    def __init__(self, n_columns: int, options: OracleOptions) -> None:
        import torch
        from torch import nn

        n = options.n_hidden
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.effects = nn.EmbeddingBag(n_columns, 1, mode="sum")
            self.hidden = nn.EmbeddingBag(n_columns, n, mode="sum")
            nn.init.zeros_(self.effects.weight)
            nn.init.normal_(self.hidden.weight, std=0.01)
            self.correction = nn.Sequential(
                nn.ReLU(), nn.Dropout(options.dropout), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 1)
            )

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a value for each row of columns."""
        summed: torch.Tensor = self.effects(rows) + self.correction(self.hidden(rows))
        return summed[:, 0]

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """Parameters to train."""
        modules = (self.effects, self.hidden, self.correction)
        return [parameter for module in modules for parameter in module.parameters()]


def _train(rows: NDArray[np.int64], targets: Floats, options: OracleOptions) -> _Network:
    import torch

    columns, values = torch.from_numpy(rows), torch.from_numpy(targets).float()
    network = _Network(_N_LETTERS * rows.shape[1], options)
    n_steps = options.n_epochs * -(-len(rows) // options.batch_size)
    optimizer = torch.optim.AdamW(network.parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=n_steps)
    shuffle = torch.Generator().manual_seed(options.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)  # seeds dropout
        network.correction.train()
        for _ in range(options.n_epochs):
            order = torch.randperm(len(rows), generator=shuffle)
            for start in range(0, len(rows), options.batch_size):
                batch = order[start : start + options.batch_size]
                loss = (network(columns[batch]) - values[batch]).square().mean()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
    network.correction.eval()
    return network


def _predict(network: _Network, rows: NDArray[np.int64]) -> Floats:
    import torch

    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(rows[start : start + _N_AT_ONCE])).double().numpy()
            for start in range(0, len(rows), _N_AT_ONCE)
        ]
    return np.concatenate([np.empty(0), *parts])
