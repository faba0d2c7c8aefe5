"""Muon: every matrix moves along its momentum, with equalised singular values.

It is ``torch.optim.Muon`` (K. Jordan, https://kellerjordan.github.io/posts/muon), with two differences for processors.
Matrix products are in bfloat16 only if there are instructions for it, else in float32: emulated, they take 27 seconds
per step for a model of 5 million parameters on AVX2, twenty times as long as float32. Matrices of one shape are
orthogonalised together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import torch

COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of the polynomial that moves singular values between 0.001 and 1 to about 1 in five rounds."""

N_ROUNDS: Final = 5
_EPSILON: Final = 1e-7
_TOGETHER: Final = 1 << 20
"""Numbers that are orthogonalised at once: more would not fit the processor's cache."""


def product_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of a device's matrix products in the orthogonalisation."""
    if device.type != "cpu":
        return torch.bfloat16
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    is_supported = any(getattr(torch.cpu, name, bool)() for name in names)
    return torch.bfloat16 if is_supported else torch.float32


def orthogonalized(matrices: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a stack of matrices with singular values of about one (0.7 to 1.2).

    Parameters
    ----------
    matrices : Tensor, shape (n, n_rows, n_columns)
    dtype : torch.dtype
        Type of the products.
    """
    a, b, c = COEFFICIENTS
    stack = matrices.to(dtype)
    is_tall = stack.shape[1] > stack.shape[2]
    if is_tall:
        stack = stack.mT
    stack = stack / stack.norm(dim=(1, 2), keepdim=True).clamp(min=_EPSILON)
    for _ in range(N_ROUNDS):
        gram = stack @ stack.mT
        gram = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        stack = torch.baddbmm(stack, gram, stack, beta=a)
    return stack.mT if is_tall else stack


class Muon(torch.optim.Optimizer):
    """An optimizer with orthogonalised momentum.

    Parameters
    ----------
    matrices : iterable of Parameter
        Parameters of two dimensions.
    lr : float
        Learning rate of a square matrix; that of a tall one is larger by the root of its proportions.
    weight_decay : float
        A step shrinks a matrix by this times ``lr``.
    momentum : float
        Momentum with Nesterov's look-ahead.
    """

    def __init__(
        self, matrices: Iterable[torch.nn.Parameter], lr: float, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:  # fmt: skip
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every matrix with a gradient; return the result of ``closure``, which computes the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parts in _alike(part for part in group["params"] if part.grad is not None):
                updates = torch.stack([self._momentum(part, group["momentum"]) for part in parts])
                moves = orthogonalized(updates, product_dtype(updates.device))
                n_rows, n_columns = parts[0].shape
                rate = group["lr"] * math.sqrt(max(1.0, n_rows / n_columns))
                for part, move in zip(parts, moves, strict=True):
                    part.mul_(1 - group["lr"] * group["weight_decay"])
                    part.add_(move.to(part.dtype), alpha=-rate)
        return loss

    def _momentum(self, part: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        """Add the gradient to the mean of the past ones, and return the mixture of both."""
        gradient = torch.zeros_like(part) if part.grad is None else part.grad
        state = self.state[part]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        buffer: torch.Tensor = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - momentum)
        return gradient.lerp(buffer, momentum)


def _alike(parts: Iterable[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    """Yield groups of matrices with one shape, device and dtype, small enough to be orthogonalised at once."""
    kinds: dict[tuple[torch.Size, torch.device, torch.dtype], list[torch.nn.Parameter]] = defaultdict(list)
    for part in parts:
        kinds[part.shape, part.device, part.dtype].append(part)
    for same in kinds.values():
        count = max(1, _TOGETHER // same[0].numel())
        for start in range(0, len(same), count):
            yield same[start : start + count]
