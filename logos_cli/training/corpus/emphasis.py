"""Weights of tokens in the loss: less for a prompt than its answer, more for a tag than for a copied residue."""

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
        Weight of the tokens of a prompt, in domains in which otherwise only the answer counts.
    tag : float
        Weight of the decisions in a search: after each residue of its answer, either a tag begins or the next residue
        follows. Both have this weight, so that the probability of a tag does not change.
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
        """Return the weights of a configuration; None if all tokens in the loss have the same."""
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
            First token of its answer.
        answer_only : bool
            Whether its prompt has the lower weight.
        """
        found = np.ones(len(tokens), np.float32)
        if answer_only:
            found[:answer] = self.prompt
        if self.tag != 1 and answer > 1 and tokens[answer - 1] == self.search:
            found[answer + 1 :][self._is_decision(tokens[answer:])] *= self.tag
        return found

    def _is_decision(self, answer: NDArray[Any]) -> NDArray[np.bool_]:
        """Return for each token of an answer but the first, ``<ProteinS>``, whether a tag begins or could begin there."""
        before, token = answer[:-1], answer[1:]
        others = np.isin(token, (self.closing, self.end)) | (before == self.opening)
        inside = np.flatnonzero(others)
        decision = ~others
        if inside.size:
            decision[inside[-1] + 1 :] = False  # nothing is decided after the end of the last chain
        return np.asarray(decision)
