"""Models that are gone on from: the tags get embeddings, adapters are trained, added and merged."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.errors import InputError, MissingError, ModelError, UsageError
from logos_cli.grammar import TAGS
from logos_cli.training.config import ModelConfig
from logos_cli.training.config_file import with_values
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.model import add_tokens, build_model, find_base, new_model
from logos_cli.training.plan import make_plan
from logos_cli.training.resolve import resolve
from logos_cli.training.run.loop import Trainer
from logos_cli.training.run.signals import RunEnd
from tests.training_corpora import CONFIG, NANO, write_corpus
from tests.transformers_models import ARCHITECTURES, save
from tests.transformers_models import SHAPE as TINY

SHAPE = ModelConfig(hidden_size=32, intermediate_size=64, n_layers=2, n_heads=2, context_length=128)
POST = with_values(
    CONFIG,
    {
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 0.01,
        "schedule.n_steps": 20,
        "schedule.n_decay_steps": 5,
        "evaluation.every_steps": 0,
    },
)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """A model of another vocabulary, without the tags, as Llama and Qwen are."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    directory = tmp_path_factory.mktemp("foreign")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<eos>", *alphabet, "CC", "CCC"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("C", "C"), ("CC", "C")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<eos>"])
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<eos>"}))
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(vocabulary) + 4,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=0,
        dtype="bfloat16",
    )
    LlamaForCausalLM(shape).to(torch.bfloat16).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def corpus(foreign, tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), Vocabulary.load(foreign))


def run_from(corpus, base, directory, **values) -> Trainer:
    config = with_values(POST, {"model.base": str(base)} | {k.replace("__", "."): v for k, v in values.items()})
    return Trainer(corpus, resolve(config, corpus), directory, find_base(config.model))


def test_a_foreign_model_learns_the_tags(foreign, corpus, tmp_path):
    run = run_from(corpus, foreign, tmp_path / "run")
    n_tokens = Vocabulary.load(foreign).n_tokens
    assert (
        run.learner.model.get_input_embeddings().weight.shape[0]
        == run.learner.model.lm_head.weight.shape[0]
        == n_tokens
    )
    assert run.learner.model.get_input_embeddings().weight.dtype == torch.float32
    before = run.evaluate()["molecule"]["loss"]
    assert run.run() is RunEnd.FINISHED
    assert run.evaluate()["molecule"]["loss"] < before - 1
    path = run.export(tmp_path / "model")
    assert json.loads((path / "config.json").read_text())["dtype"] == "bfloat16"
    again = Vocabulary.load(path)
    assert again.sha256 == corpus.vocabulary.sha256
    assert again.added == ()
    # the result is a base itself
    assert run_from(corpus, path, tmp_path / "next").learner.model.lm_head.weight.shape[0] == n_tokens


def test_new_embeddings_lie_about_the_mean_of_the_others(foreign):
    model = new_model(SHAPE, Vocabulary.load(NANO), seed=1)
    with torch.no_grad():
        matrix = model.get_input_embeddings().weight
        matrix += torch.linspace(-2, 2, 32)
        old = matrix.clone()
    added = [old.shape[0] - 1, *range(old.shape[0], old.shape[0] + 500)]
    add_tokens(model, old.shape[0] + 500, added, seed=3)
    new = model.get_input_embeddings().weight
    assert torch.equal(new[: old.shape[0] - 1], old[:-1])
    known = old[:-1]
    assert torch.allclose(new[added].mean(0), known.mean(0), atol=0.01)
    assert torch.allclose(new[added].std(0), 0.1 * known.std(0), rtol=0.3)
    assert np.unique(new[added].detach().numpy(), axis=0).shape[0] == len(added)
    assert model.config.vocab_size == len(new)


def test_the_angles_of_a_new_model_are_those_that_were_asked_for():
    model = new_model(replace(SHAPE, rope_theta=500_000.0), Vocabulary.load(NANO), 1)
    exponent = torch.arange(0, 16, 2) / 16
    assert torch.allclose(model.model.rotary_emb.inv_freq, 500_000.0**-exponent)


def test_nothing_is_added_where_nothing_is_missing():
    model = new_model(SHAPE, Vocabulary.load(NANO), seed=1)
    before = model.get_input_embeddings().weight.clone()
    add_tokens(model, Vocabulary.load(NANO).n_tokens, [], seed=3)
    assert torch.equal(before, model.get_input_embeddings().weight)


def test_a_corpus_of_another_tokenizer_is_refused(corpus, tmp_path):
    config = with_values(POST, {"model.base": "logos-nano"})
    with pytest.raises(ModelError, match="another tokenizer"):
        build_model(config, corpus.vocabulary, find_base(config.model))


