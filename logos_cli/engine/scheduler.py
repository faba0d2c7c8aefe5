"""Continuous batching: a new sequence fills a slot as soon as the last one ends, so that none waits for the longest.

Samples of one prompt share its prefill: the prompt has its own slot, from which it is copied. The masks of the
constraint are computed while the backend reads the chosen tokens.
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
from logos_cli.engine.redraw import Redraw
from logos_cli.engine.sampler import Bits, Distribution, HostSampler, Sampler, Sampling, check_numbers, sample_generator
from logos_cli.errors import DeviceMemoryError

_N_FRESH = 8
"""Number of times that a sample with a refused token begins again, so that valid molecules have the distribution of the
model. After that only the token is drawn again, which may lead to sequences that the model never samples."""

_MAX_ATTEMPTS = 12
"""Number of attempts after which a sample is no longer checked; it will be invalid."""

_MAX_REFUSED = 100
"""Number of refused tokens at one position after which all count as refused."""


class Finish(StrEnum):
    """The end of a sequence: complete (stop), or cut at the limit of new tokens or of the context (length)."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class TokenReading:
    """What is read of a text, instead of a sample: how probable another token is at some of its places.

    Attributes
    ----------
    places : tuple of int
        Indices of tokens of the prompt.
    alternative : int
        The token that could stand before each.
    """

    places: tuple[int, ...]
    alternative: int


@dataclass(frozen=True, slots=True)
class BeamPlace:
    """One answer of a beam search.

    Attributes
    ----------
    width : int
        Beginnings of an answer that the search keeps open, and answers that it finds.
    rank : int
        Which of its answers is wanted, from 0 for the likeliest.
    """

    width: int
    rank: int


