"""Steps of a decoder recorded as CUDA graphs.

A step of a small batch consists of hundreds of small operations, and Python needs more time to start each than the
GPU to run it. A graph starts them all at once. Its shape and memory are fixed: there is one for each number of rows
and of attended positions, both rounded up to powers of two, so that there are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logos_cli.backends.torch.decoder import KEYS, Decoder

_WARM_UP = 2
"""Runs before the recording, in which libraries allocate workspaces and choose kernels."""


def round_up_to_power(number: int, unit: int) -> int:
    """Return the smallest ``unit`` times a power of two that is at least ``number``."""
    rounded = unit
    while rounded < number:
        rounded *= 2
    return rounded


@dataclass(slots=True)
class _RecordedStep:
    """A graph with its input and output tensors."""

    graph: torch.cuda.CUDAGraph
    inputs: Tensor
    logits: Tensor


class StepGraphs:
    """Runs the steps of a decoder on one CUDA device.

    Call :meth:`forget` whenever the cache moves (:meth:`.Decoder.reserve`).
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._recorded: dict[tuple[int, int], _RecordedStep] = {}

    def __len__(self) -> int:
        return len(self._recorded)

    def forget(self) -> None:
        """Drop all graphs, because the cache that they read has moved."""
        self._recorded = {}

    def step(self, tokens: Sequence[int], positions: Sequence[int], n_used: int | None = None) -> Tensor:  # noqa: ARG002 - as the decoder's
        """Run one token in each of the first rows; the next step overwrites the logits."""
        n_rows = len(tokens)
        n_keys = min(round_up_to_power(max(positions) + 1, KEYS), self._decoder.n_positions)
        values = torch.tensor([list(tokens), list(positions)]).pin_memory()
        recorded = self._recorded.get((n_rows, n_keys))
        if recorded is None:
            recorded = self._recorded[n_rows, n_keys] = self._record(values, n_keys)
        recorded.inputs.copy_(values, non_blocking=True)
        recorded.graph.replay()
        return recorded.logits

    def _record(self, values: Tensor, n_keys: int) -> _RecordedStep:
        """Record a step with the values of the next step, which may run several times."""
        decoder = self._decoder
        blocks = [(0, values.shape[1], n_keys)]
        with torch.cuda.device(decoder.device):
            inputs = values.to(decoder.device)
            side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side_stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side_stream):
                for _ in range(_WARM_UP):
                    decoder.step_tensors(inputs[0], inputs[1], blocks)
            torch.cuda.current_stream().wait_stream(side_stream)
            graph = torch.cuda.CUDAGraph()
            pool = next((step.graph.pool() for step in self._recorded.values()), None)
            with torch.cuda.graph(graph, pool=pool):
                logits = decoder.step_tensors(inputs[0], inputs[1], blocks)
        return _RecordedStep(graph, inputs, logits)
