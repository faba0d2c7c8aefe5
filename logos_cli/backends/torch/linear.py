"""Products with weights, in a layout for each device.

On a CPU, loading reorders the weights for oneDNN. PyTorch's default reads them in their own layout: for float32 with
MKL, which does not use the wide vector units of other makers' processors. On an AMD EPYC with AVX-512 the packed
weights are 2.3 times as fast in float32 for many rows and up to five times for one, and 1.2 to 4 times in bfloat16.
A row of the product is then the same to the last bit for every number of rows and of threads.

Weights stored in half precision stay so where FBGEMM is part of PyTorch (x86): its products read half the memory.

A processor without instructions for bfloat16 emulates them slowly, with sums whose order depends on the number of rows.
There the weights stay in half precision, and the products are computed in float32; so are those of weights in eight bits.

The operators are those that PyTorch's compiler calls, but not part of its public interface: where they are missing or
fail, the plain product replaces them. A measurement shows whether rows keep their bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear, pad, silu

from logos_cli.backends.device import computes

ROWS_OF_HALF: Final = 3
"""A product in half precision has a multiple of this many rows."""

_SERIAL: Final = 1 << 15
"""Elements up to which PyTorch computes an operation of single elements in one thread."""

_PIECE: Final = 1 << 18
"""Weights that are widened at a time: 1 MB in float32, which stays in the cache of a core until its use."""

_TRIED_SHAPES: Final = ((130, 2051), (70, 2051))
"""Shapes of weight and rows in the test: a width that vectors do not divide, and more than one piece."""

_TRIED_ROWS: Final = (1, 2, 5, 7, 17, 33, 64)
_TRIED_THREADS: Final = (1, 3)


class Linear(Protocol):
    """Weights that turn rows (N, in) into rows (N, out)."""

    n_parameters: int

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product of rows and weights."""


class Plain:
    """A weight, shape (out, in), and an optional bias, in their own layout."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.n_parameters = _size(weight, bias)
        self._weight, self._bias = weight, bias

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        return linear(rows, self._weight, self._bias)


class Packed:
    """A weight, shape (out, in), in the fastest layout of oneDNN, and an optional bias."""

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
    """The first two matrices of a feed-forward layer, ``silu(gate @ x) * (up @ x)``, in one product."""

    def __init__(self, stacked: Linear) -> None:
        self.n_parameters = stacked.n_parameters
        self._stacked = stacked

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        gate, up = self._stacked(rows).chunk(2, dim=-1)
        return silu(gate) * up


class PackedGated:
    """The same in two products, each fused with the operation that follows it.

    It takes as long. But PyTorch's own ``silu`` distributes rows over threads in pieces whose ends it computes by
    other code than the rest: with three threads or more, the bits of a row would depend on the number of rows.
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


class Half:
    """A weight, shape (out, in), in half precision and FBGEMM's layout, and an optional bias; products are in float32.

    Half the memory is read of float32, and nothing is widened in memory: for a few rows a product takes a third to a
    fifth of the time of oneDNN's without AVX-512. FBGEMM computes one or two rows by other code than more; a number of
    rows that is a multiple of three has none of these at its end.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.n_parameters = _size(weight, bias)
        operators: Any = torch.ops.quantized
        self._product = operators.linear_dynamic_fp16.default
        self._weight = operators.linear_prepack_fp16(weight.float(), None if bias is None else bias.float())

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        n = len(rows)
        if n % ROWS_OF_HALF == 0:
            product: Tensor = self._product(rows, self._weight)
            return product
        padded = pad(rows, (0, 0, 0, -n % ROWS_OF_HALF))
        product = self._product(padded, self._weight)
        return product[:n]


class HalfGated:
    """The first two matrices of a feed-forward layer in half precision, ``silu(gate @ x) * (up @ x)``."""

    def __init__(self, gate: Tensor, up: Tensor) -> None:
        self.n_parameters = _size(gate, up)
        self._stacked = Half(torch.cat((gate, up)))
        # PyTorch distributes larger pieces over threads, with ends that it computes by other code
        self._rows = max(1, _SERIAL // gate.shape[0])

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        gate, up = self._stacked(rows).chunk(2, dim=-1)
        if len(rows) <= self._rows:
            return silu(gate).mul_(up)
        pieces = zip(torch.split(gate, self._rows), torch.split(up, self._rows), strict=True)
        return torch.cat([silu(first).mul_(second) for first, second in pieces])


class Widened:
    """A weight, shape (out, in), in a narrower type, and an optional bias in float32; the products are in float32.

    The weight is widened a piece at a time, so that it needs only the memory of the narrower type.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.n_parameters = _size(weight, bias)
        operators: Any = torch.ops.mkldnn
        self._product = operators._linear_pointwise.default
        self._pieces = _split(weight)
        self._biases = [None] * len(self._pieces) if bias is None else torch.split(bias, len(self._pieces[0]))

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        pair = _at_least_two(rows)
        pieces = zip(self._pieces, self._biases, strict=True)
        products = [self._product(pair, piece.float(), bias, "none", [], "") for piece, bias in pieces]
        return torch.cat(products, dim=1)[: len(rows)]


