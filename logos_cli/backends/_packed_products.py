"""Matrix products with weights laid out anew for oneDNN, where that is faster than what PyTorch takes by itself.

For float32 PyTorch calls MKL, which on processors of other makers than its own leaves the wide vector units unused:
on an AMD EPYC with AVX-512 oneDNN is 2.3 times as fast. The operators are PyTorch's own, as its compiler calls them,
but not part of its promised interface: where they are missing or fail, the plain product serves.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.functional import linear

from logos_cli.backends._decoder import Decoder

_MOST_BYTES: Final = 1 << 30
"""Of weights: they are held twice."""


class Products:
    """``linear`` for the weights of one decoder, packed on first use."""

    def __init__(self, decoder: Decoder) -> None:
        small = decoder.n_parameters * decoder.dtype.itemsize <= _MOST_BYTES
        wanted = decoder.device.type == "cpu" and decoder.dtype == torch.float32 and small
        self._operators: Any = torch.ops.mkldnn if wanted and _works() else None
        self._packed: dict[int, Tensor] = {}

    def __call__(self, rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``rows @ weight.T + bias``."""
        if self._operators is None:
            return linear(rows, weight, bias)
        packed = self._packed.get(weight.data_ptr())
        if packed is None:
            packed = self._packed[weight.data_ptr()] = self._operators._reorder_linear_weight(weight)
        product: Tensor = self._operators._linear_pointwise(rows, packed, bias, "none", [], "")
        return product


def _works() -> bool:
    """Whether the operators exist here and do what they should."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    rows, weight = torch.arange(16.0).view(2, 8) / 16, torch.arange(32.0).view(4, 8) / 32
    try:
        operators: Any = torch.ops.mkldnn
        packed = operators._reorder_linear_weight(weight)
        found = operators._linear_pointwise(rows, packed, None, "none", [], "")
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.allclose(found, linear(rows, weight), atol=1e-5)
