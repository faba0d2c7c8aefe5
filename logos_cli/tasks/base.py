"""A task turns a prompt into the beginning of a sentence, judges the completed one, and may combine its samples.

A prompt is an object (read from a file), a sentence, the beginning of one, or a bare sequence or SMILES. Each
task decides which objects it accepts and which sentence each begins. The help loads all task modules: they import
RDKit, NumPy and other heavy libraries inside functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import GrammarError, Span, UsageError
from logos_cli.grammar import Form, Sentence, parse, parse_prefix
from logos_cli.objects.base import ScienceObject, from_sentence, to_text
from logos_cli.records import Record, Scores, Source
from logos_cli.tasks.options import N_SWEEPS, SAMPLES, SWEEPS, TaskOption, option_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from logos_cli.engine.redraw import Redraw
    from logos_cli.formats.base import Entry, ReadOptions

__all__ = ["SAMPLES", "SWEEPS", "Collector", "PromptInfo", "PromptSentence", "Task", "TaskOption"]


@dataclass(frozen=True, slots=True)
class PromptSentence:
    """The beginning of a sentence and what may follow.

    Attributes
    ----------
    text : str
        The text that the model reads.
    grammar : str
        Lark text for ``text[grammar_start:]`` and its completion. The text before is context that has been checked.
    end : str, optional
        The tag whose ``n_ends``-th occurrence ends an unconstrained completion; None leaves that to the EOS token.
    wild_type : str, optional
        The sequence that an edit varies.
    draw_grammar : callable, optional
        Returns the grammar of one sample, drawn with the generator it is given; it permits nothing that ``grammar``
        does not.
    redraw : Redraw, optional
        What is drawn again of a finished sample, given what follows it.
    answer : str, optional
        Of a question: the completion whose log-probability is asked for; None asks for a completion.
    """

    text: str
    grammar: str
    grammar_start: int = 0
    end: str | None = None
    n_ends: int = 1
    wild_type: str | None = None
    draw_grammar: Callable[[Generator], str] | None = None
    redraw: Redraw | None = None
    answer: str | None = None

    def check_answer(self, _sentence: Sentence, /) -> None:
        """Refuse a completion that is valid by itself and no answer to this prompt; by default none.

        Raises
        ------
        AnswerError
            With the reason.
        """

    def check(self) -> PromptSentence:
        """Return self if the text is well formed and the grammar allows a continuation.

        Raises
        ------
        GrammarError
            If not, with the place in ``text``.
        """
        from logos_cli.engine.constraint import check_prompt

        parse_prefix(self.text)
        try:
            unfinished = check_prompt(self.grammar, self.text[self.grammar_start :])
        except GrammarError as error:
            span = Span(error.span.start + self.grammar_start, error.span.end + self.grammar_start)
            raise GrammarError(error.message, text=self.text, span=span) from error
        if not unfinished:
            raise GrammarError(
                "the prompt is complete: nothing is left to generate",
                text=self.text,
                span=Span(len(self.text), len(self.text)),
                hint="leave out what is to be generated",
            )
        return self


@dataclass(frozen=True, slots=True)
class PromptInfo:
    """One prompt of a run, for its collector.

    Attributes
    ----------
    id : str
        The prompt's id, with which those of its samples begin.
    sentence : PromptSentence
        The beginning of the sentence.
    source : mapping
        Provenance of the prompt; for a structure, ``residues`` maps the letters to residues of the file.
    is_searched : bool
        Whether its answers are the likeliest ones, found by a beam search, and no samples.
    """

    id: str
    sentence: PromptSentence
    source: Source = field(default_factory=Source)
    is_searched: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A valid answer that a collector refuses when it looks at all answers together.

    Attributes
    ----------
    outcome : str
        What the account of the run counts, as in ``AnswerError``.
    n_samples : int
        Samples with this answer.
    is_novel : bool
        Whether the answer was counted as novel.
    """

    outcome: str
    n_samples: int
    is_novel: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A text that the model reads once, instead of completing a prompt many times.

    Attributes
    ----------
    text : str
        The whole sentence.
    places : tuple of int
        Characters of it, from 0, before which a tag could stand.
    tag : str
        The tag.
    """

    text: str
    places: tuple[int, ...]
    tag: str


class Collector(ABC):
    """Combines the samples of one prompt: into ranked sites, ranked sets of reactants.

    The run calls :meth:`add` for every sample, in the order of their numbers, then :meth:`questions` once and
    :meth:`answer` for each completion of a question, then :meth:`results`, and finally :meth:`refusals`.
    """

    @abstractmethod
    def add(self, record: Record, answer: str | None, sentence: Sentence | None, /) -> None:
        """Add a sample.

        Parameters
        ----------
        answer : str, optional
            The value of :meth:`Task.judge`; None if the sample is not valid.
        sentence : Sentence, optional
            The parsed sample; None if it is not well formed.
        """

    def read(self, _probabilities: Sequence[float], /) -> None:
        """Take the probability of the tag at each place of the task's reading, in place of samples.

        Raises
        ------
        NotImplementedError
            If the task reads nothing.
        """
        raise NotImplementedError

    def questions(self) -> Sequence[PromptSentence]:
        """Return further sentences that the same model completes once before the results; by default none.

        The model completes them greedily, whatever the run's sampling, or reads the ``answer`` that they bring along. The
        run's tally does not count them.
        """
        return ()

    def answer(self, number: int, text: str, logp: float | None, /) -> None:  # noqa: B027 - most ask nothing
        """Receive the completed text of a question by its number, from 0; it may be cut or malformed.

        Parameters
        ----------
        logp : float, optional
            Log-probability, in nats, of the completion; None where the model's server does not report it, or the model
            cannot read so much.
        """

    @abstractmethod
    def results(self) -> Iterable[Record]:
        """Yield the results of all samples together, the best first.

        The run adds the prompt's ``source`` and the common part of ``sample`` to each record.
        """

    def refusals(self) -> Sequence[Refusal]:
        """Return the valid answers that are not among the results, because they are no answers; by default none."""
        return ()


class Task(ABC):
    """A kind of generation; the ``PLUGIN`` of its module is an instance with the default options.

    Attributes
    ----------
    name, help : str
        Name and first line of the help.
    details : str
        The help after the first line.
    examples : tuple of str
        Command lines for the help; each begins with ``logos generate NAME``.
    prompts : str
        Description of the prompt, for the help and for the error where it is missing.
    form : Form
        The form of the completed sentence.
    reads_as : Form, optional
        The form to read a prompt file as, where its content allows several.
    read_options : tuple of str
        Fields of ``ReadOptions`` that apply to its prompt files: ``ligand``, ``cutoff_angstrom``, ``chains``,
        ``model``, ``column``.
    prompt_spellings : tuple of str
        Further names of ``--prompt``.
    restrictions : tuple of str
        Options that can restrict the completion: ``template``, ``edit``.
    reads : bool
        Whether, without a number of samples, the model reads each prompt once: see :meth:`reading`.
    compared : bool
        Whether answers can be compared with a reference set.
    preset : Sampling
        Default sampling parameters.
    n_samples : int
        Default number of samples of each prompt.
    beam : int
        Width of the beam search that finds the answers where nobody asks for samples; 0 samples always.
    collects : str
        Name of its collectors' results (``sites``); empty if it has none.
    writers : mapping
        Writers of its results by the ending of the output, where they differ from those of samples.
    docks : bool
        Whether its results are ligands for a structure, which ``--dock`` can dock.
    restricting_option : str, optional
        The option of its own, if chosen, that fixes parts of the completion as a template does.
    options : tuple of TaskOption
        Its own options.
    next_step : str
        What a user types next, after the results on a terminal.
    chosen : dict
        Values of its own options.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    details: ClassVar[str] = ""
    examples: ClassVar[tuple[str, ...]]
    prompts: ClassVar[str]
    form: ClassVar[Form]
    reads_as: Form | None = None
    read_options: ClassVar[tuple[str, ...]] = ("column",)
    prompt_spellings: ClassVar[tuple[str, ...]] = ()
    restrictions: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[bool] = False
    compared: ClassVar[bool] = True
    preset: ClassVar[Sampling]
    n_samples: ClassVar[int] = 1
    beam: ClassVar[int] = 0
    collects: ClassVar[str] = ""
    writers: ClassVar[Mapping[str, str]] = {}
    docks: ClassVar[bool] = False
    options: ClassVar[tuple[TaskOption, ...]] = ()
    next_step: ClassVar[str] = "keep them with -o samples.jsonl; then: logos score samples.jsonl"

    def __init__(self, **chosen: object) -> None:
        self.chosen = option_values(self.name, self.options, chosen)

    def configure(self, **chosen: object) -> Self:
        """Return the task with these values of its own options.

        Raises
        ------
        UsageError
            If it has no such option, or refuses a value or a combination.
        """
        task = type(self)(**chosen)
        task.check()
        if task.chosen.get("samples"):
            task._check_samples()
        return task

    def _check_samples(self) -> None:
        """Refuse options of the results where the samples themselves are written."""
        stray = [each.flag for each in self.options if each.of_results and each.name in self.changed]
        if stray:
            verb = "shapes" if len(stray) == 1 else "shape"
            raise UsageError(
                f"{' and '.join(stray)} {verb} the results, and --samples writes the samples behind them",
                hint="leave one of them out",
            )

    def check(self) -> None:  # noqa: B027 - most options exclude nothing
        """Refuse options that exclude each other, before any file is read.

        Raises
        ------
        UsageError
            With the reason.
        """

    def check_reading(self, _options: ReadOptions, /) -> None:  # noqa: B027 - most use all that they have
        """Refuse options for reading prompt files that the task does not use with its own options.

        Raises
        ------
        UsageError
            With the reason.
        """

    def for_samples(self) -> Self:
        """Return the task for a run with a number of samples; by default itself.

        Raises
        ------
        UsageError
            If, with its options, the task draws none.
        """
        return self

    def for_model(self, name: str, /, *, by_residue: bool, has_template: bool) -> Self:
        """Return the task with the number of sweeps that a model makes over free parts.

        Parameters
        ----------
        name : str
            The model's.
        by_residue : bool
            Whether the model reads given texts residue by residue: it is on no server, and has no tokens of several.
        has_template : bool
            Whether the answer follows a template.

        Raises
        ------
        UsageError
            If sweeps are asked for and there are no free parts, or the model makes none.
        """
        if "sweeps" not in self.chosen:
            return self
        wanted: int | None = self.chosen["sweeps"]
        if not has_template and self.restricting_option is None:
            if wanted is not None:
                raise UsageError("--sweeps needs free parts of an answer", hint="give a --template, or --cdr")
            return self
        if wanted and not by_residue:
            raise UsageError(
                f"{name} cannot draw residues again: it is on a server, or has tokens of several residues",
                hint="leave --sweeps out",
            )
        task = copy(self)
        task.chosen = {**self.chosen, "sweeps": (N_SWEEPS if wanted is None else wanted) if by_residue else 0}
        return task

    @property
    def changed(self) -> dict[str, object]:
        """The options with values other than their defaults, which records report."""
        defaults = {option.name: option.default for option in self.options}
        return {name: value for name, value in self.chosen.items() if value != defaults[name]}

    @property
    def question(self) -> str:
        """What the model is asked, in the registry of its skills; by default the name of the task."""
        return self.name

    @property
    def restricting_option(self) -> str | None:
        """By default None: no option of its own restricts the completion."""
        return None

    def entries(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Return the entries of one prompt file that the task uses as prompts; by default all, unchanged.

        A task that needs the residue numbers of the file, or joins the chains of a file, overrides this method.
        """
        return entries

    def profile(self) -> NDArray[np.float64]:
        """Return the frequencies of residues in the table of the task's oracle, shape (length, 20).

        Raises
        ------
        UsageError
            If there is none.
        """
        raise UsageError(
            f"{self.name} has no oracle with a table",
            hint="leave out --guide oracle; proteins have one with --oracle DIR",
        )

    def collector(self, _prompt: PromptInfo, /) -> Collector | None:
        """Return the collector of a prompt's samples; None if the samples themselves are the result."""
        return None

    def is_computed(self, _source: Source, /) -> bool:
        """Return whether the collector of a prompt has its results without the model; by default False.

        Its ``results`` may then raise a LogosError, which becomes the record of the prompt; their ``sample`` holds how they
        were made.
        """
        return False

    def reading(self, _sentence: PromptSentence, /) -> Reading | None:
        """Return what the model reads of a prompt instead of sampling; None, as by default, if only samples answer."""
        return None

    def from_nothing(self) -> PromptSentence:
        """Return the beginning of a sentence without a prompt.

        Raises
        ------
        UsageError
            If the task needs a prompt.
        """
        raise UsageError(f"{self.name} needs a prompt", hint=f"give {self.prompts} with --prompt")

    @abstractmethod
    def from_object(self, item: ScienceObject, level: int | None = None, /) -> PromptSentence:
        """Return the sentence that begins with an object.

        Parameters
        ----------
        level : int, optional
            Level at which a complex is written; None lets the task choose.

        Raises
        ------
        UsageError
            If the task does not accept such an object.
        """

    @abstractmethod
    def from_beginning(self, text: str) -> PromptSentence:
        """Return the sentence that begins with a text, which starts with a tag and is not a complete sentence."""

    @abstractmethod
    def from_payload(self, text: str) -> PromptSentence:
        """Return the sentence that begins with a bare sequence or SMILES."""

    def from_text(self, text: str, level: int | None = None, _source: Source | None = None, /) -> PromptSentence:
        """Return the sentence that begins with a text: a sentence, the beginning of one, or a bare payload.

        Parameters
        ----------
        level : int, optional
            Level at which a complex is written; None keeps that of the text, or lets the task choose.
        source : mapping, optional
            Provenance of a record's sentence.

        Raises
        ------
        GrammarError
            If the text cannot begin a sentence of this task, with the place.
        UsageError
            If it is a sentence that this task does not accept.
        """
        if not text.startswith("<"):  # a misspelt tag is not a payload either: the parser reports the nearest tag
            return self.from_payload(text).check()
        try:
            sentence = parse(text)
        except GrammarError:
            return self.from_beginning(text).check()
        return self.from_object(from_sentence(sentence), level or _level(sentence)).check()

    def reference_key(self, item: ScienceObject) -> str:
        """Return the value of :meth:`judge` for an object of a reference set.

        Raises
        ------
        LogosError
            If the task's answers cannot be compared with such an object.
        """
        if self.form not in item.forms:
            kind = type(item).__name__.lower()
            raise UsageError(f"answers of {self.name} cannot be compared with a {kind}")
        return type(self)().judge(parse(to_text(item, self.form)))

    @abstractmethod
    def judge(self, sentence: Sentence) -> str:
        """Check a completed sentence beyond its grammar.

        Returns
        -------
        str
            The answer in canonical form, which is equal for repeated answers.

        Raises
        ------
        LogosError
            If the answer is not valid, with the reason.
        """

    def scores(self, _sentence: Sentence, /) -> Scores:
        """Return further scores of a valid sample, as in ``Record.scores``; by default none."""
        return {}

    def refuse(self, item: ScienceObject) -> UsageError:
        """Return the error for an object that the task does not accept."""
        kind = type(item).__name__.lower()
        return UsageError(f"{self.name} takes no {kind} as its prompt", hint=f"it takes {self.prompts}")


def _level(sentence: Sentence) -> int | None:
    """Return the level of a site or complex; None for other sentences."""
    return {Form.COMPLEX: sentence.level, Form.SITE: 2, Form.EXPANDED: 3}.get(sentence.form)
