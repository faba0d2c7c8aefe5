"""Tokens that a grammar permits next, over the vocabulary of any backend (llguidance)."""

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
from logos_cli.engine.sampler import Bits, unpack_bits
from logos_cli.errors import GrammarError, LogosError, Span

_KEPT = 4

_LARGE = 4096
"""Several threads compute the masks of a vocabulary larger than this."""


class _Vocabulary:
    """The interface of llguidance to a tokenizer."""

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
    """The state of one sequence in its grammar.

    Attributes
    ----------
    bits : ndarray of int32
        Permitted next tokens, as last computed.
    """

    __slots__ = ("bits", "inner")

    def __init__(self, inner: LLMatcher, bits: Bits) -> None:
        self.inner = inner
        self.bits = bits

    def accept(self, token: int) -> None:
        """Add the chosen token."""
        if not self.inner.consume_token(token):
            raise LogosError(f"the constraint refused a token that it permitted: {self.inner.get_error()}")

    def after(self, token: int) -> Matcher:
        """Return the state after a token; this one stays, and the permitted tokens of the new one are not computed."""
        following = Matcher(self.inner.deep_copy(), self.bits)
        following.accept(token)
        return following

    @property
    def done(self) -> bool:
        """Whether the text is complete and nothing may follow."""
        return bool(self.inner.is_stopped())


class Constraint:
    """Grammars over one vocabulary.

    Parameters
    ----------
    tokenizer : Tokenizer
        The tokenizer of the backend.
    threads : int, optional
        Threads that compute masks; None takes one for a small vocabulary, and the default of llguidance for a
        large one.
    """

    def __init__(self, tokenizer: Tokenizer, threads: int | None = None) -> None:
        self.n_tokens = len(tokenizer.vocabulary)
        self._tokenizer = tokenizer
        self._ll = LLTokenizer(
            TokenizerWrapper(_Vocabulary(tokenizer)), n_vocab=self.n_tokens, eos_token=list(tokenizer.eos_ids)
        )
        self._executor = LLExecutor(threads if threads or self.n_tokens > _LARGE else 1)
        # consecutive samples share grammar and prompt, which are compiled and read once
        self._begin = lru_cache(_KEPT)(self._new)
        self._worker: ThreadPoolExecutor | None = None

    def matcher(self, grammar: str, given: str) -> Matcher:
        """Return the state of a grammar after the given text.

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
        n_consumed = matcher.try_consume_tokens(ids)
        if n_consumed < len(ids):
            place = len(self._tokenizer.decode(ids[:n_consumed]))
            raise GrammarError(
                "the prompt is not the beginning of a sentence that the constraint permits",
                text=given,
                span=Span(place, min(place + 1, len(given))),
            )
        return matcher, self._fill([matcher])[0]

    def compute(self, matchers: Sequence[Matcher]) -> Future[None]:
        """Begin to compute the permitted next tokens of each grammar in another thread."""
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
        """Return the permitted next tokens of each grammar, shape (len(matchers), n_tokens)."""
        self._update(matchers)
        return unpack_bits(np.stack([matcher.bits for matcher in matchers]), self.n_tokens)


@cache
def _characters() -> Constraint:
    return Constraint(CharacterTokenizer())


def check_prompt(grammar: str, given: str) -> bool:
    """Check, without a model, that a text is the beginning of a text of a grammar.

    Returns
    -------
    bool
        Whether anything may follow; False if the text is complete.

    Raises
    ------
    GrammarError
        At the first character that the grammar does not permit.
    """
    return not _characters().matcher(grammar, given).done
