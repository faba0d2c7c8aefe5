"""The plug-ins of docs/contributing/plugins.md work as the page shows: one file each, found by the command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def page(checkout: Path) -> str:
    return (checkout / "docs" / "contributing" / "plugins.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def copy(page: str, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with the plug-ins of the page."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("logos_cli", "tokenizers", "man"):
        shutil.copytree(checkout / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = re.findall(r"^`(logos_cli/\S+)`:\n\n```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(files) == 3
    for name, text in files:
        assert not (root / name).exists()
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_the_commands_of_the_page_print_what_it_shows(
    page: str, copy: Path, logos_env: dict[str, str], tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "logos"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m logos_cli "$@"\n')
    program.chmod(0o755)
    env = logos_env | {"PYTHONPATH": str(copy), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    (block,) = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert len(commands) == 4
    for command, shown in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.stdout == shown, command


def test_the_plugins_are_typed_and_in_style(copy: Path) -> None:
    names = ["logos_cli/formats/notes.py", "logos_cli/tasks/peptide.py", "logos_cli/evaluators/glycines.py"]
    shutil.copy(Path(__file__).parents[2] / "pyproject.toml", copy)
    for check in (["ruff", "check"], ["ruff", "format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", *check, *names], cwd=copy, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
