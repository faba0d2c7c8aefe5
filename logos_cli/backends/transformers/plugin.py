"""transformers: checkpoints of every causal architecture that it knows, on CPU, CUDA or Apple's MPS.

Llama and Qwen3 run faster on the backend torch; this one runs the others through the same engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logos_cli.backends.base import (
    Availability,
    BackendType,
    Capabilities,
    LoadOptions,
    MemoryPlan,
    ModelInfo,
    TensorBackend,
    wanted_tokens,
)
from logos_cli.backends.device import (
    DTYPES,
    choose_device,
    choose_dtype,
    default_threads,
    devices,
    free_bytes,
    prepare,
    translate_errors,
)
from logos_cli.backends.directory import DirectoryCheckpoint
from logos_cli.checkpoints.causal_model import read_causal_model
from logos_cli.checkpoints.locate import first_line
from logos_cli.checkpoints.safetensors import stored_tensors, stored_type
from logos_cli.checkpoints.tokenizer import read_json
from logos_cli.errors import DeviceMemoryError, MissingError, ModelError, UsageError
from logos_cli.grammar.spec import Kind

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from logos_cli.backends.transformers.network import Network

_BATCH = {"cpu": 16, "mps": 16, "cuda": 64}
"""Default number of sequences at a time, if they fit."""
_SPARE = 0.2
"""Part of the free memory for activations, logits and the allocator."""
_CACHES = 2
"""The cache is copied when it grows and when a sequence begins."""
_UNBOUNDED = 1 << 24
"""transformers states a larger number of tokens where a tokenizer has no limit."""
_PROBES = (
    f"{Kind.PROTEIN.start}MKTAYIAKQRQISFVKSHFSRQ{Kind.PROTEIN.end}",
    f"{Kind.MOLECULE.start}CC(=O)Oc1ccccc1C(=O)O{Kind.MOLECULE.end}",
    f"{Kind.PROTEIN.start}MKILN{Kind.PROTEIN.end}{Kind.MOLECULE.start}CCO{Kind.MOLECULE.end}",
)
"""Texts of several lengths, with which a network is tested when it is loaded."""


class TransformersBackend(TensorBackend):
    """A network of transformers."""

    def __init__(self, network: Network, checkpoint: TransformersCheckpoint, info: ModelInfo, *, cached: bool) -> None:
        from logos_cli.backends.transformers.slots import CachedSlots, ReadSlots

        self.info = info
        self.tokenizer = checkpoint.tokenizer
        self.context_tokens = checkpoint.context_tokens
        self.capabilities = Capabilities(device_logits=network.device.type != "cpu")
        self.has_cache = cached
        self._network = network
        self._slots = CachedSlots(network) if cached else ReadSlots(network)

    def reserve(self, n_slots: int) -> None:
        """Forget all sequences."""
        self._slots.reserve(n_slots)

    def prefill_tensor(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Begin sequences in free slots, several in one pass."""
        import torch

        for prompt in prompts:
            if not 0 < len(prompt) <= self.context_tokens:
                raise UsageError(f"a prompt of {len(prompt)} tokens does not fit the context of {self.context_tokens}")
        with torch.inference_mode(), translate_errors():
            return self._slots.prefill(slots, prompts)

    def step_tensor(self, slots: Sequence[int], tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each of the sequences."""
        import torch

        with torch.inference_mode(), translate_errors():
            return self._slots.step(slots, tokens)

    def copy(self, source: int, target: int) -> None:
        """Copy the sequence of ``source`` to the free slot ``target``."""
        import torch

        with torch.inference_mode(), translate_errors():
            self._slots.copy(source, target)

    def free(self, slot: int) -> None:
        """Drop the sequence of a slot."""
        self._slots.free(slot)

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
    ) -> list[NDArray[np.float64]]:
        """Return the log-probability of each token but the first, reading sequences together."""
        import torch

        with torch.inference_mode(), translate_errors():
            return self._network.token_logps(sequences, wanted_tokens(sequences, wanted))


class TransformersCheckpoint(DirectoryCheckpoint):
    """A directory with ``config.json``, ``tokenizer.json`` and safetensors weights."""

    def __init__(self, path: Path, options: LoadOptions, revision: str | None) -> None:
        super().__init__(path, options, revision)
        if options.dtype not in ("auto", *DTYPES):
            raise UsageError(
                f"the backend transformers has no dtype {options.dtype!r}", hint=f"one of auto, {', '.join(DTYPES)}"
            )
        self.context_tokens = self._context_tokens()

    @cached_property
    def _config(self) -> Any:
        """The configuration as transformers reads it, with the defaults of the architecture."""
        _require()
        from transformers import AutoConfig

        if self.config.get("quantization_config"):
            raise ModelError(
                "weights quantized for transformers are not supported", hint="use the unquantized checkpoint"
            )
        try:
            config = AutoConfig.from_pretrained(self.path, trust_remote_code=False, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            kind = self.config.get("model_type")
            raise ModelError(
                f"transformers cannot read the configuration of the architecture {kind!r}: {first_line(error)}",
                hint="code in a model's own files is never run; a newer transformers may know the architecture",
            ) from error
        return config.get_text_config(decoder=True)

    def _context_tokens(self) -> int:
        names = ("max_position_embeddings", "seq_length", "max_seq_len")
        stated = (getattr(self._config, name, None) for name in names)
        limit = next((int(number) for number in stated if isinstance(number, int) and number > 0), None)
        file = self.path / "tokenizer_config.json"
        if limit is None and file.is_file():
            number = read_json(file).get("model_max_length")
            limit = int(number) if isinstance(number, (int, float)) and 0 < number < _UNBOUNDED else None
        if limit is None:
            raise ModelError(
                "neither config.json nor tokenizer_config.json states the longest text",
                hint="set model_max_length in tokenizer_config.json",
            )
        return limit

    @cached_property
    def _device(self) -> torch.device:
        _require()
        return choose_device(self._options.device)

    @cached_property
    def _dtype(self) -> torch.dtype:
        return choose_dtype(self._options.dtype, self._device, stored_type(self.files))

    @property
    def _precision(self) -> str:
        return str(self._dtype).removeprefix("torch.")

    def plan(self, n_tokens: int, batch_size: int | None = None) -> MemoryPlan:
        """Return the memory of a run and the number of sequences that fit."""
        import math

        config, device = self._config, self._device
        n_heads = int(getattr(config, "num_attention_heads", 1))
        n_kv_heads = int(getattr(config, "num_key_value_heads", None) or n_heads)
        width = int(getattr(config, "head_dim", None) or int(config.hidden_size) // n_heads)
        per_token = 2 * int(config.num_hidden_layers) * n_kv_heads * width * self._dtype.itemsize
        weights = sum(math.prod(tensor.shape) for tensor in stored_tensors(self.path).values()) * self._dtype.itemsize
        per_sequence, free = _CACHES * per_token * n_tokens, free_bytes(device)
        fitting = batch_size or _BATCH[device.type]
        if free is not None:
            # one more for the prompt, which samples are copied from
            fitting = min(fitting, int((free * (1 - _SPARE) - weights) // per_sequence) - 1)
            if fitting < 1:
                raise DeviceMemoryError(
                    f"the model does not fit {device}: it needs {weights / 2**30:.1f} GiB for weights and "
                    f"{per_sequence / 2**20:.0f} MiB for the cache of a sequence; {free / 2**30:.1f} GiB are free",
                    hint="use --dtype bfloat16, or a smaller model",
                )
        return MemoryPlan(str(device), self._precision, weights, per_sequence, free, fitting)

    def load(self) -> TransformersBackend:
        """Read the weights, and test that the network is causal and what it needs to go on from its cache."""
        _, device = self.files, self._device  # missing weights are reported first
        import torch

        from logos_cli.backends.transformers.network import Network, check_causal
        from logos_cli.backends.transformers.slots import keeps_cache

        torch.set_num_threads(self._options.threads or default_threads())
        with translate_errors(), torch.inference_mode():
            model = read_causal_model(self.path, self._dtype).to(device).eval()
            network = Network(model, device, len(self.tokenizer.vocabulary))
            probes = [self.tokenizer.encode(text)[: self.context_tokens] for text in _PROBES]
            check_causal(network, probes)
            cached = keeps_cache(network, probes)
        info = ModelInfo(self.name, "transformers", str(device), self._precision, False, self._revision, self.sha256)
        return TransformersBackend(network, self, info, cached=cached)


def _require() -> None:
    state = PLUGIN.probe()
    if not state.available:
        raise MissingError("the backend transformers is not installed", hint=state.remedy)


class Transformers(BackendType):
    """The backend of transformers."""

    name = "transformers"

    def probe(self) -> Availability:
        """Return whether transformers is installed, and the devices of PyTorch; imports PyTorch."""
        prepare()
        try:
            import torch  # noqa: F401 - transformers needs it

            found = version("transformers")
        except (ImportError, PackageNotFoundError):
            return Availability(available=False, remedy="pip install 'transformers>=5.1'")
        return Availability(available=True, version=found, devices=devices())

    def accepts(self, path: Path, _options: LoadOptions) -> bool:
        """Whether the path is a directory with a configuration."""
        return (path / "config.json").is_file()

    def open(self, path: Path, options: LoadOptions, revision: str | None) -> TransformersCheckpoint:
        """Read configuration and tokenizer."""
        return TransformersCheckpoint(path, options, revision)


PLUGIN = Transformers()
