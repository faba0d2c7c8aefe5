"""Steps of a decoder recorded as CUDA graphs.

A step of a small batch is hundreds of small operations, and starting each from Python takes longer than
running it. A graph starts them all at once. It is fixed in shape and in the memory that it reads: one is
recorded for each number of rows and of positions attended to, both of which come in powers of two so that
there are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logos_cli.backends.torch.decoder import KEYS, Decoder

_WARM_UP = 2
"""Runs before the recording, in which libraries allocate their workspaces and choose their kernels."""


def round_up_to_power(number: int, unit: int) -> int:
    """Return the smallest ``unit`` times a power of two that is at least ``number``."""
    rounded = unit
    while rounded < number:
        rounded *= 2
    return rounded


@dataclass(slots=True)
class _Recorded:
    """A graph, and the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Tensor
    logits: Tensor


class StepGraphs:
    """Runs the steps of a decoder that lies on one CUDA device.

    Whatever moves the cache (:meth:`.Decoder.reserve`) must be followed by :meth:`forget`.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._recorded: dict[tuple[int, int], _Recorded] = {}

    def __len__(self) -> int:
        return len(self._recorded)

    def forget(self) -> None:
        """Drop all graphs: the cache that they read is gone."""
        self._recorded = {}

    def step(self, tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Run one token in each of the first rows; the logits are overwritten by the next step."""
        n_rows = len(tokens)
        n_keys = min(round_up_to_power(max(positions) + 1, KEYS), self._decoder.n_positions)
        values = torch.tensor([list(tokens), list(positions)]).pin_memory()
        recorded = self._recorded.get((n_rows, n_keys))
        if recorded is None:
            recorded = self._recorded[n_rows, n_keys] = self._record(values, n_keys)
        recorded.inputs.copy_(values, non_blocking=True)
        recorded.graph.replay()
        return recorded.logits

    def _record(self, values: Tensor, n_keys: int) -> _Recorded:
        """Record a step, with the values of the step that is due: running it twice changes nothing."""
        decoder = self._decoder
        blocks = [(0, values.shape[1], n_keys)]
        with torch.cuda.device(decoder.device):
            inputs = values.to(decoder.device)
            beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(_WARM_UP):
                    decoder.step_tensors(inputs[0], inputs[1], blocks)
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            pool = next((each.graph.pool() for each in self._recorded.values()), None)
            with torch.cuda.graph(graph, pool=pool):
                logits = decoder.step_tensors(inputs[0], inputs[1], blocks)
        return _Recorded(graph, inputs, logits)
