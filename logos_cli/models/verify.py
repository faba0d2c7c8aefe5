"""Check the files of a model, and compare two models tensor by tensor."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from logos_cli.backends.llamacpp.library import INSTALL
from logos_cli.checkpoints.config import DecoderConfig, is_decoder
from logos_cli.checkpoints.gguf.header import GgufHeader, TensorEntry, model_shape, read_gguf
from logos_cli.checkpoints.gguf.vocabulary import GgufVocabulary
from logos_cli.checkpoints.gguf.write import expected_tensors
from logos_cli.checkpoints.locate import locate
from logos_cli.checkpoints.safetensors import StoredTensor, stored_tensors
from logos_cli.checkpoints.tensors import index_problems, tensor_problems
from logos_cli.checkpoints.tokenizer import HubTokenizer, read_json
from logos_cli.errors import MissingError, ModelError
from logos_cli.grammar import TAGS
from logos_cli.models.card import directory_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_BITS = 2
_SHARES = {8: 0.012, 6: 0.04, 5: 0.09, 4: 0.18, 3: 0.3, 2: 0.6}
"""Largest accepted relative error (root mean square) of a quantized matrix, by bits of a number.

About twice the error measured on normally distributed weights: 8 bits 0.5 %, 6 bits 1.8 %, 5 bits 4.3 %, 4 bits
8.7 %, 3 bits 15 %, 2 bits 30 %."""


@dataclass(frozen=True, slots=True)
class TensorFinding:
    """The comparison of one tensor.

    Attributes
    ----------
    error : float
        Root mean square of the differences over that of the numbers.
    problem : str, optional
        The problem; None if the tensor agrees within the precision of its type.
    """

    name: str
    type: str
    error: float = 0.0
    problem: str | None = None


@dataclass(slots=True)
class Verification:
    """The result of a verification.

    Attributes
    ----------
    sha256 : mapping
        Digest of every weight file.
    """

    model: str
    against: str | None
    sha256: dict[str, str] = field(default_factory=dict)
    tensors: list[TensorFinding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether there is no problem."""
        return not self.problems and all(finding.problem is None for finding in self.tensors)

    @property
    def largest_error(self) -> float:
        """The largest relative error of a tensor."""
        return max((finding.error for finding in self.tensors), default=0.0)

    def to_dict(self) -> dict[str, object]:
        """Return the result as a JSON object."""
        return {
            "model": self.model,
            "against": self.against,
            "sound": self.sound,
            "sha256": self.sha256,
            "problems": self.problems,
            "largest_error": self.largest_error,
            "tensors": [
                {"name": tensor.name, "type": tensor.type, "error": tensor.error, "problem": tensor.problem}
                for tensor in self.tensors
            ],
        }


Progress = Callable[[str, int, int], None]


