"""Completing sentences with a language model."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import chain, islice
from typing import IO, Any, Literal

from logos_cli import registry
from logos_cli.backends.base import Checkpoint, LoadOptions, MemoryPlan, ModelInfo, open_model
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.errors import GrammarError, InputError, LogosError, UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.grammar import parse
from logos_cli.records import Record, Status
from logos_cli.resources import EMBEDDED
from logos_cli.tasks.base import Task
from logos_cli.workflows._engines import parse_devices, start_engine
from logos_cli.workflows._prompts import Opening, PromptReader, Prompts
from logos_cli.workflows._templates import Restriction

BATCH_SIZE = 64
"""Sequences at a time unless told otherwise, where the backend makes no plan."""

MOST_BATCH_SIZE = 256
"""What backends plan at most unless told otherwise."""

_PROMPTS_COMPARED = 1000
"""Of so many prompts the answers are kept, to tell repeated ones."""


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How to generate. None takes the preset of the task.

    Attributes
    ----------
    n_samples : int
        Samples of each prompt.
    seed : int
        With a sample's id, all that its randomness depends on.
    temperature, top_k, top_p, min_p, repetition_penalty, max_new_tokens
        See :class:`~logos_cli.engine.sampler.Sampling`.
    constrain : {"grammar", "chemistry", "off"}
        ``grammar`` allows only tokens after which the sentence can still be well formed and of the task's
        shape; ``chemistry``, moreover, only those after which its molecules can still become valid.
    template : str, optional
        What the answer looks like: ``EVQLCAR{X:8,20}WGQG``.
    max_mutations : int, optional
        The prompt is a wild type, and the answer a variant with at most so many residues exchanged.
    positions : str, optional
        Where they may be, counted from 1: ``10-20,45``.
    order : {"input", "completed"}
        Records in the order of the prompts, or as soon as each is finished.
    level : int, optional
        Level (1, 2 or 3) at which a pocket is written; None leaves it to the prompt (a structure: 2).
    batch_size : int, optional
        The most sequences at a time. It does not change what is generated.
    model, revision, device, dtype, threads, offline, base_url, gpu_layers, kv_type, mmap
        See :class:`~logos_cli.backends.base.LoadOptions`.
    devices : str, optional
        Several devices that share the work, ``0,1`` or ``cuda:0,cuda:1``; instead of ``device``.
    backend : str
        ``auto`` or the name of a backend.
    read : ReadOptions
        How to read prompt files.
    """

    n_samples: int = 1
    seed: int = 0
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int | None = None
    constrain: Literal["grammar", "chemistry", "off"] = "grammar"
    template: str | None = None
    max_mutations: int | None = None
    positions: str | None = None
    order: Literal["input", "completed"] = "input"
    level: int | None = None
    batch_size: int | None = None
    model: str = EMBEDDED
    revision: str | None = None
    backend: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    offline: bool = False
    base_url: str | None = None
    gpu_layers: int | None = None
    kv_type: str | None = None
    mmap: bool | None = None
    devices: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        for name, smallest in (("n_samples", 1), ("batch_size", 1), ("threads", 1)):
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise UsageError(f"{name.replace('_', '-')} is {value}; it must be {smallest} or more")
        if self.devices is not None and self.device != "auto":
            raise UsageError("--device and --devices exclude each other", hint="give one of them")
        if self.level not in (None, 1, 2, 3):
            raise UsageError(f"level is {self.level}; it must be 1, 2 or 3")
        if self.constrain not in ("grammar", "chemistry", "off"):
            raise UsageError(
                f"there is no constraint {self.constrain!r}", hint="choose grammar, chemistry or off"
            )
        if self.order not in ("input", "completed"):
            raise UsageError(f"there is no order {self.order!r}", hint="choose input or completed")

    def sampling(self, preset: Sampling) -> Sampling:
        """Return the preset with what was chosen otherwise."""
        names = (each.name for each in fields(Sampling))
        chosen = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(preset, **chosen)

    @property
    def load(self) -> LoadOptions:
        """Which model to load, and where."""
        device = self.device if self.devices is None else parse_devices(self.devices)[0]
        return LoadOptions(
            self.model, self.revision, device, self.dtype, self.threads, self.offline,
            base_url=self.base_url, gpu_layers=self.gpu_layers, kv_type=self.kv_type, mmap=self.mmap,
        )  # fmt: skip


