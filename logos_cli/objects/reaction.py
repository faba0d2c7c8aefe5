"""Reactions: reactants and their product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.spec import Operator
from logos_cli.objects.base import ObjectType
from logos_cli.objects.molecule import molecule_block


@dataclass(frozen=True, slots=True)
class Reaction:
    """Reactants, one SMILES each, and the product.

    The grammar has one product block: several products are one SMILES with dots.
    """

    reactants: tuple[str, ...]
    product: str

    forms: ClassVar[tuple[Form, ...]] = (Form.REACTION, Form.RETROSYNTHESIS)

    def to_sentence(self, form: Form = Form.REACTION, _level: int = 2) -> Sentence:
        """Return the sentence read forward (``reaction``) or backward (``retrosynthesis``)."""
        reactants = tuple(map(molecule_block, self.reactants))
        product = (molecule_block(self.product),)
        if form is Form.REACTION:
            return Sentence(form, reactants, Operator.REACT, product)
        return Sentence(form, product, Operator.REVERSE_REACT, reactants)

    @classmethod
    def from_sentence(cls, sentence: Sentence) -> Self:
        """Return the reaction of a sentence in either direction."""
        sides = (sentence.left, sentence.right)
        reactants, product = sides if sentence.form is Form.REACTION else sides[::-1]
        return cls(tuple(block.payload for block in reactants), product[0].payload)

    @property
    def reaction_smiles(self) -> str:
        """``reactants>>product``."""
        return f"{'.'.join(self.reactants)}>>{self.product}"


PLUGIN = ObjectType("reaction", Reaction)
