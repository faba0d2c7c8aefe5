"""Packed rows: every sentence once, and the loss of each as if it stood alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from logos_cli.training.packing import TIERS, micro_batches, pack


@given(st.lists(st.integers(1, TIERS[-1]), max_size=80))
def test_every_sentence_is_packed_once_and_no_row_overflows(lengths):
    rows = pack(lengths)
    assert sorted(index for tier in rows.values() for row in tier for index in row) == [*range(len(lengths))]
    for tier, packed in rows.items():
        for row in packed:
            assert sum(lengths[index] for index in row) <= tier
            assert all(lengths[index] > tier // 2 or tier == TIERS[0] for index in row)


def test_a_sentence_that_fits_nowhere_is_an_error():
    with pytest.raises(ValueError, match="2049"):
        pack([5, 2049])


def test_short_sentences_waste_little():
    random = np.random.default_rng(0)
    lengths = random.integers(20, 70, 300).tolist()
    assert sum(lengths) / (128 * len(pack(lengths)[128])) > 0.93


@pytest.fixture(scope="module")
def model():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=2048, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    model.set_attn_implementation("eager")
    return model


@torch.no_grad()
def test_packing_does_not_change_the_loss_of_any_sentence(model):
    random = np.random.default_rng(1)
    sentences = [random.integers(1, 50, n).astype(np.uint16) for n in (3, 60, 40, 20, 200, 300, 2, 128, 129)]
    packed, n_targets = 0.0, 0
    for batch in micro_batches(sentences, n_tokens=256, pad_id=0):
        logits = model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            attention_mask=batch.mask,
            use_cache=False,
        ).logits
        assert torch.isfinite(logits).all()
        assert int((batch.labels >= 0).sum()) == batch.n_targets
        n_targets += batch.n_targets
        packed += torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch.labels.flatten(), reduction="sum"
        ).item()
    alone = 0.0
    for sentence in sentences:
        ids = torch.from_numpy(sentence.astype(np.int64))[None]
        alone += torch.nn.functional.cross_entropy(
            model(input_ids=ids).logits[0, :-1], ids[0, 1:], reduction="sum"
        ).item()
    assert n_targets == sum(len(sentence) - 1 for sentence in sentences)
    assert packed == pytest.approx(alone, rel=1e-5)
