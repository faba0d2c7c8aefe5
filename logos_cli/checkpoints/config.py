"""The shape of a Llama or Qwen3 network from ``config.json``, and the size that follows from it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from logos_cli.errors import ModelError
from logos_cli.io.json_types import JsonMapping, JsonObject

MODEL_TYPES = ("llama", "qwen3")
_LAYER = re.compile(r"model\.layers\.(\d+)\.")
_MOST_LAYERS, _WIDEST_HEAD = 10_000, 1 << 16
_ROPE_NUMBERS = {
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
}
"""Numbers that a rotary embedding needs, by its type."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The sizes of a network's parts."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    hidden_size: int
    intermediate_size: int
    vocabulary_size: int
    context_tokens: int

    @property
    def cache_elements_per_token(self) -> int:
        """Numbers in the cache for one token of one sequence."""
        return 2 * self.n_layers * self.n_kv_heads * self.head_dim


def sizes_in(config: JsonMapping) -> dict[str, int]:
    """Return the fields of :class:`NetworkShape` from ``config.json``.

    Raises
    ------
    ModelError
        If a field is missing or wrong.
    """
    n_heads, hidden_size = _size(config, "num_attention_heads"), _size(config, "hidden_size")
    return {
        "n_layers": _size(config, "num_hidden_layers", most=_MOST_LAYERS),
        "n_heads": n_heads,
        "n_kv_heads": _size(config, "num_key_value_heads", n_heads),
        "head_dim": _size(config, "head_dim", hidden_size // n_heads, most=_WIDEST_HEAD),
        "hidden_size": hidden_size,
        "intermediate_size": _size(config, "intermediate_size"),
        "vocabulary_size": _size(config, "vocab_size"),
        "context_tokens": context_of(config),
    }


def context_of(config: JsonMapping) -> int:
    """Return the length of the context in ``config.json``, in tokens.

    Raises
    ------
    ModelError
        If it is missing or wrong.
    """
    return _size(config, "max_position_embeddings")


def _size(config: JsonMapping, name: str, default: int | None = None, most: int = 10**8) -> int:
    """Return a size; one of a broken file could ask for endless work before the tensors contradict it."""
    value = config.get(name) or default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise _wrong(name, value)
    return value


def _positive(config: JsonMapping, name: str) -> float:
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise _wrong(name, value)
    return float(value)


def _wrong(name: str, value: object) -> ModelError:
    shown = "missing" if value is None else f"{value!r:.40}"
    return ModelError(
        f"a parameter in config.json is missing or wrong: {name} is {shown}", hint="download the model again"
    )


@dataclass(frozen=True, slots=True)
class DecoderConfig(NetworkShape):
    """The part of ``config.json`` that shapes the computation."""

    norm_eps: float
    tied: bool
    qk_norm: bool
    rope: JsonMapping

    @classmethod
    def from_json(cls, config: JsonMapping) -> DecoderConfig:
        """Read ``config.json``.

        Raises
        ------
        ModelError
            If the architecture is neither Llama nor Qwen3, or uses an unsupported part of it.
        """
        kind = config.get("model_type")
        if kind not in MODEL_TYPES:
            raise ModelError(
                f"the architecture {kind!r} is not supported", hint=f"supported architectures: {', '.join(MODEL_TYPES)}"
            )
        if (part := _unsupported(config)) is not None:
            raise ModelError(f"{part} is not supported", hint="it runs with --backend transformers")
        if config.get("quantization_config"):
            raise ModelError(
                "weights quantized for transformers are not supported",
                hint="use the unquantized checkpoint, or a quantized GGUF of it (logos models quantize)",
            )
        sizes = sizes_in(config)
        return cls(
            **sizes,
            norm_eps=_positive(config, "rms_norm_eps"),
            tied=bool(config.get("tie_word_embeddings", False)),
            qk_norm=kind == "qwen3",
            rope=_rope_parameters(config),
        )

    @property
    def qkv_rows(self) -> int:
        """Outputs of the stacked projections to queries, keys and values."""
        return (self.n_heads + 2 * self.n_kv_heads) * self.head_dim

    @property
    def matmul_parameters(self) -> int:
        """Weights in the matrix products of every token: all but the embedding (unless tied) and the norms."""
        attention = self.hidden_size * (self.qkv_rows + self.n_heads * self.head_dim)
        layer = attention + 3 * self.hidden_size * self.intermediate_size
        return self.n_layers * layer + self.vocabulary_size * self.hidden_size

    @property
    def n_parameters(self) -> int:
        """Size of the network without biases; tied embeddings count once."""
        norms = self.hidden_size * (2 * self.n_layers + 1)
        norms += 2 * self.head_dim * self.n_layers if self.qk_norm else 0
        embedding = 0 if self.tied else self.vocabulary_size * self.hidden_size
        return self.matmul_parameters + embedding + norms

    def stage_of(self, tensor: str, n_stages: int) -> int:
        """Return the part of the network, of ``n_stages`` consecutive ones, that a tensor belongs to.

        The embedding belongs to the first part, the final norm and the head to the last, unless the head is
        the embedding.
        """
        if match := _LAYER.match(tensor):
            return stage_of_layer(int(match[1]), self.n_layers, n_stages)
        return 0 if tensor == "model.embed_tokens.weight" else n_stages - 1


def stage_of_layer(layer: int, n_layers: int, n_stages: int) -> int:
    """Return the part of the network, of ``n_stages`` nearly equal ones, that has a layer."""
    return min(layer * n_stages // max(n_layers, 1), n_stages - 1)


def eos_ids(*configs: JsonMapping) -> tuple[int, ...]:
    """Return the tokens that end a text, from all configurations.

    Raises
    ------
    ModelError
        If one is no token.
    """
    ids: dict[int, None] = {}
    for config in configs:
        value = config.get("eos_token_id")
        found = value if isinstance(value, list) else [] if value is None else [value]
        if not all(type(each) is int and each >= 0 for each in found):
            raise _wrong("eos_token_id", value)
        ids |= dict.fromkeys(found)
    return tuple(ids)


def is_decoder(config: JsonMapping) -> bool:
    """Whether a configuration is that of a network that :class:`DecoderConfig` describes, or states no architecture."""
    kind = config.get("model_type")
    return kind is None or (kind in MODEL_TYPES and _unsupported(config) is None)


def _unsupported(config: JsonMapping) -> str | None:
    """Return the part of a Llama or Qwen3 network that :class:`DecoderConfig` does not describe, if there is one."""
    if config.get("hidden_act", "silu") != "silu":
        return f"the activation {config['hidden_act']!r}"
    layer_types = config.get("layer_types") or []
    if not isinstance(layer_types, list):
        raise _wrong("layer_types", layer_types)
    if config.get("use_sliding_window") or any(each != "full_attention" for each in layer_types):
        return "sliding-window attention"
    if config.get("mlp_bias"):
        return "a bias of the feed-forward part"
    if (kind := _rope_parameters(config)["rope_type"]) not in ("default", "linear", "llama3"):
        return f"the rotary embedding {kind!r}"
    return None


def _rope_parameters(config: JsonMapping) -> JsonObject:
    """Return the parameters of the rotary embedding in today's names (``rope_parameters``)."""
    name = "rope_parameters" if config.get("rope_parameters") else "rope_scaling"
    rope = config.get(name) or {}
    if not isinstance(rope, dict):
        raise _wrong(name, rope)
    rope = dict(rope)
    rope.setdefault("rope_type", rope.get("type", "default"))
    rope.setdefault("rope_theta", config.get("rope_theta") or 10000.0)
    for needed in ("rope_theta", *_ROPE_NUMBERS.get(str(rope["rope_type"]), ())):
        rope[needed] = _positive(rope, needed)
    return rope
