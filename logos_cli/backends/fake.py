"""A backend without a network: it recites given sentences, and returns pseudo-random logits elsewhere.

It replaces a model in tests, so that most of them need no PyTorch, and shows on the command line what a run would
do: ``--backend fake --model sentences.txt``. ``auto`` never selects it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.backends.base import (
    Availability,
    Backend,
    BackendType,
    Capabilities,
    CharacterTokenizer,
    Checkpoint,
    LoadOptions,
    ModelInfo,
    Tokenizer,
)
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RECITED, _OTHER = 10.0, -10.0
CONTEXT_TOKENS = 4096
_CALLS = 10_000
"""Most recorded calls: a run may have any length."""


class FakeBackend(Backend):
    """Recites sentences token by token; all sentences with the same beginning are equally likely.

    Parameters
    ----------
    sentences : iterable of str
        The sentences. After another beginning, the logits are pseudo-random numbers from a hash of the beginning:
        the same beginning always has the same logits.

    Attributes
    ----------
    calls : deque of tuple
        The last calls, for tests: ``("prefill", slot)``, ``("step", n_slots)``, ``("free", slot)`` …
    """

    def __init__(self, sentences: Iterable[str] = (), name: str = "fake") -> None:
        self.info = ModelInfo(name, "fake", "cpu", "float32", batch_invariant=True)
        self.tokenizer: Tokenizer = CharacterTokenizer()
        self.capabilities = Capabilities(batch_invariant=True)
        self.context_tokens = CONTEXT_TOKENS
        self.calls: deque[tuple[object, ...]] = deque(maxlen=_CALLS)
        self._sequences: list[tuple[int, ...] | None] = []
        self._next: dict[tuple[int, ...], set[int]] = {}
        for sentence in sentences:
            ids = (*self.tokenizer.encode(sentence), *self.tokenizer.eos_ids)
            for i in range(len(ids)):
                self._next.setdefault(ids[:i], set()).add(ids[i])

    def reserve(self, n_slots: int) -> None:
        """Allocate slots for this many sequences."""
        self.calls.append(("reserve", n_slots))
        self._sequences = [None] * n_slots

    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in a free slot."""
        assert self._sequences[slot] is None, f"slot {slot} is not free"
        self.calls.append(("prefill", slot))
        self._sequences[slot] = tuple(tokens)
        return self._logits(tuple(tokens))

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each of the sequences."""
        import numpy as np

        assert list(slots) == sorted(set(slots)), "slots must ascend"
        self.calls.append(("step", len(slots)))
        rows = []
        for slot, token in zip(slots, tokens, strict=True):
            before = self._sequences[slot]
            assert before is not None, f"slot {slot} is free"
            sequence = self._sequences[slot] = (*before, token)
            rows.append(self._logits(sequence))
        return np.stack(rows)

    def copy(self, source: int, target: int) -> None:
        """Copy the sequence of ``source`` to the free slot ``target``."""
        assert self._sequences[target] is None, f"slot {target} is not free"
        self.calls.append(("copy", source, target))
        self._sequences[target] = self._sequences[source]

    def free(self, slot: int) -> None:
        """Drop the sequence of a slot."""
        assert self._sequences[slot] is not None, f"slot {slot} is free already"
        self.calls.append(("free", slot))
        self._sequences[slot] = None

    def _logits(self, sequence: tuple[int, ...]) -> NDArray[np.float32]:
        import numpy as np

        size = len(self.tokenizer.vocabulary)
        if known := self._next.get(sequence):
            logits = np.full(size, _OTHER, np.float32)
            logits[sorted(known)] = _RECITED
            return logits
        digest = hashlib.blake2b(repr(sequence).encode(), digest_size=8).digest()
        generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
        return generator.normal(0.0, 2.0, size).astype(np.float32)


class FakeCheckpoint(Checkpoint):
    """A text file with one sentence a line, or no file."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.tokenizer: Tokenizer = CharacterTokenizer()
        self.context_tokens = CONTEXT_TOKENS
        self._path = path

    def load(self) -> FakeBackend:
        """Read the sentences."""
        sentences = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
        return FakeBackend(filter(None, sentences), self.name)


class Fake(BackendType):
    """The scripted backend."""

    name = "fake"

    def probe(self) -> Availability:
        """Return that it is always available."""
        return Availability(available=True, devices={"cpu": "no network runs"})

    def accepts(self, _path: Path, _options: LoadOptions) -> bool:
        """Return False: only its name selects it."""
        return False

    def open(self, path: Path, options: LoadOptions, _revision: str | None) -> FakeCheckpoint:
        """Return the checkpoint of a file of sentences; the name of the embedded model stands for no sentences."""
        return FakeCheckpoint(path, "fake" if options.model == EMBEDDED else options.model)


PLUGIN = Fake()
