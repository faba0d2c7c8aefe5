"""Facts of a model: architecture, size, context, tags, licence, memory for a batch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from logos_cli.checkpoints.config import sizes_in
from logos_cli.checkpoints.gguf.header import ModelShape, model_shape, read_gguf
from logos_cli.checkpoints.gguf.vocabulary import GgufVocabulary
from logos_cli.checkpoints.locate import Location, locate, weights_sha256
from logos_cli.checkpoints.safetensors import stored_tensors
from logos_cli.checkpoints.tokenizer import HubTokenizer, read_json
from logos_cli.errors import ModelError
from logos_cli.grammar import TAGS

BATCHES = (1, 8, 64, 256)
LENGTHS_TOKENS = (256, 1024)
_DTYPES = {"F32": "f32", "F16": "f16", "BF16": "bf16", "F8_E4M3": "f8"}
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts from the files of a model.

    Attributes
    ----------
    format : str
        ``safetensors`` or ``gguf``.
    types : mapping
        Count of numbers by their stored type.
    n_tags : int
        Number of the sixteen tags that are single tokens of the tokenizer.
    sha256 : str, optional
        Digest of the weights; None above 2 GiB.
    """

    name: str
    path: Path
    format: str
    shape: ModelShape
    n_parameters: int
    weight_bytes: int
    types: Mapping[str, int]
    n_tokens: int
    n_tags: int
    licence: str | None
    revision: str | None
    sha256: str | None

    def memory_bytes(self, batch: int, n_tokens: int, bytes_per_number: float = 2.0) -> int:
        """Return the memory of weights and cache for a batch of sequences, without working memory."""
        return self.weight_bytes + self.shape.cache_bytes(batch * n_tokens, bytes_per_number)

    def to_dict(self) -> dict[str, object]:
        """Return the facts as a JSON object."""
        shape = self.shape
        lengths = self.lengths_tokens
        return {
            "name": self.name,
            "path": str(self.path),
            "format": self.format,
            "revision": self.revision,
            "licence": self.licence,
            "sha256": self.sha256,
            "architecture": shape.architecture,
            "parameters": self.n_parameters,
            "weight_bytes": self.weight_bytes,
            "types": dict(self.types),
            "context_tokens": shape.context_tokens,
            "layers": shape.n_layers,
            "hidden_size": shape.hidden_size,
            "heads": shape.n_heads,
            "kv_heads": shape.n_kv_heads,
            "head_dim": shape.head_dim,
            "intermediate_size": shape.intermediate_size,
            "vocabulary": self.n_tokens,
            "tags": self.n_tags,
            "cache_bytes_per_token": shape.cache_bytes(1),
            "memory_bytes": {
                str(batch): {str(length): self.memory_bytes(batch, length) for length in lengths} for batch in BATCHES
            },
        }

    @property
    def lengths_tokens(self) -> Sequence[int]:
        """Lengths of sequences for which ``to_dict`` reports the memory, the whole context last."""
        context = self.shape.context_tokens
        return (*(length for length in LENGTHS_TOKENS if length < context), context)


def facts(model: str, revision: str | None = None, *, offline: bool = False) -> ModelFacts:
    """Return the facts of a model without reading its weights.

    Parameters
    ----------
    model : str
        ``logos-nano``, a checkpoint directory, a GGUF file, or an ``owner/name`` of the hub.

    Raises
    ------
    LogosError
        If the model does not exist, or its files are damaged.
    """
    location = locate(model, revision, offline=offline)
    if location.path.is_dir():
        return _of_directory(model, location)
    return _of_gguf(model, location)


def _of_gguf(name: str, location: Location) -> ModelFacts:
    header = read_gguf(location.path)
    shape = model_shape(header)
    try:
        vocabulary = GgufVocabulary(header)
    except ModelError as error:
        raise error.at(str(location.path)) from error
    special = {vocabulary.tokens[i] for i in vocabulary.special_ids}
    types: dict[str, int] = {}
    for entry in header.tensors.values():
        types[entry.type] = types.get(entry.type, 0) + entry.n_elements
    return ModelFacts(
        name,
        location.path,
        "gguf",
        shape,
        header.n_parameters,
        sum(entry.n_bytes for entry in header.tensors.values()),
        types,
        len(vocabulary.tokens),
        sum(tag.encode() in special for tag in TAGS),
        header.metadata.get("general.license"),
        location.revision,
        weights_sha256([location.path]),
    )


def _of_directory(name: str, location: Location) -> ModelFacts:
    path = location.path
    try:
        shape = directory_shape(path)
        tensors = stored_tensors(path)
        tokenizer = HubTokenizer(path, ())
        vocabulary, special = tokenizer.vocabulary, tokenizer.special_ids
    except ModelError as error:
        raise error.at(name) from error
    types: dict[str, int] = {}
    for tensor in tensors.values():
        kind = _DTYPES.get(tensor.dtype, tensor.dtype.lower())
        types[kind] = types.get(kind, 0) + math.prod(tensor.shape)
    files = {tensor.file for tensor in tensors.values()}
    special_tokens = {vocabulary[i] for i in special}
    return ModelFacts(
        name,
        path,
        "safetensors",
        shape,
        sum(types.values()),
        sum(file.stat().st_size for file in files),
        types,
        len(vocabulary),
        sum(tag.encode() in special_tokens for tag in TAGS),
        licence(path),
        location.revision,
        weights_sha256(files),
    )


def directory_shape(path: Path) -> ModelShape:
    """Return the sizes in the ``config.json`` of a checkpoint directory.

    Raises
    ------
    ModelError
        If a size is missing.
    """
    config = read_json(path / "config.json")
    return ModelShape(**sizes_in(config), architecture=str(config.get("model_type")))


def licence(directory: Path) -> str | None:
    """Return the licence in the front matter of a model card."""
    try:
        text = (directory / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    matter = _FRONT_MATTER.match(text)
    match = re.search(r"^license:\s*(\S+)", matter[1], re.MULTILINE) if matter else None
    return match[1].strip("\"'") if match else None


def to_json(model: ModelFacts) -> str:
    """Return the facts of a model as JSON text."""
    return json.dumps(model.to_dict(), indent=2)
