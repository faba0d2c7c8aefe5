"""``config.json`` of a stranger: wrong numbers are refused by name, before they cost time or memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from logos_cli.backends.base import LoadOptions
from logos_cli.checkpoints.config import DecoderConfig, eos_ids
from logos_cli.checkpoints.skills import read_skills
from logos_cli.checkpoints.tokenizer import HubTokenizer
from logos_cli.engine.sampler import check_numbers
from logos_cli.engine.sampling import Sampling
from logos_cli.errors import InputError, ModelError, UsageError
from logos_cli.io.toml import parse_toml
from logos_cli.records.json_text import parse_json
from logos_cli.resources import EMBEDDED, data_path

NANO = data_path("tokenizers", EMBEDDED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("hidden_size", "vocab_size") for value in (10**12, -1, "64", 1.5, True, [1])),
        *(("num_hidden_layers", 10**9), ("head_dim", 10**9), ("num_attention_heads", 0)),
        *(("max_position_embeddings", 10**18), ("max_position_embeddings", "many")),
        *(("rms_norm_eps", float("nan")), ("rms_norm_eps", "x"), ("layer_types", {"a": 1})),
        *(("rope_parameters", value) for value in ([1], {"rope_theta": float("inf")}, {"rope_theta": "x"})),
        *(("rope_parameters", {"rope_type": "linear", **more}) for more in ({}, {"factor": 0}, {"factor": "x"})),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(name: str, value: object) -> None:
    config = json.loads((NANO / "config.json").read_text())
    assert DecoderConfig.from_json(config).n_layers > 0
    with pytest.raises(ModelError, match="missing or wrong") as caught:
        DecoderConfig.from_json(config | {name: value})
    assert any(word in str(caught.value) for word in (name, "rope_theta", "factor"))


@pytest.mark.parametrize("value", [-1, "x", [[1]], {"a": 1}, True, 1.0])
def test_what_is_no_end_of_text_is_refused(value: object) -> None:
    assert eos_ids({"eos_token_id": [1, 2]}, {"eos_token_id": 1}, {}) == (1, 2)
    with pytest.raises(ModelError, match="eos_token_id is"):
        eos_ids({"eos_token_id": value})


def test_an_id_far_beyond_the_others_reserves_no_memory(tmp_path: Path) -> None:
    tokenizer = json.loads((NANO / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["zz"] = 10**9
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="the id 1,000,000,000 among"):
        len(HubTokenizer(tmp_path, [1]).vocabulary)


def test_json_that_is_nested_too_deep_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json("[" * 100_000)
    (tmp_path / "skills.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="skills cannot be read"):
        read_skills(tmp_path)


def test_what_is_no_number_is_the_fault_of_the_model() -> None:
    check_numbers(np.array([-1.0, -np.inf]))
    with pytest.raises(ModelError, match="no numbers"):
        check_numbers(np.array([-1.0, np.nan]))


def test_counts_are_whole() -> None:
    assert Sampling(top_k=10**400).top_k == 10**400
    with pytest.raises(UsageError, match=r"top-k is 1\.5"):
        Sampling(top_k=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["threads", "batch_size"])
@pytest.mark.parametrize("number", [0, 10**20])
def test_a_number_that_no_machine_has_is_refused(name: str, number: int) -> None:
    with pytest.raises(UsageError, match="it must be 1 or more, and at most"):
        LoadOptions(**{name: number})  # type: ignore[arg-type]


def test_a_number_of_thousands_of_digits_is_no_toml() -> None:
    with pytest.raises(InputError, match="not TOML"):
        parse_toml("x = " + "9" * 5000, "logos.toml")
