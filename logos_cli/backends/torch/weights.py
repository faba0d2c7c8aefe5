"""Weights of a checkpoint directory for PyTorch, each on its device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.errors import ModelError

if TYPE_CHECKING:
    import torch


def read_tensors(
    files: Iterable[Path], dtype: torch.dtype, place: Callable[[str], torch.device]
) -> dict[str, torch.Tensor]:
    """Return the weights by name in one type, each on the device that ``place`` names.

    Raises
    ------
    ModelError
        If a file is damaged, or a weight is not a floating-point number.
    """
    from safetensors import SafetensorError, safe_open

    tensors = {}
    for file in files:
        try:
            with safe_open(file, framework="pt", device="cpu") as weights:
                names: list[str] = weights.keys()
                for name in names:
                    tensor = weights.get_tensor(name)
                    if not tensor.is_floating_point():
                        raise ModelError(
                            f"the tensor {name} has the type {tensor.dtype}, not floating point",
                            hint="use the unquantized checkpoint, or a quantized GGUF of it",
                            source=str(file),
                        )
                    tensor = tensor.to(place(name), dtype)
                    # the rounding of products depends on alignment: copy tensors that the file does not align
                    unaligned = tensor.device.type == "cpu" and tensor.data_ptr() % 64
                    tensors[name] = tensor.clone() if unaligned else tensor
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{file.name} is damaged: {error}", hint="download the model again") from error
    return tensors
