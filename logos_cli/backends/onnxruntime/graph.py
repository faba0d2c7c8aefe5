"""A Llama network as an ONNX model: nine operations a layer, over a cache that is written in place.

Attention is ONNX Runtime's ``GroupQueryAttention``: rotary embedding, new keys and values, scores and sums in one
operation, each row of the batch at its own position.

Shapes: B rows, S new tokens of each, T positions of the cache, K key heads of width D, V logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from logos_cli.backends.onnxruntime import onnx
from logos_cli.checkpoints.config import DecoderConfig
from logos_cli.checkpoints.rotary import angles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


BLOCK: Final = 32
"""Weights with one factor in eight bits."""

_ZERO: Final = 128
_INT8_PRODUCTS: Final = 4
"""The level of accuracy at which rows are rounded to eight bits too."""


def cache_names(layer: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the inputs and the outputs of the graph for keys and values of a layer."""
    return (f"past_key_{layer}", f"past_value_{layer}"), (f"key_{layer}", f"value_{layer}")


def network_model(
    config: DecoderConfig, read: Callable[[str], NDArray[np.float32] | None], n_positions: int, *, int8: bool = False
) -> bytes:
    """Return the network as an ONNX model.

    Its inputs are ``tokens`` (B, S), ``lasts`` (B,), the position of the last new token of each row, ``total``, the
    length of the longest sequence, and the cache; its outputs are ``logits`` (B, S, V) and the cache.

    Parameters
    ----------
    read : callable
        Returns a tensor by the name of transformers, or None if the checkpoint lacks it.
    n_positions : int
        Positions that can be rotated.
    int8 : bool
        Whether the matrices of the layers have eight bits, with a factor for each :data:`BLOCK` weights of an output, as in
        llama.cpp's q8_0; rows are rounded to eight bits in the product.
    """
    return _Builder(config, read, int8).model(n_positions)


