"""``bench parity``: a model agrees with itself, other precisions nearly, another model not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.engine.likelihood import Likelihood, ScoredText, perplexity
from logos_cli.errors import ExitCode, GrammarError, UsageError
from logos_cli.grammar import Form, parse
from logos_cli.models.convert import convert
from logos_cli.resources import EMBEDDED, data_path
from logos_cli.workflows.bench import parity as parity_module
from logos_cli.workflows.bench.parity import ParityOptions, parity
from logos_cli.workflows.bench.parity_sentences import SENTENCES
from tests.checkpoints import small_tokenizer, write_checkpoint

if TYPE_CHECKING:
    from tests.cli.conftest import Logos

_LOAD = LoadOptions(device="cpu", threads=1, offline=True)
_FEW: dict[str, Any] = {"load": _LOAD, "n_samples": 0}
_SHORT = [text for text in SENTENCES if len(text) < 100]


def test_the_sentences_are_of_many_forms() -> None:
    forms = {parse(text).form for text in SENTENCES}
    assert forms == set(Form) - {Form.EXPANDED, Form.TRANSFORMATION}
    assert len(set(SENTENCES)) == len(SENTENCES)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short ones among the sentences, enough for types to differ."""
    file = tmp_path_factory.mktemp("sentences") / "few.txt"
    file.write_text("\n".join(_SHORT))
    return file


@pytest.fixture(scope="module")
def measured(few: Path) -> dict[str, Any]:
    types = ("f32", "q8_0", "q4_0", "q4_k_m")
    return parity(ParityOptions(types=types, dtypes=("float32",), sentences=str(few), load=_LOAD, n_samples=2))


@pytest.mark.slow
def test_a_model_agrees_with_itself_and_less_the_fewer_bits_it_has(measured: dict[str, Any]) -> None:
    reference, f32, q8, q4, mixed = measured["rows"]
    assert (reference["backend"], reference["type"], reference["top1"]) == ("torch", "float32", 1.0)
    assert [row["type"] for row in measured["rows"]] == ["float32", "f32", "q8_0", "q4_0", "q4_k_m"]
    assert f32["top1"] == 1.0
    assert f32["largest_logit_difference"] < 1e-3
    assert f32["perplexity"] == pytest.approx(reference["perplexity"], rel=1e-6)
    assert f32["n_valid"] == reference["n_valid"]
    assert f32["kl_nats"] < 1e-9 < q8["kl_nats"] < q4["kl_nats"] < 0.1
    assert 0.8 < q4["top1"] < q8["top1"] < 1
    assert f32["n_bytes"] > 3 * q8["n_bytes"] > 3 * q4["n_bytes"]
    assert all(row["n_samples"] == 2 for row in measured["rows"])
    # the matrices that a type cannot divide
    assert [sum(row["fallbacks"].values()) for row in (q8, q4, mixed)] == [0, 0, 6]


@pytest.mark.slow
def test_perplexity_is_that_of_the_likelihood(measured: dict[str, Any]) -> None:
    model = open_model(LoadOptions(device="cpu", threads=1, dtype="float32")).load()
    assert isinstance(model, Backend)
    scored = [one for one in Likelihood(model, model.context_tokens).score(_SHORT) if isinstance(one, ScoredText)]
    assert len(scored) == len(_SHORT) == measured["n_sentences"]
    logps = np.concatenate([one.all for one in scored])
    assert len(logps) == measured["n_tokens"]
    assert measured["rows"][0]["perplexity"] == pytest.approx(perplexity(logps), rel=1e-4)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_any_checkpoint_can_be_compared(kind: str, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / kind, kind, small_tokenizer(kind))
    (tmp_path / "some.txt").write_text("\n".join(SENTENCES[:3]))
    few = _FEW | {"load": replace(_LOAD, model=str(directory))}
    options = ParityOptions(types=("f32",), dtypes=(), sentences=str(tmp_path / "some.txt"), **few)
    result = parity(options)
    assert result["n_sentences"] == 3
    assert result["rows"][1]["top1"] == 1.0
    assert result["rows"][1]["largest_logit_difference"] < 1e-3


def test_another_model_is_found_out(few: Path, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "other", "llama", small_tokenizer("llama"))
    convert(str(directory), tmp_path / "other.gguf")
    options = ParityOptions(types=(), dtypes=(), files=(tmp_path / "other.gguf",), sentences=str(few), **_FEW)
    with pytest.raises(UsageError, match="vocabulary differs from that") as caught:
        parity(options)
    assert caught.value.source == "other.gguf"


def test_what_cannot_be_compared_is_refused_at_once(tmp_path: Path) -> None:
    for options, said in (
        (ParityOptions(types=("q9",)), "no type 'q9'"),
        (ParityOptions(dtypes=("int4",)), "no precision 'int4'"),
        (ParityOptions(reference="int4"), "no precision 'int4'"),
        (ParityOptions(LoadOptions(backend="torch")), "so there is no --backend to choose"),
        (ParityOptions(LoadOptions(dtype="bfloat16")), "so there is no --dtype to choose"),
    ):
        with pytest.raises(UsageError, match=said):
            parity(options)
    convert(EMBEDDED, tmp_path / "nano.gguf")
    with pytest.raises(UsageError, match="no reference") as caught:
        parity(ParityOptions(LoadOptions(str(tmp_path / "nano.gguf"))))
    assert "--file" in (caught.value.hint or "")
    (tmp_path / "bad.txt").write_text("<ProteinS>MK1<ProteinE>\n")
    with pytest.raises(GrammarError) as wrong:
        parity(ParityOptions(sentences=str(tmp_path / "bad.txt"), types=(), dtypes=(), **_FEW))
    assert wrong.value.source == f"{tmp_path / 'bad.txt'}:1"
    (tmp_path / "long.txt").write_text(f"<ProteinS>{'A' * 3000}<ProteinE>\n")
    with pytest.raises(UsageError, match="3,003 tokens cannot be compared"):
        parity(ParityOptions(sentences=str(tmp_path / "long.txt"), types=(), dtypes=(), **_FEW))


@pytest.mark.slow
def test_as_a_user_runs_it(logos: Logos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = data_path("tokenizers", EMBEDDED, "model.safetensors").stat().st_size
    monkeypatch.setattr(parity_module, "SENTENCES", SENTENCES[:2])
    command = ("bench", "parity", "--type", "q8_0,q4_k_m", "--dtype", "none", "--threads", "1", "--device", "cpu")
    done = logos(*command, "-n", "2", code=ExitCode.OK)
    head, _, *rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    assert head[:4] == ["backend", "type", "size", "perplexity"]
    assert [row[:2] for row in rows] == [["torch", "float32"], ["llamacpp", "q8_0"], ["llamacpp", "q4_k_m"]]
    assert float(rows[1][2].split()[0]) * 1e6 < weights
    assert rows[1][-1].endswith(" of 2")
    assert "multiples of 256: for other matrices llama.cpp used 4 q5_0, 2 q8_0" in done.stderr
    (tmp_path / "one.txt").write_text("<MoleculeS>CCO<MoleculeE>\n")
    done = logos(*command, "-n", "0", "--sentences", "one.txt", "--json", code=ExitCode.OK)
    assert json.loads(done.stdout)["n_tokens"] == 5
    assert done.stderr == ""