@dataclass(frozen=True, slots=True)
class Request:
    """A request for one sample, or for another answer to a prompt.

    Attributes
    ----------
    id : str
        The random numbers of the sample depend only on this id and the run's seed.
    prompt : tuple of int
        Token ids; consecutive requests with the same prompt share its prefill.
    grammar : str, optional
        Lark text of the constraint; None for no constraint.
    given : str
        The end of the prompt's text, with which the grammar begins.
    end : int, optional
        The token whose ``n_ends``-th occurrence ends an answer without constraint; an EOS token always does.
    chemistry : bool
        Refuse tokens after which the molecule cannot become valid.
    greedy : bool
        Choose the likeliest permitted token each time, whatever the run's sampling.
    reading : TokenReading, optional
        Read the prompt once, and sample nothing: a request for :class:`~.reading.ReadingEngine`.
    redraw : Redraw, optional
        Draw parts of the finished sample again.
    beam : BeamPlace, optional
        Find the answer by a beam search, and draw none: a request for :class:`~.beam.BeamEngine`.
    answer : tuple of int, optional
        The answer itself, of which only the log-probabilities are wanted: a request for :class:`~.reading.AnswerEngine`.
    """

    id: str
    prompt: tuple[int, ...]
    grammar: str | None = None
    given: str = ""
    end: int | None = None
    n_ends: int = 1
    chemistry: bool = False
    greedy: bool = False
    reading: TokenReading | None = None
    redraw: Redraw | None = None
    beam: BeamPlace | None = None
    answer: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished sample.

    Attributes
    ----------
    tokens : tuple of int
        Sampled tokens, including a final EOS.
    logps : tuple of float
        Log-probability of each token under the model itself, see :func:`.sampler.choose`.
    index : int
        Index of the request, from 0.
    """

    request: Request
    tokens: tuple[int, ...]
    logps: tuple[float, ...]
    finish: Finish
    index: int = field(default=0, compare=False)

    @property
    def n_tokens(self) -> int | None:
        """Number of sampled tokens; None where a server does not report it."""
        return None if self.tokens and not self.logps else len(self.logps)

    @property
    def logp(self) -> float | None:
        """Log-probability of the whole answer; None where a server does not report it."""
        if self.n_tokens is None:
            return None
        total = sum(self.logps)
        return None if math.isnan(total) else round(total, 4)


@dataclass(slots=True)
class _Waiting:
    """A request that has yet to begin, or begins again after a dead end or a lack of memory."""

    index: int
    request: Request
    attempt: int = 0


@dataclass(slots=True)
class _Active:
    """A sequence in progress."""

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
    """Samples with one backend.

    Parameters
    ----------
    batch_size : int
        Most sequences at a time; halved when the device has too little memory.
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
        self._waiting: deque[_Waiting] = deque()

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they finish, taking requests as slots become free.

        Finished completions are yielded before an exception or interruption propagates.

        Raises
        ------
        DeviceMemoryError
            If the device has too little memory even for one sequence.
        """
        queue = enumerate(requests)
        finished: deque[Completion] = deque()
        self._active, self._waiting = [], deque()
        self._prepare()
        try:
            has_more = True
            while has_more:
                has_more = self._round(queue, finished)
                while finished:
                    yield finished.popleft()
        except GeneratorExit:
            raise
        except BaseException:
            yield from finished
            raise

    def _round(self, queue: Iterator[tuple[int, Request]], finished: deque[Completion]) -> bool:
        """Add a token to every sequence; return whether there is more to do."""
        try:
            exhausted = self._refill(queue)
            if not self._active:
                return False
            self._advance(finished)
            if exhausted and not self._waiting:
                self._compact()
            self._step()
        except DeviceMemoryError as error:
            self._shrink(error)
        return True

    def _prepare(self) -> None:
        """Reserve slots, as many as the memory allows."""
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

    def _shrink(self, error: DeviceMemoryError) -> None:
        """Halve the number of sequences; those in progress begin again, and become the same."""
        if self.n_slots == 1:
            raise error
        self._await_masks()
        in_progress = sorted(self._active, key=lambda sequence: sequence.index)
        self._waiting.extendleft(_Waiting(sequence.index, sequence.request) for sequence in reversed(in_progress))
        self._active = []
        self.n_slots //= 2
        self._prepare()

    def _refill(self, queue: Iterator[tuple[int, Request]]) -> bool:
        """Begin sequences in the free slots; return whether the queue is exhausted."""
        active = self._active
        free = sorted(set(range(self.n_slots)) - {sequence.slot for sequence in active})
        exhausted = False
        while len(self._waiting) < len(free) and not exhausted:
            request = next(queue, None)
            exhausted = request is None
            if request is not None:
                self._waiting.append(_Waiting(*request))
        # requests stay in the queue until their prompts are in memory
        beginning = list(zip(self._waiting, free, strict=False))
        if beginning:
            self._read([(waiting.request.prompt, slot) for waiting, slot in beginning])
        for waiting, slot in beginning:
            active.append(self._begin(waiting, slot))
            self._waiting.popleft()
        active.sort(key=lambda sequence: sequence.slot)
        return exhausted

    def _read(self, wanted: Sequence[tuple[tuple[int, ...], int]]) -> None:
        """Read distinct prompts into free slots; the last also stays in its own slot for later samples."""
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
        constrained = [(row, sequence.matcher) for row, sequence in enumerate(active) if sequence.matcher is not None]
        if not constrained or self._constraint is None:
            return None
        self._await_masks()
        rows = np.stack([matcher.bits for _, matcher in constrained])
        if len(constrained) == len(active):
            return rows
        permitted = np.full((len(active), rows.shape[1]), -1, np.int32)
        permitted[[row for row, _ in constrained]] = rows
        return permitted

    def _advance(self, finished: deque[Completion]) -> None:
        """Choose a token for every sequence; keep unfinished sequences."""
        active = self._active
        slots = [sequence.slot for sequence in active]
        distribution = self._sampler.distribution(slots, self._permitted())
        tokens = distribution.draw(np.array([sequence.generator.random() for sequence in active]))
        if greedy := [row for row, sequence in enumerate(active) if sequence.request.greedy]:
            tokens[greedy] = distribution.likeliest(greedy)
        dead_ends = self._refuse(distribution, tokens)
        logps = distribution.logps(tokens)
        check_numbers(logps)
        self._sampler.mark_seen(slots, tokens)
        self._active = []
        for row, (token, logp) in enumerate(zip(tokens.tolist(), logps.tolist(), strict=True)):
            sequence = active[row]
            if row in dead_ends:
                self.backend.free(sequence.slot)
                self._waiting.append(_Waiting(sequence.index, sequence.request, sequence.attempt + 1))
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

    def _refuse(self, distribution: Distribution, tokens: NDArray[np.intp]) -> set[int]:
        """Replace tokens that chemistry refuses, in place; return the rows that must begin again."""
        dead_ends = set()
        for row, sequence in enumerate(self._active):
            chemistry, token = sequence.chemistry, int(tokens[row])
            if chemistry is None or chemistry.accepts(token):
                continue
            replacement = None
            if sequence.attempt >= _N_FRESH:
                replacement = _redraw(distribution, row, sequence.generator, chemistry, token)
            if replacement is None:
                dead_ends.add(row)
            else:
                tokens[row] = replacement
        return dead_ends

    def _begin_masks(self) -> None:
        """Begin to compute the next masks, while the backend reads tokens."""
        matchers = [sequence.matcher for sequence in self._active if sequence.matcher is not None]
        if matchers and self._constraint is not None:
            self._masks = self._constraint.compute(matchers)

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
        """Move sequences from the highest slots to the free ones below, so that steps shrink at the end."""
        active = self._active
        free = sorted(set(range(len(active))) - {sequence.slot for sequence in active})
        for sequence, slot in zip(reversed(active), free, strict=False):
            self._sampler.copy(sequence.slot, slot)
            self.backend.free(sequence.slot)
            sequence.slot = slot
        active.sort(key=lambda sequence: sequence.slot)

    def _step(self) -> None:
        """Read the chosen tokens."""
        active = self._active
        if not active:
            return
        self._sampler.step([sequence.slot for sequence in active], [sequence.tokens[-1] for sequence in active])


def _redraw(
    distribution: Distribution, row: int, generator: np.random.Generator, chemistry: SmilesConstraint, token: int
) -> int | None:
    """Return another token that chemistry accepts, or None."""
    refused = [token]
    while len(refused) < _MAX_REFUSED:
        drawn = distribution.redraw(row, generator.random(), refused)
        if drawn is None or chemistry.accepts(drawn):
            return drawn
        refused.append(drawn)
    return None


def make_sampler(backend: Backend, sampling: Sampling, n_slots: int) -> Sampler:
    """Return a sampler on the device of the backend's logits."""
    if isinstance(backend, TensorBackend) and backend.capabilities.device_logits:
        from logos_cli.engine.device_sampler import DeviceSampler

        return DeviceSampler(backend, sampling, n_slots)
    return HostSampler(backend, sampling, n_slots)
