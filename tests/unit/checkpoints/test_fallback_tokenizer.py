"""Tokenizers with byte fallback, as models of the kinds of Mistral and Gemma have them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from logos_cli import generate
from logos_cli.checkpoints.tokenizer import HubTokenizer
from logos_cli.errors import ModelError
from logos_cli.grammar import TAGS, parse
from tests.transformers_models import GATED, save
from tests.unit.checkpoints.test_tokenizer import random_sentence
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

_MERGES = [("C", "C"), ("CC", "O"), ("(", "="), ("(=", "O"), ("M", "K"), ("\u2581", "C")]


def fallback(kind: str) -> Tokenizer:
    """Return a small vocabulary of SentencePiece: the space as U+2581, single letters, bytes for all others."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    names += [letter for letter in "ACDEFGHIKLMNOPRSTVWYacnos()[]=#123@+-" if letter not in names]
    names += [a + b for a, b in _MERGES]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocabulary, _MERGES, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    spaces = normalizers.Replace(" ", "\u2581")
    if kind == "mistral":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), spaces])
    elif kind == "gemma":
        tokenizer.normalizer = spaces
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("\u2581", prepend_scheme="first", split=False)
    parts = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*parts, decoders.Strip(" ", 1, 0)] if kind != "gemma" else parts)
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ("<s>", "</s>", *TAGS)])
    return tokenizer


KINDS = ("mistral", "gemma", "metaspace")


@pytest.mark.parametrize("kind", KINDS)
def test_sentences_come_back_and_bytes_are_those_of_the_text(kind: str, tmp_path: Path) -> None:
    fallback(kind).save(str(tmp_path / "tokenizer.json"))
    tokenizer = HubTokenizer(tmp_path, (2,))
    rng = random.Random(5)
    texts = [random_sentence(rng) for _ in range(40)]
    for text in (*texts, "<ProteinS>MK", "<MoleculeS>CCO", "a b", "é Å"):
        ids = tokenizer.encode(text, whole=False)
        assert b"".join(tokenizer.vocabulary[i] for i in ids) == text.encode()
        assert tokenizer.decode(ids) == text
    assert len(tokenizer.encode("<MoleculeS>CCO<MoleculeE>", whole=False)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_with_such_a_tokenizer_samples_sentences(kind: str, tmp_path: Path) -> None:
    tokenizer = fallback(kind)
    save(
        tmp_path, "mistral", **{**GATED, "vocab_size": tokenizer.get_vocab_size(), "bos_token_id": 1, "eos_token_id": 2}
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 256}))
    records = list(generate("molecule", n_samples=4, model=str(tmp_path), seed=3, max_new_tokens=40, device="cpu"))
    assert len(records) == 4
    for record in records:
        assert record.text.startswith("<MoleculeS>")
        assert record.status != "ok" or parse(record.text).left


def test_words_without_bytes_are_refused_by_name(tmp_path: Path) -> None:
    vocabulary = {name: number for number, name in enumerate(("<unk>", "\u2581", "C", "O"))}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="neither byte-level BPE nor has it a byte fallback"):
        _ = HubTokenizer(tmp_path, (0,)).vocabulary
