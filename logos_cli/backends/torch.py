"""PyTorch: Llama and Qwen3 checkpoints in safetensors, on CPU, CUDA or Apple's MPS."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logos_cli.backends._locate import weights_sha256
from logos_cli.backends._tokenizer import HubTokenizer, read_json
from logos_cli.backends.base import (
    Availability,
    Backend,
    BackendType,
    Capabilities,
    Checkpoint,
    LoadOptions,
    ModelInfo,
)
from logos_cli.errors import DeviceMemoryError, MissingError, ModelError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from logos_cli.backends._decoder import Decoder

_ROWS = 8
"""Rows come in multiples of this. Matrix products of fewer rows take other code paths and round otherwise, and
then the text of a sequence would depend on how many others run beside it."""

_POSITIONS = 256
_TIMED_PARAMETERS = 300_000_000
"""A larger model gains from every core, and would take long to time."""

_WORTH = 0.9
"""More threads must bring the time of a step below this part of what it was."""

_DTYPES = ("float32", "bfloat16", "float16")


def _rounded(number: int, step: int) -> int:
    return -(-number // step) * step


@contextmanager
def _explained_memory() -> Iterator[None]:
    """Turn the device's out-of-memory error into ours."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            "the device is out of memory",
            hint="use a smaller batch (-b), --dtype bfloat16, or a smaller model",
        ) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise DeviceMemoryError(
            "out of memory", hint="use a smaller batch (-b) or a smaller model"
        ) from error


class TorchBackend(Backend):
    """A decoder whose cache rows are the slots."""

    def __init__(self, decoder: Decoder, checkpoint: TorchCheckpoint, info: ModelInfo) -> None:
        self.info = info
        self.tokenizer = checkpoint.tokenizer
        self.context_tokens = checkpoint.context_tokens
        self.capabilities = Capabilities(batch_invariant=info.device == "cpu" and info.dtype == "float32")
        self._decoder = decoder
        self._length: list[int] = []

    def reserve(self, n_slots: int) -> None:
        """Make room for this many sequences."""
        self._length = [0] * _rounded(n_slots, _ROWS)
        self._grow()

    def _grow(self) -> None:
        """Keep a free position in every row: rows that only pad a step write one beyond their end."""
        needed, decoder = max(self._length) + 1, self._decoder
        if needed <= decoder.n_positions and len(self._length) == decoder.n_rows:
            return
        n_positions = decoder.n_positions
        if needed > n_positions:
            n_positions = max(_rounded(needed, _POSITIONS), 2 * n_positions)
        with _explained_memory():
            decoder.reserve(len(self._length), min(n_positions, _rounded(self.context_tokens + 1, 64)))

    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in a free slot."""
        import torch

        if not 0 < len(tokens) <= self.context_tokens:
            raise UsageError(
                f"a prompt of {len(tokens)} tokens does not fit the context of {self.context_tokens}"
            )
        self._length[slot] = len(tokens)
        self._grow()
        with torch.inference_mode(), _explained_memory():
            ids = torch.tensor(tokens, dtype=torch.long, device=self._decoder.device)
            return self._host(self._decoder.prefill(slot, ids))

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each of the sequences."""
        import torch

        n_rows = _rounded(max(slots) + 1, _ROWS)
        ids, positions = [0] * n_rows, self._length[:n_rows]
        for slot, token in zip(slots, tokens, strict=True):
            ids[slot] = token
            self._length[slot] += 1
        self._grow()
        n_used = max(self._length[slot] for slot in slots)
        with torch.inference_mode(), _explained_memory():
            device = self._decoder.device
            logits = self._decoder.step(
                torch.tensor(ids, device=device), torch.tensor(positions, device=device), n_used
            )
            if len(slots) < n_rows:
                logits = logits[torch.tensor(slots, device=device)]
            return self._host(logits)

    @staticmethod
    def _host(logits: torch.Tensor) -> NDArray[np.float32]:
        array: NDArray[np.float32] = logits.float().cpu().numpy()
        return array

    def copy(self, source: int, target: int) -> None:
        """Make the free slot ``target`` hold the same sequence as ``source``."""
        length = self._length[target] = self._length[source]
        cache = self._decoder.cache
        cache[:, target, :, :length] = cache[:, source, :, :length]

    def free(self, slot: int) -> None:
        """Forget the sequence of a slot."""
        self._length[slot] = 0


