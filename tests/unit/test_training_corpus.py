"""Token shards: the same ids as the tokenizer, nothing dropped silently, nothing read that was altered."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from logos_cli.errors import InputError, ModelError, UsageError
from logos_cli.grammar.spec import RESIDUES, SMILES, TAGS, Kind
from logos_cli.resources import data_path
from logos_cli.training.corpus import Corpus, CorpusWriter, SentenceEncoder
from logos_cli.training.mixture import Mixture

NANO = data_path("tokenizers", "logos-nano")


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(NANO)


def molecule(smiles: str) -> str:
    return f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}"


def tagged_text(rng: random.Random) -> str:
    """Tags and payloads in any order: what the encoder must get right whatever the form."""
    alphabets = (sorted(RESIDUES), sorted(SMILES))
    parts = []
    for _ in range(rng.randint(1, 12)):
        parts.append(rng.choice(TAGS))
        parts.append("".join(rng.choices(rng.choice(alphabets), k=rng.randint(0, 40))))
    return "".join(parts)


def test_the_batch_encoder_gives_the_ids_of_the_tokenizer(encoder):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(NANO / "tokenizer.json"))
    rng = random.Random(20)
    sentences = [tagged_text(rng) for _ in range(5000)]
    tokens, ends = encoder.encode(sentences)
    assert tokens.dtype == np.uint16
    assert len(ends) == 5000
    start = 0
    for sentence, end in zip(sentences, ends, strict=True):
        assert tokens[start:end].tolist() == [*tokenizer.encode(sentence).ids, encoder.eos_id]
        start = end
    assert start == len(tokens)


@pytest.mark.parametrize("sentence", ["C O", "Å", "C\n", "\x91\x90", "C\x85"])
def test_characters_of_no_payload_are_refused(encoder, sentence):
    with pytest.raises(InputError):
        encoder.encode([molecule("C"), sentence])


def test_a_tokenizer_that_lacks_a_tag_is_refused(tmp_path):
    content = json.loads((NANO / "tokenizer.json").read_text())
    content["added_tokens"] = content["added_tokens"][1:]
    names = content["model"]["vocab"]
    names["gone"] = names.pop(TAGS[0])
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    (tmp_path / "tokenizer_config.json").write_text((NANO / "tokenizer_config.json").read_text())
    with pytest.raises(ModelError, match="ProteinS"):
        SentenceEncoder(tmp_path)


@pytest.fixture
def corpus_directory(encoder, tmp_path):
    writer = CorpusWriter(encoder, context_length=20)
    assert writer.add("molecule", "valid", [molecule("CO")]) == 1
    assert writer.add("molecule", "train", [molecule(x) for x in ("CC", "CO", "C" * 17, "CC", "C" * 16)]) == 2
    assert writer.add("ion", "train", [molecule(f"[Zn+{n}]") for n in range(10)]) == 10
    writer.drop("ion", "no SMILES")
    writer.write(tmp_path, {"seed": 1})
    return tmp_path


def test_a_corpus_is_read_back(encoder, corpus_directory):
    corpus = Corpus(corpus_directory, encoder.sha256)
    train = corpus.shards("train")
    assert sorted(train) == ["ion", "molecule"]
    assert [sentence.tolist() for sentence in train["molecule"]] == [
        encoder.encode([molecule("CC")])[0].tolist(),
        encoder.encode([molecule("C" * 16)])[0].tolist(),
    ]
    assert list(corpus.shards("valid")) == ["molecule"]
    assert train["ion"].mean_length == 10
    assert corpus.manifest["seed"] == 1
    assert corpus.manifest["dropped"] == {
        "ion: no SMILES": 1, "molecule: longer than 20 tokens": 1, "molecule: seen before": 2
    }  # fmt: skip


def test_a_corpus_of_another_tokenizer_is_refused(corpus_directory):
    with pytest.raises(InputError, match="another tokenizer"):
        Corpus(corpus_directory, "0" * 64)


def test_what_is_no_corpus_is_refused(encoder, tmp_path):
    with pytest.raises(InputError, match="not a corpus"):
        Corpus(tmp_path, encoder.sha256)


def test_a_truncated_shard_is_refused(encoder, corpus_directory):
    path = corpus_directory / "ion.train.tokens.npy"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        Corpus(corpus_directory, encoder.sha256).shards("train")


def test_a_shorter_shard_is_refused(encoder, corpus_directory):
    path = corpus_directory / "ion.train.tokens.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(InputError, match="not as long"):
        Corpus(corpus_directory, encoder.sha256).shards("train")


@pytest.fixture
def shards(encoder, tmp_path):
    writer = CorpusWriter(encoder, context_length=200)
    writer.add("long", "train", [molecule("C" * (90 + n)) for n in range(20)])
    writer.add("short", "train", [molecule("O" * (1 + n)) for n in range(60)])
    writer.write(tmp_path, {})
    return Corpus(tmp_path, encoder.sha256).shards("train")


def test_weights_are_shares_of_tokens(shards):
    mixture = Mixture(shards, seed=3)
    counts = {"long": 0, "short": 0}
    for sentence in mixture.draw(0, 200_000, {"long": 3.0, "short": 1.0}):
        counts["long" if len(sentence) > 90 else "short"] += len(sentence)
    assert counts["long"] / sum(counts.values()) == pytest.approx(0.75, abs=0.02)


def test_a_pass_shows_every_sentence_once(shards):
    mixture = Mixture(shards, seed=3)
    drawn = []
    while mixture.epochs()["short"] < 1:
        drawn += mixture.draw(len(drawn), 1, {"short": 1.0})
    assert sorted(map(len, drawn)) == sorted(map(len, shards["short"]))
    assert [*map(len, drawn)] != [*map(len, shards["short"])]


def test_a_restored_mixture_goes_on_as_the_first(shards):
    weights = {"long": 1.0, "short": 1.0}
    first = Mixture(shards, seed=3)
    first.draw(0, 5000, weights)
    second = Mixture(shards, seed=3)
    second.restore(json.loads(json.dumps(first.state())))
    for step in (1, 2):
        ahead, behind = (mixture.draw(step, 3000, weights) for mixture in (first, second))
        assert [x.tolist() for x in ahead] == [x.tolist() for x in behind]


def test_an_unknown_domain_is_refused(shards):
    with pytest.raises(UsageError, match="middle"):
        Mixture(shards, seed=3).draw(0, 10, {"middle": 1.0})
