"""Shell completion: the scripts, and what they complete."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from logos_cli.grammar import FORMS

# Typer asks the process tree for the shell; this lets a test say which one it means
NAMED_SHELL = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


@pytest.mark.parametrize(
    ("shell", "signs"),
    [
        ("bash", ("complete ", "-F", "_LOGOS_COMPLETE=complete_bash", "logos")),
        ("zsh", ("#compdef logos", "_LOGOS_COMPLETE=complete_zsh")),
        ("fish", ("complete --command logos", "_LOGOS_COMPLETE=complete_fish")),
        ("powershell", ("Register-ArgumentCompleter", "complete_powershell", "-CommandName logos")),
        ("pwsh", ("Register-ArgumentCompleter", "complete_powershell", "-CommandName logos")),
    ],
)
def test_a_script_for_each_shell(logos: Any, shell: str, signs: tuple[str, ...]) -> None:
    script = logos("--show-completion", shell, env=NAMED_SHELL, code=0).stdout
    for sign in signs:
        assert sign in script


def _bash(logos: Any, line: str) -> list[str]:
    """Complete the last word of a line as bash would ask for it."""
    words = line.split(" ")
    env = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1), "_LOGOS_COMPLETE": "complete_bash"}
    found: list[str] = logos(env=env).stdout.split()
    return found


def test_command_names(logos: Any) -> None:
    assert _bash(logos, "logos enc") == ["encode"]
    assert {"encode", "decode", "grammar"} <= set(_bash(logos, "logos "))
    assert _bash(logos, "logos grammar ") == ["check", "show"]


def test_option_names(logos: Any) -> None:
    assert "--cutoff" in _bash(logos, "logos encode --c")
    assert _bash(logos, "logos encode --cu") == ["--cutoff"]
    assert _bash(logos, "logos decode --ov") == ["--overwrite"]


def test_hidden_spellings_are_not_offered(logos: Any) -> None:
    assert not [word for word in _bash(logos, "logos encode --") if "_" in word]


def test_values(logos: Any) -> None:
    assert set(_bash(logos, "logos encode --as ")) == set(FORMS)
    assert set(_bash(logos, "logos grammar show re")) == {"reaction", "retrosynthesis"}
    assert _bash(logos, "logos grammar check --as mat") == ["material"]
    assert set(_bash(logos, "logos decode --to s")) == {"sdf", "selfies", "smi", "sqlite", "svg"}
    assert _bash(logos, "logos encode -f j") == ["jsonl"]
    assert set(_bash(logos, "logos encode --sequence ")) == {"observed", "full"}


@pytest.mark.parametrize(
    ("shell", "env"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "logos encode --as mat"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "logos encode --as mat", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
        ("powershell", {"_TYPER_COMPLETE_ARGS": "logos encode --as mat", "_TYPER_COMPLETE_WORD_TO_COMPLETE": "mat"}),
    ],
)
def test_other_shells_get_the_same_answers(logos: Any, shell: str, env: dict[str, str]) -> None:
    out = logos(env={**env, "_LOGOS_COMPLETE": f"complete_{shell}"}).stdout
    assert "material" in out
    assert "molecule" not in out


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_a_real_bash_completes(logos: Any, logos_env: dict[str, str], logos_argv: list[str], tmp_path: Path) -> None:
    """Source the script and let bash itself call the function that it binds."""
    script = logos("--show-completion", "bash", env=NAMED_SHELL, code=0).stdout
    program = tmp_path / "logos"
    program.write_text(f'#!/bin/sh\nexec {" ".join(logos_argv)} "$@"\n')
    program.chmod(0o755)
    test = """
        COMP_WORDS=(logos grammar show ret) COMP_CWORD=3
        _logos_completion logos
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script + test],
        env=logos_env | {"PATH": f"{tmp_path}:{logos_env['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["retrosynthesis"]
