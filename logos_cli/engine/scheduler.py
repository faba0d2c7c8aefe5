"""Continuous batching: a slot is refilled the moment its sequence ends, so that nobody waits for the longest.

Samples of one prompt share its prefill: the prompt lies in a slot of its own, and is copied. What the constraint
permits next is computed while the backend reads the tokens just chosen.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.base import Backend, TensorBackend
from logos_cli.engine.chemistry import SmilesConstraint
from logos_cli.engine.constraint import Constraint, Matcher
from logos_cli.engine.sampler import Bits, Distribution, HostSampler, Sampler, Sampling, sample_generator
from logos_cli.errors import DeviceMemoryError

_N_FRESH = 8
"""So often a sample in which chemistry refuses a token is begun anew: what comes is distributed as the model says,
given that it is valid. After that the token alone is drawn anew, which may lead into what the model never says."""

_MAX_ATTEMPTS = 12
"""Then it is let through unchecked, and will be found invalid."""

_MAX_REFUSED = 100
"""After so many refused tokens in one place, every token is taken to be."""


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
    chemistry : bool
        Refuse tokens after which the molecule that is being written can no longer become valid.
    greedy : bool
        Take the likeliest token that is permitted each time, whatever the run's sampling.
    """

    id: str
    prompt: tuple[int, ...]
    grammar: str | None = None
    given: str = ""
    end: int | None = None
    n_ends: int = 1
    chemistry: bool = False
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished sample.

    Attributes
    ----------
    tokens : tuple of int
        What was sampled, a final EOS included.
    logps : tuple of float
        Log-probability of each under the model itself, see :func:`.sampler.choose`.
    index : int
        The request's place among all, from 0.
    """

    request: Request
    tokens: tuple[int, ...]
    logps: tuple[float, ...]
    finish: Finish
    index: int = field(default=0, compare=False)

    @property
    def logp(self) -> float | None:
        """Log-probability of the whole answer; None where a server does not tell."""
        total = sum(self.logps)
        return None if math.isnan(total) else round(total, 4)


@dataclass(slots=True)
class _Waiting:
    """A request that has to begin again, after the device was out of memory or after a dead end."""

    index: int
    request: Request
    attempt: int = 0


@dataclass(slots=True)
class _Active:
    """A sequence that is being made."""

    index: int
    request: Request
    attempt: int
    slot: int
    limit: int
    generator: np.random.Generator
    matcher: Matcher | None
    chemistry: SmilesConstraint | None
    tokens: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    n_ends: int = 0

    def completion(self, finish: Finish) -> Completion:
        return Completion(self.request, tuple(self.tokens), tuple(self.logps), finish, self.index)


class Engine:
    """Makes samples with one backend.

    Parameters
    ----------
    batch_size : int
        The most sequences at a time. It is halved when the device has too little memory.
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
        self._masks: Future[None] | None = None
        self._n_tokens = len(backend.tokenizer.vocabulary)
        self._eos = frozenset(backend.tokenizer.eos_ids)
        self._sampler: Sampler
        self._prompt: tuple[int, ...] | None = None
        self._active: list[_Active] = []
        self._again: deque[_Waiting] = deque()

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions as they are finished; requests are drawn as slots become free.

        What has been finished is yielded before an exception, an interruption included, leaves.

        Raises
        ------
        DeviceMemoryError
            If the device has too little memory even for one sequence.
        """
        queue = enumerate(requests)
        finished: deque[Completion] = deque()
        self._active, self._again = [], deque()
        self._prepare()
        try:
            going_on = True
            while going_on:
                going_on = self._round(queue, finished)
                while finished:
                    yield finished.popleft()
        except GeneratorExit:
            raise
        except BaseException:
            yield from finished
            raise

    def _round(self, queue: Iterator[tuple[int, Request]], finished: deque[Completion]) -> bool:
        """Bring every sequence forward by a token; return whether there is more to do."""
        try:
            exhausted = self._refill(queue)
            if not self._active:
                return False
            self._advance(finished)
            if exhausted and not self._again:
                self._compact()
            self._step()
        except DeviceMemoryError:
            self._shrink()
        return True

    def _prepare(self) -> None:
        """Make room for the sequences, for as many as there is memory."""
        while True:
            self._prompt = None
            try:
                self.backend.reserve(self.n_slots + 1)
                self._sampler = make_sampler(self.backend, self.sampling, self.n_slots + 1)
            except DeviceMemoryError:
                if self.n_slots == 1:
                    raise
                self.n_slots //= 2
            else:
                return

    def _shrink(self) -> None:
        """Go on with half as many sequences; those that were under way begin again, and come out the same."""
        if self.n_slots == 1:
            raise  # noqa: PLE0704 - called while the error is being handled
        self._await_masks()
        under_way = sorted(self._active, key=lambda sequence: sequence.index)
        self._again.extendleft(_Waiting(sequence.index, sequence.request) for sequence in reversed(under_way))
        self._active = []
        self.n_slots //= 2
        self._prepare()

    def _refill(self, queue: Iterator[tuple[int, Request]]) -> bool:
        """Begin sequences in the free slots; return whether the queue is at its end."""
        active = self._active
        free = sorted(set(range(self.n_slots)) - {sequence.slot for sequence in active})
        exhausted = False
        while len(self._again) < len(free) and not exhausted:
            drawn = next(queue, None)
            exhausted = drawn is None
            if drawn is not None:
                self._again.append(_Waiting(*drawn))
        # they stay in the queue until there is memory for them
        begun = list(zip(self._again, free, strict=False))
        if begun:
            self._read([(waiting.request.prompt, slot) for waiting, slot in begun])
        for waiting, slot in begun:
            active.append(self._begin(waiting, slot))
            self._again.popleft()
        active.sort(key=lambda sequence: sequence.slot)
        return exhausted

    def _read(self, wanted: Sequence[tuple[tuple[int, ...], int]]) -> None:
        """Read prompts into free slots, each once; the last stays in a slot of its own for samples to come."""
        sampler, spare = self._sampler, self.n_slots
        place = {} if self._prompt is None else {self._prompt: spare}
        copies, new = [], []
        for prompt, slot in wanted:
            if prompt in place:
                copies.append((place[prompt], slot))
            else:
                place[prompt] = slot
                new.append(prompt)
        if new:
            sampler.begin([place[prompt] for prompt in new], new)
        for source, slot in copies:
            sampler.copy(source, slot)
        last = wanted[-1][0]
        if last != self._prompt:
            if self._prompt is not None:
                self.backend.free(spare)
                self._prompt = None
            sampler.copy(place[last], spare)
            self._prompt = last

    def _begin(self, waiting: _Waiting, slot: int) -> _Active:
        request = waiting.request
        checked = request.chemistry and waiting.attempt < _MAX_ATTEMPTS
        id = f"{request.id}\0{waiting.attempt}" if waiting.attempt else request.id
        return _Active(
            waiting.index,
            request,
            waiting.attempt,
            slot,
            limit=min(self.sampling.max_new_tokens, self.backend.context_tokens - len(request.prompt)),
            generator=sample_generator(self.seed, id),
            matcher=self._matcher(request),
            chemistry=SmilesConstraint(self.backend.tokenizer, request.given) if checked else None,
        )

    def _matcher(self, request: Request) -> Matcher | None:
        if request.grammar is None:
            return None
        if self._constraint is None:
            self._constraint = Constraint(self.backend.tokenizer)
        return self._constraint.matcher(request.grammar, request.given)

    def _await_masks(self) -> None:
        if self._masks is not None:
            self._masks.result()
            self._masks = None

    def _permitted(self) -> Bits | None:
        active = self._active
        bound = [(row, each.matcher) for row, each in enumerate(active) if each.matcher is not None]
        if not bound or self._constraint is None:
            return None
        self._await_masks()
        rows = np.stack([matcher.bits for _, matcher in bound])
        if len(bound) == len(active):
            return rows
        permitted = np.full((len(active), rows.shape[1]), -1, np.int32)
        permitted[[row for row, _ in bound]] = rows
        return permitted

    def _advance(self, finished: deque[Completion]) -> None:
        """Choose a token for every sequence; keep those that go on."""
        active = self._active
        slots = [sequence.slot for sequence in active]
        options = self._sampler.choices(slots, self._permitted())
        tokens = options.draw(np.array([sequence.generator.random() for sequence in active]))
        if greedy := [row for row, sequence in enumerate(active) if sequence.request.greedy]:
            tokens[greedy] = options.likeliest(greedy)
        dead = self._refuse(options, tokens)
        logps = options.logps(tokens)
        self._sampler.note(slots, tokens)
        self._active = []
        for row, (token, logp) in enumerate(zip(tokens.tolist(), logps.tolist(), strict=True)):
            sequence = active[row]
            if row in dead:
                self.backend.free(sequence.slot)
                self._again.append(_Waiting(sequence.index, sequence.request, sequence.attempt + 1))
                continue
            sequence.tokens.append(token)
            sequence.logps.append(logp)
            finish = self._finish(sequence, token)
            if finish is None:
                self._active.append(sequence)
                continue
            self.backend.free(sequence.slot)
            finished.append(sequence.completion(finish))
        self._begin_masks()

    def _refuse(self, options: Distribution, tokens: NDArray[np.intp]) -> set[int]:
        """Draw anew, in place, tokens that chemistry refuses; return the rows that must begin again."""
        dead = set()
        for row, sequence in enumerate(self._active):
            if sequence.chemistry is None or sequence.chemistry.accepts(int(tokens[row])):
                continue
            token = None if sequence.attempt < _N_FRESH else self._redraw(options, row, int(tokens[row]))
            if token is None:
                dead.add(row)
            else:
                tokens[row] = token
        return dead

    def _redraw(self, options: Distribution, row: int, token: int) -> int | None:
        sequence = self._active[row]
        assert sequence.chemistry is not None
        refused = [token]
        while len(refused) < _MAX_REFUSED:
            drawn = options.redraw(row, sequence.generator.random(), refused)
            if drawn is None or sequence.chemistry.accepts(drawn):
                return drawn
            refused.append(drawn)
        return None

    def _begin_masks(self) -> None:
        """Let the next masks be computed while the backend is at work."""
        bound = [each.matcher for each in self._active if each.matcher is not None]
        if bound and self._constraint is not None:
            self._masks = self._constraint.compute(bound)

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

    def _compact(self) -> None:
        """Move sequences from the highest slots into the holes below, so that steps shrink at the end."""
        active = self._active
        holes = sorted(set(range(len(active))) - {sequence.slot for sequence in active})
        for sequence, hole in zip(reversed(active), holes, strict=False):
            self._sampler.copy(sequence.slot, hole)
            self.backend.free(sequence.slot)
            sequence.slot = hole
        active.sort(key=lambda sequence: sequence.slot)

    def _step(self) -> None:
        """Let the backend read the chosen tokens."""
        active = self._active
        if not active:
            return
        self._sampler.step([sequence.slot for sequence in active], [sequence.tokens[-1] for sequence in active])


def make_sampler(backend: Backend, sampling: Sampling, n_slots: int) -> Sampler:
    """Return a sampler where the logits of the backend are."""
    if isinstance(backend, TensorBackend) and backend.capabilities.device_logits:
        from logos_cli.engine.device_sampler import DeviceSampler

        return DeviceSampler(backend, sampling, n_slots)
    return HostSampler(backend, sampling, n_slots)
