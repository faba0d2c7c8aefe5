"""The mixture: shares of tokens, whole passes, and a draw that can be gone on with."""

from __future__ import annotations

import json

import pytest

from logos_cli.errors import UsageError
from logos_cli.grammar.spec import Kind
from logos_cli.resources import data_path
from logos_cli.training.corpus.mixture import Mixture
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.corpus.vocabulary import Vocabulary
from tests.training_corpora import CorpusWriter


@pytest.fixture
def shards(tmp_path):
    writer = CorpusWriter(tmp_path, Vocabulary.load(data_path("tokenizers", "logos-nano")), context_length=200)
    for domain, atom, lengths in (("long", "C", range(90, 110)), ("short", "O", range(1, 61))):
        writer.add(domain, "train", [f"{Kind.MOLECULE.start}{atom * n}{Kind.MOLECULE.end}" for n in lengths])
    writer.finish()
    return Corpus(tmp_path).shards("train")


def test_weights_are_shares_of_tokens(shards):
    counts = {"long": 0, "short": 0}
    for example in Mixture(shards, seed=3).draw(0, 200_000, {"long": 3.0, "short": 1.0}):
        counts["long" if len(example.tokens) > 90 else "short"] += len(example.tokens)
    assert counts["long"] / sum(counts.values()) == pytest.approx(0.75, abs=0.02)


def test_a_pass_shows_every_sentence_once(shards):
    mixture = Mixture(shards, seed=3)
    drawn = []
    while mixture.epochs()["short"] < 1:
        drawn += [len(example.tokens) for example in mixture.draw(len(drawn), 1, {"short": 1.0})]
    assert sorted(drawn) == sorted(map(len, shards["short"]))
    assert drawn != [*map(len, shards["short"])]


def test_a_restored_mixture_goes_on_as_the_first(shards):
    weights = {"long": 1.0, "short": 1.0}
    first = Mixture(shards, seed=3)
    first.draw(0, 5000, weights)
    second = Mixture(shards, seed=3)
    second.restore(json.loads(json.dumps(first.state())))
    for step in (1, 2):
        ahead, behind = (mixture.draw(step, 3000, weights) for mixture in (first, second))
        assert [x.tokens.tolist() for x in ahead] == [x.tokens.tolist() for x in behind]


def test_an_unknown_domain_is_refused(shards):
    with pytest.raises(UsageError, match="middle"):
        Mixture(shards, seed=3).draw(0, 10, {"middle": 1.0})
