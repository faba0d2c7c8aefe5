"""Convert completions to records, judge whether they are valid, and count them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import cast

from logos_cli.backends.base import ModelInfo
from logos_cli.engine.scheduler import Completion, Finish
from logos_cli.errors import AnswerError, GrammarError, LogosError
from logos_cli.grammar import Sentence, parse
from logos_cli.records import Record, Sample, Status
from logos_cli.tasks.base import PromptInfo, PromptSentence, Refusal
from logos_cli.workflows.generate.outcome import PromptOutcome
from logos_cli.workflows.generate.plan import GenerationPlan
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.reference import Reference, TrainingData, known_answers
from logos_cli.workflows.generate.tally import GenerateTally
from logos_cli.workflows.generate.until import Counts


class Provenance:
    """The part of a record that describes how it was sampled: task, model, sampling parameters.

    Attributes
    ----------
    model : ModelInfo, optional
        None until a model is loaded.
    """

    def __init__(self, plan: GenerationPlan) -> None:
        self._plan = plan
        self.model: ModelInfo | None = None

    def of_computed(self, prompt: PreparedPrompt, made: Sample) -> Sample:
        """Return the fields of results that were computed without the model."""
        task = self._plan.task
        options = {"options": task.changed} if task.changed else {}
        return cast(Sample, {"task": task.name, **made, **options, "prompt": prompt.id})

    def of_prompt(self, prompt: PreparedPrompt, beam: int = 0) -> Sample:
        """Return the fields that all samples of a prompt share, or all answers of a beam search of some width."""
        plan = self._plan
        model = asdict(self.model) if self.model is not None else {}
        found: dict[str, object] = {
            "task": plan.task.name,
            **{key: value for key, value in model.items() if value is not None},
            **self._method(beam),
            "constrain": plan.options.constrain,
            **plan.restriction.chosen,
            **({"options": plan.task.changed} if plan.task.changed else {}),
            **({} if plan.skill is None else {"skill": plan.skill.to_record()}),
            "prompt": prompt.id,
        }
        return cast(Sample, found)

    def _method(self, beam: int) -> dict[str, object]:
        plan = self._plan
        if plan.reads:
            return {"method": "one pass"}
        if beam:
            return {"method": "beam search", "beam": beam, "max_new_tokens": plan.sampling.max_new_tokens}
        return {"seed": plan.options.seed, **asdict(plan.sampling)}

    def of_sample(self, outcome: PromptOutcome, beginning: str, completion: Completion) -> Sample:
        """Return the fields of one sample."""
        return {
            **self.of_prompt(outcome.prompt, outcome.beam),
            "n_prompt_characters": len(beginning),
            "logp": completion.logp,
            **({} if completion.n_tokens is None else {"n_tokens": completion.n_tokens}),
            "finish": completion.finish.value,
        }


class RecordJudge:
    """Converts completions to records, judges and counts them; a :class:`~.schedule.Judge`.

    Parameters
    ----------
    tally : GenerateTally
        Is updated with each sample.
    """

    def __init__(self, plan: GenerationPlan, tally: GenerateTally) -> None:
        self.plan = plan
        self.tally = tally
        self.provenance = Provenance(plan)
        self._reference: Reference | TrainingData | None = None

    def read_reference(self) -> None:
        """Read the reference set, if the options name one."""
        if self.plan.options.reference is not None:
            self._reference = known_answers(self.plan.options.reference, self.plan.task)
            self.tally.novel = 0
            self.tally.skipped_references = self._reference.n_skipped

    def begin(self, prompt: PreparedPrompt) -> PromptOutcome:
        """Return the outcome of a prompt, still without samples."""
        collector = None
        if prompt.sentence is not None:
            info = PromptInfo(prompt.id, prompt.sentence, prompt.source, is_searched=bool(self.plan.beam))
            collector = self.plan.task.collector(info)
        if collector is not None and self.plan.is_single and self.plan.task.is_computed(prompt.source):
            return PromptOutcome(prompt, 1, None, collector, is_computed=True)
        # where nobody asks for a search, an answer that nothing is ranked of is a sample
        if self.plan.beam and (collector is not None or self.plan.options.beam is not None):
            return PromptOutcome(prompt, self.plan.beam, None, collector, beam=self.plan.beam)
        return PromptOutcome(prompt, self.plan.n_samples, self.plan.until, collector)

    # -- samples -----------------------------------------------------------------------------------------------

    def take_sample(self, outcome: PromptOutcome, number: int, completion: Completion) -> Record | None:
        """Return the record of a sample, judged and counted; None if it is not to be written."""
        prompt = outcome.prompt
        if self.plan.reads and outcome.collector is not None:
            self._take_reading(outcome, completion)
            return None
        beginning = "" if prompt.sentence is None else prompt.sentence.text
        record = Record(
            f"{prompt.id}#{number:04d}",
            self.plan.task.form,
            beginning + self.decode(completion),
            source=prompt.source,
            sample=self.provenance.of_sample(outcome, beginning, completion),
            extra=prompt.extra,
        )
        self._judge(record, outcome, completion)
        if outcome.collector is not None:
            return None
        return record if record.status is Status.OK or self.plan.options.keep_invalid else None

    def _take_reading(self, outcome: PromptOutcome, completion: Completion) -> None:
        """Pass what was read of a prompt to its collector; the prompt counts as one sample."""
        if outcome.collector is None:
            return
        outcome.collector.read([math.exp(logp) for logp in completion.logps])
        found = outcome.found
        found.made, found.valid, found.unique = found.made + 1, found.valid + 1, found.unique + 1
        self.tally.unique += 1

    def take_answer(
        self, outcome: PromptOutcome, number: int, sentence: PromptSentence, completion: Completion
    ) -> None:
        """Pass the answer to a question to the collector that asked it."""
        if outcome.collector is not None:
            outcome.collector.answer(number, sentence.text + self.decode(completion), completion.logp)

    def decode(self, completion: Completion) -> str:
        """Return the text of a completion."""
        return self.plan.checkpoint.tokenizer.decode(completion.tokens)

    def _judge(self, record: Record, outcome: PromptOutcome, completion: Completion) -> None:
        """Set the record's status, count it, and pass it to the collector."""
        record.status = Status.INVALID
        outcome.found.made += 1
        answer, sentence = None, None
        if completion.finish is Finish.LENGTH:
            self.tally.cut += 1
            record.reason = f"cut after {len(completion.tokens):,} new tokens"
        else:
            try:
                sentence = parse(record.text, self.plan.task.form)
                answer = self.plan.task.judge(sentence)
                if outcome.prompt.sentence is not None:
                    outcome.prompt.sentence.check_answer(sentence)
            except AnswerError as error:
                answer = None
                self.tally.invalid += 1
                self.tally.refused[error.outcome] += 1
                record.reason = error.message
            except LogosError as error:
                answer = None
                malformed = sentence is None and isinstance(error, GrammarError)
                self.tally.malformed += malformed
                self.tally.invalid += not malformed
                record.reason = error.message
            else:
                record.status = Status.OK
                record.scores |= self.plan.task.scores(sentence)
                self._count(record, outcome, answer, sentence)
        if outcome.collector is not None:
            outcome.collector.add(record, answer, sentence)

    def _count(self, record: Record, outcome: PromptOutcome, answer: str, sentence: Sentence) -> None:
        """Count a valid answer, and record whether it is novel."""
        tally, found = self.tally, outcome.found
        found.valid += 1
        novel = self._reference is not None and not self._reference.knows(answer, sentence)
        if self._reference is not None:
            record.scores["novel"] = {"value": novel, "reference": self._reference.name}
        if answer in outcome.answers:
            tally.repeated += 1
            return
        outcome.answers.add(answer)
        found.unique += 1
        tally.unique += 1
        if self._reference is not None:
            found.novel += novel
            tally.novel = (tally.novel or 0) + novel

    # -- prompts -----------------------------------------------------------------------------------------------

    def close(self, outcome: PromptOutcome, n_drawn: int) -> Iterator[Record]:
        """Yield the results of a prompt with all its samples, or the error if it could not be used."""
        tally, prompt = self.tally, outcome.prompt
        # with --until, samples that were under way when every count was reached are left out
        tally.asked += outcome.limit if outcome.until is None or prompt.error is not None else outcome.found.made
        if prompt.error is not None:
            tally.failed += outcome.limit
            tally.failed_prompts += 1
            record = Record.from_error(prompt.id, self.plan.task.form, prompt.error, prompt.source)
            record.extra = prompt.extra
            yield record
            return
        if outcome.is_computed:
            yield from self._close_computed(outcome)
            return
        results = list(self.results(outcome))
        if outcome.until is None:
            tally.late += outcome.limit - n_drawn
        elif not outcome.has_enough and not tally.stopped:
            tally.short_prompts += 1
        yield from results

    def _close_computed(self, outcome: PromptOutcome) -> Iterator[Record]:
        """Yield the results that were computed without the model, or the error."""
        tally, prompt, collector = self.tally, outcome.prompt, outcome.collector
        if collector is None:
            return
        try:
            results = list(collector.results())
        except LogosError as error:
            if prompt.alone:
                raise
            tally.failed += 1
            tally.failed_prompts += 1
            yield Record.from_error(prompt.id, self.plan.task.form, error, prompt.source)
            return
        tally.unique += 1
        tally.results += len(results)
        for record in results:
            record.source = record.source or prompt.source
            record.sample = self.provenance.of_computed(prompt, record.sample)
            record.extra = {**prompt.extra, **record.extra}
            yield record

    def results(self, outcome: PromptOutcome) -> Iterator[Record]:
        """Yield the results of a prompt's samples; ``n_asked`` marks those of too few samples."""
        if outcome.collector is None:
            return
        prompt, found = outcome.prompt, outcome.found
        results = list(outcome.collector.results())
        for refusal in outcome.collector.refusals():
            self._take_back(refusal, found)
        common = self.provenance.of_prompt(prompt, outcome.beam)
        common["n_samples"], common["n_valid"] = found.made, found.valid
        if found.made < outcome.limit and not outcome.has_enough:
            common["n_asked"] = outcome.limit
        for record in results:
            record.source = record.source or prompt.source
            record.sample = {**common, **record.sample}
            record.extra = {**prompt.extra, **record.extra}
            self.tally.results += 1
            yield record

    def _take_back(self, refusal: Refusal, found: Counts) -> None:
        """Count the samples of an answer as invalid that were counted as valid when they came."""
        tally, n_samples = self.tally, refusal.n_samples
        tally.invalid += n_samples
        tally.refused[refusal.outcome] += n_samples
        tally.unique -= 1
        tally.repeated -= n_samples - 1
        found.valid -= n_samples
        found.unique -= 1
        if tally.novel is not None:
            tally.novel -= refusal.is_novel
            found.novel -= refusal.is_novel
