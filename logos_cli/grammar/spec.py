"""Vocabulary of the grammar: sixteen tags, eleven sentence forms, and the tree of a sentence."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from logos_cli.errors import Span


class Kind(StrEnum):
    """Kinds of block, named as in the tags that open and close them: ``<ProteinS>`` … ``<ProteinE>``."""

    PROTEIN = "Protein"
    ANTIBODY = "Antibody"
    MOLECULE = "Molecule"
    POCKET = "Pocket"
    MATERIAL = "Material"
    METAL = "Metal"

    start: str
    end: str

    def __init__(self, value: str) -> None:
        self.start = f"<{value}S>"
        self.end = f"<{value}E>"


class Operator(StrEnum):
    """Tags that stand between the two sides of a sentence."""

    TRANS = "<Trans>"
    SEARCH = "<Search>"
    REACT = "<React>"
    REVERSE_REACT = "<ReverseReact>"


TAGS: Final[tuple[str, ...]] = (
    *(tag for kind in Kind for tag in (kind.start, kind.end)),
    *(operator.value for operator in Operator),
)
"""The sixteen tags, in the order of their token ids in ``logos-nano``."""

RESIDUES: Final = frozenset(string.ascii_uppercase)
"""One-letter residues: the 20 standard ones, U (Sec), O (Pyl), and the ambiguous B, J, Z and X."""

SMILES: Final = frozenset(string.ascii_letters + string.digits + "@+-[]()=#$:/\\%.*~<>")
"""Characters of a SMILES payload, with the dative bonds ``->`` and ``<-`` that RDKit writes."""


class Form(StrEnum):
    """Sentence forms; the values are what ``--as`` takes and what records carry as ``kind``."""

    PROTEIN = "protein"
    ANTIBODY = "antibody"
    MOLECULE = "molecule"
    SITE = "site"
    EXPANDED = "expanded"
    TRANSFORMATION = "transformation"
    SEARCH = "search"
    COMPLEX = "complex"
    MATERIAL = "material"
    REACTION = "reaction"
    RETROSYNTHESIS = "retrosynthesis"


FORMS: Final[tuple[str, ...]] = tuple(Form)


@dataclass(frozen=True, slots=True)
class Pocket:
    """A tagged stretch of a protein: residue letters, or the SMILES of one residue.

    Comparisons ignore ``span`` (positions in the text, tags included).
    """

    payload: str
    span: Span = field(default=Span(0, 0), compare=False)

    @property
    def expanded(self) -> bool:
        """Whether the payload is a SMILES; a run of capital letters is residues."""
        return not RESIDUES.issuperset(self.payload)


@dataclass(frozen=True, slots=True)
class Block:
    """One tagged object: its payload in pieces, or, in a material, the blocks that it contains.

    ``parts`` holds plain text and pockets for a protein; one piece of text for every other kind; and for a
    material its metal block followed by its linker blocks.
    """

    kind: Kind
    parts: tuple[str | Pocket | Block, ...]
    span: Span = field(default=Span(0, 0), compare=False)

    @property
    def payload(self) -> str:
        """The text of a block without inner tags (an antibody, molecule, metal or untagged protein)."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def pockets(self) -> tuple[Pocket, ...]:
        """The tagged stretches, in order."""
        return tuple(part for part in self.parts if isinstance(part, Pocket))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The inner blocks of a material."""
        return tuple(part for part in self.parts if isinstance(part, Block))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A parsed sentence: blocks, and after an operator more blocks.

    ``level`` is 1, 2 or 3 for a complex and None for every other form.
    """

    form: Form
    left: tuple[Block, ...]
    operator: Operator | None = None
    right: tuple[Block, ...] = ()
    level: int | None = None
