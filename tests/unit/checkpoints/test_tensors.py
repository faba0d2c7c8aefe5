"""Checkpoints whose tensors are not what config.json and the index state: found by verify, refused by convert."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from logos_cli.checkpoints.tensors import HEAD
from logos_cli.errors import ModelError
from logos_cli.models.convert import convert
from logos_cli.models.verify import verify
from logos_cli.resources import EMBEDDED, data_path
from tests.checkpoints import small_tokenizer, write_checkpoint
from tests.transformers_models import ARCHITECTURES, save

Tensors = dict[str, NDArray[np.float32]]
_NORM = "model.layers.1.post_attention_layernorm.weight"


def _without(name: str) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        del tensors[name]

    return change


def _with(name: str, values: NDArray[np.float32]) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        tensors[name] = values

    return change


_FAULTS = {
    "missing norm": (_without(_NORM), f"the tensor {_NORM} is missing"),
    "missing last norm": (_without("model.norm.weight"), "the tensor model.norm.weight is missing"),
    "no head": (_without(HEAD), f"the tensor {HEAD} is missing"),
    "wrong shape": (_with(_NORM, np.ones(7, np.float32)), rf"{_NORM} has the shape \(7,\)"),
    "no place": (_with("model.layers.1.mlp.up_proj.bias", np.ones(7, np.float32)), "no place for the tensor"),
}


def _change(directory: Path, change: Callable[[Tensors], None]) -> None:
    file = directory / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def _assert_refused(directory: Path, message: str, output: Path) -> None:
    """Verify reports the problem, and convert leaves nothing under the final name, nor beside it."""
    found = verify(str(directory))
    assert not found.sound
    assert any(re.search(message, problem) for problem in found.problems), found.problems
    with pytest.raises(ModelError, match=message):
        convert(str(directory), output)
    assert [path.name for path in output.parent.iterdir() if "gguf" in path.name] == []


@pytest.mark.parametrize("fault", _FAULTS)
def test_tensors_that_config_json_does_not_state(fault: str, tmp_path: Path) -> None:
    change, message = _FAULTS[fault]
    directory = write_checkpoint(tmp_path / "model", "llama", small_tokenizer("llama"), num_hidden_layers=2)
    assert verify(str(directory)).sound
    _change(directory, change)
    _assert_refused(directory, message, tmp_path / "model.gguf")


def test_a_tied_model_with_another_head(tmp_path: Path) -> None:
    """A copy of the embedding is no second head; other numbers are, and nobody knows which head is meant."""
    directory = write_checkpoint(
        tmp_path / "model", "qwen3", small_tokenizer("qwen3"), num_hidden_layers=1, tie_word_embeddings=True
    )
    _change(directory, lambda tensors: tensors.pop(HEAD, None) and None)
    assert verify(str(directory)).sound
    _change(directory, lambda tensors: tensors.update({HEAD: tensors["model.embed_tokens.weight"].copy()}))
    assert verify(str(directory)).sound
    assert convert(str(directory), tmp_path / "same.gguf").tensors
    (tmp_path / "same.gguf").unlink()
    _change(directory, lambda tensors: tensors.update({HEAD: tensors["model.embed_tokens.weight"] + 1}))
    _assert_refused(directory, "differs from the embedding", tmp_path / "model.gguf")


@pytest.mark.parametrize("fault", ["lists one that no file has", "does not list one", "another file"])
def test_an_index_that_contradicts_the_files(fault: str, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "model", "llama", small_tokenizer("llama"), num_hidden_layers=2)
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    names = sorted(tensors)
    halves = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, directory / file)
    index = {name: file for file, part in halves.items() for name in part}
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert verify(str(directory)).sound
    if fault == "lists one that no file has":
        index["model.extra.weight"] = "model-1.safetensors"
    elif fault == "does not list one":
        del index[names[0]]
    else:
        index[names[0]] = "model-2.safetensors"
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    found = verify(str(directory))
    assert [problem for problem in found.problems if "model.safetensors.index.json" in problem]


@pytest.mark.parametrize("kind", ["qwen2", "gpt2", "mixtral"])
def test_other_architectures_are_verified_as_transformers_loads_them(kind: str, tmp_path: Path) -> None:
    save(tmp_path, kind, **ARCHITECTURES[kind])
    found = verify(str(tmp_path))
    assert found.sound, found.problems
    assert len(found.tensors) > 10
    norm = next(tensor.name for tensor in found.tensors if "norm" in tensor.name or "ln_f" in tensor.name)
    _change(tmp_path, _without(norm))
    assert any("is missing" in problem for problem in verify(str(tmp_path)).problems)


@pytest.mark.parametrize("problem", [KeyboardInterrupt, OSError(28, "No space left on device"), ModelError("damaged")])
def test_a_conversion_that_ends_early_leaves_what_was_there(problem: BaseException, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "model", "llama", small_tokenizer("llama"), num_hidden_layers=2)
    output = tmp_path / "model.gguf"

    def fail(_name: str, number: int, _n_tensors: int) -> None:
        if number == 5:
            raise problem

    for before in (None, b"an earlier file"):
        if before is not None:
            output.write_bytes(before)
        with pytest.raises((KeyboardInterrupt, OSError, ModelError)):
            convert(str(directory), output, overwrite=True, progress=fail)
        assert (output.read_bytes() if output.exists() else None) == before
        assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_the_embedded_model_is_sound() -> None:
    assert verify(EMBEDDED).problems == []
    assert data_path("tokenizers", EMBEDDED).is_dir()
