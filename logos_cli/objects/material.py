"""Metal-organic frameworks as building blocks: a metal node and organic linkers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from logos_cli.grammar import Block, Form, Sentence
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ObjectType
from logos_cli.objects.molecule import molecule_block


@dataclass(frozen=True, slots=True)
class Material:
    """A framework.

    Attributes
    ----------
    metal : str
        SMILES of the metal node; several different nodes are parted by dots, sorted by exact mass.
    linkers : tuple of str
        SMILES of the linkers, sorted by exact mass, duplicates kept.
    """

    metal: str
    linkers: tuple[str, ...]

    forms: ClassVar[tuple[Form, ...]] = (Form.MATERIAL,)

    def to_sentence(self, form: Form = Form.MATERIAL, level: int = 2) -> Sentence:  # noqa: ARG002
        """Return the sentence: the metal block, then one molecule block per linker."""
        parts = (Block(Kind.METAL, (self.metal,)), *map(molecule_block, self.linkers))
        return Sentence(form, (Block(Kind.MATERIAL, parts),))

    @classmethod
    def from_sentence(cls, sentence: Sentence) -> Self:
        """Return the framework of a sentence."""
        metal, *linkers = sentence.left[0].blocks
        return cls(metal.payload, tuple(block.payload for block in linkers))


PLUGIN = ObjectType("material", Material)
