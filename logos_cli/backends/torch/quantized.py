"""Weights in eight and four bits, for models that are too large for a GPU; sums are in the type of the model.

``int8`` rounds each row of a matrix to 255 steps of its largest weight. ``nf4`` is the four-bit type of QLoRA
(Dettmers et al., 2023), sixteen quantiles of a normal distribution for blocks of 64 weights, by ``bitsandbytes``.
Only the matrices of the layers are quantized: embedding, head and norms are small, and lose most.
"""

from __future__ import annotations

import importlib
import logging
import sys
from types import ModuleType
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import linear

from logos_cli.backends.torch.linear import Linear, computed_in, make_linear
from logos_cli.errors import MissingError, UsageError

BYTES: Final = {"int8": 1.0, "nf4": 0.5 + 4 / 64}
"""Bytes of a weight by type, including the factor of each block of ``nf4``."""

_BLOCK: Final = 64
INSTALL: Final = "pip install 'logos-cli[bnb]'"


def quantize(kind: str, weight: Tensor, bias: Tensor | None = None) -> Linear:
    """Return a weight, shape (out, in), in fewer bits, on its device.

    Raises
    ------
    MissingError
        If ``nf4`` needs ``bitsandbytes``, which is not installed.
    UsageError
        If the device does not support the type.
    """
    return Int8(weight, bias) if kind == "int8" else Nf4(weight, bias)


class Int8:
    """Eight bits for each weight, and a factor for each row."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.n_parameters = weight.numel() + (0 if bias is None else bias.numel())
        wide = weight.float()
        factors = wide.abs().amax(dim=1, keepdim=True).clamp_(min=1e-30) / 127
        self._weight = (wide / factors).round_().to(torch.int8)
        self._factors = factors[:, 0].to(weight.dtype)
        self._bias = bias
        # PyTorch's own product of eight bits is slower on a CPU: sixty times for 64 rows without AVX-512
        widens = computed_in(torch.int8, weight.device).is_floating_point
        self._product = make_linear(self._weight) if widens else None

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        if self._product is not None:
            product = self._product(rows.float()).to(rows.dtype)
        else:
            product = linear(rows, self._weight.to(rows.dtype))
        product = product * self._factors
        return product if self._bias is None else product + self._bias


class Nf4:
    """Four bits for each weight, and a factor for each block."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        if weight.device.type not in ("cpu", "cuda"):
            raise UsageError(
                f"--dtype nf4 needs a CPU or a CUDA device, not {weight.device.type}",
                hint="use --dtype int8, or a quantized GGUF (logos models quantize)",
            )
        self.n_parameters = weight.numel() + (0 if bias is None else bias.numel())
        self._library = _bitsandbytes()
        self._weight, self._state = self._library.functional.quantize_4bit(
            weight.contiguous(), blocksize=_BLOCK, quant_type="nf4"
        )
        self._bias = bias

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the product."""
        if rows.device.type == "cuda":
            product: Tensor = self._library.matmul_4bit(
                rows, self._weight.t(), quant_state=self._state, bias=self._bias
            )
            return product
        weight = self._library.functional.dequantize_4bit(self._weight, self._state)
        return linear(rows, weight, self._bias)


def _bitsandbytes() -> ModuleType:
    """Import the library.

    It looks for a package ``kernels``, with which it would fetch code from the hub; the import hides that package.
    """
    if (module := sys.modules.get("bitsandbytes")) is not None:
        return module
    logger = logging.getLogger("bitsandbytes")
    hidden, level = sys.modules.get("kernels"), logger.level
    sys.modules["kernels"] = None  # type: ignore[assignment]
    logger.setLevel(logging.ERROR)
    try:
        return importlib.import_module("bitsandbytes")
    except ImportError as error:
        raise MissingError("--dtype nf4 needs bitsandbytes, which is not installed", hint=INSTALL) from error
    finally:
        logger.setLevel(level)
        if hidden is None:
            del sys.modules["kernels"]
        else:
            sys.modules["kernels"] = hidden
