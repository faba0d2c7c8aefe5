"""Llama and Qwen3 decoders over a cache with one row per sequence.

The models of ``transformers`` keep one cache per batch, whose sequences begin and end together, and importing
them costs five seconds. Here each row of the cache is a sequence of its own, at its own position, so that one
can begin while others go on. A test holds the logits to those of ``transformers``.

Shapes: R rows (sequences), L tokens of one prompt, H query heads in groups of G per key head (K of them), D
the width of a head, T positions of the cache.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from logos_cli.errors import ModelError

MODEL_TYPES = ("llama", "qwen3")
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The part of ``config.json`` that shapes the computation."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    hidden_size: int
    intermediate_size: int
    vocabulary_size: int
    context_tokens: int
    norm_eps: float
    tied: bool
    qk_norm: bool
    rope: Mapping[str, Any]

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> DecoderConfig:
        """Read ``config.json``.

        Raises
        ------
        ModelError
            If the architecture is not one of Llama and Qwen3, or uses a part of it that is not known here.
        """
        kind = config.get("model_type")
        if kind not in MODEL_TYPES:
            raise ModelError(
                f"the architecture {kind!r} is not supported",
                hint=f"supported architectures: {', '.join(MODEL_TYPES)}",
            )
        if config.get("hidden_act", "silu") != "silu":
            raise ModelError(f"the activation {config['hidden_act']!r} is not supported")
        if config.get("use_sliding_window") or set(config.get("layer_types") or ()) - {"full_attention"}:
            raise ModelError("sliding-window attention is not supported")
        try:
            n_heads, hidden_size = int(config["num_attention_heads"]), int(config["hidden_size"])
            return cls(
                n_layers=int(config["num_hidden_layers"]),
                n_heads=n_heads,
                n_kv_heads=int(config.get("num_key_value_heads") or n_heads),
                head_dim=int(config.get("head_dim") or hidden_size // n_heads),
                hidden_size=hidden_size,
                intermediate_size=int(config["intermediate_size"]),
                vocabulary_size=int(config["vocab_size"]),
                context_tokens=int(config["max_position_embeddings"]),
                norm_eps=float(config["rms_norm_eps"]),
                tied=bool(config.get("tie_word_embeddings", False)),
                qk_norm=kind == "qwen3",
                rope=_rope_parameters(config),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"config.json lacks or misstates a parameter: {error}") from error


def _rope_parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the rotary embedding in today's names (``rope_parameters``)."""
    new = config.get("rope_parameters")
    rope = dict(new or config.get("rope_scaling") or {})
    rope.setdefault("rope_type", rope.get("type", "default"))
    rope.setdefault("rope_theta", config.get("rope_theta", 10000.0))
    if rope["rope_type"] not in ("default", "linear", "llama3"):
        raise ModelError(f"the rotary embedding {rope['rope_type']!r} is not supported")
    return rope


def inverse_frequencies(config: DecoderConfig) -> Tensor:
    """Return the angular frequencies of the rotary embedding, shape (D / 2,).

    ``llama3`` stretches the long wavelengths by ``factor`` and leaves the short ones, with a smooth passage
    between (Llama 3.1).
    """
    rope = config.rope
    exponent = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    frequencies = 1.0 / (float(rope["rope_theta"]) ** exponent)
    if rope["rope_type"] == "default":
        return frequencies
    factor = float(rope["factor"])
    if rope["rope_type"] == "linear":
        return frequencies / factor
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    original = float(rope["original_max_position_embeddings"])
    turns = original * frequencies / (2 * math.pi)
    smooth = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return frequencies / factor * (1 - smooth) + frequencies * smooth


@dataclass(slots=True)
class _Layer:
    """Weights of one layer; projections that read the same input are stacked."""

    qkv: Tensor
    qkv_bias: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    gate_up: Tensor
    down: Tensor
    norm_in: Tensor
    norm_mlp: Tensor
    norm_q: Tensor | None
    norm_k: Tensor | None


