"""Models on disk: what is loaded, what is refused and why, and that the network is the one of transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from logos_cli import generate
from logos_cli.backends.base import Backend, CharacterTokenizer, LoadOptions, open_model
from logos_cli.checkpoints.locate import locate, weights_sha256
from logos_cli.errors import ExitCode, MissingError, ModelError, UsageError
from logos_cli.grammar import TAGS, parse
from logos_cli.resources import EMBEDDED, data_path

_SHAPE: dict[str, Any] = {
    "vocab_size": 276,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 16,
    "eos_token_id": 17,
}
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def _save(model: Any, directory: Path) -> Path:
    """Write a checkpoint with random weights that are not all alike, and nano's tokenizer."""
    from safetensors.torch import save_file

    directory.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.15 + (weight.dim() == 1))
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight")
    save_file(tensors, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(model.config.to_dict(), default=str))
    shutil.copy(data_path("tokenizers", EMBEDDED, "tokenizer.json"), directory)
    return directory


def _random_model(kind: str) -> Any:
    if kind == "qwen3":
        from transformers import Qwen3Config, Qwen3ForCausalLM

        return Qwen3ForCausalLM(Qwen3Config(**_SHAPE, head_dim=24, tie_word_embeddings=False)).eval()
    from transformers import LlamaConfig, LlamaForCausalLM

    extra: dict[str, Any] = {
        "llama": {"tie_word_embeddings": True},
        "llama3": {"tie_word_embeddings": False, "rope_parameters": _LLAMA3_ROPE},
        "llama-bias": {"tie_word_embeddings": True, "attention_bias": True},
    }[kind]
    return LlamaForCausalLM(LlamaConfig(**_SHAPE, **extra)).eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with grouped heads."""
    return _save(_random_model("llama"), tmp_path_factory.mktemp("model") / "llama")


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


def _load(path: Path | str, **options: Any) -> Backend:
    return open_model(LoadOptions(str(path), device="cpu", **options)).load()


@pytest.mark.parametrize("kind", ["llama", "llama3", "llama-bias", "qwen3"])
def test_logits_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    theirs = _random_model(kind)
    backend = _load(_save(theirs, tmp_path / "model"))
    tokens = torch.randint(0, 276, (1, 400), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = theirs(tokens).logits[0].numpy()
    ids = tokens[0].tolist()
    backend.reserve(11)
    # long enough for two chunks of prefill, and short ones beside it
    found = [backend.prefill(9, ids[:300])]
    backend.prefill(2, ids[:5])
    for position in range(300, 400):
        both = backend.step([2, 9], [ids[position - 295], ids[position]])
        found.append(both[1])
        assert both[0] == pytest.approx(wanted[position - 295], abs=2e-4)
    assert np.stack(found) == pytest.approx(wanted[299:], abs=2e-4)


def test_half_precision_stays_near(checkpoint: Path) -> None:
    exact, coarse = _load(checkpoint), _load(checkpoint, dtype="bfloat16")
    assert coarse.info.dtype == "bfloat16"
    for backend in (exact, coarse):
        backend.reserve(1)
    ids = exact.tokenizer.encode("<MoleculeS>CCO")
    difference = np.abs(exact.prefill(0, ids) - coarse.prefill(0, ids)).max()
    assert 0 < difference < 0.3


def test_the_model_is_described_with_the_digest_of_its_weights(checkpoint: Path) -> None:
    info = _load(checkpoint, threads=1, backend="torch").info
    assert (info.backend, info.device, info.dtype) == ("torch", "cpu", "float32")
    assert info.sha256 == weights_sha256([checkpoint / "model.safetensors"])
    assert len(info.sha256 or "") == 64


def test_weights_in_several_files_are_read(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    whole = _load(copied)
    tensors = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, members in parts.items():
        save_file({name: tensors[name] for name in members}, copied / file)
    where = {name: file for file, members in parts.items() for name in members}
    (copied / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    split = _load(copied)
    for backend in (whole, split):
        backend.reserve(1)
    assert (whole.prefill(0, [16, 4]) == split.prefill(0, [16, 4])).all()
    assert split.info.sha256 != whole.info.sha256


def test_pickled_weights_are_never_read(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ModelError) as caught:
        _load(copied)
    assert "pickle" in (caught.value.hint or "")


def test_truncated_weights_are_named(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        _load(copied)


def test_a_missing_tensor_is_named(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copied / "model.safetensors")
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        _load(copied)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "gpt2"}, "architecture 'gpt2'"),
        ({"hidden_act": "gelu"}, "activation"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, "rotary embedding 'yarn'"),
        ({"use_sliding_window": True}, "sliding-window"),
        ({"intermediate_size": 97}, "config.json asks for"),
        ({"num_hidden_layers": None}, "config.json is missing or wrong"),
        ({"eos_token_id": None}, "end-of-text"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(change: dict[str, Any], said: str, copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelError, match=said):
        open_model(LoadOptions(str(copied), device="cpu", backend="torch")).load()


def test_a_tokenizer_without_the_tags_is_refused_with_an_explanation(copied: Path) -> None:
    file = copied / "tokenizer.json"
    content = json.loads(file.read_text())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != "<Search>"]
    file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="lacks 1 of the 16 tags of the grammar: <Search>") as caught:
        open_model(LoadOptions(str(copied)))
    assert "trained on LOGOS sentences" in (caught.value.hint or "")
    assert "logos train --from adds them" in (caught.value.hint or "")
    assert caught.value.source == str(copied)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 1}'])
@pytest.mark.parametrize("file", ["tokenizer.json", "config.json"])
def test_damaged_json_is_named(file: str, content: str, copied: Path) -> None:
    (copied / file).write_text(content)
    with pytest.raises((ModelError, UsageError)) as caught:
        _load(copied)
    if content != '{"model": 1}':
        assert file in str(caught.value)


def test_a_device_that_is_not_here_is_refused_with_those_that_are(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="cuda:97") as caught:
        open_model(LoadOptions(str(checkpoint), device="cuda:97")).load()
    assert "cpu" in (caught.value.hint or "")


def test_names_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such model"):
        locate("no-such-directory")
    with pytest.raises(UsageError, match="not owner/name"):
        locate("owner/na--me", offline=True)
    with pytest.raises(UsageError, match="no backend can read the model"):
        open_model(LoadOptions(str(tmp_path)))
    with pytest.raises(UsageError, match="unknown backend"):
        open_model(LoadOptions(backend="tensorflow"))


def test_a_hub_model_that_is_not_cached_is_missing_when_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MissingError) as caught:
        locate("LOGOS-Hub/LOGOS-8B", "v1", offline=True)
    assert caught.value.exit_code is ExitCode.MISSING
    assert caught.value.hint == "on a machine with network: logos models pull LOGOS-Hub/LOGOS-8B --revision v1"


def test_tokens_of_the_embedded_model_are_bytes() -> None:
    tokenizer = open_model(LoadOptions()).tokenizer
    text = "<ProteinS>MK<PocketS>V<PocketE><ProteinE><MoleculeS>C[C@@H](N)->[Zn]%12/C\\C<MoleculeE>é"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert ids[0] not in tokenizer.encode(text, whole=False)
    assert all(tokenizer.vocabulary[tokenizer.tag_ids[tag]] == tag.encode() for tag in TAGS)
    single = [token for token in tokenizer.vocabulary if len(token) == 1]
    assert sorted(single) == [bytes([byte]) for byte in range(256)]


def test_the_characters_of_the_grammar_are_a_tokenizer_of_their_own() -> None:
    tokenizer = CharacterTokenizer()
    text = "<MoleculeS>C->[Zn]<MoleculeE>é"
    assert tokenizer.decode([*tokenizer.encode(text), *tokenizer.eos_ids]) == text
    assert set(tokenizer.tag_ids) == set(TAGS)


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose tokens span several residues or atoms, as those of released models do."""
    import random

    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    generator = random.Random(0)
    words = ["MK", "TAY", "IAK", "QRQ", "CC(=O)", "c1ccccc1", "[C@@H]", "N(", ")C", "[Zn]", "GGS", "LLV"]
    corpus = ["".join(generator.choices(words, k=30)) for _ in range(200)]
    fast = Tokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    fast.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    fast.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    )
    fast.add_special_tokens([AddedToken(text, special=True) for text in (*TAGS, "<|begin|>", "<|end|>")])
    begin, end = fast.token_to_id("<|begin|>"), fast.token_to_id("<|end|>")
    fast.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", begin)])
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = _SHAPE | {"vocab_size": fast.get_vocab_size() + 9, "bos_token_id": begin, "eos_token_id": [end]}
    directory = _save(LlamaForCausalLM(LlamaConfig(**shape)), tmp_path_factory.mktemp("model") / "wordy")
    fast.save(str(directory / "tokenizer.json"))
    return directory


def test_tokens_that_span_several_characters_are_constrained_by_their_text(wordy: Path) -> None:
    tokenizer = open_model(LoadOptions(str(wordy))).tokenizer
    assert max(map(len, (tokenizer.vocabulary[i] for i in tokenizer.encode("MKTAYIAKQRQ")))) > 2
    prompts = {"site": "MKTAYIAKQRQGGSLLVMK", "ligand": "MKTAYLLV", "protein": "MKTAYI", "molecule": "CC(=O)N(C"}
    for task, prompt in {**prompts, "antibody": None}.items():
        raw = {"samples": True} if task == "site" else {}
        records = list(
            generate(task, prompt, n_samples=8, model=str(wordy), device="cpu", max_new_tokens=300, threads=1, **raw)
        )
        finished = [record for record in records if record.sample["finish"] == "stop"]
        assert finished, task
        for record in finished:
            assert parse(record.text).form == record.kind
            if task == "site":
                assert record.status == "ok", record.reason