@pytest.fixture(scope="module")
def own_corpus(tmp_path_factory):
    """A corpus with the tokenizer of logos-nano."""
    return write_corpus(tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize(
    "kind", ["mistral", "gpt_neox", *(pytest.param(each, marks=pytest.mark.slow) for each in ("qwen2", "gemma2"))]
)
def test_models_of_other_architectures_are_gone_on_from(own_corpus, kind, tmp_path):
    save(tmp_path / "base", kind, **ARCHITECTURES[kind] | {"sliding_window": 128})
    run = run_from(own_corpus, tmp_path / "base", tmp_path / "run", schedule__n_steps=4, schedule__n_decay_steps=1)
    before = run.evaluate()["molecule"]["loss"]
    assert run.run() is RunEnd.FINISHED
    assert run.evaluate()["molecule"]["loss"] < before - 1
    checkpoint = open_model(LoadOptions(str(run.export(tmp_path / "model")), device="cpu"))
    assert checkpoint.load().info.backend == "transformers"


@pytest.mark.parametrize("kind", ["bloom", "mamba", "bert"])
def test_architectures_that_mix_the_sentences_of_a_row_are_refused(own_corpus, kind, tmp_path):
    shape = ARCHITECTURES.get(kind) or {**TINY, "intermediate_size": 64, "max_position_embeddings": 256}
    save(tmp_path / "base", kind, **shape)
    with pytest.raises(ModelError, match=f"'{kind}' cannot be trained"):
        run_from(own_corpus, tmp_path / "base", tmp_path / "run")


def test_a_sliding_window_bounds_the_sentences(own_corpus, tmp_path):
    save(tmp_path / "base", "mistral", **ARCHITECTURES["mistral"] | {"sliding_window": 12})
    with pytest.raises(InputError, match="a context of 12"):
        run_from(own_corpus, tmp_path / "base", tmp_path / "run")


def test_a_base_without_a_tensor_is_refused(own_corpus, tmp_path):
    save(tmp_path / "base", "qwen2", **ARCHITECTURES["qwen2"])
    file = tmp_path / "base" / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.norm.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"the tensor model\.norm\.weight is missing"):
        run_from(own_corpus, tmp_path / "base", tmp_path / "run")


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such model"):
        find_base(ModelConfig(base="nowhere"))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="safetensors"):
        find_base(ModelConfig(base=str(tmp_path)))


def test_adapters_are_trained_saved_and_merged(foreign, corpus, tmp_path):
    values = {"lora__rank": 4, "lora__alpha": 8.0, "lora__dropout": 0.1, "schedule__n_steps": 12}
    run = run_from(corpus, foreign, tmp_path / "run", **values)
    assert run.learner.n_trained < run.learner.n_parameters / 2
    frozen = run.learner.model.model.layers[0].self_attn.q_proj.base_layer.weight.clone()
    before = run.evaluate()["molecule"]["loss"]
    for _ in range(5):
        run.advance()
    run.save()
    resumed = run_from(corpus, foreign, tmp_path / "run", **values)
    assert resumed.step == 5
    outcomes = run.run(), resumed.run()
    assert outcomes == (RunEnd.FINISHED, RunEnd.FINISHED)
    mine, theirs = (dict(one.learner.module.named_parameters()) for one in (run, resumed))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert torch.equal(frozen, run.learner.model.model.layers[0].self_attn.q_proj.base_layer.weight)
    after = run.evaluate()["molecule"]["loss"]
    assert after < before - 0.3
    path = run.export(tmp_path / "model")
    assert (path / "adapter" / "adapter_model.safetensors").exists()
    merged = run_from(corpus, path, tmp_path / "merged")
    assert merged.evaluate()["molecule"]["loss"] == pytest.approx(after, abs=0.1)  # bfloat16 weights
    only = run_from(corpus, foreign, tmp_path / "run2", **values, lora__merge=False)
    assert [one.name for one in only.export(tmp_path / "adapter").iterdir()] == ["adapter"]


def test_adapters_need_a_base_peft_and_fitting_names(foreign, corpus, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="need a base model"):
        build_model(with_values(POST, {"lora.rank": 4}), corpus.vocabulary, None)
    with pytest.raises(UsageError, match="do not fit") as caught:
        run_from(corpus, foreign, tmp_path, lora__targets=["query"])
    assert "q_proj" in (caught.value.hint or "")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingError, match="peft") as missing:
        run_from(corpus, foreign, tmp_path, lora__rank=4)
    assert missing.value.hint == "pip install 'logos-cli[train]'"


def test_the_plan_counts_what_the_run_has(foreign, corpus, tmp_path):
    config = resolve(with_values(POST, {"model.base": str(foreign)}), corpus)
    plan = make_plan(config, corpus, find_base(config.model))
    run = run_from(corpus, foreign, tmp_path)
    assert (plan.n_parameters, plan.n_trained) == (run.learner.n_parameters, run.learner.n_trained)
    shards = [shard for split in ("train", "valid") for shard in corpus.shards(split).values()]
    assert plan.longest == max(len(shard[index]) for shard in shards for index in range(len(shard)))
    assert sum(domain.share for domain in plan.domains.values()) == pytest.approx(1)
    assert len(TAGS) == 16
    lora = resolve(with_values(config, {"lora.rank": 4}), corpus)
    adapted = run_from(corpus, foreign, tmp_path / "lora", lora__rank=4)
    n_tag_numbers = 2 * 16 * 32  # rows of the tags, in both embeddings, are trained beside the adapters
    assert make_plan(lora, corpus, find_base(lora.model)).n_trained == adapted.learner.n_trained - n_tag_numbers
