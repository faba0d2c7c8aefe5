"""Beam search: the likeliest answers to a prompt, found and not drawn.

At each step the likeliest beginnings of an answer stay open, as many as the beam is wide. Scores are sums of
log-probabilities without a correction for length. Since they only fall, a beginning that is no better than the worst of
as many complete answers is dropped, and a search ends when none is left open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.base import Backend
from logos_cli.engine.constraint import Constraint, Matcher
from logos_cli.engine.sampler import check_numbers, log_softmax, unpack_bits
from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.errors import DeviceMemoryError
from logos_cli.grammar.spec import Kind

_TRIED: Final = 2
"""Continuations that are tried for each beginning that stays open, since some of them complete an answer."""

Asked = tuple[tuple[int, Request], ...]
"""The requests for answers of one search, with their indices."""


@dataclass(frozen=True, slots=True)
class _Beam:
    """An answer, or the beginning of one.

    Attributes
    ----------
    slot : int
        The sequence of the backend with all its tokens, or with all but the last.
    matcher : Matcher, optional
        Its place in the grammar of the request.
    n_ends : int
        How often the token that ends an answer has come.
    """

    slot: int
    matcher: Matcher | None
    tokens: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()
    score: float = 0.0
    n_ends: int = 0


@dataclass(slots=True, eq=False)
class _Search:
    """The search for the answers to one prompt.

    Attributes
    ----------
    slots : range
        Its slots, as many as the beam is wide.
    limit : int
        Most tokens of an answer.
    open, done : list of _Beam
        Beginnings and complete answers, the likeliest first.
    logits : ndarray, shape (len(open), n_vocabulary)
        Of the token that follows each beginning.
    """

    asked: Asked
    slots: range
    limit: int
    open: list[_Beam]
    logits: NDArray[np.float32]
    done: list[_Beam] = field(default_factory=list)

    @property
    def request(self) -> Request:
        """Any of the requests: they differ in rank."""
        return self.asked[0][1]

    @property
    def has_ended(self) -> bool:
        return not self.open or len(self.open[0].tokens) >= self.limit

    @property
    def least(self) -> float:
        """The score above which an answer is kept."""
        return self.done[-1].score if len(self.done) == len(self.slots) else -np.inf

    def keep(self, answer: _Beam) -> None:
        """Add a complete answer to the best."""
        self.done = sorted([*self.done, answer], key=lambda each: -each.score)[: len(self.slots)]

    def completions(self) -> Iterator[Completion]:
        """Yield the answer of each request by its rank; after the complete answers come those that the limit cuts."""
        answers = [(beam, Finish.STOP) for beam in self.done] + [(beam, Finish.LENGTH) for beam in self.open]
        nothing = _Beam(0, None), Finish.LENGTH
        for index, request in self.asked:
            rank = 0 if request.beam is None else request.beam.rank
            beam, finish = answers[rank] if rank < len(answers) else nothing
            yield Completion(request, beam.tokens, beam.logps, finish, index)


class BeamEngine:
    """Answers requests with the results of beam searches; what an engine is to samples.

    Consecutive requests of one search share it.

    Parameters
    ----------
    batch_size : int
        Beginnings that are open at a time, those of several searches together; one search always has room.
    max_new_tokens : int
        Most tokens of an answer.
    """

    def __init__(self, backend: Backend, *, batch_size: int, max_new_tokens: int) -> None:
        self.backend = backend
        most = backend.capabilities.max_slots
        self._batch_size = batch_size if most is None else min(batch_size, most)
        self._max_new_tokens = max_new_tokens
        self._constraint: Constraint | None = None
        self._n_tokens = len(backend.tokenizer.vocabulary)
        self._eos = frozenset(backend.tokenizer.eos_ids)
        tags = backend.tokenizer.tag_ids
        self._closing = sorted(self._eos | {tags[kind.end] for kind in Kind})

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions of each search as it ends.

        Raises
        ------
        DeviceMemoryError
            If the device has too little memory for one search.
        """
        asked = (tuple(group) for _, group in groupby(enumerate(requests), key=lambda pair: _search_of(pair[1])))
        for width, group in groupby(asked, key=lambda one: _width(one[0][1])):
            yield from self._search(group, width)

    def _search(self, asked: Iterator[Asked], width: int) -> Iterator[Completion]:
        """Search many at a time; fewer, from their beginning, where memory is short."""
        waiting: deque[Asked] = deque()
        active: list[_Search] = []
        free = self._reserve(width)
        while True:
            try:
                while free and (waiting or _fetch(asked, waiting)):
                    active.append(self._begin(waiting[0], free[0]))
                    waiting.popleft()
                    free.popleft()
                if not active:
                    return
                for search in active:
                    self._advance(search)
                for search in [search for search in active if search.has_ended]:
                    active.remove(search)
                    for beam in search.open:
                        self.backend.free(beam.slot)
                    free.append(search.slots)
                    yield from search.completions()
                self._step(active)
            except DeviceMemoryError as error:
                waiting.extendleft(search.asked for search in reversed(active))
                active = []
                free = self._shrink(width, error)

    def _reserve(self, width: int) -> deque[range]:
        """Reserve slots; return those of each search, as many searches as the memory allows."""
        while True:
            n_parallel = max(1, self._batch_size // width)
            try:
                self.backend.reserve(n_parallel * width)
            except DeviceMemoryError as error:
                self._halve(width, error)
            else:
                return deque(range(number * width, (number + 1) * width) for number in range(n_parallel))

    def _shrink(self, width: int, error: DeviceMemoryError) -> deque[range]:
        self._halve(width, error)
        return self._reserve(width)

    def _halve(self, width: int, error: DeviceMemoryError) -> None:
        n_parallel = self._batch_size // width
        if n_parallel <= 1:
            hint = "give a narrower --beam" if width > 1 else error.hint
            raise DeviceMemoryError(error.message, hint=hint) from error
        self._batch_size = n_parallel // 2 * width

    def _begin(self, asked: Asked, slots: range) -> _Search:
        request = asked[0][1]
        logits = self.backend.prefill(slots[0], request.prompt)
        limit = min(self._max_new_tokens, self.backend.context_tokens - len(request.prompt))
        return _Search(asked, slots, limit, [_Beam(slots[0], self._matcher(request))], logits[None])

    def _matcher(self, request: Request) -> Matcher | None:
        if request.grammar is None:
            return None
        if self._constraint is None:
            self._constraint = Constraint(self.backend.tokenizer)
        return self._constraint.matcher(request.grammar, request.given)

    def _advance(self, search: _Search) -> None:
        """Replace the beginnings by the best of what can follow them, and keep the answers that this completes."""
        logps = log_softmax(search.logits)[:, : self._n_tokens]  # some models pad their vocabulary
        check_numbers(logps)
        scores = logps + np.array([[beam.score] for beam in search.open])
        if bits := [beam.matcher.bits for beam in search.open if beam.matcher is not None]:
            scores[~unpack_bits(np.stack(bits), self._n_tokens)] = -np.inf

        def child(row: int, token: int) -> _Beam:
            return self._child(search, search.open[row], token, float(logps[row, token]))

        # all that may complete an answer is tried, however unlikely it is beside the rest
        for column in _descending(scores[:, self._closing]):
            row, token = column // len(self._closing), self._closing[column % len(self._closing)]
            if scores[row, token] <= search.least:
                break
            if self._is_complete(search, answer := child(row, token)):
                search.keep(answer)
                scores[row, token] = -np.inf
        opened: list[_Beam] = []
        for place in _descending(scores, _TRIED * len(search.slots)):
            row, token = divmod(place, scores.shape[1])
            if len(opened) == len(search.slots) or scores[row, token] <= search.least:
                break
            if self._is_complete(search, beginning := child(row, token)):
                search.keep(beginning)
            else:
                opened.append(beginning)
        self._move(search, opened)

    def _child(self, search: _Search, parent: _Beam, token: int, logp: float) -> _Beam:
        return _Beam(
            parent.slot,
            None if parent.matcher is None else parent.matcher.after(token),
            (*parent.tokens, token),
            (*parent.logps, logp),
            parent.score + logp,
            parent.n_ends + (token == search.request.end),
        )

    def _is_complete(self, search: _Search, beam: _Beam) -> bool:
        if beam.matcher is not None:
            return beam.matcher.done
        token, request = beam.tokens[-1], search.request
        return token in self._eos or (token == request.end and beam.n_ends == request.n_ends)

    def _move(self, search: _Search, opened: Sequence[_Beam]) -> None:
        """Give each new beginning a slot with its history: the first of a parent takes that of the parent."""
        kept = {beam.slot for beam in opened}
        for beam in search.open:
            if beam.slot not in kept:
                self.backend.free(beam.slot)
        spare = iter([slot for slot in search.slots if slot not in kept])
        search.open = []
        for beam in opened:
            if beam.slot in kept:
                kept.remove(beam.slot)
                search.open.append(beam)
            else:
                slot = next(spare)
                self.backend.copy(beam.slot, slot)
                search.open.append(replace(beam, slot=slot))

    def _step(self, active: Sequence[_Search]) -> None:
        """Read the last tokens of all beginnings; meanwhile compute what the grammars permit after them."""
        beams = sorted((beam for search in active for beam in search.open), key=lambda beam: beam.slot)
        if not beams:
            return
        matchers = [beam.matcher for beam in beams if beam.matcher is not None]
        masks = self._constraint.compute(matchers) if matchers and self._constraint is not None else None
        try:
            logits = self.backend.step([beam.slot for beam in beams], [beam.tokens[-1] for beam in beams])
        finally:
            if masks is not None:
                masks.result()
        row_of = {beam.slot: row for row, beam in enumerate(beams)}
        for search in active:
            search.logits = logits[[row_of[beam.slot] for beam in search.open]]


def _descending(scores: NDArray[np.float64], most: int | None = None) -> list[int]:
    """Return the flat places of the highest scores that are above zero probability, the highest first."""
    flat = scores.ravel()
    places = np.flatnonzero(flat > -np.inf)
    if most is not None and most < len(places):
        places = places[np.argpartition(-flat[places], most - 1)[:most]]
    found: list[int] = places[np.lexsort((places, -flat[places]))].tolist()
    return found


def _fetch(asked: Iterator[Asked], waiting: deque[Asked]) -> bool:
    """Add what is asked for next, if there is any; return whether."""
    waiting.extend(islice(asked, 1))
    return bool(waiting)


def _width(request: Request) -> int:
    return 1 if request.beam is None else request.beam.width


def _search_of(request: Request) -> tuple[object, ...]:
    """Return what is equal for requests of one search."""
    return _width(request), request.prompt, request.grammar, request.given, request.end, request.n_ends
