"""Random checkpoints of given shapes, for measuring: the numbers do not matter to speed, the shape does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from logos_cli.errors import UsageError
from logos_cli.resources import EMBEDDED, data_path

_LLAMA: dict[str, Any] = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "rms_norm_eps": 1e-5,
    "bos_token_id": 16, "pad_token_id": 18, "attention_bias": False, "mlp_bias": False,
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {
    "2m": {"hidden_size": 160, "intermediate_size": 448, "num_hidden_layers": 6, "num_attention_heads": 5,
           "num_key_value_heads": 5, "head_dim": 32, "vocab_size": 276, "max_position_embeddings": 2048,
           "tie_word_embeddings": True, "rope_theta": 10000.0},
    "9m": {"hidden_size": 320, "intermediate_size": 896, "num_hidden_layers": 7, "num_attention_heads": 5,
           "num_key_value_heads": 5, "head_dim": 64, "vocab_size": 276, "max_position_embeddings": 2048,
           "tie_word_embeddings": True, "rope_theta": 10000.0},
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
           "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128272, "max_position_embeddings": 4096,
           "tie_word_embeddings": False, "rope_theta": 500000.0},
    "8b": {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "hidden_size": 4096,
           "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32,
           "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151696, "max_position_embeddings": 4096,
           "tie_word_embeddings": False, "rope_theta": 1000000.0},
}  # fmt: skip
"""By name: logos-nano's shape, one of about nine million parameters, and those of the released 1B and 8B."""

ENDS = (17, 20, 21)
"""Tokens that end an answer. All tokens are about equally likely to a random network of 276 of them: answers are
92 tokens long on average, and of very different lengths, as those of a trained one are."""


def random_checkpoint(shape: str, directory: Path, dtype: str = "float32", seed: int = 0) -> Path:
    """Write a checkpoint with random weights and the tokenizer of logos-nano.

    Raises
    ------
    UsageError
        If there is no shape of that name.
    """
    import torch
    from safetensors.torch import save_file

    if shape not in SHAPES:
        raise UsageError(f"there is no shape {shape!r}", hint=f"one of {', '.join(SHAPES)}")
    config = _LLAMA | SHAPES[shape]
    config["eos_token_id"] = list(ENDS) if config["vocab_size"] == 276 else ENDS[0]
    directory.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    kind: torch.dtype = getattr(torch, dtype)

    def drawn(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float32).mul_(0.02).to(kind)

    width, inner = config["hidden_size"], config["num_attention_heads"] * config["head_dim"]
    kv_width, middle = config["num_key_value_heads"] * config["head_dim"], config["intermediate_size"]
    tensors = {
        "model.embed_tokens.weight": drawn(config["vocab_size"], width),
        "model.norm.weight": torch.ones(width, dtype=kind),
    }
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = drawn(config["vocab_size"], width)
    for index in range(config["num_hidden_layers"]):
        name = f"model.layers.{index}"
        sizes = {
            "self_attn.q_proj": (inner, width), "self_attn.k_proj": (kv_width, width),
            "self_attn.v_proj": (kv_width, width), "self_attn.o_proj": (width, inner),
            "mlp.gate_proj": (middle, width), "mlp.up_proj": (middle, width), "mlp.down_proj": (width, middle),
        }  # fmt: skip
        tensors |= {f"{name}.{part}.weight": drawn(*size) for part, size in sizes.items()}
        norms = ["input_layernorm", "post_attention_layernorm"]
        tensors |= {f"{name}.{norm}.weight": torch.ones(width, dtype=kind) for norm in norms}
        if config["model_type"] == "qwen3":
            for norm in ("q_norm", "k_norm"):
                tensors[f"{name}.self_attn.{norm}.weight"] = torch.ones(config["head_dim"], dtype=kind)
    save_file(tensors, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(config | {"torch_dtype": dtype}, indent=2))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(data_path("tokenizers", EMBEDDED, name), directory)
    return directory
