"""The configuration file: every mistake is told where it is and what would be right."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from logos_cli.errors import InputError, UsageError
from logos_cli.training.config import MAY_CHANGE, DataConfig, LoraConfig, ScheduleConfig, TrainConfig, differences
from logos_cli.training.config_file import load_config, parse_setting, with_values
from logos_cli.training.run.optimization import is_decaying, learning_rate_factor


def read(tmp_path, text: str) -> TrainConfig:
    (tmp_path / "a.toml").write_text(text)
    return load_config(tmp_path / "a.toml")


def test_a_file_is_read_into_its_tables(tmp_path):
    config = read(
        tmp_path,
        '[model]\nhidden_size = 96\nn_heads = 3\n[data]\nanswer_only = ["a"]\n[data.weights]\na = 1\nb = 0.5\n'
        "[optimizer]\nlearning_rate = 1\n[lora]\nrank = 4\n",
    )
    assert config.model.hidden_size == 96
    assert config.data == DataConfig(weights={"a": 1.0, "b": 0.5}, answer_only=("a",))
    assert config.optimizer.learning_rate == 1.0
    assert config.lora == LoraConfig(rank=4)
    assert with_values(TrainConfig(), {"lora.rank": 4}).lora == LoraConfig(rank=4)


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("[run]\n\nsede = 3\n", 3, "[run] has no key 'sede'", "did you mean 'seed'?"),
        ("[optimiser]\nname = 'muon'\n", 1, "there is no table 'optimiser'", "did you mean 'optimizer'?"),
        ("seed = 3\n", 1, "there is no key 'seed'", "it belongs into [run]"),
        ("[schedule]\nn_steps = 1.5\n", 2, "must be a whole number, not 1.5", None),
        ("[schedule]\nn_steps = true\n", 2, "must be a whole number, not True", None),
        ("[schedule]\nn_steps = 0\n", 2, "must be at least 1, not 0", None),
        ("[optimizer]\nbeta1 = 1.5\n", 2, "must be from 0.0 to 1.0", None),
        ("[optimizer]\nbeta1 = nan\n", 2, "must be a number", None),
        ("[schedule]\nname = 'cosin'\n", 2, "cannot be 'cosin'", "did you mean 'cosine'?"),
        ("[run]\ncompile = 'yes'\n", 2, "must be true or false", None),
        ("[data]\nweights = {a = -1}\n", 2, "a table of numbers, none below 0", None),
        ("[data]\nweights = {a = 0}\n", 2, "a number above 0", None),
        ("[data]\nanswer_only = 'a'\n", 2, "a list of names", None),
        ("run = 3\n", 1, "run is a table", "write [run]"),
        ("[model]\nhidden_size = 100\nn_heads = 3\n", 2, "no multiple of n_heads", "head_dim"),
        ("[model]\nhidden_size = 9\nn_heads = 3\n", 3, "must be even", None),
        ("[schedule]\nn_steps = 10\n", 2, "take 350 steps of 10", "lower"),
        ("[optimizer]\nname='muon'\n[run]\nsharding='fsdp'\n", 2, "whole matrices", "adamw"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, text, line, message, hint):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert message in caught.value.message
    assert caught.value.source == f"{tmp_path / 'a.toml'}:{line}"
    assert hint is None or hint in (caught.value.hint or "")


def test_no_file_and_no_toml_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="no such"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(InputError, match="not TOML"):
        read(tmp_path, "[model\n")


def test_flags_are_checked_like_the_file():
    assert parse_setting("run.seed=3") == ("run.seed", 3)
    assert parse_setting("schedule.name=cosine") == ("schedule.name", "cosine")
    with pytest.raises(UsageError, match=r"table\.key=value"):
        parse_setting("seed=3")
    with pytest.raises(UsageError, match="no key"):
        with_values(TrainConfig(), {"run.sede": 3})


def test_what_may_change_exists_and_the_rest_is_told():
    known = {
        f"{table.name}.{key.name}"
        for table in fields(TrainConfig)
        for key in fields(LoraConfig if table.name == "lora" else type(getattr(TrainConfig(), table.name)))
    }
    assert known >= MAY_CHANGE
    assert all(is_dataclass(getattr(TrainConfig(), part.name)) for part in fields(TrainConfig) if part.name != "lora")
    old = TrainConfig().to_dict()
    new = with_values(TrainConfig(), {"optimizer.beta1": 0.5, "run.compile": True, "schedule.n_steps": 2000}).to_dict()
    assert differences(old, new) == ["optimizer.beta1: 0.9 -> 0.5"]


def test_warm_up_stable_decay():
    schedule = ScheduleConfig(n_steps=100, n_warmup_steps=10, n_decay_steps=20)
    factors = [learning_rate_factor(schedule, step) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert set(factors[9:80]) == {1.0}
    assert factors[80:] == pytest.approx([(20 - n) / 20 for n in range(20)])
    assert [is_decaying(schedule, step) for step in (79, 80)] == [False, True]


@pytest.mark.parametrize(("name", "middle"), [("cosine", 0.55), ("linear", 0.55), ("constant", 1.0)])
def test_other_schedules_fall_from_the_warm_up_on(name, middle):
    schedule = ScheduleConfig(name=name, n_steps=110, n_warmup_steps=10, n_decay_steps=0, final_factor=0.1)
    factors = [learning_rate_factor(schedule, step) for step in range(110)]
    assert factors[9:11] == [1.0, 1.0]
    assert factors[60] == pytest.approx(middle)
    assert name == "constant" or factors == [*factors[:10], *sorted(factors[10:], reverse=True)]
    assert name == "constant" or factors[-1] == pytest.approx(0.1, abs=0.02)
