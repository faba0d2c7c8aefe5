"""Packed rows: every sentence once, and the loss of each as if it stood alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from logos_cli.training.config import ModelConfig, RunConfig
from logos_cli.training.corpus.packing import TIERS, Example, build, dense_mask, pack, plan_batches, tiers_for
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.model import new_model
from logos_cli.training.run.feed import deal
from logos_cli.training.run.forward import SentenceLoss, choose_attention, loss_sum
from tests.training_corpora import NANO

SHAPE = ModelConfig(hidden_size=32, intermediate_size=64, n_layers=2, n_heads=2, context_length=2048)


def examples(lengths, first_target: int = 1) -> list[Example]:
    random = np.random.default_rng(1)
    return [Example("a", n, random.integers(1, 50, length), first_target) for n, length in enumerate(lengths)]


@given(st.lists(st.integers(1, TIERS[-1]), max_size=80))
def test_every_sentence_is_packed_once_and_no_row_overflows(lengths):
    rows = pack(lengths)
    assert sorted(index for tier in rows.values() for row in tier for index in row) == [*range(len(lengths))]
    for tier, packed in rows.items():
        for row in packed:
            assert sum(lengths[index] for index in row) <= tier
            narrower = max((other for other in TIERS if other < tier), default=0)
            assert all(narrower < lengths[index] <= tier for index in row)


def test_a_sentence_that_fits_nowhere_is_an_error():
    with pytest.raises(ValueError, match="2049"):
        pack([5, 2049])


def test_short_sentences_waste_little():
    random = np.random.default_rng(0)
    lengths = random.integers(20, 70, 300).tolist()
    assert sum(lengths) / (128 * len(pack(lengths)[128])) > 0.93


def test_tiers_hold_the_longest_sentence():
    assert tiers_for(2048) == TIERS
    assert tiers_for(100) == (128,)
    assert tiers_for(4096)[-1] == 4096
    assert tiers_for(4096, fixed=True) == (4096,)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=40), st.integers(1, 5))
def test_the_work_is_dealt_out_whole_and_evenly(lengths, size):
    plans = plan_batches(examples(lengths), 256)
    dealt = [deal(plans, rank, size, even=False) for rank in range(size)]
    found = sorted(example.index for share in dealt for plan in share for example in plan.examples)
    assert found == [*range(len(lengths))]
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    even = [deal(plans, rank, size, even=True) for rank in range(size)]
    assert len({len(share) for share in even}) == 1


@pytest.fixture(scope="module")
def model():
    return new_model(SHAPE, Vocabulary.load(NANO), seed=0).eval()


def alone(model, example: Example) -> float:
    ids = torch.from_numpy(example.tokens)[None]
    logits = model(input_ids=ids, use_cache=False).logits[0, example.first_target - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, ids[0, example.first_target :], reduction="sum").item()


@torch.no_grad()
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("fixed_rows", [None, 3])
@pytest.mark.parametrize("first_target", [1, 2])
def test_packing_does_not_change_the_loss_of_any_sentence(model, attention, fixed_rows, first_target):
    sentences = examples((3, 60, 40, 20, 200, 300, 2, 128, 129), first_target)
    wanted = sum(alone(model, example) for example in sentences if example.n_targets)
    loss = SentenceLoss(model, attention, torch.float32)
    tiers = TIERS if fixed_rows is None else (512,)
    packed, n_targets = 0.0, 0
    for plan in plan_batches(sentences, 256, tiers):
        batch = build(plan, 0, fixed_rows)
        n_targets += int((batch.labels >= 0).sum())
        packed += loss_sum(loss, batch, attention, "fp32").item()
    assert n_targets == sum(max(0, len(example.tokens) - first_target) for example in sentences)
    assert packed == pytest.approx(wanted, rel=1e-5)


def test_padding_attends_to_padding_only():
    batch = build(plan_batches(examples((3, 4)), 256)[0], 0)
    allowed = dense_mask(batch.documents, torch.float32)[0, 0] == 0
    assert batch.documents[0].tolist() == [0] * 4 + [1] * 3 + [-1] * 9
    assert allowed.any(1).all()
    assert not allowed[7:, :7].any()
    assert torch.equal(allowed, allowed.tril())


def test_the_logits_of_a_large_vocabulary_are_computed_in_parts(model, monkeypatch):
    from logos_cli.training.run import forward

    loss = SentenceLoss(model, "eager", torch.float32)
    batch = build(plan_batches(examples((60, 70)), 256)[0], 0)
    losses, gradients = [], []
    for _ in range(2):
        model.zero_grad()
        losses.append(loss_sum(loss, batch, "eager", "fp32"))
        losses[-1].backward()
        gradients.append(model.get_input_embeddings().weight.grad.clone())
        monkeypatch.setattr(forward, "_LARGE_VOCABULARY", 1)
        monkeypatch.setattr(forward, "_CHUNK", 50)
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-6)


def test_kernels_are_chosen_for_the_device():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_attention(RunConfig(), cpu) == "eager"
    assert choose_attention(RunConfig(), cuda) == "sdpa"
    assert choose_attention(RunConfig(compile=True), cuda) == "flex"
    assert choose_attention(RunConfig(attention="sdpa"), cpu) == "sdpa"
