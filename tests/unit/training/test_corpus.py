"""Token shards: nothing dropped silently, nothing held out in training, nothing read that was altered."""

from __future__ import annotations

import errno
import json
import random
from pathlib import Path

import numpy as np
import pytest

from logos_cli.errors import InputError, OutputError
from logos_cli.grammar import Form
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.resources import data_path
from logos_cli.training.corpus import writer as corpus_writer
from logos_cli.training.corpus.encoder import SentenceEncoder
from logos_cli.training.corpus.parts import CorpusPart, StoredPart
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.corpus.writer import HELD_OUT, SEEN, checked_weights
from tests.training_corpora import CorpusWriter

NANO = data_path("tokenizers", "logos-nano")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.load(NANO)


def molecule(smiles: str) -> str:
    return f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}"


def texts(corpus: Corpus, split: str) -> dict[str, list[str]]:
    """All sentences of a split by domain."""
    decode = corpus.vocabulary.decode
    return {domain: [decode(ids) for ids in shard] for domain, shard in corpus.shards(split).items()}


@pytest.fixture
def directory(vocabulary, tmp_path) -> Path:
    writer = CorpusWriter(tmp_path, vocabulary, context_length=20)
    writer.add("molecule", "train", [molecule(x) for x in ("CC", "CO", "C" * 17, "CC", "C" * 16)])
    writer.add("molecule", "valid", [molecule("CO"), molecule("CO")])
    writer.add("ion", "train", [molecule(f"[Zn+{n}]") for n in range(10)])
    writer.add("swap", "train", [molecule("C") + Operator.REVERSE_REACT + molecule("O")], Form.RETROSYNTHESIS)
    writer.drop("ion", "no SMILES")
    writer.finish({"note": 1})
    return tmp_path


def test_a_corpus_is_read_back(vocabulary, directory):
    corpus = Corpus(directory, vocabulary.sha256)
    corpus.verify()
    train = corpus.shards("train")
    assert sorted(train) == ["ion", "molecule", "swap"]
    assert texts(corpus, "train")["molecule"] == [molecule("CC"), molecule("C" * 16)]
    assert texts(corpus, "valid") == {"molecule": [molecule("CO")]}
    assert train["ion"].mean_length == 10
    assert train["ion"].n_tokens == 100
    assert [train["ion"].answer_start(i) for i in range(10)] == [1] * 10
    assert train["swap"].answer_start(0) == 5
    assert corpus.context_length == 20
    assert corpus.manifest["note"] == 1
    assert not (directory / "build").exists()


def test_what_is_not_kept_is_counted(directory):
    assert Corpus(directory).manifest["dropped"] == {
        "ion": {"no SMILES": 1},
        "molecule": {HELD_OUT: 1, "longer than 20 tokens": 1, SEEN: 2},
    }


def test_a_sentence_that_is_held_out_anywhere_is_not_trained_on(vocabulary, tmp_path):
    rng = random.Random(3)
    pool = [molecule("C" * n + "O" * m) for n in range(1, 12) for m in range(8)]
    writer = CorpusWriter(tmp_path, vocabulary)
    added = {"train": [], "valid": []}
    for number in range(40):
        split = rng.choice(("train", "valid", "train"))
        batch = rng.choices(pool, k=7)
        added[split] += batch
        writer.add(f"d{number % 3}", split, batch)
    manifest = writer.finish()
    corpus = Corpus(tmp_path)
    kept = {split: [t for ts in texts(corpus, split).values() for t in ts] for split in added}
    assert sorted(kept["valid"]) == sorted(set(added["valid"]))
    assert sorted(kept["train"]) == sorted(set(added["train"]) - set(added["valid"]))
    dropped = sum(n for reasons in manifest["dropped"].values() for n in reasons.values())
    assert sum(map(len, kept.values())) + dropped == 40 * 7


def test_the_first_of_equal_sentences_stays_and_order_is_kept(vocabulary, tmp_path):
    writer = CorpusWriter(tmp_path, vocabulary)
    writer.add("b", "train", [molecule("N"), molecule("C")])
    writer.add("a", "train", [molecule("O"), molecule("C"), molecule("S")])
    writer.finish()
    assert texts(Corpus(tmp_path), "train") == {
        "a": [molecule("O"), molecule("S")],
        "b": [molecule("N"), molecule("C")],
    }


def test_a_corpus_of_another_tokenizer_is_refused(directory):
    with pytest.raises(InputError, match="another tokenizer"):
        Corpus(directory, "0" * 64)


