"""Small molecules as SMILES."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from logos_cli.grammar import Block, Form, Sentence
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ObjectType


def molecule_block(smiles: str) -> Block:
    """Return the block of one molecule."""
    return Block(Kind.MOLECULE, (smiles,))


@dataclass(frozen=True, slots=True)
class Molecule:
    """One molecule; a salt is one SMILES with dots."""

    smiles: str

    forms: ClassVar[tuple[Form, ...]] = (Form.MOLECULE,)

    def to_sentence(self, form: Form = Form.MOLECULE, _level: int = 2) -> Sentence:
        """Return the sentence of one block."""
        return Sentence(form, (molecule_block(self.smiles),))

    @classmethod
    def from_sentence(cls, sentence: Sentence) -> Self:
        """Return the molecule of a sentence."""
        return cls(sentence.left[0].payload)


PLUGIN = ObjectType("molecule", Molecule)
