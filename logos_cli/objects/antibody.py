"""Antibody variable regions (or whole chains), alone or as a heavy and light pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from logos_cli.grammar import Block, Form, Sentence
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ObjectType


@dataclass(frozen=True, slots=True)
class Antibody:
    """One chain, or two of which the first is the heavy one.

    A pair is two blocks in one sentence (own choice: the published examples show single chains only).
    """

    chains: tuple[str, ...]

    forms: ClassVar[tuple[Form, ...]] = (Form.ANTIBODY,)

    def to_sentence(self, form: Form = Form.ANTIBODY, _level: int = 2) -> Sentence:
        """Return the sentence of one block a chain."""
        return Sentence(form, tuple(Block(Kind.ANTIBODY, (chain,)) for chain in self.chains))

    @classmethod
    def from_sentence(cls, sentence: Sentence) -> Self:
        """Return the antibody of a sentence."""
        return cls(tuple(block.payload for block in sentence.left))


PLUGIN = ObjectType("antibody", Antibody)
