"""The course of one generation: which sample is drawn next, and which record is written next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from logos_cli.engine.scheduler import Completion, Request
from logos_cli.records import Record
from logos_cli.tasks.base import Collector, PromptSentence
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.tally import GenerateTally
from logos_cli.workflows.generate.until import Counts, Until


@dataclass(slots=True, eq=False)
class PromptState:
    """One prompt, what has been drawn for it and what has come of it.

    Attributes
    ----------
    limit : int
        The most samples.
    n_drawn, n_taken : int
        Samples requested, and judged: these are judged in the order of their numbers, unless records are written
        in the order in which they are completed.
    ready : deque of Record
        Records that wait for their turn to be written.
    """

    opening: PreparedPrompt
    limit: int
    until: Until | None = None
    collector: Collector | None = None
    found: Counts = field(default_factory=Counts)
    answers: set[str] = field(default_factory=set)
    ready: deque[Record] = field(default_factory=deque)
    arrived: dict[int, Completion] = field(default_factory=dict)
    n_drawn: int = 0
    n_taken: int = 0
    questions: deque[tuple[int, PromptSentence]] | None = None
    n_unanswered: int = 0

    @property
    def has_enough(self) -> bool:
        """Whether it has yielded what is wanted of it, whatever is still under way."""
        return self.until is not None and self.until.reached(self.found)

    @property
    def wants_more(self) -> bool:
        """Whether a further sample is to be drawn."""
        if self.n_drawn >= self.limit or self.has_enough:
            return False
        return self.until is None or not self.until.expected(self.found, self.n_drawn - self.n_taken)


@dataclass(frozen=True, slots=True)
class PendingSample:
    """What a request is of."""

    prompt: PromptState
    number: int
    sentence: PromptSentence
    is_question: bool = False


Begin = Callable[[PreparedPrompt], PromptState]
Ask = Callable[[PromptSentence, str, bool], Request]
TextOf = Callable[[Completion], str]
Judge = Callable[[PromptState, int, Completion], Record | None]
Close = Callable[[PromptState], Iterator[Record]]


@dataclass(slots=True)
class SampleLoop:
    """Draws requests for the engine and takes its completions.

    Attributes
    ----------
    openings : iterator of Opening
        Read as they are needed.
    begin, ask, text_of, judge, close
        What the generation makes of a prompt that begins; of a sentence, which becomes a request with an id,
        sampled or (a question) greedy; of a completion, which becomes text, or a record if it is to be written;
        and of a prompt all of whose samples are there, which ends with its results.
    results
        What the samples of a prompt come to, as many as there are.
    in_order : bool
        Write records in the order of prompts and numbers, not as soon as each is there.
    deadline : float, optional
        Of ``time.monotonic``: nothing is drawn after it.
    """

    openings: Iterator[PreparedPrompt]
    begin: Begin
    ask: Ask
    text_of: TextOf
    judge: Judge
    close: Close
    results: Close
    tally: GenerateTally
    in_order: bool = True
    deadline: float | None = None
    _open: deque[PromptState] = field(default_factory=deque)
    _under_way: dict[int, PendingSample] = field(default_factory=dict)

    # -- what is drawn ---------------------------------------------------------------------------------------

    def requests(self) -> Iterator[Request]:
        """Yield what is to be sampled, as far as can be said; when that is done, call again for what is short."""
        index = 0
        while True:
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.tally.stopped = True
                return
            found = self._next()
            if found is None:
                return
            mark = "?" if found.is_question else "#"
            self._under_way[index] = found
            index += 1
            id = f"{found.prompt.opening.id}{mark}{found.number:04d}"
            yield self.ask(found.sentence, id, found.is_question)

    def _next(self) -> PendingSample | None:
        for prompt in self._open:
            if (found := self._next_of(prompt)) is not None:
                return found
        while (opening := next(self.openings, None)) is not None:
            prompt = self.begin(opening)
            self._open.append(prompt)
            if (found := self._next_of(prompt)) is not None:
                return found
        return None

    @staticmethod
    def _next_of(prompt: PromptState) -> PendingSample | None:
        if prompt.questions:
            number, sentence = prompt.questions.popleft()
            return PendingSample(prompt, number, sentence, is_question=True)
        if prompt.opening.sentence is None or not prompt.wants_more:
            return None
        prompt.n_drawn += 1
        return PendingSample(prompt, prompt.n_drawn, prompt.opening.sentence)

    # -- what comes ------------------------------------------------------------------------------------------

    def take(self, completion: Completion) -> Iterator[Record]:
        """Take a completion and yield the records whose turn has come."""
        drawn = self._under_way.pop(completion.index)
        prompt = drawn.prompt
        if drawn.is_question:
            prompt.n_unanswered -= 1
            assert prompt.collector is not None
            text = drawn.sentence.text + self.text_of(completion)
            prompt.collector.answer(drawn.number, text, completion.logp)
        elif not prompt.has_enough:  # what is under way when there is enough is left out
            prompt.arrived[drawn.number] = completion
            self._judge_arrived(prompt)
        yield from self.ready()

    def _judge_arrived(self, prompt: PromptState) -> None:
        while prompt.arrived and not prompt.has_enough:
            number = prompt.n_taken + 1 if self.in_order else next(iter(prompt.arrived))
            if number not in prompt.arrived:
                return
            prompt.n_taken += 1
            self._judge(prompt, number)

    def _judge(self, prompt: PromptState, number: int) -> None:
        record = self.judge(prompt, number, prompt.arrived.pop(number))
        if record is not None:
            prompt.ready.append(record)

    def ready(self) -> Iterator[Record]:
        """Yield the records whose turn has come, and let go of prompts that are done with."""
        if not self.in_order:
            for prompt in list(self._open):
                yield from self._written(prompt)
            return
        while self._open:
            front = self._open[0]
            yield from self._written(front)
            if self._open and self._open[0] is front:
                return

    def _written(self, prompt: PromptState) -> Iterator[Record]:
        while prompt.ready:
            yield prompt.ready.popleft()
        if self._ended(prompt):
            self._open.remove(prompt)
            yield from self.close(prompt)

    def _ended(self, prompt: PromptState) -> bool:
        """Whether nothing more comes of a prompt; when its samples are there, its collector may ask."""
        if prompt.opening.sentence is None:
            return True
        under_way = prompt.n_taken < prompt.n_drawn
        if not prompt.has_enough and (under_way or (prompt.n_drawn < prompt.limit and not self.tally.stopped)):
            return False
        if prompt.questions is None and prompt.collector is not None and not self.tally.stopped:
            prompt.questions = deque(enumerate(prompt.collector.questions()))
            prompt.n_unanswered = len(prompt.questions)
        return self.tally.stopped or not prompt.n_unanswered

    def rest(self) -> Iterator[Record]:
        """Yield, when a run is cut short, what finished samples come to: records that waited, and results of them."""
        for prompt in self._open:
            for number in sorted(prompt.arrived):
                self._judge(prompt, number)
            yield from prompt.ready
            if prompt.found.made:
                yield from self.results(prompt)
