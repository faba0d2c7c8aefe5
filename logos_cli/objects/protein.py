"""Protein chains, with or without tagged residues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from logos_cli.errors import GrammarError, MoleculeError
from logos_cli.grammar import Block, Form, Pocket, Sentence
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ObjectType

RESIDUE_SMILES = {
    "A": "C[C@H](N)C(=O)O",
    "C": "N[C@@H](CS)C(=O)O",
    "D": "N[C@@H](CC(=O)O)C(=O)O",
    "E": "N[C@@H](CCC(=O)O)C(=O)O",
    "F": "N[C@@H](Cc1ccccc1)C(=O)O",
    "G": "NCC(=O)O",
    "H": "N[C@@H](Cc1c[nH]cn1)C(=O)O",
    "I": "CC[C@H](C)[C@H](N)C(=O)O",
    "K": "NCCCC[C@H](N)C(=O)O",
    "L": "CC(C)C[C@H](N)C(=O)O",
    "M": "CSCC[C@H](N)C(=O)O",
    "N": "NC(=O)C[C@H](N)C(=O)O",
    "O": "C[C@@H]1CC=N[C@H]1C(=O)NCCCC[C@H](N)C(=O)O",
    "P": "O=C(O)[C@@H]1CCCN1",
    "Q": "NC(=O)CC[C@H](N)C(=O)O",
    "R": "N=C(N)NCCC[C@H](N)C(=O)O",
    "S": "N[C@@H](CO)C(=O)O",
    "T": "C[C@@H](O)[C@H](N)C(=O)O",
    "U": "N[C@@H](C[SeH])C(=O)O",
    "V": "CC(C)[C@H](N)C(=O)O",
    "W": "N[C@@H](Cc1c[nH]c2ccccc12)C(=O)O",
    "X": "*C(N)C(=O)O",
    "Y": "N[C@@H](Cc1ccc(O)cc1)C(=O)O",
}
"""Canonical isomeric SMILES (RDKit) of the free L-amino acids; B, J and Z share that of X."""

_LETTER = {smiles: letter for letter, smiles in RESIDUE_SMILES.items()}


def residue_smiles(letter: str) -> str:
    """Return the SMILES that stands for a tagged residue in an expanded site."""
    return RESIDUE_SMILES.get(letter, RESIDUE_SMILES["X"])


def residue_letter(smiles: str) -> str:
    """Return the letter of an expanded residue; its SMILES need not be canonical.

    Raises
    ------
    MoleculeError
        If the SMILES is none of the amino acids of :data:`RESIDUE_SMILES`.
    """
    if letter := _LETTER.get(smiles):
        return letter
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is not None and (letter := _LETTER.get(Chem.MolToSmiles(molecule))):
        return letter
    raise MoleculeError(f"{smiles} is not an amino acid with a residue letter")


@dataclass(frozen=True, slots=True)
class Protein:
    """One chain.

    Attributes
    ----------
    sequence : str
        One-letter residues.
    site : tuple of int
        Zero-based positions of the tagged residues, ascending.
    """

    sequence: str
    site: tuple[int, ...] = ()

    forms: ClassVar[tuple[Form, ...]] = (Form.PROTEIN,)

    def block(self, level: int) -> Block:
        """Return the block: level 1 without tags, 2 tagged, 3 tagged and expanded."""
        if level == 1 or not self.site:
            return Block(Kind.PROTEIN, (self.sequence,))
        parts: list[str | Pocket] = []
        position = 0
        for index in self.site:
            if index > position:
                parts.append(self.sequence[position:index])
            letter = self.sequence[index]
            parts.append(Pocket(letter if level == 2 else residue_smiles(letter)))
            position = index + 1
        if position < len(self.sequence):
            parts.append(self.sequence[position:])
        return Block(Kind.PROTEIN, tuple(parts))

    @classmethod
    def from_block(cls, block: Block) -> Self:
        """Return the chain of a block at any level."""
        letters: list[str] = []
        site: list[int] = []
        length = 0
        for part in block.parts:
            if isinstance(part, Pocket):
                run = residue_letter(part.payload) if part.expanded else part.payload
                site.extend(range(length, length + len(run)))
            elif isinstance(part, str):
                run = part
            else:
                raise GrammarError("a protein holds no further block", text=part.payload, span=part.span)
            letters.append(run)
            length += len(run)
        return cls("".join(letters), tuple(site))

    def to_sentence(self, form: Form = Form.PROTEIN, _level: int = 2) -> Sentence:
        """Return the plain sentence; tagged residues belong to a :class:`~.complex.Complex`."""
        return Sentence(form, (self.block(1),))

    @classmethod
    def from_sentence(cls, sentence: Sentence) -> Self:
        """Return the protein of a sentence of the form ``protein``."""
        return cls.from_block(sentence.left[0])


def blocks(chains: Iterable[Protein], level: int) -> tuple[Block, ...]:
    """Return the blocks of several chains at one level."""
    return tuple(chain.block(level) for chain in chains)


PLUGIN = ObjectType("protein", Protein)