@dataclass(slots=True)
class _Builder:
    config: DecoderConfig
    read: Callable[[str], NDArray[np.float32] | None]
    int8: bool
    nodes: list[bytes] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)

    def model(self, n_positions: int) -> bytes:
        import numpy as np

        config = self.config
        embedding = self._tensor("model.embed_tokens.weight")
        self._constant("embedding", embedding)
        table = angles(config, n_positions)
        self._constant("cos", np.cos(table))
        self._constant("sin", np.sin(table))
        self.nodes.append(onnx.node("Gather", ["embedding", "tokens"], ["hidden"]))
        hidden, added = "hidden", None
        for layer in range(config.n_layers):
            hidden, added = self._layer(layer, hidden, added)
        normed, _ = self._norm("model.norm.weight", hidden, added)
        head = embedding if config.tied else self._tensor("lm_head.weight")
        self._product(normed, "logits", head, int8=False)
        shape: list[int | str] = ["B", config.n_kv_heads, "T", config.head_dim]
        pairs = [cache_names(layer) for layer in range(config.n_layers)]
        return onnx.model(
            self.nodes,
            self.constants,
            [
                onnx.value("tokens", onnx.INT64, ["B", "S"]),
                onnx.value("lasts", onnx.INT32, ["B"]),
                onnx.value("total", onnx.INT32, []),
                *(onnx.value(name, onnx.FLOAT, shape) for pasts, _ in pairs for name in pasts),
            ],
            [
                onnx.value("logits", onnx.FLOAT, ["B", "S", config.vocabulary_size]),
                *(onnx.value(name, onnx.FLOAT, shape) for _, presents in pairs for name in presents),
            ],
        )

    def _layer(self, layer: int, hidden: str, added: str | None) -> tuple[str, str]:
        """Add a layer; return its input plus attention, and what its last part adds to that."""
        import numpy as np

        config, name = self.config, f"model.layers.{layer}"
        normed, hidden = self._norm(f"{name}.input_layernorm.weight", hidden, added)
        parts = [f"{name}.self_attn.{part}_proj" for part in "qkv"]
        weight = np.concatenate([self._tensor(f"{part}.weight") for part in parts])
        biases = [self.read(f"{part}.bias") for part in parts]
        self._product(normed, f"qkv_{layer}", weight, _joined(biases, config))
        pasts, presents = cache_names(layer)
        self.nodes.append(
            onnx.node(
                "GroupQueryAttention",
                [f"qkv_{layer}", "", "", *pasts, "lasts", "total", "cos", "sin"],
                [f"attention_{layer}", *presents],
                {"num_heads": config.n_heads, "kv_num_heads": config.n_kv_heads, "do_rotary": 1},
                contrib=True,
            )
        )
        out = f"{name}.self_attn.o_proj"
        self._product(f"attention_{layer}", f"out_{layer}", self._tensor(f"{out}.weight"), self.read(f"{out}.bias"))
        normed, hidden = self._norm(f"{name}.post_attention_layernorm.weight", hidden, f"out_{layer}")
        self._product(normed, f"gate_{layer}", self._tensor(f"{name}.mlp.gate_proj.weight"))
        self._product(normed, f"up_{layer}", self._tensor(f"{name}.mlp.up_proj.weight"))
        # x * sigmoid(x)
        self.nodes.append(onnx.node("QuickGelu", [f"gate_{layer}"], [f"silu_{layer}"], {"alpha": 1.0}, contrib=True))
        self.nodes.append(onnx.node("Mul", [f"silu_{layer}", f"up_{layer}"], [f"gated_{layer}"]))
        self._product(f"gated_{layer}", f"down_{layer}", self._tensor(f"{name}.mlp.down_proj.weight"))
        return hidden, f"down_{layer}"

    def _norm(self, weight: str, hidden: str, added: str | None) -> tuple[str, str]:
        """Add a norm of ``hidden``, plus ``added`` if there is one; return the names of norm and sum."""
        self._constant(weight, self._tensor(weight))
        normed, attributes = f"{weight}.normed", {"epsilon": self.config.norm_eps}
        if added is None:
            self.nodes.append(onnx.node("SimplifiedLayerNormalization", [hidden, weight], [normed], attributes))
            return normed, hidden
        total = f"{weight}.sum"
        self.nodes.append(
            onnx.node(
                "SkipSimplifiedLayerNormalization",
                [hidden, added, weight],
                [normed, "", "", total],
                attributes,
                contrib=True,
            )
        )
        return normed, total

    def _product(
        self,
        rows: str,
        output: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32] | None = None,
        *,
        int8: bool | None = None,
    ) -> None:
        """Add the product of rows with a weight, shape (out, in)."""
        product = output if bias is None else f"{output}.product"
        if self.int8 if int8 is None else int8:
            self._int8_product(rows, product, weight)
        else:
            self._constant(f"{output}.weight", weight.T)
            self.nodes.append(onnx.node("MatMul", [rows, f"{output}.weight"], [product]))
        if bias is not None:
            self._constant(f"{output}.bias", bias)
            self.nodes.append(onnx.node("Add", [product, f"{output}.bias"], [output]))

    def _int8_product(self, rows: str, product: str, weight: NDArray[np.float32]) -> None:
        import numpy as np

        n_out, n_in = weight.shape
        blocks = weight.reshape(n_out, n_in // BLOCK, BLOCK)
        factors = np.abs(blocks).max(axis=-1, keepdims=True) / np.float32(_ZERO - 1)
        rounded = np.rint(np.divide(blocks, factors, out=np.zeros_like(blocks), where=factors > 0))
        self._constant(f"{product}.weight", (rounded + _ZERO).astype(np.uint8))
        self._constant(f"{product}.factors", factors[..., 0])
        attributes = {"K": n_in, "N": n_out, "bits": 8, "block_size": BLOCK, "accuracy_level": _INT8_PRODUCTS}
        inputs = [rows, f"{product}.weight", f"{product}.factors"]
        self.nodes.append(onnx.node("MatMulNBits", inputs, [product], attributes, contrib=True))

    def _constant(self, name: str, values: NDArray[np.float32] | NDArray[np.uint8]) -> None:
        self.constants.append(onnx.tensor(name, values))

    def _tensor(self, name: str) -> NDArray[np.float32]:
        values = self.read(name)
        if values is None:
            raise KeyError(name)  # the checkpoint was checked before
        return values


def _joined(biases: list[NDArray[np.float32] | None], config: DecoderConfig) -> NDArray[np.float32] | None:
    """Return the biases of queries, keys and values as one; those that lack are 0. None if all lack."""
    import numpy as np

    if all(bias is None for bias in biases):
        return None
    sizes = (config.n_heads, config.n_kv_heads, config.n_kv_heads)
    filled = [
        np.zeros(size * config.head_dim, np.float32) if bias is None else bias
        for bias, size in zip(biases, sizes, strict=True)
    ]
    return np.concatenate(filled)
