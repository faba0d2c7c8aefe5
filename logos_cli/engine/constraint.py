"""Which tokens a grammar permits next, over the vocabulary of any backend (llguidance)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any

import llguidance
import llguidance.numpy
import numpy as np
from llguidance import LLExecutor, LLMatcher, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from logos_cli.backends.base import CharacterTokenizer, Tokenizer
from logos_cli.engine.sampler import Bits, unpacked
from logos_cli.errors import GrammarError, LogosError, Span

_KEPT = 4

_LARGE = 4096
"""Masks of a vocabulary larger than this are computed by several threads."""


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
    """One sequence's place in its grammar.

    Attributes
    ----------
    bits : ndarray of int32
        What is permitted next, as far as it has been computed.
    """

    __slots__ = ("bits", "inner")

    def __init__(self, inner: LLMatcher, bits: Bits) -> None:
        self.inner = inner
        self.bits = bits

    def accept(self, token: int) -> None:
        """Take the token that was chosen."""
        if not self.inner.consume_token(token):
            raise LogosError(f"the constraint refused a token that it had permitted: {self.inner.get_error()}")

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
        Threads that compute masks; None takes one for a small vocabulary, and what llguidance sees fit for a
        large one.
    """

    def __init__(self, tokenizer: Tokenizer, threads: int | None = None) -> None:
        self.n_tokens = len(tokenizer.vocabulary)
        self._tokenizer = tokenizer
        self._ll = LLTokenizer(
            TokenizerWrapper(_Vocabulary(tokenizer)), n_vocab=self.n_tokens, eos_token=list(tokenizer.eos_ids)
        )
        self._executor = LLExecutor(threads if threads or self.n_tokens > _LARGE else 1)
        # consecutive samples share grammar and prompt: compile and read the prompt once
        self._begin = lru_cache(_KEPT)(self._new)
        self._worker: ThreadPoolExecutor | None = None

    def matcher(self, grammar: str, given: str) -> Matcher:
        """Return the place in a grammar after the part of the text that is given.

        Raises
        ------
        GrammarError
            If the given text cannot begin a text of the grammar.
        """
        inner, bits = self._begin(grammar, given)
        return Matcher(inner.deep_copy(), bits)

    def _new(self, grammar: str, given: str) -> tuple[LLMatcher, Bits]:
        matcher = LLMatcher(self._ll, LLMatcher.grammar_from_lark(grammar), log_level=0)
        if matcher.is_error():
            raise LogosError(f"the grammar of the constraint is defective: {matcher.get_error()}")
        ids = self._tokenizer.encode(given, whole=False)
        taken = matcher.try_consume_tokens(ids)
        if taken < len(ids):
            place = len(self._tokenizer.decode(ids[:taken]))
            raise GrammarError(
                "the prompt cannot begin what is asked for", text=given, span=Span(place, min(place + 1, len(given)))
            )
        return matcher, self._fill([matcher])[0]

    def compute(self, matchers: Sequence[Matcher]) -> Future[None]:
        """Begin to compute what each grammar permits next, beside what the caller does meanwhile."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "logos-masks")
        return self._worker.submit(self._update, tuple(matchers))

    def _update(self, matchers: Sequence[Matcher]) -> None:
        rows = self._fill([matcher.inner for matcher in matchers])
        for matcher, row in zip(matchers, rows, strict=True):
            matcher.bits = row

    def _fill(self, matchers: Sequence[LLMatcher]) -> Bits:
        bits: Bits = llguidance.numpy.allocate_token_bitmask(len(matchers), self.n_tokens)
        pairs: list[Any] = [(matcher, row) for row, matcher in enumerate(matchers)]
        llguidance.numpy.fill_next_token_bitmask_par(self._executor, pairs, bits)
        return bits

    def masks(self, matchers: Sequence[Matcher]) -> NDArray[np.bool_]:
        """Return what each grammar permits next, shape (len(matchers), n_tokens)."""
        self._update(matchers)
        return unpacked(np.stack([matcher.bits for matcher in matchers]), self.n_tokens)


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
