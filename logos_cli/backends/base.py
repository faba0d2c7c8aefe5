"""What a backend is: a causal language model that reads tokens and says what may come next.

A backend does four things with sequences, each in a numbered slot: *prefill* a prompt, *step* many sequences
by one token, *copy* one and *free* one. All else (sampling, constraints, scheduling, log-probabilities) is
done once, in ``engine``, over any backend.

Opening a model has two stages. :meth:`BackendType.open` finds it and reads its configuration and tokenizer,
which is quick and enough to check every prompt; :meth:`Checkpoint.load` reads the weights.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from logos_cli import registry
from logos_cli.backends._locate import Location, locate
from logos_cli.errors import ModelError, UsageError
from logos_cli.grammar import TAGS
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

_SPLIT = re.compile(f"({'|'.join(map(re.escape, TAGS))})")


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
        ``auto``, ``float32``, ``bfloat16`` or ``float16``.
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
class ModelInfo:
    """What a record says of the model that made it.

    ``revision`` is the hub's commit, ``sha256`` the digest of the weights where these are local files; for
    weights in several files it is the digest of their digests in order of name.
    """

    model: str
    backend: str
    device: str
    dtype: str
    revision: str | None = None
    sha256: str | None = None


class Tokenizer(ABC):
    """Text to token ids and back, with the sixteen tags as one token each."""

    @property
    @abstractmethod
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of every token by id; a special token is its own name."""

    @property
    @abstractmethod
    def special_ids(self) -> frozenset[int]:
        """Ids of the special tokens, tags and control tokens alike."""

    @property
    @abstractmethod
    def eos_ids(self) -> tuple[int, ...]:
        """Ids that end a text."""

    @abstractmethod
    def encode(self, text: str, *, whole: bool = True) -> list[int]:
        """Return the ids of a text; ``whole`` puts before it what the model expects (a BOS token)."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids: tags are kept, control tokens left out, broken UTF-8 replaced."""
        vocabulary, hidden = self.vocabulary, self._control_ids
        return b"".join(vocabulary[i] for i in ids if i not in hidden).decode("utf-8", errors="replace")

    @cached_property
    def _control_ids(self) -> frozenset[int]:
        return self.special_ids - frozenset(self.tag_ids.values())

    @cached_property
    def tag_ids(self) -> dict[str, int]:
        """The id of each tag.

        Raises
        ------
        ModelError
            If a tag is missing or no token of its own: the model was not made for this grammar.
        """
        vocabulary = self.vocabulary
        known = {vocabulary[i]: i for i in sorted(self.special_ids)}
        missing = [tag for tag in TAGS if tag.encode() not in known]
        if missing:
            listed = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
            raise ModelError(
                f"the tokenizer lacks {len(missing)} of the {len(TAGS)} tags of the grammar: {listed}",
                hint="the model must be trained on LOGOS sentences, with each tag as one special token; "
                "logos train --from adds them",
            )
        return {tag: known[tag.encode()] for tag in TAGS}


class CharacterTokenizer(Tokenizer):
    """The tags, a BOS and an EOS token, and every byte: the grammar's own alphabet, which needs no model."""

    def __init__(self) -> None:
        control = (b"<|bos|>", b"<|eos|>")
        self._vocabulary = [*(tag.encode() for tag in TAGS), *control, *(bytes([i]) for i in range(256))]
        self._ids = {tag: i for i, tag in enumerate(TAGS)}
        self._bos, self._eos, self._first_byte = len(TAGS), len(TAGS) + 1, len(TAGS) + 2

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of every token by id."""
        return self._vocabulary

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of the tags, BOS and EOS."""
        return frozenset(range(self._first_byte))

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """The EOS token."""
        return (self._eos,)

    def encode(self, text: str, *, whole: bool = True) -> list[int]:
        """Return one id a tag and one a byte of other text."""
        ids = [self._bos] if whole else []
        for part in _SPLIT.split(text):
            ids += (
                [self._ids[part]]
                if part in self._ids
                else [self._first_byte + byte for byte in part.encode()]
            )
        return ids


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
class TextQuery:
    """One completion to ask of a :class:`Completer`, sampled as :class:`~logos_cli.engine.sampler.Sampling` says.

    Attributes
    ----------
    stop : str, optional
        The tag that ends the answer, which is kept.
    """

    prompt: str
    seed: int
    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """What a :class:`Completer` answers.

    Attributes
    ----------
    logps : tuple of float
        Log-probability of each token; NaN where the server does not tell.
    stopped : bool
        The text came to its end; else it was cut at the limit.
    """

    text: str
    logps: tuple[float, ...]
    stopped: bool


class Completer(ABC):
    """A model that completes whole texts and samples for itself, such as a server.

    It cannot be stepped, so constraints are not put upon it while it samples: what comes back is checked.

    Attributes
    ----------
    tokenizer : Tokenizer
        Ours, for prompts and answers as text; the server has its own.
    hides_tags : bool
        Whether it leaves special tokens out of its answers.
    """

    info: ModelInfo
    tokenizer: Tokenizer
    hides_tags: bool = False

    @abstractmethod
    def complete(self, query: TextQuery) -> TextAnswer:
        """Complete one text; may be called from several threads at once.

        Raises
        ------
        MissingError
            If the server cannot be reached, or fails again and again.
        ModelError
            If it refuses the request.
        """

    def read(self, text: str) -> list[tuple[str, float]] | None:  # noqa: ARG002
        """Return the tokens of a given text, each with its log-probability given those before it.

        Returns
        -------
        list of (str, float) or None
            NaN for the first token; None if the text is longer than the model reads.

        Raises
        ------
        ModelError
            If the server does not tell.
        """
        raise ModelError(
            "this server does not tell how probable given texts are",
            hint="run the model here (--backend torch or llamacpp)",
        )


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
