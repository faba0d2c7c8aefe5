"""Vocabularies: the tags are added where they lack, nothing of a payload is lost, what is saved is the same."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from logos_cli.errors import ModelError, OutputError
from logos_cli.grammar import TAGS, Form
from logos_cli.grammar.spec import RESIDUES, SMILES, Kind, Operator
from logos_cli.resources import data_path
from logos_cli.training.corpus.encoder import SentenceEncoder
from logos_cli.training.corpus.vocabulary import PAYLOAD, Vocabulary
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

NANO = data_path("tokenizers", "logos-nano")
SMILES_TEXT = ["CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"] * 3


def train_bpe(
    directory: Path,
    *,
    alphabet: list[str] | None = None,
    bos: bool = True,
    special: tuple[str, ...] = (),
    n_tokens: int = 400,
) -> Path:
    """Write the tokenizer of a model that knows nothing of the grammar: byte-level BPE, merges over payloads."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = [*(["<|begin|>"] if bos else []), "<|end|>", *special]
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet is None else alphabet,
        special_tokens=names,
        show_progress=False,
    )
    tokenizer.train_from_iterator(SMILES_TEXT if alphabet is None else alphabet, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", tokenizer.token_to_id("<|begin|>"))]
        )
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {"eos_token": "<|end|>"} | ({"bos_token": "<|begin|>"} if bos else {})
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory


def tagged_text(rng: random.Random) -> str:
    """Tags and payloads in any order: what must be written right whatever the form."""
    alphabets = (sorted(RESIDUES), sorted(SMILES))
    parts = []
    for _ in range(rng.randint(1, 12)):
        parts.append(rng.choice(TAGS))
        parts.append("".join(rng.choices(rng.choice(alphabets), k=rng.randint(0, 40))))
    return "".join(parts)


def test_the_embedded_tokenizer_needs_nothing_added():
    vocabulary = Vocabulary.load(NANO)
    assert vocabulary.added == ()
    assert len({vocabulary.bos_id, vocabulary.eos_id, vocabulary.pad_id}) == 3
    assert vocabulary.is_one_token_a_character()
    import hashlib

    assert vocabulary.sha256 == hashlib.sha256((NANO / "tokenizer.json").read_bytes()).hexdigest()


def test_tags_are_added_at_the_end_in_their_order(tmp_path):
    vocabulary = Vocabulary.load(train_bpe(tmp_path))
    assert vocabulary.added == TAGS
    ids = [vocabulary.id_of(tag) for tag in TAGS]
    assert ids == [*range(vocabulary.n_tokens - 16, vocabulary.n_tokens)]
    assert vocabulary.pad_id == vocabulary.eos_id
    assert not vocabulary.is_one_token_a_character()


def test_only_missing_tags_are_added(tmp_path):
    present = tuple(tag for tag in TAGS if "React" in tag)
    vocabulary = Vocabulary.load(train_bpe(tmp_path, special=present))
    assert vocabulary.added == tuple(tag for tag in TAGS if tag not in present)


def test_what_is_saved_is_the_same_vocabulary_and_transformers_reads_it(tmp_path):
    from transformers import AutoTokenizer

    first = Vocabulary.load(train_bpe(tmp_path / "model"))
    first.save(tmp_path / "saved")
    second = Vocabulary.load(tmp_path / "saved")
    assert (second.sha256, second.added, second.n_tokens) == (first.sha256, (), first.n_tokens)
    hub = AutoTokenizer.from_pretrained(tmp_path / "saved", local_files_only=True)
    rng = random.Random(1)
    for text in (tagged_text(rng) for _ in range(200)):
        ids = first.encode(text)
        assert second.encode(text) == ids
        assert hub(text, add_special_tokens=False)["input_ids"] == ids[1:-1]
        assert first.decode(ids) == text


def test_without_a_begin_token_a_sentence_begins_with_its_tag(tmp_path):
    vocabulary = Vocabulary.load(train_bpe(tmp_path, bos=False))
    assert vocabulary.bos_id is None
    text = f"{Kind.MOLECULE.start}CCO{Kind.MOLECULE.end}"
    ids = vocabulary.encode(text)
    assert ids[0] == vocabulary.id_of(Kind.MOLECULE.start)
    assert ids[-1] == vocabulary.eos_id


