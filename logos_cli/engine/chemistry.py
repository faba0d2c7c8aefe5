"""Constraint of SMILES: refuses tokens after which no valid SMILES is possible.

It checks a token after it is drawn, not all tokens of the vocabulary. A refused token is removed and another drawn
from the same distribution, so that valid molecules have the distribution of the model.
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
    """The state of the molecules of one sequence.

    It follows all molecule blocks: molecules, ligands, reactants and linkers. It ignores metal nodes, to which the
    rules of valence do not apply.

    Parameters
    ----------
    given : str
        The text before the answer, which may end in an open molecule block.
    """

    def __init__(self, tokenizer: Tokenizer, given: str) -> None:
        tags = tokenizer.tag_ids
        self._vocabulary = tokenizer.vocabulary
        self._special = tokenizer.special_ids
        self._start, self._end = tags[Kind.MOLECULE.start], tags[Kind.MOLECULE.end]
        self._smiles: str | None = None
        self._prefix = SmilesPrefix()
        if _BLOCK.findall(given)[-1:] == [Kind.MOLECULE.start]:
            # a prompt that cannot become valid is completed all the same; its end is checked
            self._open(given.rpartition(Kind.MOLECULE.start)[2])

    def _open(self, smiles: str) -> None:
        self._smiles, self._prefix = smiles, SmilesPrefix(smiles)

    def accepts(self, token: int) -> bool:
        """Add a token and return True, or return False without a change."""
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
    """Return the check of a whole SMILES; it imports RDKit when the first molecule ends."""
    from logos_cli.chemistry.smiles import checked_smiles
    from logos_cli.errors import MoleculeError

    def is_valid(smiles: str) -> bool:
        try:
            checked_smiles(smiles, canonical=False)
        except MoleculeError:
            return False
        return True

    return is_valid