class TorchCheckpoint(Checkpoint):
    """A directory with ``config.json``, ``tokenizer.json`` and safetensors weights."""

    def __init__(self, path: Path, options: LoadOptions, revision: str | None) -> None:
        self.name = options.model
        self.path = path
        self._options = options
        self._revision = revision
        self._config = read_json(path / "config.json")
        self.tokenizer = HubTokenizer(path, self._eos_ids())
        self.context_tokens = int(self._config.get("max_position_embeddings") or 0)
        if options.dtype != "auto" and options.dtype not in _DTYPES:
            raise UsageError(f"unknown dtype {options.dtype!r}", hint=f"one of auto, {', '.join(_DTYPES)}")

    def _eos_ids(self) -> tuple[int, ...]:
        generation = self.path / "generation_config.json"
        configs = (self._config, read_json(generation) if generation.is_file() else {})
        found: dict[int, None] = {}
        for config in configs:
            value = config.get("eos_token_id")
            found |= dict.fromkeys([value] if isinstance(value, int) else value or [])
        return tuple(found)

    @cached_property
    def _files(self) -> list[Path]:
        index = self.path / "model.safetensors.index.json"
        if index.is_file():
            names = sorted(set(read_json(index).get("weight_map", {}).values()))
            files = [self.path / Path(name).name for name in names]
        else:
            files = [self.path / "model.safetensors"]
        if missing := [file.name for file in files if not file.is_file()]:
            pickles = [*self.path.glob("*.bin"), *self.path.glob("*.pt"), *self.path.glob("*.pth")]
            raise ModelError(
                f"the weights {missing[0]} are missing",
                hint=f"{pickles[0].name} is a pickle, which can run code and is never read: convert it to safetensors"
                if pickles
                else "download the model completely",
            )
        return files

    def load(self) -> TorchBackend:
        """Read the weights."""
        files = self._files
        state = PLUGIN.probe()
        if not state.available:
            raise MissingError("the backend torch needs PyTorch, which is not installed", hint=state.remedy)
        from logos_cli.backends._decoder import Decoder, DecoderConfig

        config = DecoderConfig.from_json(self._config)
        device = _device(self._options.device)
        with _explained_memory():
            tensors = _read_tensors(files, device, _dtype(self._options.dtype, device))
            decoder = Decoder(config, tensors)
        _set_threads(decoder, self._options.threads)
        dtype = str(decoder.dtype).removeprefix("torch.")
        sha256 = None if self._revision else weights_sha256(files)
        return TorchBackend(
            decoder, self, ModelInfo(self.name, "torch", str(device), dtype, self._revision, sha256)
        )


def _set_threads(decoder: Decoder, threads: int | None) -> None:
    """Use as many CPU threads as asked for, else as many as are found to help.

    Threads that wait for each other cost a small model more than they give, and far more on a busy machine:
    one step is timed with 1, 2, 4 … threads, as long as more are faster. The texts are the same in any case.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
        return
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    most = min(torch.get_num_threads(), int(slurm) if slurm.isdigit() else torch.get_num_threads())
    torch.set_num_threads(most)
    if most == 1 or decoder.device.type != "cpu" or decoder.n_parameters > _TIMED_PARAMETERS:
        return
    decoder.reserve(_ROWS, 64)
    best, least_s = 1, _step_s(decoder, 1)
    for number in (*(2**i for i in range(1, most.bit_length()) if 2**i < most), most):
        seconds = _step_s(decoder, number)
        if seconds > _WORTH * least_s:
            break
        best, least_s = number, seconds
    torch.set_num_threads(best)


def _step_s(decoder: Decoder, threads: int) -> float:
    """Return the shortest time of a few steps."""
    import torch

    torch.set_num_threads(threads)
    tokens = torch.zeros(_ROWS, dtype=torch.long)
    times = []
    with torch.inference_mode():
        for _ in range(4):
            start = time.perf_counter()
            decoder.step(tokens, tokens, 1)
            times.append(time.perf_counter() - start)
    return min(times)


def _device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` takes a GPU if there is one.

    Raises
    ------
    UsageError
        If there is no such device here.
    """
    import torch

    seen = _devices()
    if name == "auto":
        name = next(
            (kind for kind in ("cuda", "mps") if any(device.startswith(kind) for device in seen)), "cpu"
        )
    if name == "cuda":
        name = "cuda:0"
    if name not in seen:
        raise UsageError(
            f"there is no device {name!r} here", hint=f"devices of this machine: {', '.join(seen)}"
        )
    return torch.device(name)


def _devices() -> dict[str, str]:
    """Return the devices of this machine with a description."""
    import torch

    found = {"cpu": f"{torch.get_num_threads()} threads"}
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            found[f"cuda:{number}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return found


def _dtype(name: str, device: torch.device) -> torch.dtype | None:
    """Return the dtype to compute in; None keeps that of the checkpoint. ``auto`` is float32 on a CPU."""
    import torch

    if name == "auto":
        return torch.float32 if device.type == "cpu" else None
    chosen: torch.dtype = getattr(torch, name)
    return chosen


def _read_tensors(files: Sequence[Path], device: torch.device, dtype: torch.dtype | None) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    tensors = {}
    for file in files:
        try:
            with safe_open(file, framework="pt", device=str(device)) as weights:
                for name in weights.keys():  # noqa: SIM118 - no mapping, though it looks like one
                    tensor = weights.get_tensor(name)
                    tensor = tensor if dtype is None else tensor.to(dtype)
                    # matrix products round by alignment: memory of our own, whatever the place in the file
                    mapped = tensor.device.type == "cpu" and tensor.data_ptr() % 64
                    tensors[name] = tensor.clone() if mapped else tensor
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{file.name} is damaged: {error}", hint="download the model again") from error
    return tensors


class Torch(BackendType):
    """The PyTorch backend."""

    name = "torch"

    def probe(self) -> Availability:
        """Say whether PyTorch is here and which devices it sees; imports it."""
        try:
            import torch
        except ImportError:
            return Availability(available=False, remedy="pip install torch")
        return Availability(available=True, version=str(torch.__version__), devices=_devices())

    def accepts(self, path: Path) -> bool:
        """Whether it is a directory with a configuration."""
        return (path / "config.json").is_file()

    def open(self, path: Path, options: LoadOptions, revision: str | None) -> TorchCheckpoint:
        """Read configuration and tokenizer."""
        return TorchCheckpoint(path, options, revision)


PLUGIN = Torch()
