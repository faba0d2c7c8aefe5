"""What a task is: it opens a sentence, judges the completed one, and may put the samples of a prompt together.

A prompt is an object (read from a file), a sentence, the beginning of one, or a bare sequence or SMILES. Each
task says which objects it takes and what it makes of them. Task modules are loaded for the help: what they need
of RDKit, NumPy and the like they import where they use it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import GrammarError, Span, UsageError
from logos_cli.grammar import Form, Sentence, parse, parse_prefix
from logos_cli.objects.base import ScienceObject, from_sentence, to_text
from logos_cli.records import Record
from logos_cli.tasks.options import SAMPLES, TaskOption, checked_options

if TYPE_CHECKING:
    from numpy.random import Generator

    from logos_cli.formats.base import Entry

__all__ = ["SAMPLES", "Collector", "PromptInfo", "PromptSentence", "Task", "TaskOption"]


@dataclass(frozen=True, slots=True)
class PromptSentence:
    """The beginning of a sentence and what may follow.

    Attributes
    ----------
    text : str
        What the model reads.
    grammar : str
        Lark text for ``text[given_from:]`` and what follows it. What stands before is context that has been
        checked already.
    end : str, optional
        The tag whose ``n_ends``-th coming ends an unconstrained answer; None leaves that to the EOS token.
    wild_type : str, optional
        Of an edit, the sequence that is varied.
    drawn : callable, optional
        Makes the grammar of one sample from a source of randomness of its own; it permits nothing that ``grammar``
        does not.
    """

    text: str
    grammar: str
    given_from: int = 0
    end: str | None = None
    n_ends: int = 1
    wild_type: str | None = None
    drawn: Callable[[Generator], str] | None = None

    def checked(self) -> PromptSentence:
        """Return self if the text is well formed as far as it goes, and the grammar can go on from there.

        Raises
        ------
        GrammarError
            If it cannot, with the place in ``text``.
        """
        from logos_cli.engine.constraint import check_prompt

        parse_prefix(self.text)
        try:
            unfinished = check_prompt(self.grammar, self.text[self.given_from :])
        except GrammarError as error:
            assert error.span is not None
            span = Span(error.span.start + self.given_from, error.span.end + self.given_from)
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
    """One prompt of a run, as a collector knows it.

    Attributes
    ----------
    id : str
        The prompt's; samples are numbered after it.
    sentence : OpenSentence
    source : mapping
        Where the prompt came from; of a structure, ``residues`` maps the letters to residues of the file.
    """

    id: str
    sentence: PromptSentence
    source: Mapping[str, Any] = field(default_factory=dict)


class Collector(ABC):
    """Puts together the samples of one prompt: ranked sites, ranked sets of reactants.

    The run calls :meth:`add` for every sample, in the order of their numbers, then :meth:`questions` once and
    :meth:`answer` for each completion of a question, and at last :meth:`results`.
    """

    @abstractmethod
    def add(self, record: Record, answer: str | None, sentence: Sentence | None) -> None:
        """Take a sample.

        Parameters
        ----------
        answer : str, optional
            What :meth:`Task.judge` returned; None if the sample is not valid.
        sentence : Sentence, optional
            The parsed sample; None if it is not well formed.
        """

    def questions(self) -> Sequence[PromptSentence]:
        """Return further sentences for the same model to complete before the results, each once; by default none.

        The likeliest token is taken each time, whatever the run's sampling; they take no part in its account.
        """
        return ()

    def answer(self, number: int, text: str, logp: float | None) -> None:  # noqa: B027 - most ask nothing
        """Take the completed text of the question of this number, from 0; it may be cut or malformed.

        Parameters
        ----------
        logp : float, optional
            Log-probability, in nats, of what the model wrote; None where the model's server does not tell.
        """

    @abstractmethod
    def results(self) -> Iterable[Record]:
        """Yield what the samples say together, the best first.

        The run adds to each record the prompt's ``source`` and what ``sample`` says of every record.
        """


class Task(ABC):
    """A kind of generation; the ``PLUGIN`` of its module is an instance with the default options.

    Attributes
    ----------
    name, help : str
        As the command line shows them.
    details : str
        What the help says after the first line.
    examples : tuple of str
        Command lines for the help; each begins with ``logos generate NAME``.
    prompts : str
        What the prompt is, for the help and for the error where it is missing.
    form : Form
        The form of the completed sentence.
    reads_as : Form, optional
        What to take a prompt file's content for, where it leaves a choice.
    read_options : tuple of str
        Those of ``ReadOptions`` that concern files of its prompts: ``ligand``, ``cutoff_angstrom``, ``chains``,
        ``column``.
    prompt_spellings : tuple of str
        What ``--prompt`` is called besides.
    restrictions : tuple of str
        What the answer can be restricted by: ``template``, ``edit``.
    compared : bool
        Whether an answer can be looked up in a reference set.
    preset : Sampling
        How to sample unless told otherwise.
    n_samples : int
        Samples of each prompt unless told otherwise.
    collects : str
        What its collectors' results are called (``sites``); empty if it has none.
    writers : mapping
        Writers of its results by the ending of the output, where it is another one than for samples.
    docks : bool
        Whether its results are ligands for a structure, which can be docked at once.
    restricting : str, optional
        The one of its own options, if it was chosen, that fixes parts of the answer as a template does.
    options : tuple of TaskOption
        Its own options.
    chosen : dict
        Their values.
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
    compared: ClassVar[bool] = True
    preset: ClassVar[Sampling]
    n_samples: ClassVar[int] = 1
    collects: ClassVar[str] = ""
    writers: ClassVar[Mapping[str, str]] = {}
    docks: ClassVar[bool] = False
    options: ClassVar[tuple[TaskOption, ...]] = ()

    def __init__(self, **chosen: Any) -> None:
        self.chosen = checked_options(self.name, self.options, chosen)

    def configure(self, **chosen: Any) -> Self:
        """Return the task with options of its own chosen.

        Raises
        ------
        UsageError
            If it has no such option, or a value or a combination cannot be used.
        """
        task = type(self)(**chosen)
        task.check()
        return task

    def check(self) -> None:  # noqa: B027 - most options exclude nothing
        """Refuse options that do not go together, before anything is read.

        Raises
        ------
        UsageError
            With the reason.
        """

    @property
    def changed(self) -> dict[str, Any]:
        """The options that are not at their defaults, as records tell them."""
        defaults = {option.name: option.default for option in self.options}
        return {name: value for name, value in self.chosen.items() if value != defaults[name]}

    @property
    def restricting(self) -> str | None:
        """By default, none of its own options restricts the answer."""
        return None

    def entries(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Return the entries of one prompt file as this task takes them: by default as they are.

        A task that needs to know where residues stand in the file, or takes a file's chains together, does it here.
        """
        return entries

    def collector(self, prompt: PromptInfo) -> Collector | None:  # noqa: ARG002
        """Return what puts the samples of a prompt together; None if they are the result."""
        return None

    def from_nothing(self) -> PromptSentence:
        """Return the beginning without a prompt.

        Raises
        ------
        UsageError
            If the task needs one.
        """
        raise UsageError(f"{self.name} needs a prompt", hint=f"give {self.prompts} with --prompt")

    @abstractmethod
    def from_object(self, item: ScienceObject, level: int | None = None) -> PromptSentence:
        """Return the beginning that an object makes.

        Parameters
        ----------
        level : int, optional
            Level at which a complex is written; None lets the task choose.

        Raises
        ------
        UsageError
            If the task takes no such object.
        """

    @abstractmethod
    def from_beginning(self, text: str) -> PromptSentence:
        """Return the beginning that is given as text; it begins with a tag and is no complete sentence."""

    @abstractmethod
    def from_payload(self, text: str) -> PromptSentence:
        """Return the beginning for a bare sequence or SMILES."""

    def from_text(
        self,
        text: str,
        level: int | None = None,
        source: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> PromptSentence:
        """Return the beginning for any text: a sentence, the beginning of one, or a bare payload.

        Parameters
        ----------
        source : mapping, optional
            Of a record: where its sentence came from.

        Raises
        ------
        GrammarError
            If the text cannot begin a sentence of this task, with the place.
        UsageError
            If it is a sentence that this task does not take.
        """
        if not text.startswith("<"):  # a near tag is no payload either: parsing says which tag was meant
            return self.from_payload(text).checked()
        try:
            sentence = parse(text)
        except GrammarError:
            return self.from_beginning(text).checked()
        return self.from_object(from_sentence(sentence), level or _level(sentence)).checked()

    def known(self, item: ScienceObject) -> str:
        """Return what :meth:`judge` would for an object of a reference set.

        Raises
        ------
        LogosError
            If the object is none that this task's answers can be compared with.
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
            What is compared to tell repeated answers: the answer in its canonical writing.

        Raises
        ------
        LogosError
            If the answer is not valid, with the reason.
        """

    def scores(self, sentence: Sentence) -> dict[str, dict[str, Any]]:  # noqa: ARG002
        """Return what the record of a valid sample says of it besides, as in ``Record.scores``; by default nothing."""
        return {}

    def refuse(self, item: ScienceObject) -> UsageError:
        """Return the error for an object that the task does not take."""
        kind = type(item).__name__.lower()
        return UsageError(f"{self.name} takes no {kind} as its prompt", hint=f"it takes {self.prompts}")


def _level(sentence: Sentence) -> int | None:
    """Return the level at which a sentence speaks of a site; None where it is no site."""
    return {Form.COMPLEX: sentence.level, Form.SITE: 2, Form.EXPANDED: 3}.get(sentence.form)
