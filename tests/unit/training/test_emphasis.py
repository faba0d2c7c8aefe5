"""What tokens count: nothing changes without weights, prompts count less, decisions to tag more."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from logos_cli.training.config import DataConfig
from logos_cli.training.corpus.emphasis import Emphasis
from logos_cli.training.corpus.packing import Example, build, plan_batches
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.run.forward import SentenceLoss, loss_sum
from tests.training_corpora import NANO
from tests.unit.training.test_packing import SHAPE

SEARCH = "<ProteinS>ACD<ProteinE><Search><ProteinS>A<PocketS>C<PocketE>D<ProteinE>"


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.load(NANO)


def test_without_weights_there_is_no_emphasis(vocabulary):
    assert Emphasis.of(DataConfig(), vocabulary) is None


def test_decisions_to_tag_are_the_residues_and_tags_that_could_have_been_the_other(vocabulary):
    emphasis = Emphasis.of(DataConfig(tag_weight=4.0), vocabulary)
    tokens = np.array(vocabulary.encode(SEARCH))
    answer = 1 + int(np.flatnonzero(tokens == emphasis.search)[0])
    weights = emphasis.weights(tokens, answer, answer_only=False)
    texts = [vocabulary.tokenizer.id_to_token(int(token)) for token in tokens]
    heavy = [(place - answer, text) for place, text in enumerate(texts) if weights[place] == 4]
    assert heavy == [(1, "A"), (2, "<PocketS>"), (5, "D")]
    assert set(weights) == {1.0, 4.0}


def test_other_sentences_have_no_such_decision(vocabulary):
    emphasis = Emphasis.of(DataConfig(tag_weight=4.0), vocabulary)
    tokens = np.array(vocabulary.encode("<ProteinS>A<PocketS>C<PocketE>D<ProteinE>"))
    assert set(emphasis.weights(tokens, 1, answer_only=False)) == {1.0}


def test_a_prompt_counts_less(vocabulary):
    emphasis = Emphasis.of(DataConfig(prompt_weight=0.25), vocabulary)
    weights = emphasis.weights(np.arange(6), 4, answer_only=True)
    assert weights.tolist() == [0.25, 0.25, 0.25, 0.25, 1.0, 1.0]
    assert set(emphasis.weights(np.arange(6), 4, answer_only=False)) == {1.0}


@torch.no_grad()
@pytest.mark.parametrize("fixed_rows", [None, 3])
def test_the_loss_of_packed_sentences_is_the_weighted_sum(vocabulary, fixed_rows):
    from logos_cli.training.model import new_model

    model = new_model(SHAPE, vocabulary, seed=0).eval()
    module = SentenceLoss(model, "eager", torch.float32)
    random = np.random.default_rng(1)
    sentences = []
    for number, length in enumerate((9, 40, 17)):
        weights = random.random(length).astype(np.float32)
        sentences.append(Example("a", number, random.integers(1, 50, length), 1, weights))
    sentences.append(Example("a", 3, random.integers(1, 50, 12), 4))
    wanted = 0.0
    for example in sentences:
        ids = torch.from_numpy(example.tokens)[None]
        logits = model(input_ids=ids, use_cache=False).logits[0, example.first_target - 1 : -1]
        each = torch.nn.functional.cross_entropy(logits, ids[0, example.first_target :], reduction="none")
        factor = 1.0 if example.weights is None else torch.from_numpy(example.weights[example.first_target :])
        wanted += (each * factor).sum().item()
    (plan,) = plan_batches(sentences, 512)
    found = loss_sum(module, build(plan, vocabulary.pad_id, fixed_rows), "eager", "fp32").item()
    assert found == pytest.approx(wanted, rel=1e-4)
    assert sum(example.weight for example in sentences) == pytest.approx(
        sum(float(example.weights[1:].sum()) for example in sentences[:3]) + 8
    )