def test_what_is_no_corpus_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(InputError, match="there is no such directory"):
        Corpus(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a corpus"):
        Corpus(tmp_path)
    (tmp_path / "build").mkdir()
    with pytest.raises(InputError, match="--resume"):
        Corpus(tmp_path)
    for content in ("{", "[]", '{"format": 1}'):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(InputError):
            Corpus(tmp_path)


def altered(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[:-4])
    elif how == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("how", ["truncated", "missing", "altered"])
@pytest.mark.parametrize(
    "name", ["shards/ion.train.tokens.npy", "shards/molecule.valid.answers.npy", "tokenizer/tokenizer.json"]
)
def test_verify_names_the_damaged_file(directory, name, how):
    altered(directory / name, how)
    with pytest.raises(InputError) as caught:
        Corpus(directory).verify()
    assert caught.value.source == str(directory / name)


@pytest.mark.parametrize("how", ["truncated", "missing"])
@pytest.mark.parametrize("array", ["tokens", "ends", "answers"])
def test_a_damaged_shard_is_not_opened(directory, array, how):
    altered(directory / "shards" / f"ion.train.{array}.npy", how)
    with pytest.raises(InputError, match="cannot be read"):
        Corpus(directory).shards("train")


def test_a_shorter_shard_is_not_opened(directory):
    path = directory / "shards" / "ion.train.tokens.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(InputError, match="length of a shard differs"):
        Corpus(directory).shards("train")


def test_an_altered_tokenizer_is_not_used(directory):
    path = directory / "tokenizer" / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(InputError, match="altered"):
        _ = Corpus(directory).vocabulary


def test_nothing_to_train_on_is_an_error_and_leaves_no_corpus(vocabulary, tmp_path):
    writer = CorpusWriter(tmp_path, vocabulary)
    writer.add("molecule", "valid", [molecule("C")])
    with pytest.raises(InputError, match="no sentence is left"):
        writer.finish()
    assert not (tmp_path / "manifest.json").exists()


def test_a_second_corpus_takes_the_place_of_the_first(vocabulary, directory):
    writer = CorpusWriter(directory, vocabulary)
    writer.add("other", "train", [molecule("C")])
    assert Corpus(directory).shards("train").keys() == {"ion", "molecule", "swap"}
    writer.finish()
    corpus = Corpus(directory)
    corpus.verify()
    assert texts(corpus, "train") == {"other": [molecule("C")]}
    assert len(list((directory / "shards").iterdir())) == 3


# -- weights -------------------------------------------------------------------------------------------------


def test_default_weights_grow_with_the_square_root_of_tokens():
    weights = checked_weights(None, {"large": 100_000, "small": 1000})
    assert weights["large"] / weights["small"] == pytest.approx(10, rel=1e-4)
    assert sum(weights.values()) == pytest.approx(1)


def test_given_weights_become_shares():
    assert checked_weights({"a": 3, "b": 1}, {"a": 5, "b": 5}) == {"a": 0.75, "b": 0.25}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1, "bb": 1}, "weights for bb"),
        ({"a": 1}, "no weight for b"),
        ({"a": 0, "b": 0}, "not all"),
        ({"a": -1, "b": 2}, "from 0"),
        ({"a": float("nan"), "b": 2}, "from 0"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        checked_weights(weights, {"a": 10, "b": 10})


# -- parts ---------------------------------------------------------------------------------------------------


def test_a_part_that_is_damaged_is_named(vocabulary, tmp_path):
    path = tmp_path / "0.npz"
    CorpusPart({("molecule", "train", "molecule"): [molecule("CCO")]}).write(path, SentenceEncoder(vocabulary), 99)
    content = path.read_bytes()
    for cut in range(0, len(content), 37):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match="damaged") as caught, StoredPart(path) as part:
            part.encoded(0)
        assert caught.value.source == str(path)


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_while_a_part_is_written_leaves_those_before(vocabulary, tmp_path, monkeypatch):
    writer = CorpusWriter(tmp_path, vocabulary)
    writer.add("molecule", "train", [molecule("C")])
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full_disk)
        with pytest.raises(OutputError, match="No space left") as caught:
            writer.add("molecule", "train", [molecule("N")])
    assert "--resume" in (caught.value.hint or "")
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["000000.npz"]
    writer.finish()
    assert texts(Corpus(tmp_path), "train") == {"molecule": [molecule("C")]}


def test_a_full_disk_while_shards_are_written_leaves_the_earlier_corpus(vocabulary, directory, monkeypatch):
    before = Corpus(directory).sha256
    writer = CorpusWriter(directory, vocabulary)
    writer.add("molecule", "train", [molecule("C")])
    with monkeypatch.context() as patch:
        patch.setattr(corpus_writer._NpyFile, "write", full_disk)
        with pytest.raises(OutputError, match="No space left"):
            writer.finish()
    corpus = Corpus(directory)
    corpus.verify()
    assert corpus.sha256 == before
    writer.finish()
    assert Corpus(directory).sha256 != before
