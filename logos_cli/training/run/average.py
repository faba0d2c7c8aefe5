"""The moving average of the weights: it acts like a decay of the learning rate, while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Average:
    """Exponentially decaying mean of the trained parameters over the steps.

    Parameters
    ----------
    module : torch.nn.Module
    share : float
        Share of the past that a step keeps. The first steps keep less, ``n / (n + 10)`` after n of them, to forget the
        random start.
    """

    def __init__(self, module: torch.nn.Module, share: float) -> None:
        self.share = share
        self.n_steps = 0
        self._parts = {name: part for name, part in module.named_parameters() if part.requires_grad}
        self.tensors = {name: part.detach().clone() for name, part in self._parts.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after one more step."""
        self.n_steps += 1
        kept = min(self.share, self.n_steps / (self.n_steps + 10))
        torch._foreach_lerp_(list(self.tensors.values()), list(self._parts.values()), 1 - kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the module the averaged weights within the context."""
        own = {name: part.detach().clone() for name, part in self._parts.items()}
        self._fill(self.tensors)
        try:
            yield
        finally:
            self._fill(own)

    @torch.no_grad()
    def _fill(self, tensors: dict[str, torch.Tensor]) -> None:
        for name, part in self._parts.items():
            part.copy_(tensors[name])
