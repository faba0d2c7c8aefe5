"""The schedule of a generation: the order in which samples are drawn and records are written."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from logos_cli.engine.scheduler import Completion
from logos_cli.io.selection import Selection, Unit
from logos_cli.records import Record
from logos_cli.tasks.base import PromptSentence
from logos_cli.workflows.generate.outcome import PromptOutcome
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.tally import GenerateTally


class Judge(Protocol):
    """Converts samples to records, and knows when a prompt has enough."""

    def begin(self, prompt: PreparedPrompt) -> PromptOutcome:
        """Return the outcome of a prompt, still without samples."""
        ...

    def take_sample(self, outcome: PromptOutcome, number: int, completion: Completion) -> Record | None:
        """Return the record of a sample, judged and counted; None if it is not to be written."""
        ...

    def take_answer(
        self, outcome: PromptOutcome, number: int, sentence: PromptSentence, completion: Completion
    ) -> None:
        """Take the answer to a question of the prompt's collector."""
        ...

    def close(self, outcome: PromptOutcome, n_drawn: int) -> Iterator[Record]:
        """Yield the results of a prompt with all its samples, or the error if it could not be used."""
        ...

    def results(self, outcome: PromptOutcome) -> Iterator[Record]:
        """Yield the results of the samples of a prompt so far."""
        ...


@dataclass(slots=True, eq=False)
class PromptState:
    """One prompt with the progress of its samples.

    Attributes
    ----------
    n_drawn, n_taken : int
        Numbers of samples that were requested, and that were judged. Samples are judged in the order of their
        numbers, unless records are written in the order in which they are completed.
    places : deque of (int, Unit), optional
        Numbers of the samples that are left to draw, with their places in the run, where not all samples are.
    unjudged : deque of int
        Numbers of the samples that are drawn and not judged, in order.
    finished : deque of Record
        Records that wait for their turn.
    arrived : dict
        Completions that wait to be judged, by the numbers of their samples.
    """

    outcome: PromptOutcome
    finished: deque[Record] = field(default_factory=deque)
    arrived: dict[int, Completion] = field(default_factory=dict)
    places: deque[tuple[int, Unit]] | None = None
    unjudged: deque[int] = field(default_factory=deque)
    n_drawn: int = 0
    n_taken: int = 0
    questions: deque[tuple[int, PromptSentence]] | None = None
    n_unanswered: int = 0

    @property
    def wants_more(self) -> bool:
        """Whether a further sample should be drawn."""
        outcome = self.outcome
        if self.n_drawn >= outcome.limit or outcome.has_enough or outcome.is_computed:
            return False
        return outcome.until is None or not outcome.until.expected(outcome.found, self.n_drawn - self.n_taken)

    def next_sample(self) -> PendingSample | None:
        """Return the next question or sample, if there is one."""
        if self.questions:
            number, sentence = self.questions.popleft()
            return PendingSample(self, number, sentence, is_question=True)
        beginning = self.outcome.prompt.sentence
        if beginning is None or not self.wants_more:
            return None
        self.n_drawn += 1
        number = self.n_drawn if self.places is None else self.places[0][0]
        self.unjudged.append(number)
        return PendingSample(self, number, beginning)


@dataclass(frozen=True, slots=True)
class PendingSample:
    """A sample, or the answer to a question, that is not drawn yet."""

    state: PromptState
    number: int
    sentence: PromptSentence
    is_question: bool = False

    @property
    def id(self) -> str:
        """The prompt's id and the number."""
        return f"{self.state.outcome.prompt.id}{'?' if self.is_question else '#'}{self.number:04d}"


