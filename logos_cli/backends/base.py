"""What a backend is: a causal language model that reads tokens and says what may come next.

A backend does four things with sequences, each in a numbered slot: *prefill* a prompt, *step* many sequences
by one token, *copy* one and *free* one. All else (sampling, constraints, scheduling, log-probabilities) is
done once, in ``engine``, over any backend.

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
from logos_cli.checkpoints.locate import Location, locate
from logos_cli.checkpoints.task_sampling import TaskSampling
from logos_cli.checkpoints.tokens import CharacterTokenizer as CharacterTokenizer
from logos_cli.checkpoints.tokens import Tokenizer as Tokenizer
from logos_cli.errors import ModelError, UsageError
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Which model to load, and where.

    Attributes
    ----------
    model : str
        ``logos-nano`` (embedded), a directory, a file, or an ``owner/name`` of the Hugging Face hub.
    revision : str, optional
        Branch, tag or commit on the hub.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    dtype : str
        ``auto``, ``float32``, ``bfloat16``, ``float16``, or, for weights in fewer bits, ``int8`` or ``nf4``.
    threads : int, optional
        CPU threads; None leaves it to the backend.
    offline : bool
        Open no connection, whatever is missing.
    gpu_layers, kv_type, mmap : optional
        For the backend llamacpp: layers on the GPU, type of the cached keys and values, whether the file is
        mapped into memory. None leaves them to the backend; others refuse them.
    base_url : str, optional
        For the backend remote: the server's address; ``model`` is then a name that the server knows.
    """

    model: str = EMBEDDED
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    offline: bool = False
    gpu_layers: int | None = None
    kv_type: str | None = None
    mmap: bool | None = None
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can run here.

    Attributes
    ----------
    devices : mapping
        What ``--device`` takes here, with a description.
    remedy : str, optional
        The command that installs what is missing.
    """

    available: bool
    version: str | None = None
    devices: Mapping[str, str] = field(default_factory=dict)
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do beyond the contract.

    Attributes
    ----------
    max_slots : int, optional
        Sequences at a time; None if memory alone decides.
    batch_invariant : bool
        A sequence's logits are the same, bit for bit, whatever runs beside it.
    device_logits : bool
        Logits are better left where they are (:class:`TensorBackend`), and tokens chosen there.
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
    """The longest sequence, prompt included, that the model was made for."""

    @abstractmethod
    def reserve(self, n_slots: int) -> None:
        """Make room for this many sequences; what was in the slots before is gone."""

    @abstractmethod
    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in a free slot.

        Returns
        -------
        ndarray, shape (n_vocabulary,)
            Logits of the token that follows.
        """

    def prefill_many(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Begin sequences in free slots; a backend that can read several prompts in one pass does so.

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
        """Make the free slot ``target`` hold the same sequence as ``source``."""

    @abstractmethod
    def free(self, slot: int) -> None:
        """Forget the sequence of a slot."""

    def token_logps(self, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
        """Return how probable given tokens are; what is in the slots may be gone after it.

        A backend that can read many tokens in one pass does so; this does it token by token.

        Parameters
        ----------
        sequences : sequence of sequences of int
            Of any lengths from 1 to ``context_tokens``.

        Returns
        -------
        list of ndarray, shape (n_tokens - 1,)
            The natural log-probability of each token but the first, given those before it; sums over the
            vocabulary are taken in float32 or better.
        """
        import numpy as np

        found = []
        for sequence in sequences:
            self.reserve(1)
            logits = self.prefill(0, sequence[:1])
            logps = []
            for token in sequence[1:]:
                wide = logits.astype(np.float64)
                logps.append(float(wide[token] - np.logaddexp.reduce(wide)))
                logits = self.step([0], [token])[0]
            found.append(np.array(logps))
        return found


class TensorBackend(Backend):
    """A backend whose logits are tensors of PyTorch, which can stay on the device."""

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
    """What memory a run takes, known before any of it is allocated.

    Attributes
    ----------
    cache_bytes_per_sequence : int
        For prompt and answer of the length that was asked about.
    free_bytes : int, optional
        On the device, before the weights are read; None if it cannot be told.
    batch_size : int
        Sequences at a time that fit, at most as many as were asked for.
    """

    device: str
    dtype: str
    weights_bytes: int
    cache_bytes_per_sequence: int
    free_bytes: int | None
    batch_size: int


class Checkpoint(ABC):
    """A model that has been found and checked, its weights not yet read."""

    name: str
    tokenizer: Tokenizer
    context_tokens: int
    task_sampling: TaskSampling = MappingProxyType({})
    """How the model wants to be sampled, if its files say so; else the tasks' presets hold."""

    def plan(self, n_tokens: int, batch_size: int | None = None) -> MemoryPlan | None:  # noqa: ARG002
        """Say what memory a run takes, and how many sequences fit, without reading the weights.

        Parameters
        ----------
        n_tokens : int
            The longest sequence to expect, prompt and answer.
        batch_size : int, optional
            The most sequences that are wanted at a time; None leaves it to the backend.

        Returns
        -------
        MemoryPlan or None
            None from a backend whose memory is not ours to plan.

        Raises
        ------
        DeviceMemoryError
            If not even one sequence fits.
        """
        return None

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the model reads a prompt as."""
        return len(self.tokenizer.encode(text))

    @abstractmethod
    def load(self) -> Backend | Completer:
        """Read the weights.

        Raises
        ------
        ModelError
            If they are damaged or do not fit the configuration.
        MissingError
            If the library that the backend stands on is not installed.
        DeviceMemoryError
            If they do not fit into the device's memory.
        """


class BackendType(ABC):
    """The ``PLUGIN`` of a backend file. Its module imports no heavy library before it is used."""

    name: ClassVar[str]
    own_options: ClassVar[tuple[str, ...]] = ()
    """Fields of :class:`LoadOptions` that not every backend knows and this one does."""
    served: ClassVar[bool] = False
    """Whether the model is a :class:`Completer` somewhere else, with no files here."""

    @abstractmethod
    def probe(self) -> Availability:
        """Say whether the backend's library is here and which devices it sees."""

    @abstractmethod
    def accepts(self, path: Path) -> bool:
        """Whether the file or directory is a model of this backend's kind."""

    @abstractmethod
    def open(self, path: Path, options: LoadOptions, revision: str | None) -> Checkpoint:
        """Read configuration and tokenizer.

        Raises
        ------
        ModelError
            If the model cannot be used, the tokenizer lacks a tag, or the device does not exist.
        """


def rounded_up(number: int, step: int) -> int:
    """Return the least multiple of ``step`` that is not below ``number``."""
    return -(-number // step) * step


def open_model(options: LoadOptions, backend: str = "auto") -> Checkpoint:
    """Find a model and the backend that runs it.

    Raises
    ------
    UsageError
        If there is no such backend or model.
    MissingError
        If the model would have to be downloaded and cannot be.
    ModelError
        If it is no model that the backend can use.
    """
    if backend == "auto" and options.base_url is not None:
        backend = "remote"
    chosen: BackendType | None = None if backend == "auto" else registry.load("backends", backend)
    if chosen is not None and chosen.served:
        location = Location(Path())
    else:
        location = locate(options.model, options.revision, offline=options.offline)
    if chosen is None:
        plugins = registry.load_all("backends").values()
        chosen = next((plugin for plugin in plugins if plugin.accepts(location.path)), None)
        if chosen is None:
            raise UsageError(
                "this is no model that a backend of logos reads",
                source=str(location.path),
                hint="give a directory with config.json, tokenizer.json and safetensors weights",
            )
    for name in ("gpu_layers", "kv_type", "mmap", "base_url"):
        if getattr(options, name) is not None and name not in chosen.own_options:
            raise UsageError(f"the backend {chosen.name} has no option {name.replace('_', '-')}")
    try:
        checkpoint = chosen.open(location.path, options, location.revision)
        _check(checkpoint.tokenizer)
    except ModelError as error:
        raise error.at(options.model) from error
    return checkpoint


def _check(tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer that cannot speak the grammar, or cannot say that it has finished."""
    _ = tokenizer.tag_ids
    if not tokenizer.eos_ids:
        raise ModelError("config.json names no end-of-text token", hint="set eos_token_id")
