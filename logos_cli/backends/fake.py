"""A backend without a network: it recites given sentences, and improvises where it knows none.

It stands in for a model in tests, so that most of them need no PyTorch, and on the command line shows what a
run would do: ``--backend fake --model sentences.txt``. It is never chosen by itself.
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
"""Calls that are kept: a run may be of any length."""


class FakeBackend(Backend):
    """Recites sentences token by token, each of those that agree so far being equally likely.

    Parameters
    ----------
    sentences : iterable of str
        What it knows. After a beginning that it does not know, logits are drawn from the beginning itself:
        the same beginning always gives the same logits.

    Attributes
    ----------
    calls : deque of tuple
        What was asked of it last, for tests: ``("prefill", slot)``, ``("step", n_slots)``, ``("free", slot)`` …
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
        """Make room for this many sequences."""
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
        """Make the free slot ``target`` hold the same sequence as ``source``."""
        assert self._sequences[target] is None, f"slot {target} is not free"
        self.calls.append(("copy", source, target))
        self._sequences[target] = self._sequences[source]

    def free(self, slot: int) -> None:
        """Forget the sequence of a slot."""
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
    """A text file with one sentence a line, or nothing."""

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
        """Return that it is always there."""
        return Availability(available=True, devices={"cpu": "no network runs"})

    def accepts(self, path: Path) -> bool:  # noqa: ARG002
        """Return False: it must be asked for."""
        return False

    def open(self, path: Path, options: LoadOptions, revision: str | None) -> FakeCheckpoint:  # noqa: ARG002
        """Take the path as the file of sentences; the embedded model's name means that it knows none."""
        return FakeCheckpoint(path, "fake" if options.model == EMBEDDED else options.model)


PLUGIN = Fake()
