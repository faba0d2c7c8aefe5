"""PyTorch: Llama and Qwen3 checkpoints in safetensors, on CPU, CUDA or Apple's MPS."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.backends.base import (
    Availability,
    BackendType,
    Capabilities,
    LoadOptions,
    MemoryPlan,
    ModelInfo,
    TensorBackend,
    rounded_up,
    wanted_tokens,
)
from logos_cli.backends.device import (
    DTYPES,
    QUANTIZED,
    choose_device,
    choose_dtype,
    computes,
    default_threads,
    devices,
    free_bytes,
    multiplies_half,
    prepare,
    set_fastest_threads,
    translate_errors,
)
from logos_cli.backends.directory import DirectoryCheckpoint
from logos_cli.backends.threads import Threads
from logos_cli.backends.torch.weights import read_tensors
from logos_cli.checkpoints.config import DecoderConfig, is_decoder
from logos_cli.checkpoints.safetensors import stored_type
from logos_cli.checkpoints.tokenizer import read_json
from logos_cli.errors import DeviceMemoryError, MissingError, ModelError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from logos_cli.backends.torch.decoder import Decoder

_ROWS, _KEYS, _POSITIONS = 8, 64, 256
_TIMED_PARAMETERS = 300_000_000
"""Most parameters of a model whose steps are timed: a larger one is faster with every core, and slow to time."""

_BATCH = {"cpu": 64, "mps": 64, "cuda": 256}
"""Default number of sequences at a time, if they fit."""

_SPARE = 0.1
"""Part of the free memory for activations, logits and the allocator."""


class TorchBackend(TensorBackend):
    """A decoder whose cache rows are the slots."""

    def __init__(self, decoder: Decoder, checkpoint: TorchCheckpoint, info: ModelInfo, threads: Threads | None) -> None:
        self.info = info
        self.tokenizer = checkpoint.tokenizer
        self.context_tokens = checkpoint.context_tokens
        on_gpu = decoder.device.type != "cpu"
        self.capabilities = Capabilities(batch_invariant=info.batch_invariant, device_logits=on_gpu)
        self._decoder = decoder
        self._threads = threads
        self._length: list[int] = []
        self._step = decoder.step
        if decoder.device.type == "cuda" and len(decoder.stages) == 1:
            from logos_cli.backends.torch.cuda_graphs import StepGraphs

            self._graphs: StepGraphs | None = StepGraphs(decoder)
            self._step = self._graphs.step
        else:
            self._graphs = None

    def reserve(self, n_slots: int) -> None:
        """Allocate slots for this many sequences."""
        n_rows = rounded_up(n_slots, self._decoder.row_multiple)
        if n_rows != self._decoder.n_rows:
            self._decoder.release()
        self._length = [0] * n_rows
        self._grow()

    def _grow(self) -> None:
        """Allocate a free position in every row: rows that only pad a step write one beyond their end."""
        needed, decoder = max(self._length) + 1, self._decoder
        if needed <= decoder.n_positions and len(self._length) == decoder.n_rows:
            return
        n_positions = decoder.n_positions
        if needed > n_positions:
            n_positions = max(rounded_up(needed, _POSITIONS), 2 * n_positions)
        if self._graphs is not None:
            self._graphs.forget()
        with translate_errors():
            decoder.reserve(len(self._length), min(n_positions, rounded_up(self.context_tokens + 1, _KEYS)))

    def prefill_tensor(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Begin sequences in free slots, several in one pass."""
        import torch

        for slot, tokens in zip(slots, prompts, strict=True):
            if not 0 < len(tokens) <= self.context_tokens:
                raise UsageError(f"a prompt of {len(tokens)} tokens does not fit the context of {self.context_tokens}")
            self._length[slot] = len(tokens)
        self._grow()
        n_tokens = sum(map(len, prompts))
        with torch.inference_mode(), translate_errors(), self._measure("prompt", n_tokens):
            return self._decoder.prefill(slots, prompts)

    def step_tensor(self, slots: Sequence[int], tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each of the sequences."""
        import torch

        n_rows = self._step_rows(max(slots) + 1)
        ids, positions = [0] * n_rows, self._length[:n_rows]
        for slot, token in zip(slots, tokens, strict=True):
            ids[slot] = token
            self._length[slot] += 1
        self._grow()
        with torch.inference_mode(), translate_errors(), self._measure("step", n_rows):
            logits = self._step(ids, positions, max(slots) + 1)
            if len(slots) < n_rows:
                logits = logits[torch.tensor(slots, device=logits.device)]
            return logits

    def _measure(self, kind: str, n_rows: int) -> AbstractContextManager[None]:
        """Compute with the fastest number of threads for some rows, unless the user set it."""
        import torch

        if self._threads is None:
            return nullcontext()
        return self._threads.measure((kind, n_rows.bit_length()), n_rows, torch.set_num_threads)

    def _step_rows(self, needed: int) -> int:
        """Return the number of rows of a step: one of few numbers where each needs a CUDA graph."""
        if self._graphs is None:
            return rounded_up(needed, self._decoder.row_multiple)
        from logos_cli.backends.torch.cuda_graphs import round_up_to_power

        return min(round_up_to_power(needed, _ROWS), len(self._length))

    def copy(self, source: int, target: int) -> None:
        """Copy the sequence of ``source`` to the free slot ``target``."""
        import torch

        length = self._length[target] = self._length[source]
        with torch.inference_mode(), translate_errors():
            self._decoder.copy(source, target, length)

    def free(self, slot: int) -> None:
        """Drop the sequence of a slot."""
        self._length[slot] = 0

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
    ) -> list[NDArray[np.float64]]:
        """Return the log-probability of each token but the first; sequences share passes and common beginnings."""
        import torch

        from logos_cli.backends.torch.logps import token_logps

        n_tokens = sum(map(len, sequences))
        with torch.inference_mode(), translate_errors(), self._measure("score", n_tokens):
            return token_logps(self._decoder, sequences, wanted_tokens(sequences, wanted))


class TorchCheckpoint(DirectoryCheckpoint):
    """A directory with ``config.json``, ``tokenizer.json`` and safetensors weights."""

    def __init__(self, path: Path, options: LoadOptions, revision: str | None) -> None:
        super().__init__(path, options, revision)
        known = ("auto", *DTYPES, *QUANTIZED)
        if options.dtype not in known:
            raise UsageError(f"unknown dtype {options.dtype!r}", hint=f"one of {', '.join(known)}")
        self._quantization = options.dtype if options.dtype in QUANTIZED else None

    @cached_property
    def shape(self) -> DecoderConfig:
        """The network's shape."""
        return DecoderConfig.from_json(self.config)

    @cached_property
    def device(self) -> torch.device:
        """The device of the model, or of its first part."""
        _require()
        return choose_device(self._options.device)

    @cached_property
    def dtype(self) -> torch.dtype:
        """The type of the weights, unless they are quantized."""
        wanted = "auto" if self._quantization else self._options.dtype
        dtype = choose_dtype(wanted, self.device, stored_type(self.files), mixes_half=multiplies_half())
        if self._quantization and self.device.type == "cpu" and dtype.itemsize == 2 and not computes(dtype):
            return choose_dtype("float32", self.device, "")  # the type of what is not quantized
        return dtype

    @property
    def weights_bytes(self) -> int:
        """Memory of the weights."""
        shape = self.shape
        if self._quantization is None:
            return shape.n_parameters * self.dtype.itemsize
        from logos_cli.backends.torch.quantized import BYTES

        in_layers = shape.matmul_parameters - shape.vocabulary_size * shape.hidden_size
        others = shape.n_parameters - in_layers
        return int(in_layers * BYTES[self._quantization]) + others * self.dtype.itemsize

    @property
    def _precision(self) -> str:
        return self._quantization or str(self.dtype).removeprefix("torch.")

    def stages(self) -> list[torch.device]:
        """Return the devices of consecutive parts of the network: one, or as many GPUs as it needs.

        It is split if no GPU was named and the first is too small for the weights and the cache of one sequence.
        """
        import torch

        first = self.device
        split = first.type == "cuda" and self._options.device in ("auto", "cuda")
        if not split or torch.cuda.device_count() == 1:
            return [first]
        needed = self.weights_bytes + self._cache_bytes(self.context_tokens)
        gpus = []
        for number in range(torch.cuda.device_count()):
            gpus.append(torch.device("cuda", number))
            least = min(free_bytes(device) or 0 for device in gpus)
            if len(gpus) * least * (1 - _SPARE) > needed:
                return gpus
        return gpus

    def _cache_bytes(self, n_tokens: int) -> int:
        from logos_cli.backends.torch.linear import computed_in

        n_positions = min(rounded_up(n_tokens + 1, _POSITIONS), rounded_up(self.context_tokens + 1, _KEYS))
        itemsize = computed_in(self.dtype, self.device).itemsize
        return self.shape.cache_elements_per_token * n_positions * itemsize

    def plan(self, n_tokens: int, batch_size: int | None = None) -> MemoryPlan:
        """Return the memory of a run and the number of sequences that fit."""
        stages = self.stages()
        per_sequence = self._cache_bytes(n_tokens)
        frees = [free_bytes(device) for device in stages]
        known = [free for free in frees if free is not None]
        free = sum(known) if len(known) == len(frees) else None
        batch_size = batch_size or _BATCH[self.device.type]
        plan = MemoryPlan(
            device=", ".join(map(str, stages)),
            dtype=self._precision,
            weights_bytes=self.weights_bytes,
            cache_bytes_per_sequence=per_sequence,
            free_bytes=free,
            batch_size=batch_size,
        )
        if free is None:
            return plan
        # one more for the prompt, which samples are copied from
        fitting = int((free * (1 - _SPARE) - plan.weights_bytes) // per_sequence) - 1
        if fitting < 1:
            raise DeviceMemoryError(
                f"the model does not fit {plan.device}: it needs {plan.weights_bytes / 2**30:.1f} GiB for weights and "
                f"{per_sequence / 2**20:.0f} MiB for the cache of a sequence; {free / 2**30:.1f} GiB are free",
                hint="use --dtype bfloat16, int8 or nf4, a quantized GGUF (logos models quantize), or a smaller model",
            )
        return replace(plan, batch_size=min(batch_size, fitting))

    def load(self) -> TorchBackend:
        """Read the weights."""
        files, shape = self.files, self.shape
        _require()
        from logos_cli.backends.torch.decoder import Decoder

        stages = self.stages()
        with translate_errors():
            tensors = read_tensors(files, self.dtype, self._place)
            decoder = Decoder(shape, tensors, stages, self._quantization)
        threads = self._set_threads(decoder)
        device = "+".join(map(str, stages))
        info = ModelInfo(self.name, "torch", device, self._precision, decoder.exact, self._revision, self.sha256)
        return TorchBackend(decoder, self, info, threads)

    def _place(self, tensor: str) -> torch.device:
        """Return the device for a tensor: that of its stage, or the CPU if it will be quantized."""
        import torch

        if self._quantization and tensor.endswith("_proj.weight"):
            return torch.device("cpu")
        stages = self.stages()
        return stages[self.shape.stage_of(tensor, len(stages))]

    def _set_threads(self, decoder: Decoder) -> Threads | None:
        """Set the given number of CPU threads, or the fastest, measured by a step now and by the work later."""
        import torch

        most = default_threads()
        torch.set_num_threads(self._options.threads or most)
        if self._options.threads is not None or decoder.device.type != "cpu":
            return None
        if decoder.n_parameters <= _TIMED_PARAMETERS:
            decoder.reserve(_ROWS, _KEYS)
            set_fastest_threads(lambda: decoder.step([0] * _ROWS, [0] * _ROWS))
            decoder.release()
        # where the bits may depend on the number of threads, it stays fixed
        return Threads(torch.get_num_threads(), most if decoder.exact else None)


def _require() -> None:
    state = PLUGIN.probe()
    if not state.available:
        raise MissingError("the backend torch needs PyTorch, which is not installed", hint=state.remedy)


class Torch(BackendType):
    """The PyTorch backend."""

    name = "torch"

    def probe(self) -> Availability:
        """Return whether PyTorch is installed, and its devices; imports it."""
        prepare()
        try:
            import torch
        except ImportError:
            return Availability(available=False, remedy="pip install torch")
        return Availability(available=True, version=str(torch.__version__), devices=devices())

    def accepts(self, path: Path, _options: LoadOptions) -> bool:
        """Whether the path is a directory with the configuration of a network of Llama or Qwen3, or of no kind."""
        if not (path / "config.json").is_file():
            return False
        try:
            return is_decoder(read_json(path / "config.json"))
        except ModelError:
            return True  # to refuse it with the reason

    def open(self, path: Path, options: LoadOptions, revision: str | None) -> TorchCheckpoint:
        """Read configuration and tokenizer."""
        return TorchCheckpoint(path, options, revision)


PLUGIN = Torch()
