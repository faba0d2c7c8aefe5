"""Convert checkpoint directories to GGUF as llama.cpp's converter does, without PyTorch and tensor by tensor.

Names, shapes, permutations and metadata follow ``convert_hf_to_gguf.py`` of llama.cpp, so that every program of that
family reads the file; a test compares the two converters.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from logos_cli.checkpoints.config import DecoderConfig
from logos_cli.checkpoints.gguf.header import model_shape, read_gguf
from logos_cli.checkpoints.safetensors import StoredTensor, stored_tensors
from logos_cli.checkpoints.skills import GGUF_KEY as SKILLS_KEY
from logos_cli.checkpoints.skills import read_skills, skills_to_json
from logos_cli.checkpoints.task_sampling import GGUF_KEY, from_config
from logos_cli.checkpoints.tensors import EMBEDDING, HEAD, check_tensors
from logos_cli.checkpoints.tokenizer import HubTokenizer, read_json
from logos_cli.errors import MissingError, ModelError, UsageError
from logos_cli.io.json_types import JsonMapping, JsonObject

if TYPE_CHECKING:
    import numpy as np
    from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter
    from numpy.typing import NDArray

FILE_TYPES = ("f32", "f16", "bf16", "q8_0")
MODEL_TYPES = ("llama", "qwen3")
INSTALL = "pip install 'gguf>=0.18'"

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS = {f"{_CONTRACTIONS}{{1,3}}{_REST}": "llama-bpe", f"{_CONTRACTIONS}{_REST}": "qwen2"}
"""Patterns by which the tokenizers of Llama 3 and of Qwen 2 and 3 split text, with llama.cpp's names for them."""

_NEVER = frozenset(map(chr, (0xC0, 0xC1, *range(0xF5, 0x100))))
"""Bytes that UTF-8 does not use, in the byte-level alphabet."""

_STORED = {"F32": "f32", "F16": "f16", "BF16": "bf16"}


def own_file_type(tensors: Mapping[str, StoredTensor]) -> str:
    """Return the file type with the precision of a checkpoint: that of its largest tensor."""
    largest = max(tensors.values(), key=lambda tensor: math.prod(tensor.shape))
    return _STORED.get(largest.dtype, "f16")


