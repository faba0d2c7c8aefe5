"""Completing sentences with a language model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from itertools import chain, islice
from typing import IO, Any

from logos_cli import registry
from logos_cli.backends.base import Checkpoint, MemoryPlan, ModelInfo, open_model
from logos_cli.engine.sampler import sample_generator
from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.engine.start import Runner, start_engine
from logos_cli.errors import GrammarError, InputError, LogosError, UsageError
from logos_cli.grammar import Sentence, parse
from logos_cli.records import Record, Status
from logos_cli.tasks.base import PromptInfo, PromptSentence, Task
from logos_cli.workflows.generate.options import GenerateOptions
from logos_cli.workflows.generate.prompts import PreparedPrompt, PromptReader, Prompts
from logos_cli.workflows.generate.reference import Reference, TrainingData, known_answers
from logos_cli.workflows.generate.run import PromptState, SampleLoop
from logos_cli.workflows.generate.tally import GenerateTally
from logos_cli.workflows.generate.templates import Restriction
from logos_cli.workflows.generate.until import Until

__all__ = ["GenerateOptions", "GenerateTally", "Generation", "generate"]

BATCH_SIZE = 64
"""Sequences at a time unless told otherwise, where the backend makes no plan."""

MOST_BATCH_SIZE = 256
"""What backends plan at most unless told otherwise."""


def generate(
    task: str,
    prompts: Prompts = None,
    options: GenerateOptions | None = None,
    *,
    tally: GenerateTally | None = None,
    stdin: IO[bytes] | None = None,
    task_options: Mapping[str, Any] | None = None,
    **choices: Any,
) -> Iterator[Record]:
    """Complete sentences with a language model.

    Parameters
    ----------
    task : str
        The name of a task: ``protein``, ``molecule``, ``ligand`` …; ``logos generate --help`` lists them.
    prompts : str, path, ScienceObject, Record or iterable of these, optional
        What to complete: a file (a string that names one, or ``-`` for standard input), text (a sentence, its
        beginning, a bare sequence or SMILES), an object, or a record. None begins from nothing, where the task
        can.
    options : GenerateOptions, optional
        Or give its fields as keywords: ``generate("molecule", "CCO", n_samples=8, seed=1)``.
    tally : GenerateTally, optional
        Is kept up to date while records are drawn.
    task_options : mapping, optional
        The task's own options, which may also be keywords: ``generate("ligand", "complex.pdb", level=3)``.

    Yields
    ------
    Record
        One per sample, in the order of the prompts, with ``status`` ``invalid`` and the reason where it is not
        well formed or not valid; or, from tasks that put samples together, one per result. One with ``status``
        ``error`` for each prompt that cannot be used.

    Raises
    ------
    LogosError
        Before the model is loaded, for an option, a model or an only prompt that cannot be used.
    """
    own = {option.name for option in registry.load("tasks", task).options}
    chosen = {**(task_options or {}), **{name: choices.pop(name) for name in own & choices.keys()}}
    if options is not None and choices:
        raise UsageError("give either options or its fields, not both")
    if options is None:
        options = _options(choices, own)
    return Generation(task, options, tally=tally, task_options=chosen).records(prompts, stdin)


def _options(choices: dict[str, Any], own: set[str]) -> GenerateOptions:
    known = {each.name for each in fields(GenerateOptions)}
    for name in choices:
        if name not in known:
            raise UsageError(f"generate has no option {name!r}", hint=f"it has {', '.join(sorted(known | own))}")
    return GenerateOptions(**choices)


class Generation:
    """One run: options resolved and checked, the model found but not yet loaded.

    Attributes
    ----------
    task : Task
        With its options.
    sampling : Sampling
        The resolved values.
    n_samples : int
        Samples of each prompt; with ``until`` the most of them.
    checkpoint : Checkpoint
        The model's configuration and tokenizer.
    tally : GenerateTally
        What became of the samples so far.
    """

    def __init__(
        self,
        task: str,
        options: GenerateOptions,
        *,
        tally: GenerateTally | None = None,
        task_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.task: Task = registry.load("tasks", task).configure(**(task_options or {}))
        self.options = options
        self.restriction = Restriction(options.template, options.max_mutations, options.positions)
        self.restriction.check(self.task, options.constrain)
        self.until = None if options.until is None else Until.parse(options.until)
        self.n_samples = options.n_samples or (self.until.limit if self.until else self.task.n_samples)
        self._check_counts()
        self._deadline = None if options.time_s is None else time.monotonic() + options.time_s
        self.checkpoint: Checkpoint = open_model(options.load, options.backend)
        self.sampling = options.sampling(self.task.preset, self.checkpoint.task_sampling.get(task, {}))
        self.tally = GenerateTally() if tally is None else tally
        self._reference: Reference | TrainingData | None = None
        self._info: ModelInfo | None = None
        self._last_encoded: tuple[str, tuple[int, ...]] | None = None

    def _check_counts(self) -> None:
        """Refuse counts that can never be reached, and comparisons that mean nothing."""
        if self.options.reference is not None and not self.task.compared:
            raise UsageError(f"answers of {self.task.name} have no reference set", hint="leave --reference out")
        if self.until is None:
            return
        if self.until.novel and self.options.reference is None:
            raise UsageError("what is novel is told by a reference set", hint="give --reference FILE")
        most = max(self.until.valid, self.until.unique, self.until.novel)
        if self.n_samples < most:
            raise UsageError(
                f"{self.n_samples:,} samples cannot hold {self.until}",
                hint=f"with --until, -n is the most samples of a prompt: give {most} or more, or leave it out",
            )

    def plan(self) -> dict[str, Any]:
        """Return what a run would do, resolved, without loading the model."""
        options = self.options
        found = {
            "task": self.task.name,
            "model": self.checkpoint.name,
            "backend": options.backend,
            "device": options.device,
            "dtype": options.dtype,
            "context_tokens": self.checkpoint.context_tokens,
            "n_samples": self.n_samples,
            "until": options.until,
            "time_s": options.time_s,
            "reference": options.reference,
            "seed": options.seed,
            **asdict(self.sampling),
            "constrain": options.constrain,
            **self.restriction.chosen,
            **self.task.changed,
            "batch_size": options.batch_size or "planned",
        }
        return {key: value for key, value in found.items() if value is not None}

    def memory(self, longest_prompt: int) -> MemoryPlan | None:
        """Return what memory the run takes and how many samples at a time fit, if the backend plans it.

        Parameters
        ----------
        longest_prompt : int
            Tokens.
        """
        n_tokens = min(longest_prompt + self.sampling.max_new_tokens, self.checkpoint.context_tokens)
        return self.checkpoint.plan(n_tokens, self.options.batch_size)

    def openings(self, prompts: Prompts, stdin: IO[bytes] | None = None) -> Iterator[PreparedPrompt]:
        """Yield the open sentence of each prompt, or why there is none; the model is not loaded.

        Raises
        ------
        LogosError
            If a file cannot be read, or the only prompt cannot be used.
        """
        reader = PromptReader(self.task, self.options.read, stdin)
        for opening in reader.openings(prompts):
            self._restrict(opening)
            if opening.sentence is not None:
                n_tokens = self.checkpoint.count_tokens(opening.sentence.text)
                if n_tokens >= self.checkpoint.context_tokens:
                    opening.sentence = None
                    opening.error = InputError(
                        f"the prompt is {n_tokens:,} tokens long; the model reads at most "
                        f"{self.checkpoint.context_tokens:,}, the answer included",
                        hint="shorten the prompt, or choose another --model",
                    )
            if opening.error is not None and opening.alone:
                raise opening.error
            yield opening

    def _restrict(self, opening: PreparedPrompt) -> None:
        """Replace the sentence by one that follows the template or the edit."""
        if opening.sentence is None:
            return
        try:
            opening.sentence = self.restriction.apply(opening.sentence)
        except LogosError as error:
            if self.options.template is not None and error.text == self.options.template:
                raise  # not a fault of the prompt
            opening.sentence, opening.error = None, error

    # -- the run -----------------------------------------------------------------------------------------------

    def records(self, prompts: Prompts, stdin: IO[bytes] | None = None) -> Iterator[Record]:
        """Yield the records of a run."""
        options = self.options
        run = SampleLoop(
            self.openings(prompts, stdin),
            self._begin,
            self._request,
            self._answer_text,
            self._record,
            self._close,
            self._results,
            tally=self.tally,
            in_order=options.order == "input",
            deadline=self._deadline,
        )
        self._read_reference()
        engine: Runner | None = None
        # what is drawn depends on what comes: a wave of requests may leave some prompt short, which asks for another
        while first := list(islice(requests := run.requests(), options.batch_size or MOST_BATCH_SIZE)):
            if engine is None:
                engine = self._start_engine(first)
            try:
                for completion in engine.run(chain(first, requests)):
                    yield from run.take(completion)
            except GeneratorExit:
                raise
            except BaseException:
                yield from run.rest()
                raise
            yield from run.ready()
        yield from run.ready()

    def _start_engine(self, first: list[Request]) -> Runner:
        options = self.options
        memory = self.memory(max(len(request.prompt) for request in first))
        batch_size = memory.batch_size if memory else options.batch_size or BATCH_SIZE
        self._info, engine = start_engine(
            self.checkpoint,
            options.load,
            options.backend,
            self.sampling,
            batch_size=min(batch_size, len(first)),
            seed=options.seed,
            devices=options.devices,
        )
        return engine

    def _read_reference(self) -> None:
        if self.options.reference is not None:
            self._reference = known_answers(self.options.reference, self.task)
            self.tally.novel = 0
            self.tally.skipped_references = self._reference.n_skipped

    def _begin(self, opening: PreparedPrompt) -> PromptState:
        collector = None
        if opening.sentence is not None:
            collector = self.task.collector(PromptInfo(opening.id, opening.sentence, opening.source))
        return PromptState(opening, self.n_samples, self.until, collector)

    def _request(self, sentence: PromptSentence, id: str, greedy: bool) -> Request:
        tokenizer = self.checkpoint.tokenizer
        return Request(
            id,
            self._encoded(sentence.text),
            grammar=self._grammar(sentence, id, greedy),
            given=sentence.text[sentence.given_from :],
            end=tokenizer.tag_ids[sentence.end] if sentence.end else None,
            n_ends=sentence.n_ends,
            chemistry=self.options.constrain == "chemistry" and not greedy,
            greedy=greedy,
        )

    def _grammar(self, sentence: PromptSentence, id: str, greedy: bool) -> str | None:
        """Return what a sample may say; a sentence may draw that for each, but not for a question."""
        if self.options.constrain == "off":
            return None
        if sentence.drawn is None or greedy:
            return sentence.grammar
        return sentence.drawn(sample_generator(self.options.seed, f"{id}\0grammar"))

    def _encoded(self, text: str) -> tuple[int, ...]:
        """Return the ids of a prompt; samples of one prompt come one after the other."""
        if self._last_encoded is None or self._last_encoded[0] != text:
            self._last_encoded = text, tuple(self.checkpoint.tokenizer.encode(text))
        return self._last_encoded[1]

    def _answer_text(self, completion: Completion) -> str:
        return self.checkpoint.tokenizer.decode(completion.tokens)

    def _close(self, prompt: PromptState) -> Iterator[Record]:
        """Yield what a prompt comes to when its samples are there: results, or why it could not be used."""
        tally, opening = self.tally, prompt.opening
        if opening.error is not None:
            tally.failed += self.n_samples
            tally.failed_prompts += 1
            record = Record.from_error(opening.id, self.task.form, opening.error, opening.source)
            record.extra = opening.extra
            yield record
            return
        if self.until is None:
            tally.late += prompt.limit - prompt.n_drawn
        elif not prompt.has_enough and not tally.stopped:
            tally.short_prompts += 1
        yield from self._results(prompt)

    def _results(self, prompt: PromptState) -> Iterator[Record]:
        """Yield what the samples of a prompt come to; results of fewer than were asked for say so."""
        if prompt.collector is None:
            return
        opening = prompt.opening
        common = {**self._common(opening), "n_samples": prompt.found.made, "n_valid": prompt.found.valid}
        if prompt.found.made < prompt.limit and not prompt.has_enough:
            common["n_asked"] = prompt.limit
        for record in prompt.collector.results():
            record.source = record.source or opening.source
            record.sample = {**common, **record.sample}
            record.extra = {**opening.extra, **record.extra}
            self.tally.results += 1
            yield record

    def _record(self, prompt: PromptState, number: int, completion: Completion) -> Record | None:
        """Return the record of a sample, judged and counted; None if it is not to be written."""
        opening = prompt.opening
        assert opening.sentence is not None
        record = Record(
            f"{opening.id}#{number:04d}",
            self.task.form,
            opening.sentence.text + self._answer_text(completion),
            source=opening.source,
            sample=self._provenance(opening, completion),
            extra=opening.extra,
        )
        self._judge(record, prompt, completion)
        if prompt.collector is not None:
            return None
        return record if record.status is Status.OK or self.options.keep_invalid else None

    def _common(self, opening: PreparedPrompt) -> dict[str, Any]:
        """Return what records of all samples of a prompt say of how they were made."""
        assert self._info is not None
        found = {key: value for key, value in asdict(self._info).items() if value is not None}
        own = {"options": self.task.changed} if self.task.changed else {}
        return {
            "task": self.task.name,
            **found,
            "seed": self.options.seed,
            **asdict(self.sampling),
            "constrain": self.options.constrain,
            **self.restriction.chosen,
            **own,
            "prompt": opening.id,
        }

    def _provenance(self, opening: PreparedPrompt, completion: Completion) -> dict[str, Any]:
        assert opening.sentence is not None
        return {
            **self._common(opening),
            "n_prompt_characters": len(opening.sentence.text),
            "logp": completion.logp,
            "n_tokens": len(completion.logps),
            "finish": completion.finish.value,
        }

    def _judge(self, record: Record, prompt: PromptState, completion: Completion) -> None:
        """Set the record's status, count it, and give it to the collector."""
        record.status = Status.INVALID
        prompt.found.made += 1
        answer, sentence = None, None
        if completion.finish is Finish.LENGTH:
            self.tally.cut += 1
            record.reason = f"cut after {len(completion.tokens):,} new tokens"
        else:
            try:
                sentence = parse(record.text, self.task.form)
                answer = self.task.judge(sentence)
            except LogosError as error:
                malformed = sentence is None and isinstance(error, GrammarError)
                self.tally.malformed += malformed
                self.tally.invalid += not malformed
                record.reason = error.message
            else:
                record.status = Status.OK
                record.scores |= self.task.scores(sentence)
                self._count(record, prompt, answer, sentence)
        if prompt.collector is not None:
            prompt.collector.add(record, answer, sentence)

    def _count(self, record: Record, prompt: PromptState, answer: str, sentence: Sentence) -> None:
        """Count a valid answer; say whether it is novel."""
        tally, found = self.tally, prompt.found
        found.valid += 1
        novel = self._reference is not None and not self._reference.knows(answer, sentence)
        if self._reference is not None:
            record.scores["novel"] = {"value": novel, "reference": self._reference.name}
        if answer in prompt.answers:
            tally.repeated += 1
            return
        prompt.answers.add(answer)
        found.unique += 1
        tally.unique += 1
        if self._reference is not None:
            found.novel += novel
            tally.novel = (tally.novel or 0) + novel
