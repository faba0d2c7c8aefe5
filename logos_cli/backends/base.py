"""Backends: causal language models that read tokens and return the logits of the next.

A backend does four things with sequences, each in a numbered slot: *prefill* a prompt, *step* many sequences
by one token, *copy* one and *free* one. ``engine`` does all else (sampling, constraints, scheduling,
log-probabilities) over any backend.

Opening a model has two stages. :meth:`BackendType.open` finds it and reads its configuration and tokenizer,
which is quick and enough to check every prompt; :meth:`Checkpoint.load` reads the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from logos_cli import registry
from logos_cli.backends.completer import Completer as Completer
from logos_cli.backends.completer import ModelInfo as ModelInfo
from logos_cli.backends.completer import TextAnswer as TextAnswer
from logos_cli.backends.completer import TextQuery as TextQuery
from logos_cli.backends.options import LoadOptions as LoadOptions
from logos_cli.checkpoints.locate import Location, locate
from logos_cli.checkpoints.skills import Skills
from logos_cli.checkpoints.task_sampling import TaskSampling
from logos_cli.checkpoints.tokens import CharacterTokenizer as CharacterTokenizer
from logos_cli.checkpoints.tokens import Tokenizer as Tokenizer
from logos_cli.errors import ModelError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can run on this machine.

    Attributes
    ----------
    devices : mapping
        Values of ``--device`` on this machine, with a description.
    remedy : str, optional
        The command that installs the missing package.
    """

    available: bool
    version: str | None = None
    devices: Mapping[str, str] = field(default_factory=dict)
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Properties of a backend beyond the contract.

    Attributes
    ----------
    max_slots : int, optional
        Most sequences at a time; None if only memory limits them.
    batch_invariant : bool
        Whether the logits of a sequence are the same, bit for bit, in every batch.
    device_logits : bool
        Whether sampling should leave the logits on the device (:class:`TensorBackend`).
    """

    max_slots: int | None = None
    batch_invariant: bool = False
    device_logits: bool = False


class Backend(ABC):
    """A loaded model with sequences in slots ``0 … n_slots - 1``."""

    info: ModelInfo
    tokenizer: Tokenizer
    capabilities: Capabilities
    context_tokens: int
    """The longest sequence of the model, prompt included."""

    @abstractmethod
    def reserve(self, n_slots: int) -> None:
        """Allocate slots for this many sequences; earlier sequences are lost."""

    @abstractmethod
    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in a free slot.

        Returns
        -------
        ndarray, shape (n_vocabulary,)
            Logits of the token that follows.
        """

    def prefill_many(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Begin sequences in free slots; a backend may read several prompts in one pass.

        Returns
        -------
        ndarray, shape (len(slots), n_vocabulary)
            Logits of the tokens that follow.
        """
        import numpy as np

        return np.stack([self.prefill(slot, prompt) for slot, prompt in zip(slots, prompts, strict=True)])

    @abstractmethod
    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each of the sequences.

        Parameters
        ----------
        slots : sequence of int
            Occupied slots, ascending.
        tokens : sequence of int
            The token to append to each.

        Returns
        -------
        ndarray, shape (len(slots), n_vocabulary)
            Logits of the tokens that follow.
        """

    @abstractmethod
    def copy(self, source: int, target: int) -> None:
        """Copy the sequence of ``source`` to the free slot ``target``."""

    @abstractmethod
    def free(self, slot: int) -> None:
        """Drop the sequence of a slot."""

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
    ) -> list[NDArray[np.float64]]:
        """Return the log-probabilities of given tokens; the sequences in the slots may be lost.

        This method reads token by token; a backend may read many tokens in one pass.

        Parameters
        ----------
        sequences : sequence of sequences of int
            Sequences of 1 to ``context_tokens`` tokens.
        wanted : sequence of sequences of int, optional
            Tokens whose log-probabilities are returned instead of those of the sequences: one for each token of a
            sequence but the first, given the tokens of the sequence before it.

        Returns
        -------
        list of ndarray, shape (n_tokens - 1,)
            The natural log-probability of each token but the first, given those before it; sums over the
            vocabulary are computed in float32 or better.
        """
        import numpy as np

        arrays = []
        for sequence, targets in zip(sequences, wanted_tokens(sequences, wanted), strict=True):
            self.reserve(1)
            logits = self.prefill(0, sequence[:1])
            logps = []
            for token, target in zip(sequence[1:], targets, strict=True):
                wide = logits.astype(np.float64)
                logps.append(float(wide[target] - np.logaddexp.reduce(wide)))
                logits = self.step([0], [token])[0]
            arrays.append(np.array(logps))
        return arrays


def wanted_tokens(
    sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None
) -> Sequence[Sequence[int]]:
    """Return the tokens whose log-probabilities :meth:`Backend.token_logps` returns."""
    return [sequence[1:] for sequence in sequences] if wanted is None else wanted


