"""Pack the sentences of each step, and distribute them over the processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from logos_cli.training.config import DataConfig, ScheduleConfig
from logos_cli.training.corpus.mixture import Mixture
from logos_cli.training.corpus.packing import Example, PackedRows, attention_pairs, plan_batches
from logos_cli.training.run.optimization import is_decaying


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a step that one process computes.

    Attributes
    ----------
    plans : tuple of PackedRows
        Its micro batches.
    n_targets, n_tokens, n_pairs : int
        Sizes of the whole step: tokens in the loss, all tokens, sum of squared lengths.
    weight : float
        Sum of the weights of the tokens in the loss.
    mixture : dict
        State of the mixture after the step.
    """

    plans: tuple[PackedRows, ...]
    n_targets: int
    n_tokens: int
    n_pairs: int
    mixture: dict[str, Any]
    weight: float


def deal(plans: Sequence[PackedRows], rank: int, size: int, *, even: bool) -> tuple[PackedRows, ...]:
    """Return the micro batches of one process: dealt to and fro, the most expensive first, so that loads are alike.

    ``even`` gives every process the same number, with empty ones: shards need all processes in each forward pass.
    """

    def cost(plan: PackedRows) -> tuple[int, int]:
        return len(plan.rows) * plan.width, plan.width

    mine = []
    for place, plan in enumerate(sorted(plans, key=cost, reverse=True)):
        turn, seat = divmod(place, size)
        if (seat if turn % 2 == 0 else size - 1 - seat) == rank:
            mine.append(plan)
    if even:
        empty = PackedRows(plans[0].width if plans else 16, ((),))
        mine += [empty] * (-(-len(plans) // size) - len(mine))
    return tuple(mine)


class Feed:
    """Prepares the steps in order; on a GPU it prepares the next one while this one is computed.

    Parameters
    ----------
    mixture : Mixture
    data, schedule : DataConfig, ScheduleConfig
    tiers : sequence of int
        Widths of rows.
    place : tuple of int
        Rank and number of processes.
    even : bool
        Give all processes the same number of micro batches.
    ahead : bool
        Prepare in a thread.
    """

    def __init__(
        self,
        mixture: Mixture,
        data: DataConfig,
        schedule: ScheduleConfig,
        tiers: Sequence[int],
        place: tuple[int, int],
        *,
        even: bool = False,
        ahead: bool = False,
    ) -> None:
        self.mixture = mixture
        self._data = data
        self._schedule = schedule
        self._tiers = tiers
        self._place = place
        self._even = even
        self._thread = ThreadPoolExecutor(1, "feed") if ahead else None
        self._next: tuple[int, Future[Share]] | None = None

    def weights(self, step: int) -> dict[str, float]:
        """Return the mixture of a step."""
        decay = self._data.decay_weights
        return decay if decay and is_decaying(self._schedule, step) else self._data.weights

    def get(self, step: int) -> Share:
        """Return this process's share of a step; call it for one step after the other."""
        if self._thread is None:
            return self._prepare(step)
        is_ready = self._next is not None and self._next[0] == step
        share = self._next[1].result() if self._next is not None and is_ready else self._prepare(step)
        self._next = (step + 1, self._thread.submit(self._prepare, step + 1))
        return share

    def _prepare(self, step: int) -> Share:
        examples: list[Example] = self.mixture.draw(step, self._data.n_step_tokens, self.weights(step))
        plans = plan_batches(examples, self._data.n_micro_tokens, self._tiers)
        return Share(
            deal(plans, *self._place, even=self._even),
            sum(example.n_targets for example in examples),
            sum(len(example.tokens) for example in examples),
            attention_pairs(examples),
            self.mixture.state(),
            sum(example.weight for example in examples),
        )

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
