"""Requests of the engine for the samples of a schedule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from logos_cli.engine.likelihood import TokenSpans
from logos_cli.engine.sampler import sample_generator
from logos_cli.engine.scheduler import BeamPlace, Request, TokenReading
from logos_cli.errors import UsageError
from logos_cli.workflows.generate.plan import GenerationPlan
from logos_cli.workflows.generate.schedule import PendingSample


class RequestMaker:
    """Makes the requests of samples: token ids, grammar, and the end of an answer."""

    def __init__(self, plan: GenerationPlan) -> None:
        self._plan = plan
        self._tokenizer = plan.checkpoint.tokenizer
        self._spans = TokenSpans(self._tokenizer)
        self._last_encoded: tuple[str, tuple[int, ...]] | None = None

    def make_requests(self, samples: Iterable[PendingSample]) -> Iterator[Request]:
        """Yield the request of each sample, as they are drawn."""
        for sample in samples:
            yield self.make_request(sample)

    def make_request(self, sample: PendingSample) -> Request:
        """Return the request of a sample; a question is answered greedily, or brings its answer along."""
        sentence, greedy = sample.sentence, sample.is_question
        if sentence.answer is not None:
            return self._answer(sample.id, sentence.text, sentence.answer)
        if self._plan.reads and not greedy:
            return self._reading(sample)
        beam = 0 if greedy else sample.state.outcome.beam
        return Request(
            sample.id,
            self._encoded(sentence.text),
            grammar=self._grammar(sample),
            given=sentence.text[sentence.grammar_start :],
            end=self._tokenizer.tag_ids[sentence.end] if sentence.end else None,
            n_ends=sentence.n_ends,
            chemistry=self._plan.options.constrain == "chemistry" and not greedy,
            greedy=greedy,
            redraw=None if greedy or beam else sentence.redraw,
            beam=BeamPlace(beam, sample.number - 1) if beam else None,
        )

    def _answer(self, id: str, text: str, answer: str) -> Request:
        """Return the request to read an answer, whose tokens are those of the whole text where these begin with the prompt's."""
        prompt, whole = self._encoded(text), tuple(self._tokenizer.encode(text + answer))
        if whole[: len(prompt)] != prompt:
            whole = (*prompt, *self._tokenizer.encode(answer, whole=False))
        return Request(id, prompt, answer=whole[len(prompt) :])

    def _reading(self, sample: PendingSample) -> Request:
        """Return the request to read the prompt of a sample once."""
        reading = self._plan.task.reading(sample.sentence)
        if reading is None:
            raise UsageError(
                f"{self._plan.task.name} cannot read this prompt in one pass", hint="give -n, which samples"
            )
        ids = self._tokenizer.encode(reading.text)
        starts = {
            span.start: index for index, span in enumerate(self._spans.of(reading.text, ids)) if span.end > span.start
        }
        places = tuple(starts[place] for place in reading.places)
        return Request(sample.id, tuple(ids), reading=TokenReading(places, self._tokenizer.tag_ids[reading.tag]))

    def _grammar(self, sample: PendingSample) -> str | None:
        """Return the grammar of an answer; some sentences draw one for each sample, but not for a question."""
        sentence, options = sample.sentence, self._plan.options
        if options.constrain == "off":
            return None
        if sentence.draw_grammar is None or sample.is_question or sample.state.outcome.beam:
            return sentence.grammar
        return sentence.draw_grammar(sample_generator(options.seed, f"{sample.id}\0grammar"))

    def _encoded(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a prompt; the last ones are kept, as samples of one prompt follow each other."""
        if self._last_encoded is None or self._last_encoded[0] != text:
            self._last_encoded = text, tuple(self._tokenizer.encode(text))
        return self._last_encoded[1]