class TensorBackend(Backend):
    """A backend whose logits are PyTorch tensors, which can stay on the device."""

    @abstractmethod
    def prefill_tensor(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """Begin sequences in free slots; return logits, shape (len(slots), n_vocabulary)."""

    @abstractmethod
    def step_tensor(self, slots: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Append one token to each of the sequences; return logits, which the next step may overwrite."""

    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in a free slot."""
        logits: NDArray[np.float32] = self.prefill_many([slot], [tokens])[0]
        return logits

    def prefill_many(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Begin sequences in free slots, several in one pass."""
        return _host(self.prefill_tensor(slots, prompts))

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each of the sequences."""
        return _host(self.step_tensor(slots, tokens))


def _host(logits: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = logits.float().cpu().numpy()
    return array


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The memory of a run, known before its allocation.

    Attributes
    ----------
    cache_bytes_per_sequence : int
        Cache for one prompt and answer of the given length.
    free_bytes : int, optional
        Free memory of the device before the weights are read; None if unknown.
    batch_size : int
        Sequences at a time that fit, at most the given number.
    """

    device: str
    dtype: str
    weights_bytes: int
    cache_bytes_per_sequence: int
    free_bytes: int | None
    batch_size: int


class Checkpoint(ABC):
    """A model that has been found and checked; its weights have not been read."""

    name: str
    tokenizer: Tokenizer
    context_tokens: int
    task_sampling: TaskSampling = MappingProxyType({})
    """Sampling parameters in the files of the model, which replace those of the tasks."""
    is_served: bool = False
    """Whether the model is on a server, which reads no texts."""
    skills: Skills = MappingProxyType({})
    """What was measured of the model, by the question."""

    def plan(self, _n_tokens: int, _batch_size: int | None = None, /) -> MemoryPlan | None:
        """Return the memory of a run and the number of sequences that fit, without reading the weights.

        Parameters
        ----------
        n_tokens : int
            The longest sequence, prompt and answer.
        batch_size : int, optional
            Most sequences at a time; None lets the backend choose.

        Returns
        -------
        MemoryPlan or None
            None if another process allocates the memory, such as a server.

        Raises
        ------
        DeviceMemoryError
            If not even one sequence fits.
        """
        return None

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a prompt."""
        return len(self.tokenizer.encode(text))

    @abstractmethod
    def load(self) -> Backend | Completer:
        """Read the weights.

        Raises
        ------
        ModelError
            If the weights are damaged or do not fit the configuration.
        MissingError
            If the library of the backend is not installed.
        DeviceMemoryError
            If the weights do not fit into the memory of the device.
        """


class BackendType(ABC):
    """The ``PLUGIN`` of a backend. Its module imports heavy libraries at their first use."""

    name: ClassVar[str]
    own_options: ClassVar[tuple[str, ...]] = ()
    """Fields of :class:`LoadOptions` that only some backends support, this one among them."""
    served: ClassVar[bool] = False
    """Whether the model is a :class:`Completer` on a server, without files on this machine."""

    @abstractmethod
    def probe(self) -> Availability:
        """Return whether the library of the backend is installed, and the devices that it finds."""

    @abstractmethod
    def accepts(self, path: Path, options: LoadOptions, /) -> bool:
        """Whether ``auto`` takes the backend for the file or directory; the first in order of name that does so."""

    @abstractmethod
    def open(self, path: Path, options: LoadOptions, revision: str | None, /) -> Checkpoint:
        """Read configuration and tokenizer.

        Raises
        ------
        ModelError
            If the model cannot be used, the tokenizer lacks a tag, or the device does not exist.
        """


def rounded_up(number: int, step: int) -> int:
    """Return the least multiple of ``step`` that is not below ``number``."""
    return -(-number // step) * step


def choose_backend(options: LoadOptions) -> tuple[BackendType, Location]:
    """Find a model and the backend that runs it, by name or by what each accepts.

    Raises
    ------
    UsageError
        If the backend or the model does not exist, or no backend can read the model.
    MissingError
        If the model is not on this machine and cannot be downloaded.
    """
    backend = options.backend
    if backend == "auto" and options.base_url is not None:
        backend = "remote"
    plugin: BackendType | None = None if backend == "auto" else registry.load("backends", backend)
    if plugin is not None and plugin.served:
        return plugin, Location(Path())
    location = locate(options.model, options.revision, offline=options.offline)
    if plugin is None:
        plugins = registry.load_all("backends").values()
        plugin = next((plugin for plugin in plugins if plugin.accepts(location.path, options)), None)
    if plugin is None:
        raise UsageError(
            "no backend can read the model",
            source=str(location.path),
            hint="give a directory with config.json, tokenizer.json and safetensors weights",
        )
    return plugin, location


def open_model(options: LoadOptions) -> Checkpoint:
    """Find a model and the backend that runs it, on its device or the first of several.

    Raises
    ------
    UsageError
        If the backend or the model does not exist.
    MissingError
        If the model is not on this machine and cannot be downloaded.
    ModelError
        If the backend cannot use the model.
    """
    if options.devices is not None:
        options = options.on(options.places[0])
    plugin, location = choose_backend(options)
    for name in ("gpu_layers", "kv_type", "mmap", "base_url"):
        if getattr(options, name) is not None and name not in plugin.own_options:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"the backend {plugin.name} has no option {option}", hint=f"remove {option}")
    try:
        checkpoint = plugin.open(location.path, options, location.revision)
        _check(checkpoint.tokenizer)
    except ModelError as error:
        raise error.at(options.model) from error
    return checkpoint


def _check(tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer without the tags of the grammar, or without an end-of-text token."""
    _ = tokenizer.tag_ids
    if not tokenizer.eos_ids:
        raise ModelError("config.json has no end-of-text token", hint="set eos_token_id")
    if (last := max(tokenizer.eos_ids)) >= (n_tokens := len(tokenizer.vocabulary)):
        raise ModelError(
            f"config.json has the end-of-text token {last:,}, and the tokenizer {n_tokens:,} tokens",
            hint="download the model again",
        )