@dataclass(slots=True)
class GenerateTally:
    """What became of every sample that was asked for."""

    cut: int = 0
    malformed: int = 0
    invalid: int = 0
    repeated: int = 0
    unique: int = 0
    failed: int = 0
    failed_prompts: int = 0

    @property
    def requested(self) -> int:
        """All of them."""
        return self.cut + self.malformed + self.invalid + self.repeated + self.unique + self.failed

    def __str__(self) -> str:
        well_formed = self.invalid + self.repeated + self.unique
        stages = (
            (self.requested, "requested"),
            (well_formed, "well-formed"),
            (self.repeated + self.unique, "valid"),
            (self.unique, "unique"),
        )
        losses = (
            (self.failed, "never begun"),
            (self.cut, "cut at the limit of tokens"),
            (self.malformed, "malformed"),
            (self.invalid, "invalid"),
            (self.repeated, "repeated"),
        )
        line = " → ".join(f"{count:,} {name}" for count, name in stages)
        lost = ", ".join(f"{count:,} {name}" for count, name in losses if count)
        return f"{line} ({lost})" if lost else line


def generate(
    task: str,
    prompts: Prompts = None,
    options: GenerateOptions | None = None,
    *,
    tally: GenerateTally | None = None,
    stdin: IO[bytes] | None = None,
    **choices: Any,
) -> Iterator[Record]:
    """Complete sentences with a language model.

    Parameters
    ----------
    task : str
        ``protein``, ``antibody``, ``molecule``, ``reaction``, ``retrosynthesis``, ``material``, ``site`` or
        ``ligand``.
    prompts : str, path, ScienceObject, Record or iterable of these, optional
        What to complete: a file (a string that names one, or ``-`` for standard input), text (a sentence, its
        beginning, a bare sequence or SMILES), an object, or a record. None begins from nothing, where the task
        can.
    options : GenerateOptions, optional
        Or give its fields as keywords: ``generate("molecule", "CCO", n_samples=8, seed=1)``.
    tally : GenerateTally, optional
        Is kept up to date while records are drawn.

    Yields
    ------
    Record
        One per sample, in the order of the prompts, with ``status`` ``invalid`` and the reason where it is not
        well formed or not valid; one with ``status`` ``error`` for each prompt that cannot be used.

    Raises
    ------
    LogosError
        Before the model is loaded, for an option, a model or an only prompt that cannot be used.
    """
    if options is not None and choices:
        raise UsageError("give either options or its fields, not both")
    if options is None:
        options = _options(choices)
    return Generation(task, options, tally=tally).records(prompts, stdin)


def _options(choices: dict[str, Any]) -> GenerateOptions:
    known = {each.name for each in fields(GenerateOptions)}
    for name in choices:
        if name not in known:
            raise UsageError(f"generate has no option {name!r}", hint=f"it has {', '.join(sorted(known))}")
    return GenerateOptions(**choices)


@dataclass(slots=True)
class _Sample:
    """A sample that has been requested."""

    opening: Opening
    number: int
    n_prompt_characters: int


