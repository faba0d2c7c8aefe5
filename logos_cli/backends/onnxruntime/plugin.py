"""ONNX Runtime: small Llama checkpoints in safetensors, on a CPU.

It starts in a tenth of the time of PyTorch, and its operations cost less than PyTorch's where a step takes a few
milliseconds. ``--backend auto`` takes it for networks below :data:`_MOST_PARAMETERS` where there is no GPU.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.backends.base import (
    Availability,
    Backend,
    BackendType,
    Capabilities,
    LoadOptions,
    MemoryPlan,
    ModelInfo,
    rounded_up,
    wanted_tokens,
)
from logos_cli.backends.device import free_host_bytes
from logos_cli.backends.directory import DirectoryCheckpoint
from logos_cli.backends.threads import Threads
from logos_cli.checkpoints.config import DecoderConfig
from logos_cli.checkpoints.safetensors import stored_tensors
from logos_cli.checkpoints.tensors import check_tensors
from logos_cli.checkpoints.tokenizer import read_json
from logos_cli.errors import DeviceMemoryError, MissingError, ModelError, UsageError
from logos_cli.processes.environment import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from logos_cli.backends.onnxruntime.network import Network

_MOST_PARAMETERS = 100_000_000
"""A larger network spends its time in products, for which PyTorch reads half the bytes where it knows half precision."""

_LARGEST_MODEL = 450_000_000
"""Parameters of the largest ONNX model: a message of protocol buffers has at most 2 GiB."""

_KEYS, _POSITIONS, _BLOCK = 64, 256, 32
_BATCH = 64
_SPARE = 0.1
_MANY = {"step": 32, "prompt": 512, "score": 2048}
"""Fewest rows of a pass for which more than one thread is tried, by the kind of work."""

_DTYPES = ("float32", "int8")
_SIZE_OF_NUMBER = 4


class OnnxRuntimeBackend(Backend):
    """A network whose cache rows are the slots."""

    def __init__(
        self, network: Network, checkpoint: OnnxRuntimeCheckpoint, info: ModelInfo, threads: Threads | None
    ) -> None:
        self.info = info
        self.tokenizer = checkpoint.tokenizer
        self.context_tokens = checkpoint.context_tokens
        self.capabilities = Capabilities(batch_invariant=info.batch_invariant)
        self._network = network
        self._threads = threads
        self._length: list[int] = []

    def reserve(self, n_slots: int) -> None:
        """Allocate slots for this many sequences."""
        if n_slots != self._network.n_rows:
            self._network.release()
        self._length = [0] * n_slots
        self._grow()

    def _grow(self) -> None:
        """Allocate a free position in every row: rows that only pad a step write one beyond their end."""
        needed, network = max(self._length) + 1, self._network
        if needed <= network.n_positions and len(self._length) == network.n_rows:
            return
        n_positions = network.n_positions
        if needed > n_positions:
            n_positions = max(rounded_up(needed, _POSITIONS), 2 * n_positions)
        network.reserve(len(self._length), min(n_positions, rounded_up(self.context_tokens + 1, _KEYS)))

    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in a free slot."""
        from logos_cli.backends.onnxruntime.logps import PASS_TOKENS

        if not 0 < len(tokens) <= self.context_tokens:
            raise UsageError(f"a prompt of {len(tokens)} tokens does not fit the context of {self.context_tokens}")
        self._length[slot] = len(tokens)
        self._grow()
        with self._measure("prompt", len(tokens)):
            for start in range(0, len(tokens), PASS_TOKENS):
                logits = self._network.read(slot, tokens[start : start + PASS_TOKENS], start)
        last: NDArray[np.float32] = logits[-1].copy()
        return last

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each of the sequences."""
        n_rows = max(slots) + 1
        ids, positions = [0] * n_rows, self._length[:n_rows]
        for slot, token in zip(slots, tokens, strict=True):
            ids[slot] = token
            self._length[slot] += 1
        self._grow()
        with self._measure("step", n_rows):
            logits: NDArray[np.float32] = self._network.step(ids, positions)[list(slots)]
        return logits

    def _measure(self, kind: str, n_rows: int) -> AbstractContextManager[None]:
        """Compute many rows with the fastest number of threads, unless the user set it, and few with one."""
        if self._threads is None:
            return nullcontext()
        if n_rows < _MANY[kind]:
            self._use(1)
            return nullcontext()
        return self._threads.measure((kind, n_rows.bit_length()), n_rows, self._use)

    def _use(self, threads: int) -> None:
        self._network.threads = threads

    def copy(self, source: int, target: int) -> None:
        """Copy the sequence of ``source`` to the free slot ``target``."""
        length = self._length[target] = self._length[source]
        self._network.copy(source, target, length)

    def free(self, slot: int) -> None:
        """Drop the sequence of a slot."""
        self._length[slot] = 0

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
    ) -> list[NDArray[np.float64]]:
        """Return the log-probability of each token but the first; sequences share common beginnings."""
        from logos_cli.backends.onnxruntime.logps import token_logps

        self.reserve(1)
        self._length[0] = max(map(len, sequences), default=0)
        self._grow()
        with self._measure("score", sum(map(len, sequences))):
            logps = token_logps(self._network, sequences, wanted_tokens(sequences, wanted))
        self._length[0] = 0
        return logps


class OnnxRuntimeCheckpoint(DirectoryCheckpoint):
    """A directory with ``config.json``, ``tokenizer.json`` and safetensors weights."""

    def __init__(self, path: Path, options: LoadOptions, revision: str | None) -> None:
        super().__init__(path, options, revision)
        if options.device not in ("auto", "cpu"):
            raise UsageError(
                f"the backend onnxruntime has no device {options.device!r}", hint="--device cpu, or --backend torch"
            )
        if options.dtype not in ("auto", *_DTYPES):
            raise UsageError(
                f"the backend onnxruntime has no dtype {options.dtype!r}",
                hint=f"--dtype {' or '.join(_DTYPES)}, or --backend torch",
            )
        self._dtype = "float32" if options.dtype == "auto" else options.dtype

    @cached_property
    def shape(self) -> DecoderConfig:
        """The network's shape."""
        shape = DecoderConfig.from_json(self.config)
        if (reason := _unsupported(shape, _LARGEST_MODEL, self._dtype)) is not None:
            raise ModelError(f"the backend onnxruntime does not run {reason}", hint="it runs with --backend torch")
        return shape

    @property
    def _weights_bytes(self) -> int:
        shape = self.shape
        if self._dtype != "int8":
            return shape.n_parameters * _SIZE_OF_NUMBER
        in_layers = shape.matmul_parameters - shape.vocabulary_size * shape.hidden_size
        return in_layers + (in_layers // _BLOCK + shape.n_parameters - in_layers) * _SIZE_OF_NUMBER

    def plan(self, n_tokens: int, batch_size: int | None = None) -> MemoryPlan:
        """Return the memory of a run and the number of sequences that fit."""
        n_positions = min(rounded_up(n_tokens + 1, _POSITIONS), rounded_up(self.context_tokens + 1, _KEYS))
        per_sequence = self.shape.cache_elements_per_token * n_positions * _SIZE_OF_NUMBER
        weights, free = self._weights_bytes, free_host_bytes()
        fitting = batch_size or _BATCH
        if free is not None:
            # one more for the prompt, which samples are copied from
            fitting = min(fitting, int((free * (1 - _SPARE) - weights) // per_sequence) - 1)
            if fitting < 1:
                raise DeviceMemoryError(
                    f"the model does not fit: it needs {weights / 2**30:.1f} GiB for weights and "
                    f"{per_sequence / 2**20:.0f} MiB for the cache of a sequence; {free / 2**30:.1f} GiB are free",
                    hint="use a quantized GGUF (logos models quantize), or a smaller model",
                )
        return MemoryPlan("cpu", self._dtype, weights, per_sequence, free, fitting)

    def load(self) -> OnnxRuntimeBackend:
        """Read the weights."""
        shape, _ = self.shape, self.files
        if not PLUGIN.probe().available:
            raise MissingError("the backend onnxruntime is not installed", hint=PLUGIN.probe().remedy)
        from logos_cli.backends.onnxruntime.network import Network

        check_tensors(shape, stored_tensors(self.path))
        network = Network(shape, self._model, self._options.threads or 1)
        exact = network.keeps_bits()
        threads = None if self._options.threads else Threads(1, usable_cores())
        info = ModelInfo(self.name, "onnxruntime", "cpu", self._dtype, exact, self._revision, self.sha256)
        return OnnxRuntimeBackend(network, self, info, threads)

    def _model(self) -> bytes:
        from logos_cli.backends.onnxruntime.graph import network_model

        stored = stored_tensors(self.path)

        def read(name: str) -> NDArray[np.float32] | None:
            return stored[name].read() if name in stored else None

        n_positions = rounded_up(self.context_tokens + 1, _KEYS)
        return network_model(self.shape, read, n_positions, int8=self._dtype == "int8")


def _unsupported(shape: DecoderConfig, most_parameters: int, dtype: str) -> str | None:
    """Return what the backend does not run of a network, if there is anything."""
    if shape.qk_norm:
        return "networks that normalise queries and keys (Qwen3)"
    if shape.head_dim % 16:
        return f"heads of width {shape.head_dim}, which is no multiple of 16"
    widths = (shape.hidden_size, shape.intermediate_size, shape.n_heads * shape.head_dim)
    if dtype == "int8" and any(width % _BLOCK for width in widths):
        return f"matrices in eight bits whose width is no multiple of {_BLOCK}"
    if shape.n_parameters > most_parameters:
        return f"more than {most_parameters / 1e6:,.0f} million parameters"
    return None


def _has_gpu() -> bool:
    """Whether PyTorch may find a GPU, which it then uses: known without its import."""
    if sys.platform == "darwin":
        return True
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if sys.platform == "win32":
        return not hidden and (Path(os.environ.get("SYSTEMROOT", "")) / "System32" / "nvcuda.dll").exists()
    devices = Path("/dev")
    return any((devices / name).exists() for name in ("kfd", "dxg")) or (
        not hidden and any(devices.glob("nvidia[0-9]*"))
    )


class OnnxRuntime(BackendType):
    """The backend of ONNX Runtime."""

    name = "onnxruntime"

    def probe(self) -> Availability:
        """Return whether ONNX Runtime is installed."""
        try:
            found = version("onnxruntime")
        except PackageNotFoundError:
            return Availability(available=False, remedy="pip install onnxruntime")
        return Availability(available=True, version=found, devices={"cpu": f"{usable_cores()} cores"})

    def accepts(self, path: Path, options: LoadOptions) -> bool:
        """Whether the path is a small Llama network, and nothing but a CPU is there or wanted."""
        if options.dtype not in ("auto", *_DTYPES) or not (path / "config.json").is_file():
            return False
        if options.device != "cpu" and (options.device != "auto" or _has_gpu()):
            return False
        try:
            shape = DecoderConfig.from_json(read_json(path / "config.json"))
        except ModelError:
            return False  # another backend refuses it with the reason
        return _unsupported(shape, _MOST_PARAMETERS, options.dtype) is None and find_spec("onnxruntime") is not None

    def open(self, path: Path, options: LoadOptions, revision: str | None) -> OnnxRuntimeCheckpoint:
        """Read configuration and tokenizer."""
        return OnnxRuntimeCheckpoint(path, options, revision)


PLUGIN = OnnxRuntime()
