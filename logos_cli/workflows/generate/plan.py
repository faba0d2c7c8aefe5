"""The plan of a generation: resolved options, prepared prompts, and a model that is found but not loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import IO, TYPE_CHECKING

from logos_cli import registry
from logos_cli.backends.base import Checkpoint, LoadOptions, MemoryPlan, open_model
from logos_cli.checkpoints.skills import Skill
from logos_cli.engine.reading import reads_residues
from logos_cli.engine.sampling import Sampling
from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.resources import EMBEDDED
from logos_cli.tasks.base import Task
from logos_cli.workflows.generate.options import GenerateOptions
from logos_cli.workflows.generate.prompts import PreparedPrompt, PromptReader, Prompts
from logos_cli.workflows.generate.templates import Restriction
from logos_cli.workflows.generate.until import Until

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class GenerationPlan:
    """The resolved and checked options of a generation.

    Attributes
    ----------
    task : Task
        The task with its options.
    sampling : Sampling
        The resolved values.
    n_samples : int
        Samples of each prompt; with ``until`` the largest number.
    checkpoint : Checkpoint
        The model's configuration and tokenizer.
    deadline : float, optional
        Time of ``time.monotonic`` after which no sample is begun.
    reads : bool
        Whether the model reads each prompt once, instead of sampling.
    beam : int
        Width of the beam search that finds the answers to a prompt, instead of sampling; 0 if it samples.
    sampling_of : str
        Where the sampling parameters that no option sets come from.
    is_single : bool
        Whether nobody asked for a number of samples, so that results may also be computed without the model.
    """

    task: Task
    options: GenerateOptions
    restriction: Restriction
    until: Until | None
    n_samples: int
    checkpoint: Checkpoint
    sampling: Sampling
    deadline: float | None = None
    reads: bool = False
    beam: int = 0
    is_single: bool = False
    sampling_of: str = "the task"

    @property
    def profile(self) -> NDArray[np.float64] | None:
        """Frequencies of residues by which variants are drawn; None without a guide."""
        return self.task.profile() if self.options.guide == "oracle" else None

    @property
    def skill(self) -> Skill | None:
        """What was measured of the model at this question; None if nothing was."""
        return self.checkpoint.skills.get(_question(self.task, self.restriction))

    @property
    def unused(self) -> list[str]:
        """The sampling options that were given, although the model reads and nothing is sampled."""
        names = [*(each.name for each in fields(Sampling)), "sampling_of"] if self.reads else []
        return [f"--{name.replace('_', '-')}" for name in names if getattr(self.options, name) is not None]

    def describe(self) -> dict[str, object]:
        """Return the resolved values by name, without those that are None."""
        options = self.options
        found: dict[str, object] = {
            "task": self.task.name,
            "model": self.checkpoint.name,
            "backend": options.load.backend,
            "device": options.load.device,
            "dtype": options.load.dtype,
            "context_tokens": self.checkpoint.context_tokens,
            "n_samples": None if self.beam else self.n_samples,
            "until": options.until,
            "time_s": options.time_s,
            "reference": options.reference,
            "seed": options.seed,
            **self._method,
            "constrain": options.constrain,
            **self.restriction.chosen,
            **self.task.changed,
            "batch_size": options.load.batch_size or "planned",
        }
        return {key: value for key, value in found.items() if value is not None}

    @property
    def _method(self) -> dict[str, object]:
        """How answers are made: by one pass, by a beam search, or with which sampling parameters."""
        if self.reads:
            return {}
        if self.beam:
            return {"beam": self.beam, "max_new_tokens": self.sampling.max_new_tokens}
        return asdict(self.sampling) | {"sampling_of": self.sampling_of}

    def memory(self, longest_prompt: int) -> MemoryPlan | None:
        """Return the memory of the run and the number of samples that fit at a time, if the backend plans it.

        Parameters
        ----------
        longest_prompt : int
            Length of the longest prompt in tokens.
        """
        n_tokens = min(longest_prompt + self.sampling.max_new_tokens, self.checkpoint.context_tokens)
        return self.checkpoint.plan(n_tokens, self.options.load.batch_size)

    def prepared_prompts(self, prompts: Prompts, stdin: IO[bytes] | None = None) -> Iterator[PreparedPrompt]:
        """Yield each prompt with its sentence or its error.

        Raises
        ------
        LogosError
            If a file cannot be read, or the only prompt cannot be used.
        """
        for prompt in PromptReader(self.task, self.options.read, stdin).prepared_prompts(prompts):
            self._restrict(prompt)
            self._check_length(prompt)
            if prompt.error is not None and prompt.alone:
                raise prompt.error
            yield prompt

    def _restrict(self, prompt: PreparedPrompt) -> None:
        """Replace the prompt's sentence by one that follows the template or the edit."""
        if prompt.sentence is None:
            return
        try:
            prompt.sentence = self.restriction.apply(prompt.sentence, self.task.chosen.get("sweeps") or 0)
        except LogosError as error:
            if self.options.template is not None and error.text == self.options.template:
                raise  # not a fault of the prompt
            prompt.sentence, prompt.error = None, error

    def _check_length(self, prompt: PreparedPrompt) -> None:
        """Refuse a prompt that leaves the model no room for an answer."""
        if prompt.sentence is None or (self.is_single and self.task.is_computed(prompt.source)):
            return
        reading = self.task.reading(prompt.sentence) if self.reads else None
        n_tokens = self.checkpoint.count_tokens(prompt.sentence.text if reading is None else reading.text)
        if n_tokens >= self.checkpoint.context_tokens:
            prompt.sentence = None
            prompt.error = InputError(
                f"the prompt is {n_tokens:,} tokens long; the model reads at most "
                f"{self.checkpoint.context_tokens:,}, the answer included",
                hint="shorten the prompt, or choose another --model",
            )


