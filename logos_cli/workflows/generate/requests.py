"""Requests of the engine for the samples of a schedule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from logos_cli.engine.sampler import sample_generator
from logos_cli.engine.scheduler import Request
from logos_cli.workflows.generate.plan import GenerationPlan
from logos_cli.workflows.generate.schedule import PendingSample


class RequestMaker:
    """Makes requests of samples: token ids, grammar, and where an answer ends."""

    def __init__(self, plan: GenerationPlan) -> None:
        self._plan = plan
        self._tokenizer = plan.checkpoint.tokenizer
        self._last_encoded: tuple[str, tuple[int, ...]] | None = None

    def make_requests(self, samples: Iterable[PendingSample]) -> Iterator[Request]:
        """Yield the request of each sample, as they are drawn."""
        for sample in samples:
            yield self.make_request(sample)

    def make_request(self, sample: PendingSample) -> Request:
        """Return the request of a sample; the answer to a question is the likeliest one."""
        sentence, greedy = sample.sentence, sample.is_question
        return Request(
            sample.id,
            self._encoded(sentence.text),
            grammar=self._grammar(sample),
            given=sentence.text[sentence.grammar_start :],
            end=self._tokenizer.tag_ids[sentence.end] if sentence.end else None,
            n_ends=sentence.n_ends,
            chemistry=self._plan.options.constrain == "chemistry" and not greedy,
            greedy=greedy,
        )

    def _grammar(self, sample: PendingSample) -> str | None:
        """Return the grammar of an answer; a sentence may draw one for each sample, but not for a question."""
        sentence, options = sample.sentence, self._plan.options
        if options.constrain == "off":
            return None
        if sentence.draw_grammar is None or sample.is_question:
            return sentence.grammar
        return sentence.draw_grammar(sample_generator(options.seed, f"{sample.id}\0grammar"))

    def _encoded(self, text: str) -> tuple[int, ...]:
        """Return the ids of a prompt; samples of one prompt come one after the other."""
        if self._last_encoded is None or self._last_encoded[0] != text:
            self._last_encoded = text, tuple(self._tokenizer.encode(text))
        return self._last_encoded[1]
