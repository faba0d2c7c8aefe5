"""Whether the tensors of a checkpoint directory are those that its ``config.json`` and its index state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from logos_cli.checkpoints.config import DecoderConfig
from logos_cli.checkpoints.safetensors import StoredTensor
from logos_cli.checkpoints.tokenizer import read_json
from logos_cli.errors import ModelError

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_BIAS = re.compile(r"model\.layers\.\d+\.self_attn\.[qkvo]_proj\.bias")
_DERIVED = ".rotary_emb.inv_freq"


def tensor_shapes(config: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a network must have, by the names of transformers; biases may be added."""
    width, inner = config.hidden_size, config.intermediate_size
    queries, keys = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "input_layernorm": (width,),
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries),
        "post_attention_layernorm": (width,),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    if config.qk_norm:
        layer |= {"self_attn.q_norm": (config.head_dim,), "self_attn.k_norm": (config.head_dim,)}
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (config.vocabulary_size, width), "model.norm.weight": (width,)}
    for number in range(config.n_layers):
        shapes |= {f"model.layers.{number}.{name}.weight": shape for name, shape in layer.items()}
    if not config.tied:
        shapes[HEAD] = (config.vocabulary_size, width)
    return shapes


def tensor_problems(config: DecoderConfig, stored: Mapping[str, StoredTensor]) -> list[str]:
    """Return what is wrong with the tensors of a checkpoint: missing, of another shape, without a place, a second head.

    Parameters
    ----------
    stored : mapping
        As :func:`~logos_cli.checkpoints.safetensors.stored_tensors` returns it.
    """
    shapes = tensor_shapes(config)
    problems = [f"the tensor {name} is missing" for name in shapes if name not in stored]
    for name, tensor in stored.items():
        if name in shapes and tensor.shape != shapes[name]:
            problems.append(f"the tensor {name} has the shape {tensor.shape}; config.json asks for {shapes[name]}")
        elif name == HEAD and config.tied:
            if EMBEDDING in stored and not _are_equal(tensor, stored[EMBEDDING]):
                problems.append(f"{HEAD} differs from the embedding, but config.json ties them (tie_word_embeddings)")
        elif name not in shapes and not name.endswith(_DERIVED) and not _BIAS.fullmatch(name):
            problems.append(f"config.json has no place for the tensor {name}")
    return problems


def _are_equal(one: StoredTensor, other: StoredTensor) -> bool:
    return one.shape == other.shape and bool((one.read() == other.read()).all())


def index_problems(directory: Path, stored: Mapping[str, StoredTensor]) -> list[str]:
    """Return where the index of a checkpoint in several files contradicts the files."""
    index = directory / "model.safetensors.index.json"
    if not index.is_file():
        return []
    stated = {str(name): str(file) for name, file in read_json(index)["weight_map"].items()}
    problems = [f"{index.name} lists {name}, which no file has" for name in stated if name not in stored]
    for name, tensor in stored.items():
        if name not in stated:
            problems.append(f"{index.name} does not list {name} of {tensor.file.name}")
        elif stated[name] != tensor.file.name:
            problems.append(f"{index.name} places {name} in {stated[name]}; it is in {tensor.file.name}")
    return problems


def check_tensors(config: DecoderConfig, stored: Mapping[str, StoredTensor]) -> None:
    """Refuse tensors that are not those of the network.

    Raises
    ------
    ModelError
        With the first problem.
    """
    if problems := tensor_problems(config, stored):
        more = f" ({len(problems) - 1} more)" if problems[1:] else ""
        raise ModelError(f"{problems[0]}{more}", hint="download the model again, or correct its config.json")
