"""Continuous batching: a slot is refilled the moment its sequence ends, so that nobody waits for the longest.

Samples of one prompt share its prefill: the prompt lies in a slot of its own, and is copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.base import Backend
from logos_cli.engine.constraint import Constraint, Matcher
from logos_cli.engine.sampler import Sampling, choose, sample_generator


class Finish(StrEnum):
    """Why a sequence ended: it was complete, or it was cut at the limit of new tokens or of the context."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to make.

    Attributes
    ----------
    id : str
        With the run's seed, all that its randomness depends on.
    prompt : tuple of int
        Token ids; consecutive requests of the same prompt share its prefill.
    grammar : str, optional
        Lark text that the answer must follow; None leaves it free.
    given : str
        The end of the prompt's text that the grammar speaks of too.
    end : int, optional
        The token that ends a free answer, the ``n_ends``-th time that it comes; an EOS token always does.
    """

    id: str
    prompt: tuple[int, ...]
    grammar: str | None = None
    given: str = ""
    end: int | None = None
    n_ends: int = 1


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished sample.

    Attributes
    ----------
    tokens : tuple of int
        What was sampled, a final EOS included.
    logps : tuple of float
        Log-probability of each under the model itself, see :func:`.sampler.choose`.
    """

    request: Request
    tokens: tuple[int, ...]
    logps: tuple[float, ...]
    finish: Finish


@dataclass(slots=True)
class _Active:
    """A sequence that is being made."""

    index: int
    request: Request
    slot: int
    limit: int
    logits: NDArray[np.float32]
    generator: np.random.Generator
    matcher: Matcher | None
    tokens: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    n_ends: int = 0


class Engine:
    """Makes samples with one backend.

    Parameters
    ----------
    batch_size : int
        The most sequences at a time.
    seed : int
        The run's seed.
    """

    def __init__(self, backend: Backend, sampling: Sampling, *, batch_size: int, seed: int) -> None:
        self.backend = backend
        self.sampling = sampling
        self.seed = seed
        most = backend.capabilities.max_slots
        self.n_slots = batch_size if most is None else max(1, min(batch_size, most - 1))
        self._constraint: Constraint | None = None
        self._n_tokens = len(backend.tokenizer.vocabulary)
        self._eos = frozenset(backend.tokenizer.eos_ids)
        self._seen = np.zeros((self.n_slots, self._n_tokens), bool)
        self._prompt: tuple[int, ...] | None = None
        self._prompt_logits: NDArray[np.float32] | None = None

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions in the order of the requests, which are drawn as slots become free."""
        self.backend.reserve(self.n_slots + 1)
        self._prompt = None
        queue = enumerate(requests)
        active: list[_Active] = []
        finished: dict[int, Completion] = {}
        turn = 0
        while True:
            exhausted = self._refill(active, queue)
            if not active:
                return
            active = self._advance(active, finished)
            if exhausted:
                self._compact(active)
            self._step(active)
            while turn in finished:
                yield finished.pop(turn)
                turn += 1

    def _refill(self, active: list[_Active], queue: Iterator[tuple[int, Request]]) -> bool:
        """Begin sequences in the free slots; return whether the queue is at its end."""
        free = sorted(set(range(self.n_slots)) - {sequence.slot for sequence in active})
        for slot in free:
            drawn = next(queue, None)
            if drawn is None:
                active.sort(key=lambda sequence: sequence.slot)
                return True
            active.append(self._begin(*drawn, slot))
        active.sort(key=lambda sequence: sequence.slot)
        return False

    def _begin(self, index: int, request: Request, slot: int) -> _Active:
        backend, spare = self.backend, self.n_slots
        if request.prompt != self._prompt:
            if self._prompt is not None:
                backend.free(spare)
            self._prompt_logits = backend.prefill(spare, request.prompt)
            self._prompt = request.prompt
        backend.copy(spare, slot)
        self._seen[slot] = False
        self._seen[slot, list(request.prompt)] = True
        assert self._prompt_logits is not None
        return _Active(
            index, request, slot,
            limit=min(self.sampling.max_new_tokens, backend.context_tokens - len(request.prompt)),
            logits=self._prompt_logits,
            generator=sample_generator(self.seed, request.id),
            matcher=self._matcher(request),
        )  # fmt: skip

    def _matcher(self, request: Request) -> Matcher | None:
        if request.grammar is None:
            return None
        if self._constraint is None:
            self._constraint = Constraint(self.backend.tokenizer)
        return self._constraint.matcher(request.grammar, request.given)

    def _allowed(self, active: Sequence[_Active]) -> NDArray[np.bool_] | None:
        bound = [
            (row, sequence.matcher) for row, sequence in enumerate(active) if sequence.matcher is not None
        ]
        if not bound or self._constraint is None:
            return None
        masks = self._constraint.masks([matcher for _, matcher in bound])
        if len(bound) == len(active):
            return masks
        allowed = np.ones((len(active), self._n_tokens), bool)
        allowed[[row for row, _ in bound]] = masks
        return allowed

    def _advance(self, active: list[_Active], finished: dict[int, Completion]) -> list[_Active]:
        """Choose a token for every sequence; return those that go on."""
        slots = [sequence.slot for sequence in active]
        tokens, logps = choose(
            np.stack([sequence.logits for sequence in active]),
            self.sampling,
            np.array([sequence.generator.random() for sequence in active]),
            seen=self._seen[slots],
            allowed=self._allowed(active),
        )
        self._seen[slots, tokens] = True
        going_on = []
        for sequence, token, logp in zip(active, tokens.tolist(), logps.tolist(), strict=True):
            sequence.tokens.append(token)
            sequence.logps.append(logp)
            finish = self._finish(sequence, token)
            if finish is None:
                going_on.append(sequence)
                continue
            self.backend.free(sequence.slot)
            finished[sequence.index] = Completion(
                sequence.request, tuple(sequence.tokens), tuple(sequence.logps), finish
            )
        return going_on

    def _finish(self, sequence: _Active, token: int) -> Finish | None:
        if sequence.matcher is not None:
            sequence.matcher.accept(token)
            if sequence.matcher.done:
                return Finish.STOP
        elif token in self._eos:
            return Finish.STOP
        elif token == sequence.request.end:
            sequence.n_ends += 1
            if sequence.n_ends == sequence.request.n_ends:
                return Finish.STOP
        return Finish.LENGTH if len(sequence.tokens) >= sequence.limit else None

    def _compact(self, active: list[_Active]) -> None:
        """Move sequences from the highest slots into the holes below, so that steps shrink at the end."""
        holes = sorted(set(range(len(active))) - {sequence.slot for sequence in active})
        for sequence, hole in zip(reversed(active), holes, strict=False):
            self.backend.copy(sequence.slot, hole)
            self.backend.free(sequence.slot)
            self._seen[hole] = self._seen[sequence.slot]
            sequence.slot = hole
        active.sort(key=lambda sequence: sequence.slot)

    def _step(self, active: Sequence[_Active]) -> None:
        """Let the backend read the chosen tokens."""
        if not active:
            return
        logits = self.backend.step(
            [sequence.slot for sequence in active], [sequence.tokens[-1] for sequence in active]
        )
        for sequence, row in zip(active, logits, strict=True):
            sequence.logits = row
