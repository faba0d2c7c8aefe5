"""The logos-nano tokenizer: vocabulary, round trips, and the same ids in llama.cpp."""

from __future__ import annotations

import importlib.util
import json
import random
import string
from pathlib import Path

import pytest

from logos_cli.grammar import TAGS, parse
from logos_cli.grammar.spec import RESIDUES, SMILES, Kind
from logos_cli.objects.protein import RESIDUE_SMILES
from logos_cli.resources import data_path

BOS_ID, EOS_ID, PAD_ID = 16, 17, 18
ROOT = Path(__file__).resolve().parents[3]
PROTEIN, MOLECULE, POCKET, ANTIBODY = Kind.PROTEIN, Kind.MOLECULE, Kind.POCKET, Kind.ANTIBODY


@pytest.fixture(scope="module")
def directory() -> Path:
    return data_path("tokenizers", "logos-nano")


@pytest.fixture(scope="module")
def tokenizer(directory):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory, local_files_only=True)


def block(kind: Kind, payload: str) -> str:
    return f"{kind.start}{payload}{kind.end}"


def random_sentence(rng: random.Random) -> str:
    """One sentence of a random form; payloads are random strings of their alphabets."""
    residues = [rng.choice("ACDEFGHIKLMNPQRSTVWYXUOBZJ") for _ in range(rng.randint(1, 300))]
    smiles = ["".join(rng.choices(sorted(SMILES), k=rng.randint(1, 80))) for _ in range(3)]
    tags = rng.sample(range(len(residues)), k=rng.randint(1, min(9, len(residues))))
    plain = block(PROTEIN, "".join(residues))
    site, expanded = list(residues), list(residues)
    for index in tags:
        site[index] = block(POCKET, residues[index])
        expanded[index] = block(POCKET, RESIDUE_SMILES.get(residues[index], RESIDUE_SMILES["X"]))
    level_2, level_3 = block(PROTEIN, "".join(site)), block(PROTEIN, "".join(expanded))
    ligand = block(MOLECULE, smiles[0])
    material = block(Kind.MATERIAL, block(Kind.METAL, smiles[1]) + ligand + block(MOLECULE, smiles[2]))
    molecules = block(MOLECULE, smiles[1]) + block(MOLECULE, smiles[2])
    forms = (
        plain,
        block(ANTIBODY, "".join(residues)),
        ligand,
        level_2,
        level_3,
        f"{level_2}<Trans>{level_3}",
        f"{plain}<Search>{level_2}",
        plain + ligand,
        level_2 + ligand,
        level_3 + ligand,
        material,
        f"{molecules}<React>{ligand}",
        f"{ligand}<ReverseReact>{molecules}",
    )
    return rng.choice(forms)


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    rng = random.Random(20)
    return [random_sentence(rng) for _ in range(3000)]


def test_the_committed_files_are_what_the_script_writes(directory):
    spec = importlib.util.spec_from_file_location("build", ROOT / "scripts" / "build_nano_tokenizer.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert json.loads((directory / "tokenizer.json").read_text()) == build.tokenizer_json()
    assert json.loads((directory / "tokenizer_config.json").read_text()) == build.tokenizer_config_json()


def test_vocabulary(tokenizer):
    assert tuple(tokenizer.convert_ids_to_tokens(list(range(16)))) == TAGS
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (BOS_ID, EOS_ID, PAD_ID)
    assert len(tokenizer) == 16 + 3 + 256 + 1
    assert set(TAGS) <= set(tokenizer.all_special_tokens)


def test_every_byte_has_its_token(directory):
    vocabulary = json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]
    assert sorted(vocabulary.values()) == list(range(276))
    assert [vocabulary[letter] for letter in string.ascii_uppercase] == [19 + ord(x) for x in string.ascii_uppercase]


def test_a_payload_character_is_one_token(tokenizer):
    for alphabet in (RESIDUES, SMILES):
        payload = "".join(sorted(alphabet)) * 3
        assert tokenizer.encode(payload, add_special_tokens=False) == [19 + ord(x) for x in payload]


def test_bos_is_added_and_eos_is_not(tokenizer):
    ids = tokenizer("<MoleculeS>CO<MoleculeE>").input_ids
    assert ids == [BOS_ID, 4, 19 + ord("C"), 19 + ord("O"), 5]


def test_decode_is_the_inverse_of_encode(tokenizer, sentences):
    for text in [*sentences, "", "  two  spaces ", "Å – é 漢 \x00\n"]:
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_dative_bonds_beside_tags(tokenizer):
    text = "<MoleculeS>[NH3]->[Pt](<-[NH3])(Cl)Cl<MoleculeE>"
    parse(text)
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert ids == [4, *(19 + ord(x) for x in "[NH3]->[Pt](<-[NH3])(Cl)Cl"), 5]


@pytest.fixture(scope="module")
def vocabulary_gguf(directory, tmp_path_factory) -> Path:
    """A GGUF file that holds the vocabulary alone."""
    import gguf

    path = tmp_path_factory.mktemp("gguf") / "vocabulary.gguf"
    content = json.loads((directory / "tokenizer.json").read_text())
    tokens = list(content["model"]["vocab"])
    kinds = [gguf.TokenType.CONTROL] * 19 + [gguf.TokenType.NORMAL] * (len(tokens) - 19)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in content["model"]["merges"]])
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(EOS_ID)
    writer.add_pad_token_id(PAD_ID)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_llama_cpp_gives_the_same_ids(tokenizer, sentences, vocabulary_gguf):
    import llama_cpp

    model = llama_cpp.Llama(str(vocabulary_gguf), vocab_only=True, verbose=False)
    try:
        for text in [*sentences[::20], "  two  spaces ", "Å – é 漢 \n"]:
            expected = tokenizer(text).input_ids
            assert model.tokenize(text.encode(), add_bos=True, special=True) == expected
            assert model.detokenize(expected[1:], special=True) == text.encode()
    finally:
        model.close()
