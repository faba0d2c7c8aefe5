"""Models that say how they want to be sampled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.checkpoints.task_sampling import GGUF_KEY, KEY, from_config, from_metadata
from logos_cli.engine.sampling import Sampling
from logos_cli.errors import ModelError
from logos_cli.models.convert import convert
from logos_cli.workflows.generate.options import GenerateOptions
from logos_cli.workflows.generate.plan import plan_generation
from tests.checkpoints import small_tokenizer, write_checkpoint

WANTED = {"protein": {"temperature": 0.9, "top_k": 12}}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small checkpoint with a table of its own."""
    write_checkpoint(tmp_path / "model", "llama", small_tokenizer("llama"))
    _write(tmp_path / "model", WANTED)
    return tmp_path / "model"


def _write(model: Path, table: Any) -> None:
    path = model / "generation_config.json"
    config = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(config | {KEY: table}))


def _sampling(model: Path, task: str = "protein", **chosen: Any) -> Sampling:
    return plan_generation(task, GenerateOptions(load=LoadOptions(str(model), device="cpu"), **chosen)).sampling


def test_the_options_go_before_the_model_and_the_model_before_the_task(model: Path) -> None:
    assert _sampling(model) == Sampling(0.9, 12, 0.85, repetition_penalty=1.05)
    assert _sampling(model, temperature=0.0) == Sampling(0.0, 12, 0.85, repetition_penalty=1.05)
    assert _sampling(model, "molecule") == Sampling(1.2, 0, 0.85, repetition_penalty=1.05)


def test_a_question_of_its_own_goes_before_its_task(model: Path) -> None:
    _write(model, WANTED | {"protein --edit": {"temperature": 0.5}})
    assert _sampling(model, max_mutations=2).temperature == 0.5
    assert _sampling(model, max_mutations=2).top_k == 0
    assert _sampling(model).temperature == 0.9


@pytest.mark.parametrize("wanted", [{"protein": {"heat": 1.0}}, {"protein": {"top_p": 3.0}}])
def test_what_cannot_be_set_is_named(model: Path, wanted: Any) -> None:
    _write(model, wanted)
    (name,) = wanted["protein"]
    with pytest.raises(ModelError, match=f"own sampling parameters cannot be used: {name}"):
        _sampling(model)
    assert _sampling(model, "molecule").top_p == 0.85


def test_other_programs_tables_are_left_alone() -> None:
    assert from_config({}) == {}
    assert from_config({KEY: {"summarization": {"prefix": "summarize: ", "num_beams": 4, "early": True}}}) == {
        "summarization": {"num_beams": 4}
    }
    tables: tuple[Any, ...] = ([], {"protein": 1})
    for table in tables:
        with pytest.raises(ModelError, match="not a table of tasks"):
            from_config({KEY: table})
    with pytest.raises(ModelError, match="not JSON"):
        from_metadata({GGUF_KEY: "{"})


def test_a_gguf_file_carries_the_table(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="llama.cpp is an extra")
    convert(str(model), tmp_path / "model.gguf")
    options = LoadOptions(str(tmp_path / "model.gguf"), device="cpu")
    assert open_model(options).task_sampling == WANTED
    assert (
        open_model(LoadOptions("logos-nano", device="cpu", backend="llamacpp")).task_sampling["protein"]["top_p"] == 1
    )
