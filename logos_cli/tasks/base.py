"""What a task is: it opens a sentence for the model to complete, and judges the completed one.

A prompt is an object (read from a file), a sentence, the beginning of one, or a bare sequence or SMILES. Each
task says which objects it takes and what it makes of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from logos_cli.engine.constraint import check_prompt
from logos_cli.engine.sampler import Sampling
from logos_cli.errors import GrammarError, Span, UsageError
from logos_cli.grammar import Form, Sentence, parse, parse_prefix
from logos_cli.objects.base import ScienceObject, from_sentence


@dataclass(frozen=True, slots=True)
class OpenSentence:
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
    """

    text: str
    grammar: str
    given_from: int = 0
    end: str | None = None
    n_ends: int = 1

    def checked(self) -> OpenSentence:
        """Return self if the text is well formed as far as it goes, and the grammar can go on from there.

        Raises
        ------
        GrammarError
            If it cannot, with the place in ``text``.
        """
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


class Task(ABC):
    """A kind of generation; the ``PLUGIN`` of its module is an instance.

    Attributes
    ----------
    name, help : str
        As the command line shows them.
    prompts : str
        What the prompt is, for the help and for the error where it is missing.
    form : Form
        The form of the completed sentence.
    reads_as : Form, optional
        What to take a prompt file's content for, where it leaves a choice.
    preset : Sampling
        How to sample unless told otherwise.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    prompts: ClassVar[str]
    form: ClassVar[Form]
    reads_as: ClassVar[Form | None] = None
    preset: ClassVar[Sampling]

    def from_nothing(self) -> OpenSentence:
        """Return the beginning without a prompt.

        Raises
        ------
        UsageError
            If the task needs one.
        """
        raise UsageError(f"{self.name} needs a prompt", hint=f"give {self.prompts} with --prompt")

    @abstractmethod
    def from_object(self, item: ScienceObject, level: int | None = None) -> OpenSentence:
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
    def from_beginning(self, text: str) -> OpenSentence:
        """Return the beginning that is given as text; it begins with a tag and is no complete sentence."""

    @abstractmethod
    def from_payload(self, text: str) -> OpenSentence:
        """Return the beginning for a bare sequence or SMILES."""

    def from_text(self, text: str, level: int | None = None) -> OpenSentence:
        """Return the beginning for any text: a sentence, the beginning of one, or a bare payload.

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

    def refuse(self, item: ScienceObject) -> UsageError:
        """Return the error for an object that the task does not take."""
        kind = type(item).__name__.lower()
        return UsageError(f"{self.name} takes no {kind} as its prompt", hint=f"it takes {self.prompts}")


def _level(sentence: Sentence) -> int | None:
    """Return the level at which a sentence speaks of a site; None where it is no site."""
    return {Form.COMPLEX: sentence.level, Form.SITE: 2, Form.EXPANDED: 3}.get(sentence.form)
