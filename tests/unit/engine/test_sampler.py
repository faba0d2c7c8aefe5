"""The sampler against its definition, and against the processors of transformers."""

from __future__ import annotations

import numpy as np
import pytest

from logos_cli.engine.sampler import Sampling, choose, log_softmax, sample_generator
from logos_cli.errors import UsageError


def _logits(rows: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (rows, size)).astype(np.float32)


def _none_seen(logits: np.ndarray) -> np.ndarray:
    return np.zeros(logits.shape, bool)


def _reachable(logits: np.ndarray, sampling: Sampling, seen: np.ndarray, draws: int = 4000) -> set[int]:
    """Tokens that a fine comb of draws reaches in one row."""
    rows = np.repeat(logits, draws, axis=0)
    comb = (np.arange(draws) + 0.5) / draws
    tokens, _ = choose(rows, sampling, comb, seen=np.repeat(seen, draws, axis=0))
    return set(tokens.tolist())


def test_greedy_takes_the_likeliest_and_reports_its_logp() -> None:
    logits = _logits(5, 40)
    tokens, logps = choose(logits, Sampling(temperature=0), np.zeros(5), seen=_none_seen(logits))
    assert tokens.tolist() == logits.argmax(axis=1).tolist()
    assert logps == pytest.approx(log_softmax(logits).max(axis=1))


def test_logp_is_the_models_own_whatever_temperature_penalty_and_constraint() -> None:
    logits = _logits(3, 40)
    seen, allowed = _none_seen(logits), _none_seen(logits)
    seen[:, ::2], allowed[:, 7] = True, True
    sampling = Sampling(temperature=2.5, top_k=3, repetition_penalty=1.7)
    tokens, logps = choose(logits, sampling, np.array([0.1, 0.5, 0.9]), seen=seen, allowed=allowed)
    assert tokens.tolist() == [7, 7, 7]
    assert logps == pytest.approx(log_softmax(logits)[:, 7])


def test_frequencies_follow_the_softmax() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.125, 0.125]], np.float32))
    draws = (np.arange(8000) + 0.5) / 8000
    tokens, _ = choose(np.repeat(logits, 8000, axis=0), Sampling(), draws, seen=np.zeros((8000, 4), bool))
    assert np.bincount(tokens) / 8000 == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=1e-3)


def test_logits_beyond_the_vocabulary_are_never_chosen() -> None:
    logits = np.array([[0.0, 1.0, 50.0]], np.float32)
    for draw in (0.0, 0.5, 0.999999):
        tokens, logps = choose(logits, Sampling(), np.array([draw]), seen=np.zeros((1, 2), bool))
        assert tokens[0] < 2
        assert logps[0] < -40  # the model itself believes in the third


def test_a_draw_next_to_one_stays_within_the_kept_tokens() -> None:
    logits = np.array([[3.0, 2.0, 1.0, -20.0, -20.0]], np.float32)
    last = np.nextafter(1.0, 0.0)
    tokens, _ = choose(logits, Sampling(top_k=2), np.array([last]), seen=_none_seen(logits))
    assert tokens.tolist() == [1]


def test_tiny_and_huge_temperatures_do_not_overflow() -> None:
    logits = _logits(2, 30)
    for temperature in (1e-9, 1e9):
        tokens, logps = choose(logits, Sampling(temperature=temperature), np.array([0.3, 0.6]), seen=_none_seen(logits))
        assert np.isfinite(logps).all()
        assert (temperature > 1) or tokens.tolist() == logits.argmax(axis=1).tolist()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.7, top_p=0.95, repetition_penalty=1.05),
        Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.3),
        Sampling(top_k=5, top_p=0.9),
        Sampling(temperature=1.5, min_p=0.1),
        Sampling(top_k=12, top_p=0.7, min_p=0.05, repetition_penalty=0.8),
    ],
)
def test_the_same_tokens_are_kept_as_in_transformers(sampling: Sampling, seed: int) -> None:
    import torch
    from transformers.generation import logits_process as hf

    logits = _logits(1, 60, seed)
    prompt = np.random.default_rng(seed).integers(0, 60, (1, 20))
    seen = _none_seen(logits)
    seen[0, prompt[0]] = True
    scores = hf.RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty)(
        torch.tensor(prompt), torch.tensor(logits)
    )
    warpers = [hf.TemperatureLogitsWarper(sampling.temperature)]
    warpers += [hf.TopKLogitsWarper(sampling.top_k)] if sampling.top_k else []
    warpers += [hf.TopPLogitsWarper(sampling.top_p)] if sampling.top_p < 1 else []
    warpers += [hf.MinPLogitsWarper(sampling.min_p)] if sampling.min_p else []
    for warper in warpers:
        scores = warper(torch.tensor(prompt), scores)
    theirs = scores.softmax(-1)[0].numpy()
    draws = (np.arange(20_000) + 0.5) / 20_000
    tokens, _ = choose(np.repeat(logits, 20_000, 0), sampling, draws, seen=np.repeat(seen, 20_000, 0))
    ours = np.bincount(tokens, minlength=60) / 20_000
    assert set(np.flatnonzero(ours)) <= set(np.flatnonzero(theirs))
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_rows_do_not_depend_on_their_neighbours() -> None:
    logits = _logits(32, 276)
    draws = np.random.default_rng(3).random(32)
    sampling = Sampling(temperature=1.1, top_k=50, top_p=0.9, min_p=0.01, repetition_penalty=1.05)
    seen = np.random.default_rng(4).random(logits.shape) < 0.1
    together = choose(logits, sampling, draws, seen=seen)
    for row in range(32):
        one = slice(row, row + 1)
        token, logp = choose(logits[one], sampling, draws[one], seen=seen[one])
        assert token[0] == together[0][row]
        assert logp[0] == together[1][row]


def test_randomness_depends_on_seed_and_id_alone() -> None:
    first = sample_generator(7, "4hhb#0001").random(4)
    assert (sample_generator(7, "4hhb#0001").random(4) == first).all()
    assert (sample_generator(8, "4hhb#0001").random(4) != first).all()
    assert (sample_generator(7, "4hhb#0002").random(4) != first).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_p": 0},
        {"top_p": 1.5},
        {"top_k": -1},
        {"min_p": 2},
        {"repetition_penalty": 0},
        {"max_new_tokens": 0},
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong)).replace("_", "-")):
        Sampling(**wrong)


def test_top_p_keeps_one_token_at_least() -> None:
    logits = np.array([[5.0, 0.0, 0.0]], np.float32)
    assert _reachable(logits, Sampling(top_p=1e-9), _none_seen(logits)) == {0}
    assert _reachable(logits, Sampling(min_p=1.0), _none_seen(logits)) == {0}
