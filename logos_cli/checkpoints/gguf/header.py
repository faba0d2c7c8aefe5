"""The header of GGUF files, read with all bounds checked, so that a damaged file raises an error.

llama.cpp trusts the files that it maps: a wrong count or shape ends the process instead of raising. Therefore
:func:`read_gguf` checks the structure of a file, and :func:`model_shape` the model, before llama.cpp reads it.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from logos_cli.checkpoints.config import NetworkShape
from logos_cli.errors import ModelError
from logos_cli.io.json_types import JsonMapping, JsonObject

ARCHITECTURES = ("llama", "qwen3")
SUFFIX = ".gguf"
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_LEAST_BYTES = 24
_MOST_ENTRIES = 1 << 20
_MOST_DIMENSIONS = 4
_MOST_NESTED = 1
_AGAIN = "download or convert the model again"

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

TYPES: Mapping[int, tuple[str, int, int]] = {
    0: ("f32", 1, 4),
    1: ("f16", 1, 2),
    2: ("q4_0", 32, 18),
    3: ("q4_1", 32, 20),
    6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24),
    8: ("q8_0", 32, 34),
    9: ("q8_1", 32, 40),
    10: ("q2_k", 256, 84),
    11: ("q3_k", 256, 110),
    12: ("q4_k", 256, 144),
    13: ("q5_k", 256, 176),
    14: ("q6_k", 256, 210),
    15: ("q8_k", 256, 292),
    16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74),
    18: ("iq3_xxs", 256, 98),
    19: ("iq1_s", 256, 50),
    20: ("iq4_nl", 32, 18),
    21: ("iq3_s", 256, 110),
    22: ("iq2_s", 256, 82),
    23: ("iq4_xs", 256, 136),
    29: ("iq1_m", 256, 56),
    30: ("bf16", 1, 2),
    34: ("tq1_0", 256, 54),
    35: ("tq2_0", 256, 66),
    39: ("mxfp4", 32, 17),
}
"""Tensor types by number: name, elements in a block, bytes of a block."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """The position of a tensor in a file; ``shape`` as in ``transformers`` (the fastest dimension last)."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    n_bytes: int

    @property
    def n_elements(self) -> int:
        """Count of its numbers."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Metadata and tensors of a file."""

    path: Path
    version: int
    metadata: JsonMapping
    tensors: Mapping[str, TensorEntry]
    size: int

    @property
    def architecture(self) -> str:
        """The architecture, such as ``llama``."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def n_parameters(self) -> int:
        """Count of numbers in all tensors but the table of rotary frequencies, which is not a weight."""
        return sum(entry.n_elements for name, entry in self.tensors.items() if name != "rope_freqs.weight")

    @property
    def precision(self) -> str:
        """The type of most of the numbers."""
        counts: dict[str, int] = {}
        for entry in self.tensors.values():
            counts[entry.type] = counts.get(entry.type, 0) + entry.n_elements
        return max(counts, key=counts.__getitem__) if counts else "none"


class _Cursor:
    """Reads little-endian values from a buffer, never beyond its end."""

    def __init__(self, buffer: mmap.mmap) -> None:
        self._buffer = buffer
        self._size = len(buffer)
        self.place = 0

    def skip(self, n_bytes: int) -> int:
        """Return the position and skip some bytes."""
        start = self.place
        if n_bytes < 0 or n_bytes > self._size - start:
            raise ModelError(f"the file ends inside its header, at byte {self._size:,}", hint=_AGAIN)
        self.place = start + n_bytes
        return start

    def scalar(self, code: str) -> Any:
        return struct.unpack_from(f"<{code}", self._buffer, self.skip(struct.calcsize(code)))[0]

    def string(self) -> str:
        length = self.scalar("Q")
        start = self.skip(length)
        text: str = self._buffer[start : start + length].decode("utf-8", "surrogateescape")
        return text

    def value(self, kind: int, depth: int = 0) -> object:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array(depth)
        if kind not in _SCALARS:
            raise ModelError(f"the header has a value of the unknown type {kind}", hint=_AGAIN)
        return self.scalar(_SCALARS[kind])

    def _array(self, depth: int) -> Sequence[object]:
        if depth >= _MOST_NESTED:
            raise ModelError("the header nests arrays", hint=_AGAIN)
        kind, count = self.scalar("I"), self.scalar("Q")
        smallest = struct.calcsize(_SCALARS[kind]) if kind in _SCALARS else 8
        if count > (self._size - self.place) // smallest:
            raise ModelError(f"the header has an array of {count:,} values, which is longer than the file", hint=_AGAIN)
        if kind in _SCALARS:
            code = f"<{count}{_SCALARS[kind]}"
            return list(struct.unpack_from(code, self._buffer, self.skip(count * smallest)))
        if kind == _STRING:
            return self._strings(count)
        return [self.value(kind, depth + 1) for _ in range(count)]

    def _strings(self, count: int) -> list[str]:
        """Return a list of strings; vocabularies have half a million, so that calls one by one would be slow."""
        buffer, size, place, length_at = self._buffer, self._size, self.place, struct.Struct("<Q").unpack_from
        strings = []
        for _ in range(count):
            start = place + 8
            place = start + length_at(buffer, place)[0] if start <= size else size + 1
            if place > size:
                self.skip(size + 1)
            strings.append(buffer[start:place].decode("utf-8", "surrogateescape"))
        self.place = place
        return strings


def is_gguf(path: Path) -> bool:
    """Whether a file is a GGUF, by name or by content."""
    if not path.is_file():
        return False
    if path.suffix == SUFFIX:
        return True
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def read_gguf(path: Path) -> GgufHeader:
    """Read the header of a GGUF file.

    Raises
    ------
    ModelError
        If it is not a GGUF, or its header or the positions of its tensors contradict its size.
    """
    try:
        with path.open("rb") as stream:
            return _map_and_read(path, stream.fileno())
    except OSError as error:
        raise ModelError(f"the file cannot be read: {error.strerror or error}") from error
    except ModelError as error:
        raise error.at(str(path)) from error


def _map_and_read(path: Path, descriptor: int) -> GgufHeader:
    if path.stat().st_size < _LEAST_BYTES:
        raise ModelError("the file is too short to be a GGUF", hint=_AGAIN)
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as buffer:
        return _read(path, buffer)


def _read(path: Path, buffer: mmap.mmap) -> GgufHeader:
    if buffer[:4] != _MAGIC:
        raise ModelError("the file is not a GGUF: it does not begin with these letters", hint=_AGAIN)
    cursor = _Cursor(buffer)
    cursor.skip(4)
    version = cursor.scalar("I")
    if version not in _VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "big"), "little")
        problem = "is big-endian" if swapped in _VERSIONS else f"has version {version}"
        raise ModelError(f"the GGUF {problem}; logos reads versions 2 and 3, little-endian", hint=_AGAIN)
    n_tensors, n_entries = cursor.scalar("Q"), cursor.scalar("Q")
    if n_tensors > _MOST_ENTRIES or n_entries > _MOST_ENTRIES:
        raise ModelError(f"the header announces {n_tensors:,} tensors and {n_entries:,} entries", hint=_AGAIN)
    metadata: JsonObject = {}
    for _ in range(n_entries):
        key = cursor.string()
        if key in metadata:
            raise ModelError(f"the header has {key!r} twice", hint=_AGAIN)
        metadata[key] = cursor.value(cursor.scalar("I"))
    if _integer(metadata, "split.count", 1) > 1:
        raise ModelError("the GGUF is one part of several", hint="join them: llama-gguf-split --merge")
    alignment = _integer(metadata, "general.alignment", 32)
    if not 8 <= alignment <= 1 << 16 or alignment & (alignment - 1):
        raise ModelError(f"the header asks for an alignment of {alignment}", hint=_AGAIN)
    tensors = _tensors(cursor, n_tensors, alignment, len(buffer))
    return GgufHeader(path, version, metadata, tensors, len(buffer))


def _tensors(cursor: _Cursor, n_tensors: int, alignment: int, size: int) -> dict[str, TensorEntry]:
    entries: list[tuple[str, tuple[int, ...], int, int]] = []
    for _ in range(n_tensors):
        name, n_dimensions = cursor.string(), cursor.scalar("I")
        if not 1 <= n_dimensions <= _MOST_DIMENSIONS:
            raise ModelError(f"the tensor {name!r} has {n_dimensions} dimensions", hint=_AGAIN)
        shape = tuple(cursor.scalar("Q") for _ in range(n_dimensions))
        entries.append((name, shape[::-1], cursor.scalar("I"), cursor.scalar("Q")))
    start = -(-cursor.place // alignment) * alignment
    tensors: dict[str, TensorEntry] = {}
    for name, shape, kind, offset in entries:
        if name in tensors:
            raise ModelError(f"the header has the tensor {name!r} twice", hint=_AGAIN)
        if kind not in TYPES:
            raise ModelError(f"the tensor {name!r} has the unknown type {kind}", hint="update logos")
        kind_name, block, block_bytes = TYPES[kind]
        if not all(0 < length < 1 << 40 for length in shape) or shape[-1] % block:
            raise ModelError(f"the tensor {name!r} of type {kind_name} has the shape {shape}", hint=_AGAIN)
        entry = TensorEntry(name, kind_name, shape, start + offset, 0)
        n_bytes = entry.n_elements // block * block_bytes
        if offset % alignment or start + offset + n_bytes > size:
            raise ModelError(
                f"the tensor {name!r} would end at byte {start + offset + n_bytes:,}; the file has {size:,}"
                if offset % alignment == 0
                else f"the position of the tensor {name!r} is not a multiple of {alignment}",
                hint=_AGAIN,
            )
        tensors[name] = TensorEntry(name, kind_name, shape, start + offset, n_bytes)
    return tensors


def _integer(metadata: JsonMapping, key: str, default: int) -> int:
    value = metadata.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse_value(key, value)
    return value


def _refuse_value(key: str, value: object) -> NoReturn:
    shown = f"{len(value)} values" if isinstance(value, list) else repr(value)[:40]
    raise ModelError(f"the header gives {key} as {shown}", hint=_AGAIN)


@dataclass(frozen=True, slots=True)
class ModelShape(NetworkShape):
    """The sizes of a model's parts, and its architecture."""

    architecture: str

    def cache_bytes(self, n_tokens: int, bytes_per_number: float = 2.0) -> int:
        """Return the memory of the keys and values of some tokens."""
        return int(self.cache_elements_per_token * bytes_per_number * n_tokens)


