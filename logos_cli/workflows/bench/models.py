"""Random checkpoints of given shapes, for measurements of speed: it depends on the shape, not on the weights."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.checkpoints.config import DecoderConfig
from logos_cli.checkpoints.safetensors import StoredTensor
from logos_cli.errors import UsageError
from logos_cli.io.json_types import JsonObject
from logos_cli.resources import EMBEDDED, data_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LLAMA: JsonObject = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "bos_token_id": 16,
    "pad_token_id": 18,
    "attention_bias": False,
    "mlp_bias": False,
}
SHAPES: dict[str, JsonObject] = {
    "2m": {
        "hidden_size": 160,
        "intermediate_size": 448,
        "num_hidden_layers": 6,
        "num_attention_heads": 5,
        "num_key_value_heads": 5,
        "head_dim": 32,
        "vocab_size": 276,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "rope_theta": 10000.0,
    },
    "nano": {
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "head_dim": 32,
        "vocab_size": 276,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "rope_theta": 10000.0,
    },
    "9m": {
        "hidden_size": 320,
        "intermediate_size": 896,
        "num_hidden_layers": 7,
        "num_attention_heads": 5,
        "num_key_value_heads": 5,
        "head_dim": 64,
        "vocab_size": 276,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "rope_theta": 10000.0,
    },
    "1b": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "vocab_size": 128272,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "rope_theta": 500000.0,
    },
    "8b": {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151696,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "rope_theta": 1000000.0,
    },
}
"""Shapes by name: two of about two and nine million parameters, logos-nano's, and those of the released 1B and 8B."""

_SPREAD = 0.02
"""Standard deviation of the weights."""

ENDS = (17, 20, 21)
"""Tokens that end an answer. A random network with 276 tokens finds all of them about equally likely. So answers have
92 tokens on average, and very different lengths, as those of a trained network do. In larger vocabularies every 92nd
token ends an answer."""


def random_checkpoint(shape: str, directory: Path, dtype: str = "float32", seed: int = 0) -> Path:
    """Write a checkpoint with random weights, and the tokenizer of logos-nano with as many tokens as it needs.

    Raises
    ------
    UsageError
        If there is no shape of that name.
    """
    import torch
    from safetensors.torch import save_file

    config = _config(shape, dtype)
    directory.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    kind: torch.dtype = getattr(torch, dtype)

    def drawn(size: tuple[int, ...]) -> torch.Tensor:
        if len(size) == 1:
            return torch.ones(size, dtype=kind)
        return torch.randn(size, generator=generator, dtype=torch.float32).mul_(_SPREAD).to(kind)

    save_file({name: drawn(size) for name, size in _sizes(config).items()}, directory / "model.safetensors")
    _write_description(config, directory)
    return directory


def random_gguf(shape: str, file: Path, file_type: str, seed: int = 0) -> Path:
    """Write a GGUF with random weights; only one tensor at a time is in memory.

    Raises
    ------
    UsageError
        If there is no shape of that name.
    """
    from logos_cli.checkpoints.gguf.write import write_gguf

    config = _config(shape, "float32")
    tensors = {
        name: RandomTensor(name, file, "F32", size, seed + number)
        for number, (name, size) in enumerate(_sizes(config).items())
    }
    with tempfile.TemporaryDirectory(prefix="logos-bench-") as folder:
        _write_description(config, Path(folder))
        write_gguf(Path(folder), file, file_type, name=shape, tensors=tensors)
    return file


class RandomTensor(StoredTensor):
    """A tensor of random numbers that is not stored; ``offset`` is their seed."""

    def read(self) -> NDArray[np.float32]:
        """Return its numbers."""
        import numpy as np

        if len(self.shape) == 1:
            return np.ones(self.shape, np.float32)
        numbers = np.random.default_rng(self.offset).standard_normal(self.shape, np.float32)
        numbers *= np.float32(_SPREAD)
        return numbers


def random_shape(shape: str) -> DecoderConfig:
    """Return the sizes of a shape."""
    return DecoderConfig.from_json(_config(shape, "float32"))


def _config(shape: str, dtype: str) -> JsonObject:
    if shape not in SHAPES:
        raise UsageError(f"there is no shape {shape!r}", hint=f"one of {', '.join(SHAPES)}")
    config = _LLAMA | SHAPES[shape] | {"torch_dtype": dtype}
    n_nano = 276
    every = range(ENDS[0], config["vocab_size"], n_nano // len(ENDS))
    config["eos_token_id"] = list(ENDS if config["vocab_size"] == n_nano else every)
    return config


def _write_description(config: JsonObject, directory: Path) -> None:
    (directory / "config.json").write_text(json.dumps(config, indent=2))
    source = data_path("tokenizers", EMBEDDED)
    shutil.copy(source / "tokenizer_config.json", directory)
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    # words that occur in no text: only their number matters to speed
    vocabulary |= {f"~{index}~": index for index in range(len(vocabulary), config["vocab_size"])}
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")


def _sizes(config: JsonObject) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor."""
    width, inner = config["hidden_size"], config["num_attention_heads"] * config["head_dim"]
    kv_width, middle = config["num_key_value_heads"] * config["head_dim"], config["intermediate_size"]
    sizes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], width),
        "model.norm.weight": (width,),
    }
    if not config["tie_word_embeddings"]:
        sizes["lm_head.weight"] = (config["vocab_size"], width)
    parts: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj": (inner, width),
        "self_attn.k_proj": (kv_width, width),
        "self_attn.v_proj": (kv_width, width),
        "self_attn.o_proj": (width, inner),
        "mlp.gate_proj": (middle, width),
        "mlp.up_proj": (middle, width),
        "mlp.down_proj": (width, middle),
        "input_layernorm": (width,),
        "post_attention_layernorm": (width,),
    }
    if config["model_type"] == "qwen3":
        parts |= {f"self_attn.{norm}": (config["head_dim"],) for norm in ("q_norm", "k_norm")}
    for index in range(config["num_hidden_layers"]):
        sizes |= {f"model.layers.{index}.{part}.weight": size for part, size in parts.items()}
    return sizes