@dataclass(slots=True)
class Schedule:
    """Yields the samples to draw, takes their completions, and yields the records in order.

    Attributes
    ----------
    prompts : iterator of PreparedPrompt
        Read as they are needed.
    in_order : bool
        Yield records in the order of prompts and numbers, not as soon as each is finished.
    deadline : float, optional
        Time of ``time.monotonic`` after which nothing is drawn, and ``tally.stopped`` is set.
    n_known : int
        Samples of the prompts that have been read, and further questions about them.
    selection : Selection, optional
        The samples that are wanted; or the prompts, where samples are put together or drawn until there are enough.
    """

    prompts: Iterator[PreparedPrompt]
    judge: Judge
    tally: GenerateTally
    in_order: bool = True
    deadline: float | None = None
    selection: Selection | None = None
    n_known: int = 0
    _n_prompts: int = 0
    _open: deque[PromptState] = field(default_factory=deque)
    _under_way: dict[int, PendingSample] = field(default_factory=dict)

    # -- samples to draw --------------------------------------------------------------------------------------

    def pending(self) -> Iterator[PendingSample]:
        """Yield the samples that are known to be needed; call again after them, as some prompts may need more."""
        index = 0
        while True:
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.tally.stopped = True
                return
            found = self._next()
            if found is None:
                return
            self._under_way[index] = found
            index += 1
            yield found

    def _next(self) -> PendingSample | None:
        for state in self._open:
            if (found := self._draw(state)) is not None:
                return found
        while (prompt := next(self.prompts, None)) is not None:
            state = PromptState(self.judge.begin(prompt))
            if not self._select(state):
                continue
            self._open.append(state)
            self.n_known += state.outcome.limit if prompt.sentence is not None else 0
            if (found := self._draw(state)) is not None:
                return found
        return None

    def _draw(self, state: PromptState) -> PendingSample | None:
        found = state.next_sample()
        if found is not None and not found.is_question and state.places is not None and self.selection is not None:
            self.selection.pending.append(state.places.popleft()[1])
        return found

    def _select(self, state: PromptState) -> bool:
        """Find out which samples of a prompt are wanted; return whether any are."""
        if self.selection is None:
            return True
        outcome = state.outcome
        number, self._n_prompts = self._n_prompts, self._n_prompts + 1
        place = self.selection.of_file(number, outcome.prompt.id)
        if outcome.prompt.sentence is None or outcome.collector is not None or outcome.until is not None:
            place.units = self.selection.pending
            self.selection.note_end(number, 1)
            return place.takes(outcome.prompt.id)
        samples = range(1, outcome.limit + 1)
        numbers = [sample for sample in samples if place.takes(f"{outcome.prompt.id}#{sample:04d}")]
        self.selection.note_end(number, place.n_seen)
        state.places = deque(zip(numbers, place.units, strict=True))
        outcome.limit = len(numbers)
        return bool(numbers)

    # -- completions -----------------------------------------------------------------------------------------

    def take(self, completion: Completion) -> Iterator[Record]:
        """Take a completion, and yield the finished records in order."""
        drawn = self._under_way.pop(completion.index)
        state = drawn.state
        if drawn.is_question:
            state.n_unanswered -= 1
            self.judge.take_answer(state.outcome, drawn.number, drawn.sentence, completion)
        elif not state.outcome.has_enough:  # samples under way are left out when there are enough
            state.arrived[drawn.number] = completion
            self._judge_arrived(state)
            self._ask(state)
        yield from self.pop_finished()

    def _judge_arrived(self, state: PromptState) -> None:
        while state.arrived and not state.outcome.has_enough:
            number = state.unjudged[0] if self.in_order else next(iter(state.arrived))
            if number not in state.arrived:
                return
            state.unjudged.remove(number)
            state.n_taken += 1
            self._judge_one(state, number)

    def _judge_one(self, state: PromptState, number: int) -> None:
        record = self.judge.take_sample(state.outcome, number, state.arrived.pop(number))
        if record is not None:
            state.finished.append(record)

    def pop_finished(self) -> Iterator[Record]:
        """Yield the finished records in order, and drop the prompts that have ended."""
        if not self.in_order:
            for state in list(self._open):
                yield from self._pop_finished_of(state)
            return
        while self._open:
            front = self._open[0]
            yield from self._pop_finished_of(front)
            if self._open and self._open[0] is front:
                return

    def _pop_finished_of(self, state: PromptState) -> Iterator[Record]:
        while state.finished:
            yield state.finished.popleft()
        if self._has_ended(state):
            self._open.remove(state)
            yield from self.judge.close(state.outcome, state.n_drawn)

    def _has_ended(self, state: PromptState) -> bool:
        """Return whether a prompt has ended: with its samples, and the questions that they lead to."""
        if state.outcome.prompt.sentence is None or state.outcome.is_computed:
            return True
        if not self._has_all_samples(state):
            return False
        self._ask(state)
        return self.tally.stopped or not state.n_unanswered

    def _has_all_samples(self, state: PromptState) -> bool:
        outcome = state.outcome
        under_way = state.n_taken < state.n_drawn
        wanted = under_way or (state.n_drawn < outcome.limit and not self.tally.stopped)
        return outcome.has_enough or not wanted

    def _ask(self, state: PromptState) -> None:
        """Let the collector of a prompt ask its questions once all samples are there, whichever prompt's turn it is."""
        collector = state.outcome.collector
        if collector is None or state.questions is not None or self.tally.stopped or not self._has_all_samples(state):
            return
        state.questions = deque(enumerate(collector.questions()))
        state.n_unanswered = len(state.questions)
        self.n_known += state.n_unanswered

    def drain(self) -> Iterator[Record]:
        """Yield the waiting records and the results of finished samples, when a run is interrupted."""
        for state in self._open:
            for number in sorted(state.arrived):
                self._judge_one(state, number)
            yield from state.finished
            if state.outcome.found.made:
                yield from self.judge.results(state.outcome)
