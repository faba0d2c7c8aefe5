"""Small random checkpoints of the released shapes, with the tokenizers that the released models have.

The vocabularies of Llama 3 and Qwen 2 come out of the source distribution of llama-cpp-python, which also holds
llama.cpp's own converter. It is taken from ``LOGOS_TEST_LLAMA_SOURCE`` (the archive), else from the user's cache,
else fetched by pip once. Without it, ``small_tokenizer`` has the same structure over a vocabulary of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from logos_cli.checkpoints.gguf.header import read_gguf
from logos_cli.grammar import TAGS

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
KINDS = ("llama", "qwen3")
_VOCABULARY = {"llama": "ggml-vocab-llama-bpe.gguf", "qwen3": "ggml-vocab-qwen2.gguf"}
_NORMAL, _CONTROL = 1, 3
_CONTROLS = {
    "llama": ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"),
    "qwen3": ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
}
_MEMBERS = ("/conversion/", "/gguf-py/gguf/", "/convert_hf_to_gguf.py", *_VOCABULARY.values())


@cache
def llama_source() -> Path | None:
    """Return the folder of llama.cpp's source, or None where it can neither be found nor fetched."""
    try:
        version = metadata.version("llama-cpp-python")
    except metadata.PackageNotFoundError:
        return None
    base = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "logos-tests"
    folder = base / f"llama_cpp_python-{version}"
    if not folder.is_dir():
        given = os.environ.get("LOGOS_TEST_LLAMA_SOURCE")
        archive = Path(given) if given else _fetched(base, version)
        if archive is None or not archive.is_file():
            return None
        _unpack(archive, folder)
    return folder / "vendor" / "llama.cpp"


def _fetched(base: Path, version: str) -> Path | None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-binary",
        "llama-cpp-python",
        "--no-deps",
        "--dest",
        str(base),
        f"llama-cpp-python=={version}",
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError):
        return None
    return next(base.glob("llama_cpp_python-*.tar.gz"), None)


def _unpack(archive: Path, folder: Path) -> None:
    """Write the parts that tests use; complete or not at all, since tests run in several processes."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    with tarfile.open(archive) as tar:
        wanted = [member for member in tar if any(name in member.name for name in _MEMBERS)]
        tar.extractall(part, members=wanted, filter="data")
    try:
        next(part.iterdir()).rename(folder)
    except OSError:  # another process was first
        assert folder.is_dir()


def require_llama_source() -> Path:
    """Return the folder of llama.cpp's source; skip, and be told of loudly, without it."""
    folder = llama_source()
    if folder is None:
        pytest.skip("real data not found at: the source of llama-cpp-python (LOGOS_TEST_LLAMA_SOURCE, or pip)")
    return folder


def released_tokenizer(kind: str) -> dict[str, Any]:
    """Return the ``tokenizer.json`` of Llama 3 (``llama``) or Qwen 2 (``qwen3``), tags added."""
    header = read_gguf(require_llama_source() / "models" / _VOCABULARY[kind])
    texts, types, merges = (header.metadata[f"tokenizer.ggml.{key}"] for key in ("tokens", "token_type", "merges"))
    vocabulary = {text: i for i, (text, type_) in enumerate(zip(texts, types, strict=True)) if type_ == _NORMAL}
    controls = {text: i for i, (text, type_) in enumerate(zip(texts, types, strict=True)) if type_ == _CONTROL}
    return _tokenizer(kind, vocabulary, [merge.split(" ") for merge in merges], controls)


