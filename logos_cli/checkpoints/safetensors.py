"""Tensors of a checkpoint directory, read one at a time and without PyTorch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.checkpoints.tokenizer import read_json
from logos_cli.errors import ModelError
from logos_cli.records.json_text import parse_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_LARGEST_HEADER = 100_000_000
"""Limit of the format, in bytes."""
_NUMPY = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor of a safetensors file."""

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self) -> NDArray[np.float32]:
        """Return the numbers in single precision."""
        import numpy as np

        if self.dtype not in _NUMPY:
            raise ModelError(
                f"the tensor {self.name} has the type {self.dtype}; logos reads {', '.join(_NUMPY)}",
                source=str(self.file),
            )
        raw = np.memmap(self.file, _NUMPY[self.dtype], "r", self.offset, self.shape)
        if self.dtype == "BF16":
            return (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float32)


def weight_files(directory: Path) -> list[Path]:
    """Return the safetensors files of a checkpoint.

    Raises
    ------
    ModelError
        If a file is missing; the hint explains why pickles in its place are not read.
    """
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ModelError(f"{index.name} has no weight_map", hint="download the model again")
        files = [directory / Path(str(name)).name for name in sorted(set(map(str, weight_map.values())))]
    else:
        files = [directory / "model.safetensors"]
    if missing := [file.name for file in files if not file.is_file()]:
        pickles = sorted(path for pattern in _PICKLES for path in directory.glob(pattern))
        raise ModelError(
            f"the weights {missing[0]} are missing",
            hint=f"{pickles[0].name} is a pickle, which can run code and is never read: convert it to safetensors"
            if pickles
            else "download the model completely",
        )
    return files


def stored_type(files: Iterable[Path]) -> str:
    """Return the most frequent type of the weights in safetensors, from the headers.

    Raises
    ------
    ModelError
        If a header is damaged.
    """
    counts: Counter[str] = Counter()
    for file in files:
        try:
            with file.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                header = parse_json(stream.read(min(length, _LARGEST_HEADER)))
            for name, entry in header.items():
                if name != "__metadata__":
                    counts[str(entry["dtype"])] += math.prod(int(size) for size in entry["shape"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ModelError(f"{file.name} is damaged: {error}", hint="download the model again") from error
    if not counts:
        raise ModelError("the weights have no tensor", hint="download the model again")
    return counts.most_common(1)[0][0]


def stored_tensors(directory: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a checkpoint directory by name, without their numbers.

    Raises
    ------
    ModelError
        If the weights are missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, StoredTensor] = {}
    for file in weight_files(directory):
        try:
            with safe_open(file, framework="np"):  # checks that the header fits the file
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{file.name} is damaged: {error}", hint="download the model again") from error
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = parse_json(stream.read(length))
        for key, entry in header.items():
            if key != "__metadata__":
                place = 8 + length + entry["data_offsets"][0]
                tensors[key] = StoredTensor(key, file, entry["dtype"], tuple(entry["shape"]), place)
    return tensors