def test_roles_come_from_the_model_configuration_where_the_tokenizer_names_none(tmp_path):
    train_bpe(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match="no end token"):
        Vocabulary.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": [1, 5]}))
    vocabulary = Vocabulary.load(tmp_path)
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.pad_id) == (0, 1, 1)


def test_a_vocabulary_that_is_too_small_is_refused_with_what_it_lacks(tmp_path):
    alphabet = sorted(set(PAYLOAD) - set("%\\"))
    with pytest.raises(ModelError, match=r"too small: it has no token for % \\"):
        Vocabulary.load(train_bpe(tmp_path, alphabet=alphabet))


def test_a_tokenizer_that_splits_a_tag_is_refused(tmp_path):
    shutil.copytree(NANO, tmp_path / "model", ignore=shutil.ignore_patterns("model*"))
    path = tmp_path / "model" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["added_tokens"] = content["added_tokens"][1:]  # the tag stays in the vocabulary, but is not special
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="ProteinS"):
        Vocabulary.load(tmp_path / "model")


@pytest.mark.parametrize("content", ["{", "[]", '{"model": {"type": "None"}}'])
def test_a_damaged_tokenizer_is_refused(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match="cannot be read"):
        Vocabulary.load(tmp_path)


def test_a_directory_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        Vocabulary.load(tmp_path)


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Vocabulary.load(NANO).save(tmp_path / "file" / "below")


# -- many sentences at a time --------------------------------------------------------------------------------


@pytest.fixture(params=["nano", "bpe", "no begin token"])
def vocabulary(request, tmp_path) -> Vocabulary:
    if request.param == "nano":
        return Vocabulary.load(NANO)
    return Vocabulary.load(train_bpe(tmp_path, bos=request.param == "bpe"))


def test_the_batch_encoder_gives_the_ids_of_the_tokenizer(vocabulary):
    encoder = SentenceEncoder(vocabulary)
    rng = random.Random(20)
    sentences = [tagged_text(rng) for _ in range(1000)]
    encoded = encoder.encode(sentences)
    start = 0
    for sentence, end in zip(sentences, encoded.ends.tolist(), strict=True):
        assert encoded.tokens[start:end].tolist() == vocabulary.encode(sentence)
        start = end
    assert start == len(encoded.tokens)
    assert encoder.by_table == (len(vocabulary.added) == 0)


def test_answers_begin_after_the_prompt(vocabulary):
    encoder = SentenceEncoder(vocabulary)
    protein = f"{Kind.PROTEIN.start}MKV{Kind.PROTEIN.end}"
    ligand = f"{Kind.MOLECULE.start}CCO{Kind.MOLECULE.end}"
    cases = {
        Form.SEARCH: (protein + Operator.SEARCH, protein),
        Form.REACTION: (ligand + ligand + Operator.REACT, ligand),
        Form.RETROSYNTHESIS: (ligand + Operator.REVERSE_REACT, ligand + ligand),
        Form.TRANSFORMATION: (protein + Operator.TRANS, protein),
        Form.COMPLEX: (protein + protein, ligand),
    }
    for form, (prompt, answer) in cases.items():
        encoded = encoder.encode([prompt + answer] * 3, form)
        start = 0
        for end, place in zip(encoded.ends, encoded.answers, strict=True):
            assert vocabulary.decode(encoded.tokens[start:end][place:]) == answer
            assert vocabulary.decode(encoded.tokens[start:end][:place]) == prompt
            start = end
    assert encoder.encode([ligand], Form.MOLECULE).answers.tolist() == [1]


def test_a_large_vocabulary_is_written_in_four_bytes(tmp_path):
    directory = train_bpe(tmp_path)
    content = json.loads((directory / "tokenizer.json").read_text())
    content["added_tokens"].append(content["added_tokens"][0] | {"id": 70_000, "content": "<|far|>"})
    vocab = content["model"]["vocab"]
    for number in range(len(vocab), 70_000):
        vocab[f"unused{number}"] = number
    (directory / "tokenizer.json").write_text(json.dumps(content))
    vocabulary = Vocabulary.load(directory)
    assert vocabulary.n_tokens == 70_017
    tokens = SentenceEncoder(vocabulary).encode([f"{Kind.MOLECULE.start}CCO{Kind.MOLECULE.end}"]).tokens
    assert tokens.dtype.name == "uint32"
    assert tokens.max() > 70_000
