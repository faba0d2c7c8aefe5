"""What a token counts in the loss: a prompt less than its answer, the decision to tag more than a copied residue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logos_cli.grammar.spec import Kind, Operator
from logos_cli.training.config import DataConfig
from logos_cli.training.corpus.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Emphasis:
    """Weights of tokens.

    Attributes
    ----------
    prompt : float
        Of the tokens of a prompt, where only the answer would count.
    tag : float
        Of the decisions of a search: after each residue of its answer either a tag begins or the next residue
        comes. Both count so much, so that the probability of a tag stays what it was.
    search, opening, closing, end : int
        Ids of ``<Search>``, ``<PocketS>``, ``<PocketE>`` and ``<ProteinE>``.
    """

    prompt: float
    tag: float
    search: int
    opening: int
    closing: int
    end: int

    @classmethod
    def of(cls, data: DataConfig, vocabulary: Vocabulary) -> Emphasis | None:
        """Return the weights of a configuration; None if all tokens that count are alike."""
        if not data.prompt_weight and data.tag_weight == 1:
            return None
        ids = map(vocabulary.id_of, (Operator.SEARCH, Kind.POCKET.start, Kind.POCKET.end, Kind.PROTEIN.end))
        return cls(data.prompt_weight, data.tag_weight, *ids)

    def weights(self, tokens: NDArray[Any], answer: int, answer_only: bool) -> NDArray[np.float32]:
        """Return the weight of each token of a sentence.

        Parameters
        ----------
        tokens : ndarray of int
        answer : int
            Where its answer begins.
        answer_only : bool
            Its prompt counts less.
        """
        found = np.ones(len(tokens), np.float32)
        if answer_only:
            found[:answer] = self.prompt
        if self.tag != 1 and answer > 1 and tokens[answer - 1] == self.search:
            found[answer + 1 :][self._is_decision(tokens[answer:])] *= self.tag
        return found

    def _is_decision(self, answer: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each token of an answer but the first, ``<ProteinS>``, is where a tag begins or could have."""
        before, token = answer[:-1], answer[1:]
        others = np.isin(token, (self.closing, self.end)) | (before == self.opening)
        inside = np.flatnonzero(others)
        decision = ~others
        if inside.size:
            decision[inside[-1] + 1 :] = False  # nothing is decided after the end of the last chain
        return np.asarray(decision)