def small_tokenizer(kind: str) -> dict[str, Any]:
    """Return a tokenizer of the same structure over some 900 tokens, learnt from proteins and SMILES."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    fast = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_pattern(kind)), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    fast.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    words = ["MKTAYIAKQRQ", "CC(=O)Oc1ccccc1", "[C@@H](N)C", "EVQLVESGG", "the cat's 123 [Zn]", "GSAAALLV", "O=C([O-])"]
    corpus = [first + second for first in words for second in words]
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=level.alphabet(), show_progress=False)
    fast.train_from_iterator(corpus, trainer)
    model = json.loads(fast.to_str())["model"]
    n = len(model["vocab"])
    controls = {text: n + i for i, text in enumerate(_CONTROLS[kind])}
    return _tokenizer(kind, model["vocab"], model["merges"], controls)


def _pattern(kind: str) -> str:
    return _SPLIT % ("{1,3}" if kind == "llama" else "")


def _tokenizer(
    kind: str, vocabulary: Mapping[str, int], merges: Sequence[Sequence[str]], controls: Mapping[str, int]
) -> dict[str, Any]:
    first = max([*vocabulary.values(), *controls.values()]) + 1
    special = {**controls, **{tag: first + i for i, tag in enumerate(TAGS)}}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": _pattern(kind)}, "behavior": "Isolated", "invert": False}
    begin = _CONTROLS[kind][0]
    begun = [{"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    template = {
        "type": "TemplateProcessing",
        "single": begun,
        "pair": [*begun, {"SpecialToken": {"id": begin, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {begin: {"id": begin, "ids": [special[begin]], "tokens": [begin]}},
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": i,
                "content": text,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for text, i in special.items()
        ],
        "normalizer": {"type": "NFC"} if kind == "qwen3" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]},
        "post_processor": {"type": "Sequence", "processors": [level, template]} if kind == "llama" else level,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": kind == "llama",
            "vocab": dict(vocabulary),
            "merges": [list(pair) for pair in merges],
        },
    }


def write_checkpoint(
    directory: Path,
    kind: str,
    tokenizer: Mapping[str, Any],
    *,
    dtype: str = "float32",
    hidden_size: int = 64,
    **changes: Any,
) -> Path:
    """Write a random checkpoint: Llama with untied embeddings, or Qwen3 with normed queries and keys.

    ``changes`` go into ``config.json``. The embedding has a few rows more than the tokenizer tokens, as those
    of Qwen have.
    """
    directory.mkdir(parents=True, exist_ok=True)
    begin, end = _CONTROLS[kind][:2]
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    last = max([*tokenizer["model"]["vocab"].values(), *ids.values()])
    end = end if kind == "llama" else begin
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 1000000.0}
    if kind == "llama":
        rope = {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM" if kind == "llama" else "Qwen3ForCausalLM"],
        "model_type": kind,
        "hidden_size": hidden_size,
        "intermediate_size": 2 * hidden_size,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 24 if kind == "qwen3" else 16,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 1024,
        "rope_parameters": rope,
        "tie_word_embeddings": False,
        "vocab_size": -(-(last + 1) // 32) * 32,
        "dtype": dtype,
        "bos_token_id": ids[begin],
        "eos_token_id": ids[end],
    } | changes
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {"bos_token": begin, "eos_token": end, "tokenizer_class": "PreTrainedTokenizerFast"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    from safetensors.torch import save_file

    save_file(random_tensors(config, getattr(torch, dtype)), directory / "model.safetensors")
    return directory


def random_tensors(config: Mapping[str, Any], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return weights of a configuration, the same ones every time."""
    width, middle, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    inner, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], width),
        "model.norm.weight": (width,),
        "lm_head.weight": (config["vocab_size"], width),
    }
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        shapes |= {
            f"{name}.self_attn.q_proj.weight": (inner, width),
            f"{name}.self_attn.k_proj.weight": (keys, width),
            f"{name}.self_attn.v_proj.weight": (keys, width),
            f"{name}.self_attn.o_proj.weight": (width, inner),
            f"{name}.mlp.gate_proj.weight": (middle, width),
            f"{name}.mlp.up_proj.weight": (middle, width),
            f"{name}.mlp.down_proj.weight": (width, middle),
            f"{name}.input_layernorm.weight": (width,),
            f"{name}.post_attention_layernorm.weight": (width,),
        }
        if config["model_type"] == "qwen3":
            shapes |= {f"{name}.self_attn.{part}_norm.weight": (head,) for part in "qk"}
    if config["tie_word_embeddings"]:
        shapes.pop("lm_head.weight")
    generator = torch.Generator().manual_seed(0)
    return {
        name: (torch.randn(shape, generator=generator) * 0.1 + (len(shape) == 1)).to(dtype)
        for name, shape in shapes.items()
    }
