"""Molecules that stay possible: tokens that no valid SMILES could contain at that place are refused.

A token is checked when it has been drawn, not every token that could be: a refused one is taken out and another
drawn from the same distribution, so that what comes is distributed as the model says, given that it is valid.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from logos_cli.backends.base import Tokenizer
from logos_cli.chemistry.smiles_prefix import SmilesPrefix
from logos_cli.grammar.spec import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCK = re.compile(f"{Kind.MOLECULE.start}|{Kind.MOLECULE.end}")


class SmilesConstraint:
    """What one sequence has written of its molecules.

    Blocks of molecules are followed, be they molecules, ligands, reactants or linkers. Metal nodes are not: the
    rules of valence do not hold for them.

    Parameters
    ----------
    given : str
        What stands before the answer; only a molecule that it leaves open matters.
    """

    def __init__(self, tokenizer: Tokenizer, given: str) -> None:
        tags = tokenizer.tag_ids
        self._vocabulary = tokenizer.vocabulary
        self._special = tokenizer.special_ids
        self._start, self._end = tags[Kind.MOLECULE.start], tags[Kind.MOLECULE.end]
        self._smiles: str | None = None
        self._prefix = SmilesPrefix()
        if _BLOCK.findall(given)[-1:] == [Kind.MOLECULE.start]:
            # a prompt that is refused is still completed as well as can be: its end is checked
            self._open(given.rpartition(Kind.MOLECULE.start)[2])

    def _open(self, smiles: str) -> None:
        self._smiles, self._prefix = smiles, SmilesPrefix(smiles)

    def accepts(self, token: int) -> bool:
        """Take a token, or return False and stay as before."""
        if self._smiles is None:
            if token == self._start:
                self._open("")
            return True
        if token == self._end:
            if not (self._prefix.complete and _is_valid()(self._smiles)):
                return False
            self._smiles = None
            return True
        if token in self._special:
            return True
        text = self._vocabulary[token].decode("ascii", errors="replace")
        push = self._prefix.push
        for character in text:
            if not push(character):
                self._prefix = SmilesPrefix(self._smiles)
                return False
        self._smiles += text
        return True


@cache
def _is_valid() -> Callable[[str], bool]:
    """Return the check of a whole SMILES; RDKit is imported when the first molecule ends."""
    from logos_cli.chemistry.smiles import checked_smiles
    from logos_cli.errors import MoleculeError

    def is_valid(smiles: str) -> bool:
        try:
            checked_smiles(smiles, canonical=False)
        except MoleculeError:
            return False
        return True

    return is_valid
