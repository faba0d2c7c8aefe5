"""The layers of a decoder from the tensors of a checkpoint: each tensor is used once, and all are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from logos_cli.backends.torch.linear import Linear, PlainGated, make_gated, make_linear
from logos_cli.checkpoints.config import DecoderConfig
from logos_cli.errors import ModelError


@dataclass(slots=True)
class Layer:
    """Weights of one layer; projections that read the same input are stacked."""

    qkv: Linear
    out: Linear
    gated: Linear
    """Gate, activation and up projection."""
    down: Linear
    norm_in: Tensor
    norm_mlp: Tensor
    norm_qk: Tensor | None
    """Shape (H + K, D), one row for each head."""


class Weights:
    """Tensors of a checkpoint by name; each can be taken once, so that it is not in memory twice.

    Vectors (norms, biases) are converted to the type of the computation, if it is given; matrices are not.
    """

    def __init__(self, tensors: dict[str, Tensor], computed: torch.dtype | None = None) -> None:
        self._tensors = tensors
        self._computed = computed

    def pop(self, name: str, *shape: int) -> Tensor:
        """Remove and return a tensor that must exist.

        Raises
        ------
        ModelError
            If it is missing or has another shape.
        """
        tensor = self.pop_optional(name, *shape)
        if tensor is None:
            raise ModelError(f"the weights lack the tensor {name}", hint="download the model again")
        return tensor

    def pop_optional(self, name: str, *shape: int) -> Tensor | None:
        """Remove and return a tensor if it exists."""
        tensor = self._tensors.pop(name, None)
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ModelError(f"the tensor {name} has the shape {tuple(tensor.shape)}; config.json asks for {shape}")
        return tensor.to(self._computed) if tensor is not None and tensor.dim() == 1 else tensor

    def stack(self, prefix: str, rows: Mapping[str, int], width: int) -> tuple[Tensor, Tensor | None]:
        """Return several projections of one input as one: weights, and biases if a projection has one (others: 0)."""
        weights = torch.cat([self.pop(f"{prefix}.{part}_proj.weight", n, width) for part, n in rows.items()])
        biases = {part: self.pop_optional(f"{prefix}.{part}_proj.bias", n) for part, n in rows.items()}
        if all(bias is None for bias in biases.values()):
            return weights, None
        filled = [
            weights.new_zeros(rows[part], dtype=self._computed) if bias is None else bias
            for part, bias in biases.items()
        ]
        return weights, torch.cat([bias.to(weights.device) for bias in filled])

    def refuse_rest(self, *, tied: bool) -> None:
        """Refuse unused tensors: the network would not be the trained one.

        Some files repeat the output of tied embeddings and the angular frequencies of older releases.

        Raises
        ------
        ModelError
            With the name of the first.
        """
        rest = [
            name
            for name in self._tensors
            if not name.endswith(".rotary_emb.inv_freq") and not (tied and name == "lm_head.weight")
        ]
        if rest:
            more = f" and {len(rest) - 1} more" if rest[1:] else ""
            raise ModelError(
                f"the weights have tensors that config.json does not describe: {rest[0]}{more}",
                hint="supported are Llama and Qwen3 without biases in the feed-forward layers",
            )


def make_layer(
    weights: Weights, index: int, config: DecoderConfig, device: torch.device, quantization: str | None
) -> Layer:
    """Return one layer with its weights.

    Parameters
    ----------
    index : int
        Index of the layer, from 0.
    device : torch.device
        Device of the layer.
    quantization : str or None
        Type of its matrices, see :mod:`.quantized`.

    Raises
    ------
    ModelError
        If a tensor is missing or has another shape.
    """

    def linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
        if quantization is None:
            return make_linear(weight, bias)
        from logos_cli.backends.torch.quantized import quantize

        return quantize(quantization, weight.to(device), None if bias is None else bias.to(device))

    def gated(gate: Tensor, up: Tensor) -> Linear:
        return make_gated(gate, up) if quantization is None else PlainGated(linear(torch.cat((gate, up))))

    name = f"model.layers.{index}"
    attention, mlp = f"{name}.self_attn", f"{name}.mlp"
    width, size, inner = config.hidden_size, config.intermediate_size, config.n_heads * config.head_dim
    kv_rows = config.n_kv_heads * config.head_dim
    norm_qk = None
    if config.qk_norm:
        norm_q = weights.pop(f"{attention}.q_norm.weight", config.head_dim)
        norm_k = weights.pop(f"{attention}.k_norm.weight", config.head_dim)
        norm_qk = torch.cat((norm_q.expand(config.n_heads, -1), norm_k.expand(config.n_kv_heads, -1)))
    return Layer(
        qkv=linear(*weights.stack(attention, {"q": inner, "k": kv_rows, "v": kv_rows}, width)),
        out=linear(*weights.stack(attention, {"o": width}, inner)),
        gated=gated(
            weights.pop(f"{mlp}.gate_proj.weight", size, width), weights.pop(f"{mlp}.up_proj.weight", size, width)
        ),
        down=linear(weights.pop(f"{mlp}.down_proj.weight", width, size)),
        norm_in=weights.pop(f"{name}.input_layernorm.weight", width),
        norm_mlp=weights.pop(f"{name}.post_attention_layernorm.weight", width),
        norm_qk=norm_qk,
    )
