"""Which tokens a grammar permits next, over the vocabulary of any backend (llguidance)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import llguidance
import llguidance.numpy
import numpy as np
from llguidance import LLExecutor, LLMatcher, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from logos_cli.backends.base import CharacterTokenizer, Tokenizer
from logos_cli.errors import GrammarError, LogosError, Span

_KEPT = 4


class _Vocabulary:
    """What llguidance asks of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokens = list(tokenizer.vocabulary)
        self.special_token_ids = sorted(tokenizer.special_ids)
        self.eos_token_id = tokenizer.eos_ids[0]
        self.bos_token_id = None
        self._tokenizer = tokenizer

    def __call__(self, text: str | bytes) -> list[int]:
        if isinstance(text, bytes):
            text = text.decode("utf-8", errors="replace")
        return self._tokenizer.encode(text, whole=False)


class Matcher:
    """One sequence's place in its grammar."""

    __slots__ = ("inner",)

    def __init__(self, inner: LLMatcher) -> None:
        self.inner = inner

    def accept(self, token: int) -> None:
        """Take the token that was chosen."""
        if not self.inner.consume_token(token):
            raise LogosError(
                f"the constraint refused a token that it had permitted: {self.inner.get_error()}"
            )

    @property
    def done(self) -> bool:
        """Whether the text is complete and cannot go on."""
        return bool(self.inner.is_stopped())


class Constraint:
    """Grammars over one vocabulary.

    Parameters
    ----------
    tokenizer : Tokenizer
        The backend's.
    threads : int, optional
        Threads that compute masks; None takes as many as llguidance sees fit.
    """

    def __init__(self, tokenizer: Tokenizer, threads: int | None = 1) -> None:
        self.n_tokens = len(tokenizer.vocabulary)
        self._tokenizer = tokenizer
        self._ll = LLTokenizer(
            TokenizerWrapper(_Vocabulary(tokenizer)), n_vocab=self.n_tokens, eos_token=list(tokenizer.eos_ids)
        )
        self._executor = LLExecutor(threads)
        # consecutive samples share grammar and prompt: compile and read the prompt once
        self._begin = lru_cache(_KEPT)(self._new)

    def matcher(self, grammar: str, given: str) -> Matcher:
        """Return the place in a grammar after the part of the text that is given.

        Raises
        ------
        GrammarError
            If the given text cannot begin a text of the grammar.
        """
        return Matcher(self._begin(grammar, given).deep_copy())

    def _new(self, grammar: str, given: str) -> LLMatcher:
        matcher = LLMatcher(self._ll, LLMatcher.grammar_from_lark(grammar), log_level=0)
        if matcher.is_error():
            raise LogosError(f"the grammar of the constraint is defective: {matcher.get_error()}")
        ids = self._tokenizer.encode(given, whole=False)
        taken = matcher.try_consume_tokens(ids)
        if taken < len(ids):
            place = len(self._tokenizer.decode(ids[:taken]))
            raise GrammarError(
                "the prompt cannot begin what is asked for",
                text=given,
                span=Span(place, min(place + 1, len(given))),
            )
        return matcher

    def masks(self, matchers: Sequence[Matcher]) -> NDArray[np.bool_]:
        """Return what each grammar permits next, shape (len(matchers), n_tokens)."""
        bits = llguidance.numpy.allocate_token_bitmask(len(matchers), self.n_tokens)
        pairs: list[Any] = [(matcher.inner, row) for row, matcher in enumerate(matchers)]
        llguidance.numpy.fill_next_token_bitmask_par(self._executor, pairs, bits)
        unpacked = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")
        return unpacked[:, : self.n_tokens].view(np.bool_)


@cache
def _characters() -> Constraint:
    return Constraint(CharacterTokenizer())


def check_prompt(grammar: str, given: str) -> bool:
    """Check, without a model, that a text can begin one of the grammar.

    Returns
    -------
    bool
        Whether anything can follow; False means that the text is complete already.

    Raises
    ------
    GrammarError
        At the first character that cannot stand there.
    """
    return not _characters().matcher(grammar, given).done