def plan_generation(
    task_name: str, options: GenerateOptions, task_options: Mapping[str, object] | None = None
) -> GenerationPlan:
    """Resolve and check the options of a generation.

    Parameters
    ----------
    task_options : mapping, optional
        The task's own options.

    Raises
    ------
    LogosError
        If an option or the model cannot be used.
    """
    task: Task = registry.load("tasks", task_name).configure(**(task_options or {}))
    task.check_reading(options.read)
    restriction = Restriction(options.template, options.max_mutations, options.positions, options.guide)
    restriction.check(task, options.constrain)
    until = None if options.until is None else Until.parse(options.until)
    is_single = options.n_samples is None and until is None and not task.chosen.get("samples")
    checkpoint = open_model(options.load)
    beam = _beam(task, options, checkpoint) if is_single or options.beam is not None else 0
    if not is_single or (task.beam and not beam):
        task = task.for_samples()
    n_samples = options.n_samples or (until.limit if until else task.n_samples)
    _check_counts(task, options, until, n_samples)
    deadline = None if options.time_s is None else time.monotonic() + options.time_s
    own, sampling_of = _own_sampling(checkpoint, (_question(task, restriction), task_name), options)
    sampling = options.sampling(task.preset, own)
    # a token of several residues has no place between them for a tag, and no residue that can be drawn again
    by_residue = not checkpoint.is_served and reads_residues(checkpoint.tokenizer)
    redraws = by_residue and not beam
    task = task.for_model(checkpoint.name, by_residue=redraws, has_template=options.template is not None)
    reads = is_single and task.reads and by_residue
    n_samples = 1 if reads else n_samples
    return GenerationPlan(
        task,
        options,
        restriction,
        until,
        n_samples,
        checkpoint,
        sampling,
        deadline,
        reads=reads,
        beam=beam,
        is_single=is_single,
        sampling_of=sampling_of,
    )


def _beam(task: Task, options: GenerateOptions, checkpoint: Checkpoint) -> int:
    """Return the width of the beam search; 0 where the options ask for samples, or a server can only draw them."""
    if options.beam is None:
        samples = checkpoint.is_served or options.sampling_asked or options.constrain == "chemistry"
        return 0 if samples else task.beam
    if task.reads:
        raise UsageError(f"{task.name} makes no beam search", hint="leave out --beam")
    if checkpoint.is_served:
        raise UsageError(f"{checkpoint.name} is on a server, which makes no beam search", hint="give -n, which samples")
    if task.chosen.get("sweeps"):
        raise UsageError("--beam and --sweeps exclude each other", hint="sweeps draw residues again")
    return options.beam


def _question(task: Task, restriction: Restriction) -> str:
    """Return what a model is asked, as its files call it: ``protein``, ``protein --edit``, ``antibody --cdr``."""
    return task.question if restriction.max_mutations is None else f"{task.question} --edit"


def _own_sampling(
    checkpoint: Checkpoint, names: Sequence[str], options: GenerateOptions
) -> tuple[Mapping[str, float], str]:
    """Return a model's own sampling parameters for the first of some names that it has any for, and whose they are.

    A server does not report those of its model: a served model with the name of the embedded one has its parameters.
    """
    name, table = checkpoint.name, checkpoint.task_sampling
    wanted = options.sampling_of
    if wanted is None and checkpoint.is_served and _is_embedded(name):
        wanted = EMBEDDED
    if wanted is not None:
        name = wanted
        table = open_model(LoadOptions(model=wanted, offline=options.load.offline)).task_sampling
    own = next((table[each] for each in names if each in table), None)
    return (own, name) if own else ({}, "the task")


def _is_embedded(served_name: str) -> bool:
    """Whether a name on a server is that of the embedded model: ``logos-nano``, ``…/logos-nano-q8_0.gguf``."""
    last = served_name.replace("\\", "/").rpartition("/")[2]
    return last.removesuffix(".gguf").partition("-q")[0] == EMBEDDED


def _check_counts(task: Task, options: GenerateOptions, until: Until | None, n_samples: int) -> None:
    """Refuse counts that can never be reached, and comparisons without a meaning."""
    if options.reference is not None and not task.compared:
        raise UsageError(f"answers of {task.name} have no reference set", hint="leave --reference out")
    if until is None:
        return
    if until.novel and options.reference is None:
        raise UsageError("novel samples need a reference set to compare with", hint="give --reference FILE")
    most = max(until.valid, until.unique, until.novel)
    if n_samples < most:
        raise UsageError(
            f"{n_samples:,} samples cannot reach {until}",
            hint=f"with --until, -n is the most samples of a prompt: give {most} or more, or leave it out",
        )