def model_shape(header: GgufHeader) -> ModelShape:
    """Check that a header describes a Llama or Qwen3 model with all its tensors, and return its sizes.

    Raises
    ------
    ModelError
        If it does not describe such a model.
    """
    try:
        return _model_shape(header)
    except ModelError as error:
        raise error.at(str(header.path)) from error


def _model_shape(header: GgufHeader) -> ModelShape:
    kind, metadata = header.architecture, header.metadata
    if kind not in ARCHITECTURES:
        raise ModelError(
            f"the architecture {kind!r} is not supported", hint=f"supported architectures: {', '.join(ARCHITECTURES)}"
        )

    def size(key: str, default: int = 0, most: int = 1 << 24) -> int:
        value = _integer(metadata, f"{kind}.{key}", default)
        if not 0 < value <= most:
            _refuse_value(f"{kind}.{key}", metadata.get(f"{kind}.{key}", "(nothing)"))
        return value

    hidden, n_heads = size("embedding_length"), size("attention.head_count")
    n_kv_heads = size("attention.head_count_kv", n_heads)
    head_dim = size("attention.key_length", max(1, hidden // n_heads))
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not tokens:
        raise ModelError("the GGUF has no vocabulary (tokenizer.ggml.tokens)", hint=_AGAIN)
    shape = ModelShape(
        size("block_count", most=4096),
        n_heads,
        n_kv_heads,
        head_dim,
        hidden,
        size("feed_forward_length"),
        len(tokens),
        size("context_length", most=1 << 30),
        kind,
    )
    if n_heads % n_kv_heads or size("attention.value_length", head_dim) != head_dim or head_dim % 2:
        raise ModelError(f"{n_heads} heads do not fit {n_kv_heads} key-value heads of width {head_dim}", hint=_AGAIN)
    if size("rope.dimension_count", head_dim) != head_dim:
        raise ModelError("a rotary embedding of part of the head is not supported")
    epsilon = metadata.get(f"{kind}.attention.layer_norm_rms_epsilon")
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        _refuse_value(f"{kind}.attention.layer_norm_rms_epsilon", epsilon)
    _check_rope(kind, metadata)
    if metadata.get(f"{kind}.expert_count", 0):
        raise ModelError("mixtures of experts are not supported")
    _check_tensors(header, shape)
    return shape


def _check_rope(kind: str, metadata: JsonMapping) -> None:
    scaling = metadata.get(f"{kind}.rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise ModelError(f"the rotary embedding {scaling!r} is not supported")
    for key in ("rope.freq_base", "rope.scaling.factor"):
        value = metadata.get(f"{kind}.{key}", 1.0)
        if not isinstance(value, float) or not 0 < value < 1e12:
            _refuse_value(f"{kind}.{key}", value)


def _check_tensors(header: GgufHeader, shape: ModelShape) -> None:
    """Check every tensor of the model, and refuse tensors that it does not use."""
    width, inner = shape.hidden_size, shape.n_heads * shape.head_dim
    keys, middle = shape.n_kv_heads * shape.head_dim, shape.intermediate_size
    vocabulary = shape.vocabulary_size
    needed: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, width), "output_norm.weight": (width,)}
    optional: dict[str, tuple[int, ...]] = {
        "output.weight": (vocabulary, width),
        "rope_freqs.weight": (shape.head_dim // 2,),
    }
    for layer in range(shape.n_layers):
        parts: dict[str, tuple[int, ...]] = {
            "attn_norm": (width,),
            "ffn_norm": (width,),
            "attn_q": (inner, width),
            "attn_k": (keys, width),
            "attn_v": (keys, width),
            "attn_output": (width, inner),
            "ffn_gate": (middle, width),
            "ffn_up": (middle, width),
            "ffn_down": (width, middle),
        }
        if shape.architecture == "qwen3":
            parts |= {"attn_q_norm": (shape.head_dim,), "attn_k_norm": (shape.head_dim,)}
        needed |= {f"blk.{layer}.{name}.weight": size for name, size in parts.items()}
        sizes = {"attn_q": inner, "attn_k": keys, "attn_v": keys, "attn_output": width}
        optional |= {f"blk.{layer}.{name}.bias": (size,) for name, size in sizes.items()}
    for name, wanted in needed.items():
        if name not in header.tensors:
            raise ModelError(f"the GGUF lacks the tensor {name}", hint=_AGAIN)
        _compare(header.tensors[name], wanted)
    for name, entry in header.tensors.items():
        if name not in needed:
            if name not in optional:
                raise ModelError(f"the tensor {name!r} is not part of a {shape.architecture} model")
            _compare(entry, optional[name])


def _compare(entry: TensorEntry, wanted: tuple[int, ...]) -> None:
    if entry.shape != wanted:
        raise ModelError(f"the tensor {entry.name} has the shape {entry.shape}; the header asks for {wanted}")
    if len(wanted) == 1 and entry.type != "f32":
        raise ModelError(f"the tensor {entry.name} has the type {entry.type} instead of f32")