class Generation:
    """One run: options resolved and checked, the model found but not yet loaded.

    Attributes
    ----------
    task : Task
    sampling : Sampling
        The resolved values.
    checkpoint : Checkpoint
        The model's configuration and tokenizer.
    tally : GenerateTally
        What became of the samples so far.
    """

    def __init__(self, task: str, options: GenerateOptions, *, tally: GenerateTally | None = None) -> None:
        self.task: Task = registry.load("tasks", task)
        self.options = options
        self.restriction = Restriction(options.template, options.max_mutations, options.positions)
        self.restriction.check(self.task, options.constrain)
        self.sampling = options.sampling(self.task.preset)
        self.checkpoint: Checkpoint = open_model(options.load, options.backend)
        self.tally = GenerateTally() if tally is None else tally
        self._pending: dict[int, _Sample] = {}
        self._failed: deque[tuple[int, Record]] = deque()
        self._info: ModelInfo | None = None
        self._answers: dict[str, set[str]] = {}

    def plan(self) -> dict[str, Any]:
        """Return what a run would do, resolved, without loading the model."""
        options = self.options
        return {
            "task": self.task.name,
            "model": self.checkpoint.name,
            "backend": options.backend,
            "device": options.device,
            "dtype": options.dtype,
            "context_tokens": self.checkpoint.context_tokens,
            "n_samples": options.n_samples,
            "seed": options.seed,
            **asdict(self.sampling),
            "constrain": options.constrain,
            **self.restriction.chosen,
            "batch_size": options.batch_size or "planned",
        }

    def memory(self, longest_prompt: int) -> MemoryPlan | None:
        """Return what memory the run takes and how many samples at a time fit, if the backend plans it.

        Parameters
        ----------
        longest_prompt : int
            Tokens.
        """
        n_tokens = min(longest_prompt + self.sampling.max_new_tokens, self.checkpoint.context_tokens)
        return self.checkpoint.plan(n_tokens, self.options.batch_size)

    def openings(self, prompts: Prompts, stdin: IO[bytes] | None = None) -> Iterator[Opening]:
        """Yield the open sentence of each prompt, or why there is none; the model is not loaded.

        Raises
        ------
        LogosError
            If a file cannot be read, or the only prompt cannot be used.
        """
        reader = PromptReader(self.task, self.options.level, self.options.read, stdin)
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

    def _restrict(self, opening: Opening) -> None:
        """Replace the sentence by one that follows the template or the edit."""
        if opening.sentence is None:
            return
        try:
            opening.sentence = self.restriction.apply(opening.sentence)
        except LogosError as error:
            if self.options.template is not None and error.text == self.options.template:
                raise  # not a fault of the prompt
            opening.sentence, opening.error = None, error

    def records(self, prompts: Prompts, stdin: IO[bytes] | None = None) -> Iterator[Record]:
        """Yield the records of a run."""
        requests = self._requests(prompts, stdin)
        options = self.options
        first = list(islice(requests, options.batch_size or MOST_BATCH_SIZE))
        if first:
            memory = self.memory(max(len(request.prompt) for request in first))
            batch_size = memory.batch_size if memory else options.batch_size or BATCH_SIZE
            self._info, engine = start_engine(
                self.checkpoint, options.load, options.backend, self.sampling,
                batch_size=min(batch_size, len(first)), seed=options.seed, devices=options.devices,
            )  # fmt: skip
            for completion in engine.run(chain(first, requests), order=self.options.order):
                yield from self._failures(completion.index)
                yield self._record(self._pending.pop(completion.index), completion)
        yield from self._failures()

    def _failures(self, before: float = math.inf) -> Iterator[Record]:
        """Yield the records of failed prompts; in the order of the prompts, those that come before a sample."""
        while self._failed and (self.options.order == "completed" or self._failed[0][0] <= before):
            yield self._failed.popleft()[1]

    def _requests(self, prompts: Prompts, stdin: IO[bytes] | None) -> Iterator[Request]:
        """Yield the requests of all prompts; what each is, and each failure between them, is noted."""
        index = 0
        constrained = self.options.constrain != "off"
        tokenizer = self.checkpoint.tokenizer
        for opening in self.openings(prompts, stdin):
            sentence = opening.sentence
            if sentence is None:
                self._failed.append((index, self._failure(opening)))
                continue
            prompt = tuple(tokenizer.encode(sentence.text))
            for number in range(1, self.options.n_samples + 1):
                self._pending[index] = _Sample(opening, number, len(sentence.text))
                index += 1
                yield Request(
                    f"{opening.id}#{number:04d}",
                    prompt,
                    grammar=sentence.grammar if constrained else None,
                    given=sentence.text[sentence.given_from :],
                    end=tokenizer.tag_ids[sentence.end] if sentence.end else None,
                    n_ends=sentence.n_ends,
                    chemistry=self.options.constrain == "chemistry",
                )

    def _failure(self, opening: Opening) -> Record:
        assert opening.error is not None
        self.tally.failed += self.options.n_samples
        self.tally.failed_prompts += 1
        record = Record.from_error(opening.id, self.task.form, opening.error, opening.source)
        record.extra = opening.extra
        return record

    def _record(self, sample: _Sample, completion: Completion) -> Record:
        opening = sample.opening
        assert opening.sentence is not None
        answer = self.checkpoint.tokenizer.decode(completion.tokens)
        record = Record(
            completion.request.id,
            self.task.form,
            opening.sentence.text + answer,
            source=opening.source,
            sample=self._provenance(sample, completion),
            extra=opening.extra,
        )
        self._judge(record, opening, completion)
        return record

    def _provenance(self, sample: _Sample, completion: Completion) -> dict[str, Any]:
        assert self._info is not None
        found = {key: value for key, value in asdict(self._info).items() if value is not None}
        logp = sum(completion.logps)
        return {
            "task": self.task.name,
            **found,
            "seed": self.options.seed,
            **asdict(self.sampling),
            "constrain": self.options.constrain,
            **self.restriction.chosen,
            "prompt": sample.opening.id,
            "n_prompt_characters": sample.n_prompt_characters,
            "logp": None if math.isnan(logp) else round(logp, 4),
            "n_tokens": len(completion.logps),
            "finish": completion.finish.value,
        }

    def _judge(self, record: Record, opening: Opening, completion: Completion) -> None:
        """Set the record's status and count it."""
        if opening.id not in self._answers:
            # samples of a few prompts can be under way at a time
            while len(self._answers) >= _PROMPTS_COMPARED:
                del self._answers[next(iter(self._answers))]
            self._answers[opening.id] = set()
        tally = self.tally
        record.status = Status.INVALID
        if completion.finish is Finish.LENGTH:
            tally.cut += 1
            record.reason = f"cut after {len(completion.tokens):,} new tokens"
            return
        try:
            sentence = parse(record.text, self.task.form)
        except GrammarError as error:
            tally.malformed += 1
            record.reason = error.message
            return
        try:
            answer = self.task.judge(sentence)
        except LogosError as error:
            tally.invalid += 1
            record.reason = error.message
            return
        record.status = Status.OK
        if answer in self._answers[opening.id]:
            tally.repeated += 1
        else:
            tally.unique += 1
            self._answers[opening.id].add(answer)
