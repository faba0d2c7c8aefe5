"""llama.cpp: Llama and Qwen3 models in GGUF, quantized or not, on CPU, Metal or CUDA."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from logos_cli.backends.base import (
    Availability,
    Backend,
    BackendType,
    Capabilities,
    Checkpoint,
    LoadOptions,
    MemoryPlan,
    ModelInfo,
    rounded_up,
    wanted_tokens,
)
from logos_cli.backends.llamacpp.library import INSTALL, MOST_SEQUENCES, LlamaContext, LlamaModel, library
from logos_cli.backends.llamacpp.threads import ANY, Rows, best_threads, invariant_rows
from logos_cli.backends.llamacpp.tokenizer import GgufTokenizer
from logos_cli.backends.threads import Threads
from logos_cli.checkpoints.gguf.header import SUFFIX, GgufHeader, ModelShape, is_gguf, model_shape, read_gguf
from logos_cli.checkpoints.gguf.vocabulary import GgufVocabulary
from logos_cli.checkpoints.locate import weights_sha256
from logos_cli.checkpoints.skills import skills_from_metadata
from logos_cli.checkpoints.task_sampling import from_metadata
from logos_cli.errors import DeviceMemoryError, LogosError, MissingError, ModelError, UsageError
from logos_cli.processes.environment import usable_cores
from logos_cli.resources import cache_dir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARED_POSITIONS = 512
"""From this many positions on, threads share the attention of a single row, whose rounding depends on their number."""

_POSITIONS = 256
_DTYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
_KV_BYTES = {"f32": 4.0, "f16": 2.0, "q8_0": 34 / 32}
_ALL_LAYERS = 1 << 20
_BATCH_SIZE = 64
_USED_SHARE = 0.9
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class _Plan:
    """The resolved options of one model.

    ``most_threads`` is None if the number is fixed, ``rows`` if logits depend on the batch.
    """

    threads: int
    most_threads: int | None
    kv_type: str
    rows: Rows | None
    device: str


class LlamaCppBackend(Backend):
    """A model whose sequences are the slots, each with its own keys and values."""

    def __init__(self, model: LlamaModel, checkpoint: GgufCheckpoint, info: ModelInfo, plan: _Plan) -> None:
        self.info = info
        self.tokenizer = checkpoint.tokenizer
        self.context_tokens = checkpoint.context_tokens
        self.capabilities = Capabilities(max_slots=MOST_SEQUENCES, batch_invariant=info.batch_invariant)
        self.n_threads = plan.threads
        self._threads = Threads(plan.threads, plan.most_threads)
        self._model = model
        self._shape = checkpoint.shape
        self._kv_type = plan.kv_type
        self._rows = plan.rows or ANY
        self._length: list[int] = []
        self._context: LlamaContext | None = None

    @property
    def _room(self) -> LlamaContext:
        if self._context is None:
            raise LogosError("the backend has no slots: call reserve first")
        return self._context

    def reserve(self, n_slots: int) -> None:
        """Allocate slots for this many sequences."""
        if n_slots > MOST_SEQUENCES:
            raise UsageError(f"llama.cpp runs at most {MOST_SEQUENCES} sequences at a time, not {n_slots}")
        n_rows = self._rows.pad(max(n_slots, 2))
        if self._context is not None and self._context.n_slots == n_rows:
            self._context.clear()  # an allocation takes as long as some ten steps
            self._length = [0] * n_rows
            return
        if self._context is not None:
            self._context.close()
            self._context = None
        self._length = [0] * n_rows
        self._context = self._new_context(_POSITIONS)

    def _new_context(self, n_positions: int) -> LlamaContext:
        n_slots = len(self._length)
        needed = self._shape.cache_bytes(n_slots * n_positions, _KV_BYTES[self._kv_type])
        if self.info.device == "cpu" and needed > _memory_bytes():
            raise DeviceMemoryError(
                f"{n_slots} sequences of {n_positions:,} tokens need {needed / 2**30:.1f} GiB for their cache",
                hint="use a smaller batch (-b), or --kv-type q8_0",
            )
        return LlamaContext(self._model, n_slots, n_positions, self._kv_type, self.n_threads)

    def _grow(self, n_tokens: int) -> None:
        """Allocate positions for a sequence of this length, and one more for rows that only pad a step."""
        old = self._room
        if n_tokens < old.n_positions:
            return
        most = rounded_up(self.context_tokens + 1, _POSITIONS)
        n_positions = min(max(rounded_up(n_tokens + 1, _POSITIONS), 2 * old.n_positions), most)
        occupied = [slot for slot, length in enumerate(self._length) if length]
        if occupied:  # the next step writes copies made since the last one
            shortest = min(range(len(self._length)), key=self._length.__getitem__)
            old.decode([0], [self._length[shortest]], [shortest], 0)
            old.cut(shortest, self._length[shortest])
        self._context = self._new_context(n_positions)
        self._context.take_over(old, occupied)
        old.close()

    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in a free slot."""
        if not 0 < len(tokens) <= self.context_tokens:
            raise UsageError(f"a prompt of {len(tokens)} tokens does not fit the context of {self.context_tokens}")
        self.free(slot)
        self._grow(len(tokens))
        room = self._room
        with self._threads.measure(("prompt", len(tokens).bit_length()), len(tokens), room.set_threads):
            logits = room.prefill(slot, tokens)
        self._length[slot] = len(tokens)
        return logits

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each of the sequences.

        llama.cpp runs neighbouring sequences together: sequences between the given ones run as padding, and so do
        others if the number of rows requires it.
        """
        _ = self._room  # raises without slots
        self._grow(max(self._length[slot] for slot in slots) + 1)
        first, last = slots[0], slots[-1]
        n_rows = last - first + 1
        shared = n_rows == 1 and self._is_shared(first)
        kind = ("step", n_rows.bit_length(), shared)
        n_padded = self._rows.pad(2 if shared and self._threads.number(kind) > 1 else n_rows)
        first = min(first, len(self._length) - n_padded)
        last = first + n_padded - 1
        ids = [0] * (last - first + 1)
        for slot, token in zip(slots, tokens, strict=True):
            ids[slot - first] = token
        rows = range(first, last + 1)
        room = self._room
        with self._threads.measure(kind, n_rows, room.set_threads):
            logits = room.decode(ids, self._length[first : last + 1], rows, len(ids))
        if len(slots) == len(ids):
            for slot in slots:
                self._length[slot] += 1
            return logits
        wanted = set(slots)
        for slot in rows:
            if slot in wanted:
                self._length[slot] += 1
            else:
                room.cut(slot, self._length[slot])
        return logits[[slot - first for slot in slots]]

    def _is_shared(self, slot: int) -> bool:
        """Whether threads share the attention of the next token of a sequence in a step of one row."""
        positions = rounded_up(self._length[slot] + 1, _POSITIONS)
        return self._kv_type == "f16" and positions >= _SHARED_POSITIONS

    def copy(self, source: int, target: int) -> None:
        """Copy the sequence of ``source`` to the free slot ``target``."""
        self._room.copy(source, target)
        self._length[target] = self._length[source]

    def free(self, slot: int) -> None:
        """Drop the sequence of a slot."""
        self._room.cut(slot, 0)
        self._length[slot] = 0

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
    ) -> list[NDArray[np.float64]]:
        """Return the log-probability of each token but the first, from batches with logits at every position."""
        from logos_cli.backends.llamacpp.logps import token_logps

        def room_for(n_sequences: int, n_tokens: int) -> LlamaContext:
            self.reserve(n_sequences)
            self._grow(n_tokens)
            room = self._room
            room.set_threads(self._threads.number(("prompt", 10)))
            return room

        return token_logps(sequences, wanted_tokens(sequences, wanted), room_for)


class GgufCheckpoint(Checkpoint):
    """A GGUF file with a checked header."""

    def __init__(self, source: _Source, options: LoadOptions, revision: str | None) -> None:
        self.name = options.model
        self.header: GgufHeader = read_gguf(source.file)
        self.shape: ModelShape = model_shape(self.header)
        self.context_tokens = self.shape.context_tokens
        self.task_sampling = from_metadata(self.header.metadata)
        self.skills = skills_from_metadata(self.header.metadata)
        self._source = source
        self._options = options
        self._revision = revision
        vocabulary = GgufVocabulary(self.header)
        self.tokenizer = GgufTokenizer(vocabulary, LlamaModel(source.file, vocabulary_only=True))
        if options.kv_type not in (None, "auto", *_KV_BYTES):
            raise UsageError(f"there is no cache type {options.kv_type!r}", hint=f"one of auto, {', '.join(_KV_BYTES)}")

    def _kv_type(self, device: str) -> str:
        """Return the type of cached keys and values."""
        kv_type = self._options.kv_type or "auto"
        if kv_type == "auto":
            kv_type = "f32" if self.header.precision == "f32" and device == "cpu" else "f16"
        return kv_type

    def plan(self, n_tokens: int, batch_size: int | None = None) -> MemoryPlan:
        """Return the memory of a run and the number of sequences that fit; the free memory of a GPU is unknown."""
        device, _ = _device(self._options)
        positions = min(rounded_up(n_tokens + 1, _POSITIONS), rounded_up(self.context_tokens + 1, _POSITIONS))
        per_sequence = self.shape.cache_bytes(positions, _KV_BYTES[self._kv_type(device)])
        weights = sum(entry.n_bytes for entry in self.header.tensors.values())
        wanted = min(batch_size or _BATCH_SIZE, MOST_SEQUENCES - 1)
        free = _available_bytes() if device == "cpu" else None
        if free is not None:
            # one more for the prompt, which samples are copied from
            fitting = int((free * _USED_SHARE - weights) // per_sequence) - 1
            if fitting < 1:
                raise DeviceMemoryError(
                    f"the model does not fit: it needs {weights / 2**30:.1f} GiB for weights and "
                    f"{per_sequence / 2**30:.2f} GiB for a sequence; {free / 2**30:.1f} GiB are free",
                    hint="quantize the model (logos models quantize), or use a smaller one",
                )
            wanted = min(wanted, fitting)
        return MemoryPlan(device, self._precision, weights, per_sequence, free, wanted)

    @property
    def _precision(self) -> str:
        names = {short: long for long, short in _DTYPES.items()}
        return names.get(self.header.precision, self.header.precision)

    def load(self) -> LlamaCppBackend:
        """Read the weights, and find the fastest number of threads."""
        options = self._options
        device, gpu_layers = _device(options)
        kv_type = self._kv_type(device)
        use_mmap = options.mmap is not False
        model = LlamaModel(self._source.file, gpu_layers=gpu_layers, use_mmap=use_mmap)
        threads = options.threads or best_threads(model, kv_type)
        most = usable_cores() if options.threads is None and device == "cpu" else None
        sha256 = None if self._revision else weights_sha256(self._source.weights)
        rows = invariant_rows(model, self.header, kv_type, threads) if device == "cpu" else None
        is_invariant = rows is not None
        info = ModelInfo(self.name, "llamacpp", device, self._precision, is_invariant, self._revision, sha256)
        return LlamaCppBackend(model, self, info, _Plan(threads, most, kv_type, rows, device))


@dataclass(frozen=True, slots=True)
class _Source:
    """The GGUF file, the weights that it was converted from, and the folder that holds it, if temporary."""

    file: Path
    weights: Sequence[Path]
    holder: object = None


def _source(path: Path, options: LoadOptions) -> _Source:
    """Return the file to load; a checkpoint directory is converted once."""
    if not path.is_dir():
        if options.dtype != "auto":
            raise UsageError(
                f"--dtype {options.dtype} has no effect: a GGUF has a fixed precision",
                hint="write another one with logos models convert --type or logos models quantize",
            )
        return _Source(path, [path])
    from logos_cli.checkpoints.gguf.write import write_gguf

    if options.dtype != "auto" and options.dtype not in _DTYPES:
        raise UsageError(
            f"the backend llamacpp cannot convert to {options.dtype!r}",
            hint=f"--dtype is one of auto, {', '.join(_DTYPES)}; logos models quantize writes fewer bits",
        )
    library()
    kind = _DTYPES.get(options.dtype, "auto")
    weights = sorted(path.glob("*.safetensors"))
    files = [*weights, *sorted(path.glob("*.json"))]
    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((str(path.resolve()), kind, stamps)).encode()).hexdigest()[:20]
    place, holder = cache_dir() / "gguf", None
    target = place / f"{key}{SUFFIX}"
    if target.is_file():
        return _Source(target, weights)
    try:
        place.mkdir(parents=True, exist_ok=True)
        writable = os.access(place, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        holder = tempfile.TemporaryDirectory(prefix="logos-")
        target = Path(holder.name) / target.name
    write_gguf(path, target, kind, name=None if options.model == str(path) else options.model.rpartition("/")[2])
    return _Source(target, weights, holder)


def _device(options: LoadOptions) -> tuple[str, int]:
    """Return the device and the number of layers on a GPU.

    Raises
    ------
    UsageError
        If this build of llama.cpp does not find the requested GPU.
    """
    available = _devices()
    gpu = next((name for name in available if name != "cpu"), None)
    wanted = options.device.partition(":")[0]
    if wanted not in ("auto", "cpu", "cuda", "mps", "gpu"):
        raise UsageError(f"this machine has no device {options.device!r}", hint=f"devices: {', '.join(available)}")
    layers = options.gpu_layers
    if wanted == "cpu" or layers == 0:
        if layers:
            raise UsageError(f"--gpu-layers {layers} contradicts --device cpu", hint="give one of them")
        return "cpu", 0
    if gpu is None:
        if wanted != "auto" or layers:
            raise UsageError(
                "llama.cpp finds no GPU",
                hint="build llama-cpp-python for it: CMAKE_ARGS=-DGGML_CUDA=on (or GGML_METAL) pip install "
                "--force-reinstall --no-binary llama-cpp-python llama-cpp-python",
            )
        return "cpu", 0
    return gpu, _ALL_LAYERS if layers is None or layers < 0 else layers


def _devices() -> dict[str, str]:
    """Return the devices of llama.cpp on this machine."""
    lib = library()
    devices = {"cpu": f"{os.cpu_count() or 1} threads at most"}
    if lib.llama_supports_gpu_offload():
        devices["gpu"] = "offload of layers"
    return devices


def _memory_bytes() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not on Windows
        return float("inf")


def _available_bytes() -> int | None:
    """Return the memory available without swapping (Linux); None on other systems."""
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


class LlamaCpp(BackendType):
    """The llama.cpp backend."""

    name = "llamacpp"
    own_options: ClassVar[tuple[str, ...]] = ("gpu_layers", "kv_type", "mmap")

    def probe(self) -> Availability:
        """Return whether llama-cpp-python is installed, and its devices; imports it."""
        try:
            version = str(library().__version__)
            return Availability(available=True, version=version, devices=_devices())
        except MissingError:
            return Availability(available=False, remedy=INSTALL)

    def accepts(self, path: Path, _options: LoadOptions) -> bool:
        """Whether the file is a GGUF, by name or by content."""
        return is_gguf(path)

    def open(self, path: Path, options: LoadOptions, revision: str | None) -> GgufCheckpoint:
        """Read and check the header of a GGUF file; convert a checkpoint directory to one first."""
        if not path.exists():
            raise ModelError("there is no such file", source=str(path))
        return GgufCheckpoint(_source(path, options), options, revision)


PLUGIN = LlamaCpp()