class _Weights:
    """Takes tensors by name, and says which one is missing or of the wrong shape."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def take(self, name: str, *shape: int) -> Tensor:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise ModelError(f"the weights lack the tensor {name}", hint="download the model again")
        if tuple(tensor.shape) != shape:
            raise ModelError(f"the tensor {name} is {tuple(tensor.shape)}; config.json asks for {shape}")
        return tensor

    def optional(self, name: str) -> Tensor | None:
        return self._tensors.get(name)

    def stack(self, prefix: str, suffix: str) -> Tensor | None:
        parts = [self._tensors.get(f"{prefix}.{part}_proj.{suffix}") for part in "qkv"]
        found = [part for part in parts if part is not None]
        return torch.cat(found) if len(found) == len(parts) else None


class Decoder:
    """The network and its cache.

    Parameters
    ----------
    tensors : mapping
        Weights by the names of ``transformers``, all of one dtype on one device.
    """

    def __init__(self, config: DecoderConfig, tensors: Mapping[str, Tensor]) -> None:
        self.config = config
        weights = _Weights(tensors)
        vocabulary, width = config.vocabulary_size, config.hidden_size
        self.embedding = weights.take("model.embed_tokens.weight", vocabulary, width)
        self.norm = weights.take("model.norm.weight", width)
        self.head = self.embedding if config.tied else weights.take("lm_head.weight", vocabulary, width)
        self.layers = [self._layer(weights, f"model.layers.{index}") for index in range(config.n_layers)]
        self.device, self.dtype = self.embedding.device, self.embedding.dtype
        # one more than the context: a full row that others step beside writes its padding there
        angles = torch.outer(
            torch.arange(config.context_tokens + 1, dtype=torch.float32), inverse_frequencies(config)
        )
        angles = torch.cat((angles, angles), dim=-1)
        self.cos = angles.cos().to(self.device, self.dtype)
        self.sin = angles.sin().to(self.device, self.dtype)
        self.cache = torch.empty(0)

    def _layer(self, weights: _Weights, name: str) -> _Layer:
        config = self.config
        width, inner = config.hidden_size, config.n_heads * config.head_dim
        attention, mlp = f"{name}.self_attn", f"{name}.mlp"
        size = config.intermediate_size
        gate = weights.take(f"{mlp}.gate_proj.weight", size, width)
        up = weights.take(f"{mlp}.up_proj.weight", size, width)
        for part, heads in (("q", config.n_heads), ("k", config.n_kv_heads), ("v", config.n_kv_heads)):
            weights.take(f"{attention}.{part}_proj.weight", heads * config.head_dim, width)
        if weights.optional(f"{mlp}.gate_proj.bias") is not None:
            raise ModelError("biases in the feed-forward layers are not supported")
        qkv = weights.stack(attention, "weight")
        assert qkv is not None
        normed = config.qk_norm
        return _Layer(
            qkv=qkv,
            qkv_bias=weights.stack(attention, "bias"),
            out=weights.take(f"{attention}.o_proj.weight", width, inner),
            out_bias=weights.optional(f"{attention}.o_proj.bias"),
            gate_up=torch.cat((gate, up)),
            down=weights.take(f"{mlp}.down_proj.weight", width, size),
            norm_in=weights.take(f"{name}.input_layernorm.weight", width),
            norm_mlp=weights.take(f"{name}.post_attention_layernorm.weight", width),
            norm_q=weights.take(f"{attention}.q_norm.weight", config.head_dim) if normed else None,
            norm_k=weights.take(f"{attention}.k_norm.weight", config.head_dim) if normed else None,
        )

    @property
    def n_parameters(self) -> int:
        """Size of the network; tied embeddings count once."""
        parts = [self.embedding, self.norm] if self.config.tied else [self.embedding, self.norm, self.head]
        for layer in self.layers:
            weights = (getattr(layer, each.name) for each in fields(layer))
            parts += [weight for weight in weights if weight is not None]
        return sum(part.numel() for part in parts)

    def reserve(self, n_rows: int, n_positions: int) -> None:
        """Make a cache for this many rows and positions; rows that there were before keep their content."""
        config = self.config
        shape = (2 * config.n_layers, n_rows, config.n_kv_heads, n_positions, config.head_dim)
        # zeros, not garbage: a masked position has weight 0, and 0 times NaN would still be NaN
        fresh = torch.zeros(shape, device=self.device, dtype=self.dtype)
        if self.cache.dim() == len(shape):
            rows, positions = min(n_rows, self.cache.shape[1]), min(n_positions, self.cache.shape[3])
            fresh[:, :rows, :, :positions] = self.cache[:, :rows, :, :positions]
        self.cache = fresh

    @property
    def n_rows(self) -> int:
        """Rows of the cache."""
        return self.cache.shape[1] if self.cache.dim() > 1 else 0

    @property
    def n_positions(self) -> int:
        """Positions that a row of the cache has room for."""
        return self.cache.shape[3] if self.cache.dim() > 1 else 0

    def prefill(self, row: int, tokens: Tensor) -> Tensor:
        """Run a prompt, shape (L,), in an empty row; return the logits after its last token, shape (V,)."""
        hidden = tokens
        for start in range(0, len(tokens), _CHUNK):
            end = min(start + _CHUNK, len(tokens))
            hidden = self._run(tokens[start:end], torch.arange(start, end, device=self.device), end, row)
        return linear(_rms_norm(hidden[-1:], self.norm, self.config.norm_eps), self.head)[0]

    def step(self, tokens: Tensor, positions: Tensor, n_positions: int) -> Tensor:
        """Run one token in each of the first R rows, at that row's position; return logits, shape (R, V).

        ``n_positions`` is the number of positions in use after this step, in the longest row.
        """
        hidden = self._run(tokens, positions, n_positions, None)
        return linear(_rms_norm(hidden, self.norm, self.config.norm_eps), self.head)

    def _run(self, tokens: Tensor, positions: Tensor, n_used: int, row: int | None) -> Tensor:
        """Return the last hidden states, shape (N, width), of N tokens: one row's, or the first N rows'."""
        eps = self.config.norm_eps
        # a multiple of 64: sums over positions then split into vectors in one way, whatever the length
        n_keys = min(-(-n_used // 64) * 64, self.n_positions)
        beyond = torch.arange(n_keys, device=self.device) > positions[:, None]
        place = _Place(positions, self.cos[positions][:, None], self.sin[positions][:, None], beyond, row)
        hidden = self.embedding[tokens]
        for index, layer in enumerate(self.layers):
            cache = self.cache[2 * index : 2 * index + 2]
            qkv = linear(_rms_norm(hidden, layer.norm_in, eps), layer.qkv, layer.qkv_bias)
            hidden = hidden + linear(self._attend(qkv, layer, cache, place), layer.out, layer.out_bias)
            gate, up = linear(_rms_norm(hidden, layer.norm_mlp, eps), layer.gate_up).chunk(2, dim=-1)
            hidden = hidden + linear(silu(gate) * up, layer.down)
        return hidden

    def _attend(self, qkv: Tensor, layer: _Layer, cache: Tensor, place: _Place) -> Tensor:
        """Write the new keys and values to the layer's cache and return what the queries read, (N, H * D)."""
        n, width = len(qkv), self.config.head_dim
        heads, kv_heads = self.config.n_heads, self.config.n_kv_heads
        split = qkv.view(n, heads + 2 * kv_heads, width)
        query, key, value = split[:, :heads], split[:, heads:-kv_heads], split[:, -kv_heads:]
        if layer.norm_q is not None and layer.norm_k is not None:
            query = _rms_norm(query, layer.norm_q, self.config.norm_eps)
            key = _rms_norm(key, layer.norm_k, self.config.norm_eps)
        query, key = _rotate(query, place), _rotate(key, place)
        keys, values = cache
        n_keys = place.beyond.shape[1]
        if place.row is None:
            rows = torch.arange(n, device=self.device)
            keys[rows, :, place.positions] = key
            values[rows, :, place.positions] = value
            keys, values = keys[:n, :, :n_keys], values[:n, :, :n_keys]
            query = query.reshape(n, kv_heads, -1, width)
            beyond = place.beyond[:, None, None]
        else:
            keys[place.row, :, place.positions] = key.transpose(0, 1)
            values[place.row, :, place.positions] = value.transpose(0, 1)
            keys, values = keys[place.row, :, :n_keys], values[place.row, :, :n_keys]
            query = query.reshape(n, kv_heads, -1, width).permute(1, 2, 0, 3).reshape(kv_heads, -1, width)
            beyond = place.beyond.repeat(heads // kv_heads, 1)
        scores = (query @ keys.transpose(-1, -2)) * width**-0.5
        weights = (
            scores.masked_fill(beyond, float("-inf")).softmax(dim=-1, dtype=torch.float32).to(self.dtype)
        )
        read = weights @ values
        if place.row is not None:
            read = read.view(kv_heads, -1, n, width).permute(2, 0, 1, 3)
        joined: Tensor = read.reshape(n, heads * width)
        return joined


@dataclass(slots=True)
class _Place:
    """Where N tokens stand: positions, rotations, keys that each must not see, and the row if it is one."""

    positions: Tensor
    cos: Tensor
    sin: Tensor
    beyond: Tensor
    row: int | None


def _rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    wide = x.float()
    wide = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + eps)
    normed: Tensor = weight * wide.to(x.dtype)
    return normed


def _rotate(x: Tensor, place: _Place) -> Tensor:
    """Apply the rotary embedding to heads, shape (N, heads, D)."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    rotated: Tensor = x * place.cos + turned * place.sin
    return rotated