class WidenedGated:
    """The first two matrices of a feed-forward layer in half precision; the products are in float32."""

    def __init__(self, gate: Tensor, up: Tensor) -> None:
        self.n_parameters = _size(gate, up)
        operators: Any = torch.ops.mkldnn
        self._first, self._second = operators._linear_pointwise.default, operators._linear_pointwise.binary
        self._pieces = list(zip(_split(gate), _split(up), strict=True))

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        pair, products = _at_least_two(rows), []
        for gate, up in self._pieces:
            gated = self._first(pair, gate.float(), None, "swish", [], "")
            products.append(self._second(pair, gated, up.float(), None, "mul"))
        return torch.cat(products, dim=1)[: len(rows)]


def _split(weight: Tensor) -> tuple[Tensor, ...]:
    return torch.split(weight, max(_PIECE // weight.shape[1], 1))


def _at_least_two(rows: Tensor) -> Tensor:
    """Return one row twice: oneDNN computes a single row by other code, whose sums have another order."""
    return rows.expand(2, -1).contiguous() if len(rows) == 1 else rows


class Layout(NamedTuple):
    """The layout of weights of one type on a CPU.

    Attributes
    ----------
    linear, gated : type
        Classes of one matrix, and of the first two of a feed-forward layer.
    computed : torch.dtype
        Type of rows and products.
    exact : bool
        Whether the product of a row has the same bits for all numbers of rows and of threads.
    """

    linear: Callable[[Tensor, Tensor | None], Linear]
    gated: Callable[[Tensor, Tensor], Linear]
    computed: torch.dtype
    exact: bool = False

    def is_correct(self, dtype: torch.dtype) -> bool:
        """Whether the operators exist and are correct for weights of a type."""
        rows, weight, bias = (torch.arange(size, dtype=self.computed) for size in (16, 32, 4))
        rows, weight = rows.view(2, 8) / 16, weight.view(4, 8) - 16  # whole numbers, which every type holds
        stored = weight.to(dtype)
        try:
            pairs = (
                (self.linear(stored, bias)(rows), linear(rows, weight, bias)),
                (self.gated(stored, -stored)(rows), _plain_gated(weight, -weight)(rows)),
            )
        except (AttributeError, RuntimeError, TypeError):
            return False
        most = 10 * torch.finfo(self.computed).eps
        return all(torch.allclose(product, plain, rtol=most, atol=most) for product, plain in pairs)

    def keeps_bits(self, dtype: torch.dtype) -> bool:
        """Whether the product of a row has the same bits for some numbers of rows and of threads."""
        generator = torch.Generator().manual_seed(0)
        weight, rows = (torch.randn(shape, generator=generator) for shape in _TRIED_SHAPES)
        weight, rows = weight.to(dtype), rows.to(self.computed)
        before = torch.get_num_threads()
        try:
            return all(
                _same_bits(product, rows, threads)
                for product in (self.linear(weight, None), self.gated(weight, weight.flip(0)))
                for threads in _TRIED_THREADS
            )
        finally:
            torch.set_num_threads(before)


def _same_bits(product: Linear, rows: Tensor, threads: int) -> bool:
    """Whether products of the first rows alone equal those of one thread for all rows."""
    torch.set_num_threads(1)
    whole = product(rows)
    torch.set_num_threads(threads)
    return all(torch.equal(product(rows[:n].contiguous()), whole[:n]) for n in _TRIED_ROWS)


def _plain_gated(gate: Tensor, up: Tensor) -> Linear:
    return PlainGated(Plain(torch.cat((gate, up))))


@cache
def layout(dtype: torch.dtype) -> Layout:
    """Return the layout of weights of a type on this CPU: a correct one, which keeps bits if possible."""
    narrow = dtype.itemsize < torch.float32.itemsize
    layouts = [Layout(Packed, PackedGated, dtype)] if computes(dtype) else []
    layouts += [Layout(Half, HalfGated, torch.float32)] if dtype is torch.float16 else []
    layouts += [Layout(Widened, WidenedGated, torch.float32)] if narrow else []
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        layouts = [each for each in layouts if each.linear is Half]
    with torch.inference_mode():
        correct = [candidate for candidate in layouts if candidate.is_correct(dtype)]
        for candidate in correct:
            if candidate.keeps_bits(dtype):
                return candidate._replace(exact=True)
    return correct[0] if correct else Layout(Plain, _plain_gated, dtype)


def computed_in(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the type of rows, products and cache for weights of a type."""
    return layout(dtype).computed if device.type == "cpu" else dtype


def make_gated(gate: Tensor, up: Tensor) -> Linear:
    """Return the first two matrices of a feed-forward layer in the layout for their device and type."""
    return layout(gate.dtype).gated(gate, up) if gate.device.type == "cpu" else _plain_gated(gate, up)


def make_linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
    """Return a weight in the layout for its device and type."""
    return layout(weight.dtype).linear(weight, bias) if weight.device.type == "cpu" else Plain(weight, bias)


def rms_norm(rows: Tensor, width: Sequence[int], weight: Tensor | None, eps: float) -> Tensor:
    """Return rows over their root mean square, times a weight.

    PyTorch's own takes eight operations on a CPU, where for a few rows each costs more than its arithmetic; this takes
    five, two of them on one number a row.
    """
    if rows.device.type != "cpu" or rows.dtype is not torch.float32 or weight is None:
        return torch.rms_norm(rows, width, weight, eps)
    root = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).mul_(width[-1] ** -0.5)
    return rows.div(root.hypot_(root.new_full((), eps**0.5))).mul_(weight)


def _size(*tensors: Tensor | None) -> int:
    return sum(tensor.numel() for tensor in tensors if tensor is not None)
