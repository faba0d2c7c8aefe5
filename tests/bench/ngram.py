"""An n-gram model of token shards: interpolated modified Kneser-Ney (Chen & Goodman 1999), in numpy.

The baseline of a language model that must be beaten before anything is said about what it has learnt. Sentences
begin with their begin token, which is context and is never predicted; no n-gram crosses a sentence. With
``order=1`` it is the plain unigram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_CHUNK: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class _Order:
    """The n-grams of one order.

    Attributes
    ----------
    grams : ndarray of int64
        Codes of the n-grams seen, ascending.
    shares : ndarray of float
        Discounted count over the count of the context, per n-gram.
    contexts : ndarray of int64
        Codes of the contexts seen, ascending.
    reserved : ndarray of float
        What discounting leaves to the order below, per context.
    """

    grams: Ints
    shares: Floats
    contexts: Ints
    reserved: Floats


def discounts(counts: Ints) -> tuple[float, float, float]:
    """Return what is taken from counts of one, two, and three or more.

    Counts of a small alphabet may not fall off as the estimate wants; where it gives no discount between nothing
    and the count, the constants 0.5, 1 and 1.5 stand in, as in KenLM.
    """
    n1, n2, n3, n4 = (int((counts == k).sum()) for k in (1, 2, 3, 4))
    fallback = (0.5, 1.0, 1.5)
    if min(n1, n2, n3, n4) == 0:
        return fallback
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if any(not 0 <= value <= count for count, value in enumerate(found, 1)):
        return fallback
    return found


class NgramModel:
    """Interpolated modified Kneser-Ney over token ids.

    Parameters
    ----------
    tokens : ndarray of integers, shape (n_tokens,)
        Sentences one after the other, each from begin to end token.
    ends : ndarray of integers, shape (n_sentences,)
        Where each sentence ends in ``tokens``.
    n_vocabulary : int
        Tokens that a next token can be; what is left at the lowest order is shared by all of them alike.
    order : int
        Tokens of an n-gram, the predicted one counted.
    """

    def __init__(self, tokens: NDArray[Any], ends: NDArray[Any], n_vocabulary: int, order: int = 5) -> None:
        self.order = order
        self.n_vocabulary = n_vocabulary
        seen = np.flatnonzero(np.bincount(tokens, minlength=n_vocabulary))
        self.n_seen = len(seen)
        # Dense numbers for what was seen; one more for all that was not, which no n-gram holds.
        self._dense = np.full(n_vocabulary, len(seen), np.int64)
        self._dense[seen] = np.arange(len(seen))
        self._base = len(seen) + 1
        if self._base**order >= 2**62:
            raise ValueError(f"{order}-grams of {len(seen)} tokens do not fit into 64 bits")
        self._orders = self._estimate(tokens, np.asarray(ends, np.int64))

    def logp(self, tokens: NDArray[Any], ends: NDArray[Any]) -> Floats:
        """Return the natural log-probability of each token; that of a begin token is zero."""
        ends = np.asarray(ends, np.int64)
        dense, place = self._dense[tokens], _places(ends, len(tokens))
        p = np.full(len(tokens), 1 / self.n_vocabulary)
        for number, order in enumerate(self._orders, 1):
            at = np.flatnonzero(place >= max(1, number - 1))
            codes = self._codes(dense, at, number)
            context, known = _find(order.contexts, codes // self._base)
            gram, present = _find(order.grams, codes)
            share = np.where(present, order.shares[gram], 0.0)
            p[at] = np.where(known, share + order.reserved[context] * p[at], p[at])
        p[place == 0] = 1.0
        return np.log(p)

    def _codes(self, dense: Ints, at: Ints, number: int) -> Ints:
        codes = dense[at].copy()
        for back in range(1, number):
            codes += dense[at - back] * self._base**back
        return codes

    def _estimate(self, tokens: NDArray[Any], ends: Ints) -> list[_Order]:
        """Count from the highest order down: below it, how many tokens an n-gram was seen to follow.

        Nothing comes before a begin token, so n-grams that begin with one keep their plain counts.
        """
        grams, counts = self._count(tokens, ends, self.order, whole=True)
        found = [self._smooth(grams, counts)]
        for number in range(self.order - 1, 0, -1):
            inner, n_before = np.unique(grams % self._base**number, return_counts=True)
            first, n_first = self._count(tokens, ends, number, whole=False)
            grams, counts = np.concatenate([inner, first]), np.concatenate([n_before, n_first])
            by_code = np.argsort(grams, kind="stable")
            grams, counts = grams[by_code], counts[by_code]
            found.append(self._smooth(grams, counts))
        return found[::-1]

    def _count(self, tokens: NDArray[Any], ends: Ints, number: int, *, whole: bool) -> tuple[Ints, Ints]:
        """Return the n-grams and how often they come: all of them, or those that begin with a begin token."""
        starts = np.concatenate([[0], ends[:-1]])
        if not whole:
            if number == 1:
                return np.empty(0, np.int64), np.empty(0, np.int64)
            at = starts[ends - starts >= number] + number - 1
            return np.unique(self._codes_of(tokens, at, number), return_counts=True)
        parts = []
        for begin in range(0, len(ends), 200_000):
            low, high = starts[begin], ends[min(begin + 200_000, len(ends)) - 1]
            for left in range(low, high, _CHUNK):
                at = np.arange(left, min(left + _CHUNK, high))
                sentence = np.searchsorted(ends, at, side="right")
                at = at[at - starts[sentence] >= max(1, number - 1)]
                parts.append(np.unique(self._codes_of(tokens, at, number), return_counts=True))
        codes, inverse = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
        counts = np.bincount(inverse, np.concatenate([part[1] for part in parts]), len(codes))
        return codes, counts.astype(np.int64)

    def _codes_of(self, tokens: NDArray[Any], at: Ints, number: int) -> Ints:
        codes = np.zeros(len(at), np.int64)
        for back in range(number):
            codes += self._dense[tokens[at - back]] * self._base**back
        return codes

    def _smooth(self, grams: Ints, counts: Ints) -> _Order:
        taken = np.array([0.0, *discounts(counts)])[np.minimum(counts, 3)]
        contexts, first = np.unique(grams // self._base, return_index=True)
        totals = np.add.reduceat(counts, first)
        shares = (counts - taken) / np.repeat(totals, np.diff(first, append=len(grams)))
        return _Order(grams, shares, contexts, np.add.reduceat(taken, first) / totals)


def _places(ends: Ints, n_tokens: int) -> Ints:
    """Return the place of each token in its sentence, from 0."""
    lengths = np.diff(ends, prepend=0)
    return np.arange(n_tokens) - np.repeat(ends - lengths, lengths)


def _find(sorted_codes: Ints, codes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Return where each code stands, and whether it does."""
    at = np.minimum(np.searchsorted(sorted_codes, codes), len(sorted_codes) - 1)
    return at, sorted_codes[at] == codes
