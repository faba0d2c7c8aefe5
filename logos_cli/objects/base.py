"""The interface of every scientific object, and the object of a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Protocol, Self, runtime_checkable

from logos_cli import registry
from logos_cli.errors import UsageError
from logos_cli.grammar import Form, Sentence, emit


@runtime_checkable
class ScienceObject(Protocol):
    """An object that has a sentence.

    ``forms`` lists the sentence forms that it can take, the default first.
    """

    forms: ClassVar[tuple[Form, ...]]

    def to_sentence(self, form: Form, level: int = 2, /) -> Sentence:
        """Return the tree in the given form; only complexes use ``level`` (1, 2 or 3)."""
        ...

    @classmethod
    def from_sentence(cls, sentence: Sentence) -> Self:
        """Return the object that a sentence of one of ``forms`` describes."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectType:
    """The ``PLUGIN`` of an object file."""

    name: str
    cls: type[ScienceObject]


@cache
def _by_form() -> dict[Form, type[ScienceObject]]:
    return {form: plugin.cls for plugin in registry.load_all("objects").values() for form in plugin.cls.forms}


def from_sentence(sentence: Sentence) -> ScienceObject:
    """Return the object of any sentence."""
    return _by_form()[sentence.form].from_sentence(sentence)


def to_text(item: ScienceObject, form: Form | None = None, level: int = 2) -> str:
    """Return the sentence of an object, checked against the grammar.

    Raises
    ------
    UsageError
        If the object cannot take the form.
    GrammarError
        If a payload holds characters that the grammar does not allow.
    """
    form = item.forms[0] if form is None else form
    if form not in item.forms:
        name = type(item).__name__.lower()
        article = "an" if name[0] in "aeiou" else "a"
        raise UsageError(
            f"{article} {name} cannot be written as {form}", hint=f"it can be written as {', '.join(item.forms)}"
        )
    return emit(item.to_sentence(form, level))
