"""Tensors of a checkpoint directory, read one at a time and without PyTorch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.backends._tokenizer import read_json
from logos_cli.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        """Return its numbers in single precision."""
        import numpy as np

        if self.dtype not in _NUMPY:
            raise ModelError(
                f"the tensor {self.name} is of type {self.dtype}; {', '.join(_NUMPY)} can be converted",
                source=str(self.file),
            )
        raw = np.memmap(self.file, _NUMPY[self.dtype], "r", self.offset, self.shape)
        if self.dtype == "BF16":
            return (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float32)


def stored_tensors(directory: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a checkpoint directory by name; their numbers are not read.

    Raises
    ------
    ModelError
        If the weights are missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    index = directory / "model.safetensors.index.json"
    names = {"model.safetensors"}
    if index.is_file():
        names = {Path(name).name for name in read_json(index).get("weight_map", {}).values()}
    found: dict[str, StoredTensor] = {}
    for name in sorted(names):
        file = directory / name
        if not file.is_file():
            raise ModelError(f"the weights {name} are missing", hint="download the model completely")
        try:
            with safe_open(file, framework="np"):  # checks that the header fits the file
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{name} is damaged: {error}", hint="download the model again") from error
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        for key, entry in header.items():
            if key != "__metadata__":
                place = 8 + length + entry["data_offsets"][0]
                found[key] = StoredTensor(key, file, entry["dtype"], tuple(entry["shape"]), place)
    return found