def write_gguf(
    directory: Path,
    output: Path,
    file_type: str = "auto",
    *,
    name: str | None = None,
    tensors: Mapping[str, StoredTensor] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> str:
    """Convert a checkpoint directory with a Llama or Qwen3 model.

    Parameters
    ----------
    output : Path
        The new file, which appears complete or not at all.
    file_type : str
        ``f32``, ``f16``, ``bf16``, ``q8_0``, or ``auto`` for the precision of the checkpoint. One-dimensional
        tensors are always f32; matrices whose width is not a multiple of 32 are f16 in a q8_0 file.
    name : str, optional
        Name of the model in the file; None takes the name of the directory.
    tensors : mapping, optional
        Tensors to write in place of the directory's own weights.
    progress : callable, optional
        Called with the name of each tensor, its number from 1, and the number of tensors.

    Returns
    -------
    str
        The file type.

    Raises
    ------
    ModelError
        If the checkpoint is damaged, or llama.cpp would compute another model from it.
    MissingError
        If the ``gguf`` library is not installed.
    """
    if file_type not in ("auto", *FILE_TYPES):
        raise UsageError(f"there is no file type {file_type!r}", hint=f"one of {', '.join(FILE_TYPES)}")
    gguf = _library()
    try:
        conversion = _Conversion(gguf, directory, file_type, tensors)
        part = output.with_name(f".{output.name}.{os.getpid()}.part")
        try:
            with _silent():
                conversion.write(part, name, progress)
            model_shape(read_gguf(part))
            part.replace(output)
        finally:
            part.unlink(missing_ok=True)
    except ModelError as error:
        raise error.at(str(directory)) from error
    return conversion.file_type


def expected_tensors(directory: Path) -> dict[str, Callable[[], NDArray[np.float32]]]:
    """Return the tensors of a checkpoint's GGUF: by name, a function that reads each in single precision.

    Raises
    ------
    ModelError
        If the checkpoint is damaged or cannot be converted.
    """
    conversion = _Conversion(_library(), directory, "f32")
    return {target: read for target, _, _, read in conversion.sources()}


def _library() -> ModuleType:
    try:
        import gguf
    except ImportError as error:
        raise MissingError("the library gguf is not installed", hint=INSTALL) from error
    return gguf


@contextmanager
def _silent() -> Iterator[None]:
    """Hide the log of the library, which lists every key that it writes."""
    loggers = [logging.getLogger(name) for name in ("gguf", "metadata")]
    before = [(logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, (propagate, level) in zip(loggers, before, strict=True):
            logger.propagate = propagate
            logger.setLevel(level)


class _Conversion:
    """The conversion of one checkpoint to one file."""

    def __init__(
        self, gguf: ModuleType, directory: Path, file_type: str, tensors: Mapping[str, StoredTensor] | None = None
    ) -> None:
        self._gguf = gguf
        self._directory = directory
        self._config = read_json(directory / "config.json")
        self._kind = str(self._config.get("model_type"))
        _check_config(self._config)
        self._tensors = stored_tensors(directory) if tensors is None else dict(tensors)
        check_tensors(DecoderConfig.from_json(self._config), self._tensors)
        if self._config.get("tie_word_embeddings") and EMBEDDING in self._tensors:
            # some writers add a copy to tied models, which no program reads
            self._tensors.pop(HEAD, None)
        self.file_type = own_file_type(self._tensors) if file_type == "auto" else file_type
        self._names = gguf.get_tensor_name_map(self._architecture, int(self._config["num_hidden_layers"]))

    @property
    def _architecture(self) -> MODEL_ARCH:
        names: type[MODEL_ARCH] = self._gguf.MODEL_ARCH
        return names.LLAMA if self._kind == "llama" else names.QWEN3

    def write(self, path: Path, name: str | None, progress: Callable[[str, int, int], None] | None) -> None:
        gguf = self._gguf
        writer = gguf.GGUFWriter(path, self._kind)
        try:
            sources = list(self.sources())
            for target, shape, read_type, _ in sources:
                quantized = gguf.quant_shape_to_byte_shape(shape, read_type)
                elements = math.prod(quantized)
                writer.add_tensor_info(target, *self._layout(shape, read_type, elements))
            self._add_metadata(writer, name)
            self._add_parameters(writer)
            self._add_tokenizer(writer)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for number, (target, _, read_type, read) in enumerate(sources, start=1):
                if progress is not None:
                    progress(target, number, len(sources))
                writer.write_tensor_data(gguf.quants.quantize(read(), read_type))
        finally:
            writer.close()

    def _layout(self, shape: tuple[int, ...], kind: GGMLQuantizationType, n_bytes: int) -> tuple[object, ...]:
        """Return shape, dtype, size and type for the writer."""
        import numpy as np

        types = self._gguf.GGMLQuantizationType
        if kind == types.F32:
            return shape, np.dtype(np.float32), n_bytes, kind
        if kind == types.F16:
            return shape, np.dtype(np.float16), n_bytes, kind
        return self._gguf.quant_shape_to_byte_shape(shape, kind), np.dtype(np.uint8), n_bytes, kind

    def sources(self) -> Iterator[tuple[str, tuple[int, ...], GGMLQuantizationType, Callable[[], NDArray[np.float32]]]]:
        """Yield target name, shape, type and reading function of every tensor."""
        types = self._gguf.GGMLQuantizationType
        factors = self._rope_factors()
        if factors is not None:
            yield "rope_freqs.weight", factors.shape, types.F32, lambda: factors
        for name, tensor in self._tensors.items():
            if name.endswith(".rotary_emb.inv_freq"):
                continue
            target = self._names.get_name(name, try_suffixes=(".weight", ".bias"))
            if target is None:
                raise ModelError(f"the tensor {name} is not part of a {self._kind} model")
            yield target, tensor.shape, self._type(target, tensor.shape), self._reader(name, tensor)

    def _type(self, target: str, shape: tuple[int, ...]) -> GGMLQuantizationType:
        types: type[GGMLQuantizationType] = self._gguf.GGMLQuantizationType
        if len(shape) <= 1 or target.endswith("_norm.weight"):
            return types.F32
        if self.file_type == "q8_0" and shape[-1] % 32:
            return types.F16
        return types[self.file_type.upper()]

    def _reader(self, name: str, tensor: StoredTensor) -> Callable[[], NDArray[np.float32]]:
        part = name.rsplit(".", 2)[-2]
        if self._kind != "llama" or part not in ("q_proj", "k_proj"):
            return tensor.read
        heads = int(self._config["num_attention_heads"])
        if part == "k_proj":
            heads = int(self._config.get("num_key_value_heads") or heads)
        return lambda: _interleave(tensor.read(), heads)

    def _rope_factors(self) -> NDArray[np.float32] | None:
        """Return the factors by which ``llama3`` stretches each wavelength, shape (D / 2,)."""
        rope = _rope(self._config)
        if rope["rope_type"] != "llama3":
            return None
        import numpy as np

        width = _head_dim(self._config)
        exponent = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
        wavelengths = 2 * np.pi * np.float32(rope["rope_theta"]) ** exponent
        factor, low = float(rope.get("factor", 8.0)), float(rope.get("low_freq_factor", 1.0))
        high = float(rope.get("high_freq_factor", 4.0))
        original = float(rope.get("original_max_position_embeddings", 8192))
        smooth = np.clip((original / wavelengths - low) / (high - low), 0.0, 1.0)
        stretched: NDArray[np.float32] = (1.0 / ((1 - smooth) / factor + smooth)).astype(np.float32)
        return stretched

    def _add_metadata(self, writer: GGUFWriter, name: str | None) -> None:
        gguf = self._gguf
        total, shared, expert, experts = writer.get_total_parameter_count()
        metadata = gguf.Metadata.load(None, self._directory, name, total)
        if metadata.name is None:
            metadata.name = self._directory.name
        if metadata.size_label is None and total > 0:
            metadata.size_label = gguf.size_label(total, shared, expert, experts)
        writer.add_type(gguf.GGUFType.MODEL)
        metadata.set_gguf_meta_model(writer)
        generation = self._directory / "generation_config.json"
        if sampling := from_config(read_json(generation) if generation.is_file() else {}):
            writer.add_string(GGUF_KEY, json.dumps(sampling))
        if skills := read_skills(self._directory):
            writer.add_string(SKILLS_KEY, json.dumps(skills_to_json(skills, self._directory.name)))

    def _add_parameters(self, writer: GGUFWriter) -> None:
        gguf, config = self._gguf, self._config
        writer.add_block_count(int(config["num_hidden_layers"]))
        writer.add_context_length(int(config["max_position_embeddings"]))
        writer.add_embedding_length(int(config["hidden_size"]))
        writer.add_feed_forward_length(int(config["intermediate_size"]))
        writer.add_head_count(int(config["num_attention_heads"]))
        if config.get("num_key_value_heads") is not None:
            writer.add_head_count_kv(int(config["num_key_value_heads"]))
        rope = _rope(config)
        if rope["rope_type"] == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(float(rope["factor"]))
        if rope["rope_theta"] is not None:
            writer.add_rope_freq_base(float(rope["rope_theta"]))
        writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
        if config.get("head_dim") is not None:
            writer.add_key_length(int(config["head_dim"]))
            writer.add_value_length(int(config["head_dim"]))
        types = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0"}
        writer.add_file_type(gguf.LlamaFileType[types[self.file_type]])
        if self._kind == "llama":
            writer.add_vocab_size(int(config["vocab_size"]))
            writer.add_rope_dimension_count(_head_dim(config))
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)

    def _add_tokenizer(self, writer: GGUFWriter) -> None:
        gguf = self._gguf
        tokenizer = read_json(self._directory / "tokenizer.json")
        if (tokenizer.get("model") or {}).get("type") != "BPE":
            raise ModelError("the tokenizer is not byte-level BPE, which llama.cpp needs")
        reader = HubTokenizer(self._directory, ())
        _ = reader.vocabulary  # raises unless it is BPE
        if not reader.is_byte_level:
            raise ModelError(
                "the tokenizer has a byte fallback, which logos does not write into GGUF",
                hint="run the model as it is: --backend transformers or torch",
            )
        tokens, kinds = self._tokens(tokenizer)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre_tokenizer(tokenizer))
        writer.add_token_list(tokens)
        writer.add_token_types(kinds)
        config_file = self._directory / "tokenizer_config.json"
        prefix = read_json(config_file).get("add_prefix_space") if config_file.is_file() else None
        if self._kind == "llama" and prefix is not None:
            writer.add_add_space_prefix(bool(prefix))
        special = gguf.SpecialVocab(self._directory, load_merges=True)
        processor = tokenizer.get("post_processor") or {}
        if any(step.get("type") == "ByteLevel" for step in processor.get("processors", [processor])):
            # explicit, as in newer versions of the library, since other programs have other defaults
            special.add_special_token.setdefault("bos", False)
            special.add_special_token.setdefault("eos", False)
        special.add_to_gguf(writer, quiet=True)

    def _tokens(self, tokenizer: JsonMapping) -> tuple[list[str], list[int]]:
        """Return text and kind of every row of the embedding."""
        kinds = self._gguf.TokenType
        n_tokens = int(self._config["vocab_size"])
        by_id = {i: token for token, i in tokenizer["model"]["vocab"].items()}
        added = {token["id"]: token for token in tokenizer.get("added_tokens") or ()}
        by_id |= {i: token["content"] for i, token in added.items()}
        if by_id and max(by_id) >= n_tokens:
            raise ModelError(f"the tokenizer has the id {max(by_id)}; config.json allows {n_tokens} tokens")
        texts, types = [], []
        for i in range(n_tokens):
            text = by_id.get(i)
            kind = kinds.NORMAL
            if text is None:
                text, kind = f"[PAD{i}]", kinds.UNUSED
            elif i in added:
                kind = kinds.CONTROL if added[i]["special"] or _looks_special(text) else kinds.USER_DEFINED
            texts.append(text)
            types.append(int(kind))
        return texts, types


def _looks_special(text: str) -> bool:
    return text == "<pad>" or (text.startswith("<|") and text.endswith("|>"))


def _check_config(config: JsonMapping) -> None:
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        raise ModelError(
            f"the architecture {kind!r} cannot be converted", hint=f"architectures that can: {', '.join(MODEL_TYPES)}"
        )
    if config.get("use_sliding_window") or set(config.get("layer_types") or ()) - {"full_attention"}:
        raise ModelError("sliding-window attention cannot be converted")
    if config.get("hidden_act", "silu") != "silu":
        raise ModelError(f"the activation {config['hidden_act']!r} cannot be converted")
    whole = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    for key in (*whole, "max_position_embeddings"):
        if not isinstance(config.get(key), int) or config[key] <= 0:
            raise ModelError(f"config.json gives {key} as {config.get(key)!r}")
    if not isinstance(config.get("rms_norm_eps"), float):
        raise ModelError(f"config.json gives rms_norm_eps as {config.get('rms_norm_eps')!r}")
    rope = _rope(config)
    if rope["rope_type"] not in ("default", "linear", "llama3"):
        raise ModelError(f"the rotary embedding {rope['rope_type']!r} cannot be converted")
    if rope["rope_type"] == "llama3" and kind != "llama":
        raise ModelError("llama.cpp supports the rotary embedding 'llama3' for the architecture llama only")


def _rope(config: JsonMapping) -> JsonObject:
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope.setdefault("rope_type", rope.get("type", "default"))
    rope.setdefault("rope_theta", config.get("rope_theta"))
    return rope


def _head_dim(config: JsonMapping) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _interleave(weights: NDArray[np.float32], n_heads: int) -> NDArray[np.float32]:
    """Return query or key weights in llama.cpp's order: the halves of each head's rotation alternate."""
    rest = weights.shape[1:]
    split = weights.reshape(n_heads, 2, weights.shape[0] // n_heads // 2, *rest)
    return split.swapaxes(1, 2).reshape(weights.shape)


def pre_tokenizer(tokenizer: JsonMapping) -> str:
    """Return llama.cpp's name of the pre-tokenizer of a ``tokenizer.json``, which splits text before merges.

    For a tokenizer without merges (as that of logos-nano) the split does not matter: ``default``.

    Raises
    ------
    ModelError
        If llama.cpp has no such pre-tokenizer.
    """
    steps = tokenizer.get("pre_tokenizer") or {}
    parts = steps.get("pretokenizers", [steps])
    patterns = [part.get("pattern", {}).get("Regex") for part in parts if part.get("type") == "Split"]
    if len(patterns) == 1 and patterns[0] in _SPLITS:
        return _SPLITS[patterns[0]]
    merges = tokenizer["model"].get("merges") or []
    pairs = [tuple(merge.split(" ", 1)) if isinstance(merge, str) else tuple(merge) for merge in merges]
    if not patterns and all(_NEVER & set("".join(pair)) for pair in pairs):
        return "default"
    raise ModelError(
        "the tokenizer splits text in a way that llama.cpp does not support",
        hint="tokenizers of Llama 3, Qwen 2 and 3, and of logos-nano can be converted",
    )
