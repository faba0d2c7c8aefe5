"""Configuration files, runs of one file, ``logos help``, and errors of the command line in one style."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logos_cli.cli.config import NAME, config_files, default_map, run_steps, settings
from logos_cli.cli.options.common import complete_model
from logos_cli.errors import ExitCode, InputError, UsageError

_FILE = """
seed = 7
[generate]
temperature = 0.9
[generate.molecule]
num-samples = 3
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a configuration file, and a user with another."""
    home, here = tmp_path / "home", tmp_path / "project" / "deep"
    (home / "logos").mkdir(parents=True)
    here.mkdir(parents=True)
    (home / "logos" / NAME).write_text('seed = 1\nmodel = "theirs"\n', encoding="utf-8")
    (here.parent / NAME).write_text(_FILE, encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.delenv("LOGOS_CONFIG", raising=False)
    monkeypatch.chdir(here)
    return here


def test_the_project_comes_before_the_user_and_the_command_before_all(project: Path) -> None:
    assert [path.parent.name for path in config_files()] == ["logos", "project"]
    table = default_map(list(settings()))
    assert table["encode"]["seed"] == 7
    assert table["generate"]["molecule"] == {"seed": 7, "model": "theirs", "temperature": 0.9, "num_samples": 3}
    assert "num_samples" not in table["generate"]["protein"]


def test_another_file_or_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_CONFIG", "")
    assert default_map(list(settings())) == {}
    other = project / "other.toml"
    other.write_text("seed = = 3", encoding="utf-8")
    monkeypatch.setenv("LOGOS_CONFIG", str(other))
    with pytest.raises(InputError, match="not TOML"):
        default_map(list(settings()))


def test_the_command_line_comes_first_then_the_environment(logos: Any, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(_FILE, encoding="utf-8")
    shown = logos("generate", "molecule", "--dry-run", code=ExitCode.OK).stdout
    assert ("temperature                0.9" in shown, "seed                       7" in shown) == (True, True)
    shown = logos("generate", "molecule", "--dry-run", "--seed", 2, code=ExitCode.OK).stdout
    assert "seed                       2" in shown
    shown = logos("config", "show", env={"LOGOS_MODEL": "logos-nano"}, code=ExitCode.OK).stdout
    assert "generate molecule --num-samples  3" in shown
    assert "environment" in shown


def test_an_option_that_no_command_has_is_named(logos: Any, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("[generate]\ntemprature = 1\n", encoding="utf-8")
    done = logos("config", "show", code=ExitCode.USAGE)
    assert "there is no option generate --temprature" in done.stderr
    done = logos("generate", "molecule", "--dry-run", code=ExitCode.USAGE)
    assert f"{tmp_path / NAME}: generate --temprature is no option of logos generate" in done.stderr
    assert "did you mean temperature?" in done.stderr
    logos("grammar", "show", "search", code=ExitCode.OK)  # the table is not its own


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("sede = 3\n", ExitCode.USAGE),  # at the top, of no command
        ("num-samples = 3\n", ExitCode.OK),  # of generate
        ("[gramar]\nform = 3\n", ExitCode.USAGE),  # a table of no command
        ("[grammar.shw]\nform = 3\n", ExitCode.USAGE),
        ("[score]\nnonsense = 3\n", ExitCode.OK),  # score refuses it
    ],
)
def test_a_mistyped_name_stops_the_commands_that_it_is_for(
    logos: Any, tmp_path: Path, text: str, code: ExitCode
) -> None:
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    logos("grammar", "show", "search", code=code)


def test_a_run_of_no_file(logos: Any) -> None:
    done = logos("run", "nosuch.toml", code=ExitCode.USAGE)
    assert done.stderr.splitlines() == ["error: nosuch.toml: there is no such file", "hint: check the path"]


def test_a_run_of_one_file(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        'backend = "fake"\n[[step]]\ncommand = "generate molecule"\nnum-samples = 4\noutput = "m.jsonl"\n'
        '[[step]]\ncommand = "score"\narguments = ["m.jsonl"]\nmetrics = "qed"\noutput = "s.jsonl"\n',
        encoding="utf-8",
    )
    shown = logos("run", "run.toml", "--dry-run", code=ExitCode.OK).stdout.splitlines()
    assert shown == [
        "logos generate molecule --num-samples 4 --output m.jsonl",
        "logos score --metrics qed --output s.jsonl m.jsonl",
    ]
    done = logos("run", "run.toml")
    assert "step 2 of 2: logos score" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert {row["sample"]["backend"] for row in rows} == {"fake"}
    again = logos("run", "run.toml", code=ExitCode.USAGE)  # the output exists
    assert "step 1 failed" in again.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "has no steps"),
        ("[[step]]\nseed = 1", "names no command"),
        ("[[step]]\ncommand='a'\nb={c=1}", "is a table"),
    ],
)
def test_files_that_are_no_run(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        run_steps(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("encode", "--nope"), "error: no such option: --nope"),
        (("generte",), "error: no such command 'generte'"),
        (("score", "x", "--top", "0"), "error: invalid value for '--top'"),
        (("encode", "x", "--jobs", "many"), "error: invalid value for '--jobs'"),
    ],
)
def test_all_errors_have_one_style(logos: Any, words: tuple[str, ...], message: str) -> None:
    done = logos(*words, code=ExitCode.USAGE)
    assert done.stderr.startswith(message)
    assert "\nhint: " in done.stderr
    assert "Usage:" not in done.stderr


def test_help_as_a_command_and_in_sections(logos: Any) -> None:
    shown = logos("help", "generate", "protein", code=ExitCode.OK).stdout
    assert shown == logos("generate", "protein", "--help", code=ExitCode.OK).stdout
    titles = [line for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles[:5] == ["Arguments:", "Input:", "Sampling:", "Constraints:", "Task:"]
    assert "preset" not in shown
    assert "1 with logos-nano, else 1.2" in " ".join(shown.split())


def test_models_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.gguf").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").touch()
    assert "logos-nano" in complete_model("logos")
    assert {"mine", "own.gguf"} <= set(complete_model(""))
    assert complete_model("ow") == ["own.gguf"]
