"""Log-probabilities of given texts under a model, token by token, over any backend.

The definitions are those of LOGOS: the sum is over all tokens of the whole text but its first (the BOS token if the
tokenizer has one), each given all tokens before it, without an EOS token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from logos_cli.backends.base import Completer, Tokenizer
from logos_cli.engine.sampler import check_numbers
from logos_cli.errors import DeviceMemoryError, InputError, Span
from logos_cli.grammar import Block, Form, Sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_A_TIME = 512
"""Texts in one call of a backend, which sorts them and shares passes and common beginnings."""


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A text with the log-probability of each token.

    Attributes
    ----------
    spans : tuple of Span
        Position of each token in ``text``; empty for a control token (BOS).
    logps : ndarray, shape (n_tokens,)
        Natural logarithms; NaN for the first token, which the model does not predict.
    """

    text: str
    spans: tuple[Span, ...]
    logps: NDArray[np.float64]

    def between(self, start: int, end: int) -> NDArray[np.float64]:
        """Return the log-probabilities of the tokens that end in a range of characters.

        A token across the beginning of the range belongs to it; a token without a value is ignored.
        """
        inside = np.array([start < span.end <= end for span in self.spans], dtype=bool)
        logps: NDArray[np.float64] = self.logps[inside & ~np.isnan(self.logps)]
        return logps

    @property
    def all(self) -> NDArray[np.float64]:
        """The log-probabilities of all tokens that have one."""
        logps: NDArray[np.float64] = self.logps[~np.isnan(self.logps)]
        return logps

    def characters(self) -> NDArray[np.float64]:
        """Return a log-probability for each character, an equal part of its token's; NaN without a value."""
        logps = np.full(len(self.text), np.nan)
        for span, logp in zip(self.spans, self.logps, strict=True):
            if span.end > span.start:
                logps[span.start : span.end] = logp / (span.end - span.start)
        return logps


def perplexity(logps: NDArray[np.float64]) -> float:
    """Return exp of the mean token cross-entropy; infinite if a token is impossible, NaN without tokens."""
    if not len(logps):
        return math.nan
    with np.errstate(over="ignore"):
        return float(np.exp(-logps.mean()))


class Reader(Protocol):
    """Finds how probable given tokens are: a backend, or several in processes of their own."""

    tokenizer: Tokenizer

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
    ) -> list[NDArray[np.float64]]:
        """Return log-probabilities, as :meth:`Backend.token_logps <logos_cli.backends.base.Backend.token_logps>`."""
        ...


class Likelihood:
    """Scores texts with a loaded model.

    Parameters
    ----------
    model : Reader or Completer
        A completer must be able to score a given text; not every server can.
    context_tokens : int
        The longest text that the model reads.
    batch_size : int, optional
        The most texts that are read together.
    """

    def __init__(self, model: Reader | Completer, context_tokens: int, *, batch_size: int | None = None) -> None:
        self.model = model
        self.context_tokens = context_tokens
        self._at_a_time = min(batch_size or _AT_A_TIME, _AT_A_TIME)

    @cached_property
    def _spans(self) -> TokenSpans:
        return TokenSpans(self.model.tokenizer)

    def score(self, texts: Sequence[str]) -> list[ScoredText | InputError]:
        """Return each text with its log-probabilities, or the error of a text that is empty or too long.

        Raises
        ------
        ModelError
            If a server does not report log-probabilities of given texts.
        DeviceMemoryError
            If not even one text fits into the memory; else fewer are read together.
        """
        if isinstance(self.model, Completer):
            return [self._score_on_server(self.model, text) for text in texts]
        found: list[ScoredText | InputError] = []
        while len(found) < len(texts):
            try:
                found += self._together(self.model, texts[len(found) : len(found) + self._at_a_time])
            except DeviceMemoryError:
                if self._at_a_time == 1:
                    raise
                self._at_a_time = max(1, min(self._at_a_time, len(texts) - len(found)) // 2)
        return found

    def _together(self, reader: Reader, texts: Sequence[str]) -> list[ScoredText | InputError]:
        encoded = [reader.tokenizer.encode(text) for text in texts]
        fitting = [index for index, ids in enumerate(encoded) if 0 < len(ids) <= self.context_tokens]
        read = reader.token_logps([encoded[i] for i in fitting]) if fitting else []
        for each in read:
            check_numbers(each)
        logps = dict(zip(fitting, read, strict=True))
        scored: list[ScoredText | InputError] = []
        for index, (text, ids) in enumerate(zip(texts, encoded, strict=True)):
            if index in logps:
                all_logps = np.concatenate([[np.nan], logps[index]])
                scored.append(ScoredText(text, self._spans.of(text, ids), all_logps))
            else:
                scored.append(self._too_long(len(ids)) if ids else InputError("the text is empty"))
        return scored

    def _score_on_server(self, completer: Completer, text: str) -> ScoredText | InputError:
        tokens = completer.read(text)
        if tokens is None:
            return self._too_long(None)
        spans, place = [], 0
        for piece, _ in tokens:
            start = place
            if text.startswith(piece, place):  # else a control token
                place += len(piece)
            spans.append(Span(start, place))
        return ScoredText(text, tuple(spans), np.array([logp for _, logp in tokens]))

    def _too_long(self, n_tokens: int | None) -> InputError:
        length = "too long" if n_tokens is None else f"{n_tokens:,} tokens long"
        return InputError(f"the text is {length}; the model reads at most {self.context_tokens:,} tokens")


class TokenSpans:
    """Finds the characters of tokens from their bytes in the vocabulary."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tags = frozenset(tokenizer.tag_ids.values())
        hidden = tokenizer.special_ids - tags
        self._n_bytes = [0 if index in hidden else len(piece) for index, piece in enumerate(tokenizer.vocabulary)]

    def of(self, text: str, ids: Sequence[int]) -> tuple[Span, ...]:
        """Return the span of each token of a text."""
        ends = np.cumsum([self._n_bytes[token] for token in ids])
        if not text.isascii():
            lengths = [len(character.encode()) for character in text]
            ends = np.searchsorted(np.cumsum(lengths), ends, side="left") + (ends > 0)
        ends = np.minimum(ends, len(text))
        starts = np.concatenate([[0], ends[:-1]])
        return tuple(Span(int(start), int(end)) for start, end in zip(starts, ends, strict=True))


def answer_start(sentence: Sentence) -> int:
    """Return the position of the first character of a sentence's answer.

    The answer is the text after the operator, the ligand of a complex, or, of any other sentence, the text after the
    first tag.
    """
    if sentence.operator is not None:
        return sentence.right[0].span.start
    if sentence.form is Form.COMPLEX:
        return sentence.left[-1].span.start
    first = sentence.left[0]
    return first.span.start + len(first.kind.start)


def blocks_of(sentence: Sentence) -> tuple[Block, ...]:
    """Return the blocks of a sentence in order, with the inner blocks of a material in its place."""
    blocks = (*sentence.left, *sentence.right)
    return tuple(inner for block in blocks for inner in (block.blocks or (block,)))
