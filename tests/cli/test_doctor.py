"""``logos doctor``: what works here, and the exit code that says so."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from logos_cli.errors import ExitCode
from logos_cli.resources import EMBEDDED, data_path
from logos_cli.workflows.doctor import required


def test_a_good_installation_is_ready(logos: Any) -> None:
    found = json.loads(logos("doctor", "--json", code=ExitCode.OK).stdout)
    assert found["ready"] is True
    assert found["problems"] == []
    assert found["self_test"]["error"] is None
    assert found["backends"]["torch"]["available"] is True
    assert "cpu" in found["backends"]["torch"]["devices"]
    assert "fake" not in found["backends"]
    assert found["models"][0]["name"] == "logos-nano"
    assert found["offline"]["ready"] is True
    assert found["libraries"]["numpy"]["version"]
    assert found["libraries"]["vina"]["remedy"] in (None, "pip install 'logos-cli[dock]'")


def test_the_text_is_plain_where_no_terminal_is(logos: Any) -> None:
    done = logos("doctor", code=ExitCode.OK)
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1] == "ready"
    assert re.search(r"^backends\s+torch\s+ok\s+\d", done.stdout, re.MULTILINE)
    assert re.search(r"^self-test\s+generate\s+ok", done.stdout, re.MULTILINE)


def test_caches_that_cannot_be_written_are_advice_not_failure(logos: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    env = {"LOGOS_CACHE": str(blocked / "cache"), "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    found = json.loads(logos("doctor", "--json", env=env, code=ExitCode.OK).stdout)
    assert found["caches"][0]["writable"] is False
    assert "LOGOS_CACHE" in found["advice"][0]
    assert found["caches"][1]["path"] == str(tmp_path / "hf" / "hub")
    assert found["offline"]["forced"] is True


def test_models_in_the_hub_cache_that_speak_the_grammar_are_listed(logos: Any, tmp_path: Path) -> None:
    embedded = data_path("tokenizers", EMBEDDED)
    for name in ("LOGOS-Hub--LOGOS-1B", "openai--gpt2", "LOGOS-Hub--half"):
        snapshot = tmp_path / "hub" / f"models--{name}" / "snapshots" / "abc123"
        snapshot.mkdir(parents=True)
        for file in ("config.json", "tokenizer.json", "model.safetensors"):
            shutil.copy(embedded / file, snapshot)
    (tmp_path / "hub" / "models--openai--gpt2" / "snapshots" / "abc123" / "tokenizer.json").write_text("{}")
    (tmp_path / "hub" / "models--LOGOS-Hub--half" / "snapshots" / "abc123" / "model.safetensors").unlink()
    found = json.loads(logos("doctor", "--json", env={"HF_HOME": str(tmp_path)}, code=ExitCode.OK).stdout)
    assert [(model["name"], model["where"], model.get("revision")) for model in found["models"]] == [
        ("logos-nano", "embedded", None),
        ("LOGOS-Hub/LOGOS-1B", "cached", "abc123"),
    ]


def test_the_libraries_are_those_of_the_project_file(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]

    def named(requirements: list[str]) -> set[str]:
        return {Requirement(requirement).name for requirement in requirements}

    found = required()
    assert set(found["base"]) == named(project["dependencies"])
    for extra in project["optional-dependencies"].keys() - {"all", "test"}:
        assert set(found[extra]) == named(project["optional-dependencies"][extra]) - set(found["base"])
