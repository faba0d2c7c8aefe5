"""The n-gram baseline, against probabilities worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench import ngram
from tests.bench.ngram import NgramModel, discounts

BOS, A, B, EOS = range(4)


def joined(*sentences: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(sentences).astype(np.uint16), np.cumsum([len(sentence) for sentence in sentences])


def test_bigrams_by_hand():
    """Counts: BOS-A 2, A-B, B-EOS, A-A and A-EOS 1; with so few, what is taken is 0.5 of one and 1 of two.

    Alone, A and EOS follow two different tokens and B one, five in all: (2-1)/5, (2-1)/5 and (1-0.5)/5, and 0.5
    is left for all four tokens alike.
    """
    model = NgramModel(*joined([BOS, A, B, EOS], [BOS, A, A, EOS]), 4, order=2)
    alone = {A: 0.2 + 0.5 / 4, B: 0.1 + 0.5 / 4, EOS: 0.2 + 0.5 / 4, BOS: 0.5 / 4}
    assert sum(alone.values()) == pytest.approx(1)
    logp = model.logp(*joined([BOS, A, B, EOS], [BOS, B, B, EOS]))
    expected = [
        1.0,
        (2 - 1) / 2 + 1 / 2 * alone[A],
        0.5 / 3 + 1.5 / 3 * alone[B],
        0.5 / 1 + 0.5 * alone[EOS],
        1.0,
        1 / 2 * alone[B],
        0.5 * alone[B],
        0.5 / 1 + 0.5 * alone[EOS],
    ]
    assert np.exp(logp) == pytest.approx(expected)


def test_a_context_that_was_never_seen_leaves_it_to_the_shorter_one():
    model = NgramModel(*joined([BOS, A, B, EOS], [BOS, A, A, EOS]), 4, order=3)
    shorter = NgramModel(*joined([BOS, A, B, EOS], [BOS, A, A, EOS]), 4, order=2)
    tokens, ends = joined([BOS, B, B, A])
    # B after B: no bigram B-B, so the trigram BOS-B-B has no context, nor has B-B-A
    assert model.logp(tokens, ends)[-1] == pytest.approx(shorter.logp(tokens, ends)[-1])


def test_a_unigram_is_the_share_of_the_tokens():
    tokens, ends = joined(*([BOS, A, A, A, B, EOS] for _ in range(2000)))
    p = np.exp(NgramModel(tokens, ends, 4, order=1).logp(*joined([BOS, A, B, EOS])))
    assert p == pytest.approx([1, 0.6, 0.2, 0.2], abs=1e-3)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_of_what_can_come_next_sum_to_one(order):
    rng = np.random.default_rng(1)
    vocabulary = 9
    sentences = [[0, *rng.choice(5, rng.integers(1, 9), p=(0.5, 0.2, 0.1, 0.1, 0.1)) + 1, 7] for _ in range(300)]
    model = NgramModel(*joined(*sentences), vocabulary, order)
    for _ in range(20):
        before = [0, *rng.integers(1, 8, rng.integers(0, 6))]
        tokens, ends = joined(*([*before, token] for token in range(vocabulary)))
        assert np.exp(model.logp(tokens, ends)[ends - 1]).sum() == pytest.approx(1)


def test_no_ngram_crosses_a_sentence():
    model = NgramModel(*joined([BOS, A, EOS], [BOS, B, EOS]), 4, order=2)
    whole = np.exp(model.logp(*joined([BOS, A, EOS])))
    again = np.exp(model.logp(*joined([BOS, B, EOS], [BOS, A, EOS])))[3:]
    assert whole == pytest.approx(again)


def test_counts_do_not_hang_on_the_size_of_the_pieces_that_are_counted(monkeypatch):
    rng = np.random.default_rng(2)
    shard = joined(*([BOS, *rng.integers(1, 3, 8), EOS] for _ in range(200)))
    whole = NgramModel(*shard, 4, order=4)
    monkeypatch.setattr(ngram, "_CHUNK", 13)
    pieces = NgramModel(*shard, 4, order=4)
    assert np.array_equal(whole.logp(*shard), pieces.logp(*shard))


def test_discounts_are_those_of_chen_and_goodman():
    # eight n-grams seen once, four twice, two thrice, one four times: Y = 8 / (8 + 2 * 4) = 1/2
    counts = np.array([1] * 8 + [2] * 4 + [3] * 2 + [4])
    assert discounts(counts) == pytest.approx((1 - 4 / 8, 2 - 1.5 * 2 / 4, 3 - 2 * 1 / 2))


@pytest.mark.parametrize("counts", [[1, 1, 2], [1] * 4 + [2] + [3] * 9 + [4]])
def test_counts_that_give_no_estimate_take_the_constants(counts):
    assert discounts(np.array(counts)) == (0.5, 1.0, 1.5)


def test_more_context_helps_where_there_is_something_to_learn():
    rng = np.random.default_rng(3)
    cycles = [[0, *((rng.integers(5) + np.arange(20)) % 5 + 1), 6] for _ in range(200)]
    train, valid = joined(*cycles[:150]), joined(*cycles[150:])
    losses = [-NgramModel(*train, 7, order).logp(*valid).mean() for order in (1, 2)]
    assert losses[1] < 0.3 * losses[0]


def test_codes_that_would_overflow_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        NgramModel(np.arange(60_000), np.array([60_000]), 60_000, order=5)
