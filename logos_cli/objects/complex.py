"""Binding sites and complexes: chains with tagged residues and, where known, the ligand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from logos_cli.errors import StructureError, UsageError
from logos_cli.grammar import Form, Sentence, emit
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.base import ObjectType
from logos_cli.objects.molecule import molecule_block
from logos_cli.objects.protein import Protein, blocks


@dataclass(frozen=True, slots=True)
class Complex:
    """Chains that line one site, in file order, and the ligand's SMILES (None for a bare site)."""

    chains: tuple[Protein, ...]
    ligand: str | None = None

    forms: ClassVar[tuple[Form, ...]] = (Form.COMPLEX, Form.SITE, Form.EXPANDED, Form.TRANSFORMATION, Form.SEARCH)

    def to_sentence(self, form: Form = Form.COMPLEX, level: int = 2) -> Sentence:
        """Return the sentence in any form of a site.

        Raises
        ------
        UsageError
            If the form is a complex and there is no ligand.
        StructureError
            If the form needs a tagged residue and there is none.
        """
        if form is Form.SEARCH:
            return Sentence(form, blocks(self.chains, 1), Operator.SEARCH, blocks(self.chains, 2))
        ligand = self.ligand
        if form is Form.COMPLEX and ligand is None:
            raise UsageError("a complex needs a ligand", hint="use --as site or --as search")
        if not any(chain.site for chain in self.chains) and (form is not Form.COMPLEX or level > 1):
            raise StructureError(
                "no residue is within the cut-off of the ligand", hint="raise --cutoff, or encode with --level 1"
            )
        if form is Form.TRANSFORMATION:
            return Sentence(form, blocks(self.chains, 2), Operator.TRANS, blocks(self.chains, 3))
        if form is Form.COMPLEX and ligand is not None:
            return Sentence(form, (*blocks(self.chains, level), molecule_block(ligand)), level=level)
        return Sentence(form, blocks(self.chains, 2 if form is Form.SITE else 3))

    @classmethod
    def from_sentence(cls, sentence: Sentence) -> Self:
        """Return the site or complex of a sentence.

        Raises
        ------
        StructureError
            If the two sides of a search or transformation describe different proteins or sites.
        """
        left = tuple(Protein.from_block(block) for block in sentence.left if block.kind is Kind.PROTEIN)
        ligand = next((block.payload for block in sentence.left if block.kind is Kind.MOLECULE), None)
        if sentence.operator is None:
            return cls(left, ligand)
        right = tuple(map(Protein.from_block, sentence.right))
        if sentence.form is Form.TRANSFORMATION:
            expanded = Sentence(Form.EXPANDED, blocks(left, 3))
            if emit(expanded, check=False) != emit(Sentence(Form.EXPANDED, blocks(right, 3)), check=False):
                raise StructureError("the expanded site is not the site before <Trans>")
            return cls(left)
        if tuple(chain.sequence for chain in left) != tuple(chain.sequence for chain in right):
            raise StructureError("the protein after <Search> is not the protein before it")
        return cls(right)


PLUGIN = ObjectType("complex", Complex)