def verify(
    model: str,
    against: str | None = None,
    *,
    revision: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Verification:
    """Check the files of a model, and compare its tensors with those of a checkpoint directory.

    Every number must be finite, and the tensors must be those that ``config.json`` and the index state. The files
    of a model from the hub must have the digests of the hub. In the comparison with a checkpoint, f32, f16, bf16 and
    q8_0 must be equal to the last bit, and coarser types within the error of their bits.

    Raises
    ------
    LogosError
        If the model does not exist or cannot be read.
    """
    location = locate(model, revision, offline=offline)
    result = Verification(model, against)
    reference = None if against is None else _reference(against, offline=offline)
    if location.path.is_dir():
        _verify_directory(location.path, result, reference, progress)
    else:
        _verify_gguf(location.path, result, reference, progress)
    return result


def _reference(against: str, *, offline: bool) -> Path:
    location = locate(against, offline=offline)
    if not location.path.is_dir():
        raise ModelError("a comparison needs a checkpoint directory", source=against)
    return location.path


def _verify_gguf(path: Path, result: Verification, reference: Path | None, progress: Progress | None) -> None:
    header = read_gguf(path)
    model_shape(header)
    vocabulary = GgufVocabulary(header)
    special = {vocabulary.tokens[i] for i in vocabulary.special_ids}
    result.problems += _missing_tags(special)
    result.sha256[path.name] = digest(path)
    expected: Mapping[str, Callable[[], NDArray[np.float32]]] = {}
    if reference is not None:
        reference_vocabulary = HubTokenizer(reference, ()).vocabulary
        if list(reference_vocabulary) != list(vocabulary.tokens):
            result.problems.append("the vocabulary is not that of the checkpoint")
        expected = expected_tensors(reference)
        result.problems += [f"the tensor {name} is missing" for name in expected.keys() - header.tensors.keys()]
        result.problems += [
            f"the checkpoint has no tensor for {name}" for name in header.tensors.keys() - expected.keys()
        ]
    for number, (name, entry) in enumerate(header.tensors.items(), start=1):
        if progress is not None:
            progress(name, number, len(header.tensors))
        result.tensors.append(_compare(header, entry, expected.get(name)))


def _missing_tags(special: set[bytes]) -> list[str]:
    missing = [tag for tag in TAGS if tag.encode() not in special]
    return [f"the tokenizer lacks {', '.join(missing)}"] if missing else []


def _gguf() -> ModuleType:
    try:
        import gguf
    except ImportError as error:
        raise MissingError("the library gguf is not installed", hint=INSTALL) from error
    return gguf


def raw_tensor(header: GgufHeader, entry: TensorEntry) -> NDArray[np.uint8]:
    """Return the bytes of a tensor, shape (rows, bytes of a row)."""
    import numpy as np

    raw = np.memmap(header.path, np.uint8, "r", entry.offset, (entry.n_bytes,))
    return raw.reshape(*entry.shape[:-1], -1)


def _numbers(header: GgufHeader, entry: TensorEntry) -> NDArray[np.float32]:
    gguf = _gguf()
    kind = gguf.GGMLQuantizationType[entry.type.upper()]
    numbers: NDArray[np.float32] = gguf.quants.dequantize(raw_tensor(header, entry), kind)
    return numbers.reshape(entry.shape)


def _compare(header: GgufHeader, entry: TensorEntry, read: Callable[[], NDArray[np.float32]] | None) -> TensorFinding:
    import numpy as np

    numbers = _numbers(header, entry)
    if not np.isfinite(numbers).all():
        return TensorFinding(entry.name, entry.type, math.nan, "holds numbers that are not finite")
    if read is None:
        return TensorFinding(entry.name, entry.type)
    reference = read()
    if reference.shape != entry.shape:
        return TensorFinding(
            entry.name, entry.type, math.nan, f"has the shape {entry.shape} instead of {reference.shape}"
        )
    if entry.type in ("f32", "f16", "bf16", "q8_0"):
        gguf = _gguf()
        exact = gguf.quants.quantize(reference, gguf.GGMLQuantizationType[entry.type.upper()])
        if (exact.view(np.uint8).reshape(-1) == raw_tensor(header, entry).reshape(-1)).all():
            return TensorFinding(entry.name, entry.type, _relative_error(numbers, reference))
    error = _relative_error(numbers, reference)
    bits = next((int(letter) for letter in entry.type if letter.isdigit()), 8)
    most = 1e-6 if entry.type in ("f32", "f16", "bf16") else _SHARES.get(bits, _SHARES[_LEAST_BITS])
    problem = f"differs by {error:.2%}" if not error <= most else None
    return TensorFinding(entry.name, entry.type, error, problem)


def _relative_error(numbers: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    import numpy as np

    scale = float(np.sqrt(np.mean(np.square(reference, dtype=np.float64))))
    difference = float(np.sqrt(np.mean(np.square(numbers - reference, dtype=np.float64))))
    return difference / scale if scale else difference


def _verify_directory(path: Path, result: Verification, reference: Path | None, progress: Progress | None) -> None:
    tensors = stored_tensors(path)
    result.problems += _network_problems(path, tensors)
    result.problems += index_problems(path, tensors)
    tokenizer = HubTokenizer(path, ())
    result.problems += _missing_tags({tokenizer.vocabulary[i] for i in tokenizer.special_ids})
    for file in sorted({tensor.file for tensor in tensors.values()}):
        result.sha256[file.name] = digest(file)
        hub_digest = hub_sha256(file)
        if hub_digest is not None and hub_digest != result.sha256[file.name]:
            result.problems.append(f"{file.name} differs from the file on the hub: fetch it again")
    others = stored_tensors(reference) if reference is not None else {}
    if reference is not None:
        result.problems += [f"the tensor {name} is missing" for name in others.keys() - tensors.keys()]
        result.problems += [f"the other model has no tensor {name}" for name in tensors.keys() - others.keys()]
    for number, (name, tensor) in enumerate(tensors.items(), start=1):
        if progress is not None:
            progress(name, number, len(tensors))
        result.tensors.append(_compare_stored(tensor, others.get(name)))


def _network_problems(path: Path, tensors: Mapping[str, StoredTensor]) -> list[str]:
    """Return where the tensors are not those of the network; transformers knows those of other architectures."""
    config = read_json(path / "config.json")
    if is_decoder(config):
        directory_shape(path)
        return tensor_problems(DecoderConfig.from_json(config), tensors)
    import torch

    from logos_cli.checkpoints.causal_model import read_causal_model

    try:
        read_causal_model(path, torch.float32)
    except ModelError as error:
        return [error.message]
    return []


def _compare_stored(tensor: StoredTensor, other: StoredTensor | None) -> TensorFinding:
    import numpy as np

    numbers, kind = tensor.read(), tensor.dtype.lower()
    if not np.isfinite(numbers).all():
        return TensorFinding(tensor.name, kind, math.nan, "holds numbers that are not finite")
    if other is None:
        return TensorFinding(tensor.name, kind)
    if other.shape != tensor.shape:
        return TensorFinding(tensor.name, kind, math.nan, f"has the shape {tensor.shape} instead of {other.shape}")
    error = _relative_error(numbers, other.read())
    return TensorFinding(tensor.name, kind, error, f"differs by {error:.2%}" if error else None)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hub_sha256(path: Path) -> str | None:
    """Return the digest of the hub for a large file, which is its name in the cache; None for another file."""
    name = path.resolve().name
    is_blob = path.resolve().parent.name == "blobs" and len(name) == hashlib.sha256().digest_size * 2
    return name if is_blob and all(letter in "0123456789abcdef" for letter in name) else None
