"""Weights as the products that are made with them: a layout for each device, and one way to ask.

On a CPU the weights are laid out anew for oneDNN, once, when they are loaded. What PyTorch takes by itself reads them
as they lie: for float32 that is MKL, which on processors of other makers than its own leaves the wide vector units
unused. On an AMD EPYC with AVX-512 the packed weights are 2.3 times as fast in float32 for many rows and up to five
times for one, 1.2 to 4 times in bfloat16, and a row comes out the same to the last bit whatever the numbers of rows
and of threads.

The operators are PyTorch's own, as its compiler calls them, but not part of its promised interface: where they are
missing or fail, the plain product serves.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear, silu


class Linear(Protocol):
    """Weights by which rows (N, in) become rows (N, out)."""

    n_parameters: int

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product of rows and weights."""


class Plain:
    """A weight, shape (out, in), and perhaps a bias, as they are."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.n_parameters = _size(weight, bias)
        self._weight, self._bias = weight, bias

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        return linear(rows, self._weight, self._bias)


class Packed:
    """A weight, shape (out, in), in the layout that oneDNN reads fastest, and perhaps a bias."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.n_parameters = _size(weight, bias)
        operators: Any = torch.ops.mkldnn
        self._product = operators._linear_pointwise.default
        self._weight: Tensor = operators._reorder_linear_weight(weight)
        self._bias = bias

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        product: Tensor = self._product(rows, self._weight, self._bias, "none", [], "")
        return product


class PlainGated:
    """The two matrices in which a feed-forward layer begins, ``silu(gate @ x) * (up @ x)``, in one product."""

    def __init__(self, stacked: Linear) -> None:
        self.n_parameters = stacked.n_parameters
        self._stacked = stacked

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        gate, up = self._stacked(rows).chunk(2, dim=-1)
        return silu(gate) * up


class PackedGated:
    """The same in two products, each of which ends in what follows it.

    It takes as long. But PyTorch's own ``silu`` shares rows out among threads in pieces whose ends it computes by
    other code than the rest: with three threads and more, a row's bits would depend on how many rows there are.
    """

    def __init__(self, gate: Tensor, up: Tensor) -> None:
        self.n_parameters = _size(gate, up)
        operators: Any = torch.ops.mkldnn
        self._first, self._second = operators._linear_pointwise.default, operators._linear_pointwise.binary
        self._gate: Tensor = operators._reorder_linear_weight(gate)
        self._up: Tensor = operators._reorder_linear_weight(up)

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        gated = self._first(rows, self._gate, None, "swish", [], "")
        product: Tensor = self._second(rows, gated, self._up, None, "mul")
        return product


def make_gated(gate: Tensor, up: Tensor) -> Linear:
    """Return the first two matrices of a feed-forward layer in the layout for their device and type."""
    if gate.device.type == "cpu" and packing_works(gate.dtype):
        return PackedGated(gate, up)
    return PlainGated(Plain(torch.cat((gate, up))))


def make_linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
    """Return a weight in the layout for its device and type."""
    if weight.device.type == "cpu" and packing_works(weight.dtype):
        return Packed(weight, bias)
    return Plain(weight, bias)


@cache
def packing_works(dtype: torch.dtype) -> bool:
    """Whether the operators exist here and do what they should for a type."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    rows, weight, bias = (torch.arange(size, dtype=dtype) / size for size in (16, 32, 4))
    rows, weight = rows.view(2, 8), weight.view(4, 8)
    try:
        pairs = (
            (Packed(weight, bias)(rows), linear(rows, weight, bias)),
            (PackedGated(weight, -weight)(rows), PlainGated(Plain(torch.cat((weight, -weight))))(rows)),
        )
    except (AttributeError, RuntimeError, TypeError):
        return False
    most = 10 * torch.finfo(dtype).eps
    return all(torch.allclose(found, wanted, atol=most) for found, wanted in pairs)


def _size(*tensors: Tensor | None) -> int:
    return sum(tensor.numel() for tensor in tensors if tensor is not None)
