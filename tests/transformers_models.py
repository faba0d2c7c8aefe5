"""Tiny models of transformers with random weights and the tokenizer of logos-nano."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import transformers

from logos_cli.resources import EMBEDDED, data_path

NANO = data_path("tokenizers", EMBEDDED)
SHAPE: dict[str, Any] = {
    "vocab_size": 276,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "bos_token_id": 16,
    "eos_token_id": 17,
    "pad_token_id": 18,
}
GATED: dict[str, Any] = {**SHAPE, "intermediate_size": 64, "num_key_value_heads": 2, "max_position_embeddings": 256}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "qwen2": GATED,
    "mistral": {**GATED, "sliding_window": 6},
    "gemma": {**GATED, "head_dim": 8},
    "gemma2": {**GATED, "head_dim": 8, "sliding_window": 5, "num_hidden_layers": 4},
    "gpt_neox": {**SHAPE, "intermediate_size": 64, "max_position_embeddings": 256},
    "gpt2": {**SHAPE, "n_positions": 256},
    "mixtral": {**GATED, "num_local_experts": 4},
    "opt": {**SHAPE, "ffn_dim": 64, "max_position_embeddings": 256, "word_embed_proj_dim": 32},
    "bloom": {**SHAPE, "seq_length": 256},
    "mamba": {**SHAPE, "state_size": 4},
}


def save(path: Path, kind: str, **shape: Any) -> Any:
    """Write a checkpoint of random weights with the tokenizer of logos-nano; return its model."""
    config = transformers.AutoConfig.for_model(kind, **shape)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model: Any = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # larger than at the start of training: logits that differ
            torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else None
    model.eval().save_pretrained(path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(NANO / name, path)
    return model
