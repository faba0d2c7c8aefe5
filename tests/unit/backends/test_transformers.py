"""The backend transformers: tiny models of many architectures, as transformers itself runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from logos_cli import generate, score
from logos_cli.backends.base import Backend, Capabilities, LoadOptions, open_model
from logos_cli.backends.transformers.plugin import TransformersBackend
from logos_cli.engine.sampling import Sampling
from logos_cli.engine.scheduler import Engine, Request
from logos_cli.errors import ModelError, UsageError
from tests.transformers_models import ARCHITECTURES, GATED, NANO, SHAPE, save

_WITHOUT_CACHE = {"mamba"}
_TEXTS = (
    "<ProteinS>MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ<ProteinE>",
    "<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>",
    "<ProteinS>MK<PocketS>I<PocketE>LN<ProteinE><MoleculeS>CCO<MoleculeE>",
    "<MaterialS><MetalS>[Zn]<MetalE>",
    "<MoleculeS>C",
)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _load(path: Path, **options: Any) -> Backend:
    backend = open_model(LoadOptions(str(path), device="cpu", threads=1, dtype="float32", **options)).load()
    assert isinstance(backend, Backend)
    return backend


Pair = tuple[str, Any, TransformersBackend]
LONGER = [pytest.param(kind, marks=pytest.mark.slow) for kind in ARCHITECTURES if kind not in ("gpt2", "mamba")]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """An architecture, its model in transformers, and the backend that its checkpoint chooses."""
    path = tmp_path_factory.mktemp(request.param)
    model = save(path, request.param, **ARCHITECTURES[request.param])
    backend = _load(path)
    assert isinstance(backend, TransformersBackend)
    return request.param, model, backend


@torch.inference_mode()
def _expected_logps(model: Any, ids: Sequence[int]) -> np.ndarray:
    logps = model(torch.tensor([ids])).logits[0].double().log_softmax(1)
    return logps[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].numpy()


def test_the_architecture_chooses_the_backend_and_its_cache(pair: Pair) -> None:
    kind, _, backend = pair
    assert backend.info.backend == "transformers"
    assert backend.context_tokens == (2048 if kind in _WITHOUT_CACHE else 256)
    assert backend.has_cache is (kind not in _WITHOUT_CACHE)


def test_likelihoods_are_those_of_transformers(pair: Pair) -> None:
    _, model, backend = pair
    sequences = [backend.tokenizer.encode(text) for text in _TEXTS]
    for ids, found in zip(sequences, backend.token_logps(sequences), strict=True):
        wanted = _expected_logps(model, ids)
        assert found == pytest.approx(wanted, abs=1e-4)
    assert np.ptp(_expected_logps(model, sequences[0])) > 0.5


def _run(backend: Backend, requests: Sequence[Request], batch_size: int, **sampling: Any) -> list[list[int]]:
    engine = Engine(backend, Sampling(max_new_tokens=16, **sampling), batch_size=batch_size, seed=5)
    found = sorted(engine.run(requests), key=lambda completion: completion.index)
    return [list(completion.tokens) for completion in found]


@pytest.mark.parametrize("pair", ["gpt2", "mamba", *LONGER], indirect=True)
def test_greedy_answers_are_those_of_transformers(pair: Pair) -> None:
    _, model, backend = pair
    prompts = [backend.tokenizer.encode(text) for text in _TEXTS]
    requests = [Request(f"r{i}", tuple(ids), greedy=True) for i, ids in enumerate(prompts)]
    found = _run(backend, requests, batch_size=3)
    for ids, tokens in zip(prompts, found, strict=True):
        with torch.inference_mode():
            whole = model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=16, do_sample=False
            )
        assert tokens == whole[0, len(ids) :].tolist()


@pytest.mark.parametrize("pair", ["gpt2", pytest.param("mamba", marks=pytest.mark.slow), *LONGER], indirect=True)
def test_batches_are_as_single_runs(pair: Pair) -> None:
    """Requests begin and end at different steps, share prompts, and are moved between slots."""
    _, _, backend = pair
    end = backend.tokenizer.tag_ids["<MoleculeE>"]
    requests = [
        Request(f"r{i}.{n}", tuple(backend.tokenizer.encode(text)), end=end)
        for i, text in enumerate(_TEXTS)
        for n in range(2)
    ]
    alone = _run(backend, requests, batch_size=1)
    assert len({tuple(tokens) for tokens in alone}) > 6
    assert _run(backend, requests, batch_size=4) == alone


@pytest.mark.slow
def test_the_sampler_of_a_device_gives_the_same_texts(tmp_path: Path) -> None:
    save(tmp_path, "qwen2", **ARCHITECTURES["qwen2"])
    backend = _load(tmp_path)
    requests = [Request(f"r{i}", tuple(backend.tokenizer.encode(text))) for i, text in enumerate(_TEXTS)]
    on_host = _run(backend, requests, batch_size=3, top_p=0.9, repetition_penalty=1.1)
    backend.capabilities = Capabilities(device_logits=True)
    assert _run(backend, requests, batch_size=3, top_p=0.9, repetition_penalty=1.1) == on_host


def test_a_sequence_that_waits_stays_as_it_is(pair: Pair) -> None:
    _, model, backend = pair
    prompts = [backend.tokenizer.encode(text) for text in _TEXTS]
    backend.reserve(7)
    backend.prefill_many([0, 2, 4], [prompts[0], prompts[1], prompts[4]])
    backend.step([0, 2, 4], [30, 31, 32])
    backend.copy(2, 5)
    backend.step([0, 4], [33, 34])
    backend.free(0)
    backend.prefill(0, prompts[3])
    rows = backend.step([0, 2, 4, 5], [35, 36, 37, 38])
    wholes = [[*prompts[3], 35], [*prompts[1], 31, 36], [*prompts[4], 32, 34, 37], [*prompts[1], 31, 38]]
    with torch.inference_mode():
        for row, ids in zip(rows, wholes, strict=True):
            assert row == pytest.approx(model(torch.tensor([ids])).logits[0, -1].numpy(), abs=1e-3)


def test_constraints_and_scores_work_as_with_every_backend(tmp_path: Path) -> None:
    save(tmp_path, "qwen2", **ARCHITECTURES["qwen2"])
    model: dict[str, Any] = {"model": str(tmp_path), "device": "cpu"}
    records = list(generate("molecule", n_samples=3, constrain="chemistry", seed=2, max_new_tokens=20, **model))
    assert {record.sample["backend"] for record in records} == {"transformers"}
    assert all(record.text.startswith("<MoleculeS>") for record in records)
    (record,) = score("<MoleculeS>CCO<MoleculeE>", metrics="logp,ppl", **model)
    assert record.scores["logp"]["value"] < 0


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_llama_and_qwen3_stay_on_the_fast_path_and_agree(kind: str, tmp_path: Path) -> None:
    save(tmp_path, kind, **GATED, head_dim=8)
    fast, slow = _load(tmp_path), _load(tmp_path, backend="transformers")
    assert (fast.info.backend, slow.info.backend) == ("torch", "transformers")
    sequences = [fast.tokenizer.encode(text) for text in _TEXTS]
    for one, other in zip(fast.token_logps(sequences), slow.token_logps(sequences), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "gelu"},
        {"mlp_bias": True},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}},
    ],
)
def test_a_llama_beyond_the_fast_path_runs_too(changes: dict[str, Any], tmp_path: Path) -> None:
    model = save(tmp_path, "llama", **GATED | changes)
    backend = _load(tmp_path)
    assert backend.info.backend == "transformers"
    ids = backend.tokenizer.encode(_TEXTS[0])
    assert backend.token_logps([ids])[0] == pytest.approx(_expected_logps(model, ids), abs=1e-4)
    with pytest.raises(ModelError, match="is not supported") as caught:
        _load(tmp_path, backend="torch")
    assert "--backend transformers" in str(caught.value.hint)


# -- refused by name -----------------------------------------------------------------------------------------


def _change(path: Path, **changes: Any) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "bert", **SHAPE, intermediate_size=64, max_position_embeddings=256)
    with pytest.raises(ModelError, match="not causal"):
        _load(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop("model.norm.weight"), r"the tensor model\.norm\.weight is missing"),
        (lambda tensors: tensors.update({"model.extra": torch.ones(2)}), r"no place for the tensor model\.extra"),
        (
            lambda tensors: tensors.update({"model.norm.weight": torch.ones(3)}),
            r"the tensor model\.norm\.weight has another shape",
        ),
        (lambda tensors: tensors.pop("lm_head.weight"), r"the tensor lm_head\.weight is missing"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change: Any, said: str, tmp_path: Path) -> None:
    save(tmp_path, "qwen2", **ARCHITECTURES["qwen2"])
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=said):
        _load(tmp_path)


def test_unknown_architectures_code_and_quantized_weights_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "qwen2", **ARCHITECTURES["qwen2"])
    _change(tmp_path, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(ModelError, match="quantized"):
        _load(tmp_path)
    _change(tmp_path, quantization_config=None, model_type="evo9", auto_map={"AutoConfig": "code.Config"})
    with pytest.raises(ModelError, match="'evo9'"):
        _load(tmp_path)


def test_what_the_files_do_not_state_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "qwen2", **ARCHITECTURES["qwen2"])
    with pytest.raises(UsageError, match="no dtype 'int8'"):
        open_model(LoadOptions(str(tmp_path), device="cpu", dtype="int8"))
    _change(tmp_path, vocab_size=100)
    with pytest.raises(ModelError, match=r"lm_head\.weight has another shape"):
        _load(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"model\.safetensors are missing") as caught:
        _load(tmp_path)
    assert "pickle" in str(caught.value.hint)


def test_memory_is_planned(tmp_path: Path) -> None:
    save(tmp_path, "qwen2", **ARCHITECTURES["qwen2"])
    checkpoint = open_model(LoadOptions(str(tmp_path), device="cpu", dtype="float32"))
    plan = checkpoint.plan(100, 7)
    assert plan is not None
    assert plan.batch_size == 7
    assert plan.weights_bytes == pytest.approx((tmp_path / "model.safetensors").stat().st_size, rel=0.1)
    assert plan.cache_bytes_per_sequence == 2 * (2 * 3 * 2 * 8 * 4) * 100


# -- the embedded model --------------------------------------------------------------------------------------


def test_transformers_loads_the_embedded_model_as_it_lies_in_the_package() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(NANO)
    model = transformers.AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32)
    backend = _load(NANO, backend="torch")
    for text in _TEXTS:
        ids = backend.tokenizer.encode(text)
        assert tokenizer(text)["input_ids"] == ids
        assert tokenizer.decode(ids, skip_special_tokens=False).endswith(text)
        with torch.inference_mode():
            logits = model(torch.tensor([ids])).logits[0]
        backend.reserve(1)
        assert backend.prefill(0, ids) == pytest.approx(logits[-1].numpy(), abs=1e-4)
        assert backend.token_logps([ids])[0] == pytest.approx(_expected_logps(model, ids), abs=1e-4)
