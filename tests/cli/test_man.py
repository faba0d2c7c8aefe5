"""The manual pages: up to date, complete, and readable by ``man``."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from logos_cli.errors import ExitCode


@pytest.fixture(scope="module")
def generator(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_man", checkout / "scripts" / "generate_man.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(generator: ModuleType) -> dict[str, str]:
    return dict(generator.pages())


def test_pages_have_not_drifted(pages: dict[str, str], checkout: Path) -> None:
    present = {path.name: path.read_text(encoding="utf-8") for path in (checkout / "man").glob("*")}
    stale = [name for name in sorted(pages.keys() | present.keys()) if pages.get(name) != present.get(name)]
    assert not stale, "run `make man`"


def test_generating_twice_gives_the_same(generator: ModuleType, pages: dict[str, str]) -> None:
    assert generator.pages() == pages


def test_every_command_has_a_page(pages: dict[str, str]) -> None:
    from logos_cli import registry

    for name, command in registry.load_all("cli.commands").items():
        assert f"logos-{name}.1" in pages
        for subcommand in command.subcommands:
            assert f"logos-{name}-{subcommand}.1" in pages


def test_pages_have_their_sections_in_order(pages: dict[str, str]) -> None:
    wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"]
    for name, text in pages.items():
        found = [heading for heading in re.findall(r"^\.SH (.*)$", text, re.MULTILINE) if heading in wanted]
        assert found == wanted, name
        assert text.isascii()
        assert not re.search(r"\[/?bold\]", text)
        for code in ExitCode:
            assert f"\\fB{int(code)}\\fR" in text


def test_every_visible_option_is_explained_and_no_hidden_one(pages: dict[str, str], generator: ModuleType) -> None:
    import typer.main

    from logos_cli.cli.app import build_app

    n_hidden = 0
    for name, command in generator.walk("logos", typer.main.get_command(build_app(rich_help=False))):
        text = pages[f"{name.replace(' ', '-')}.1"]
        for parameter in command.params:
            if parameter.param_type_name != "option":
                continue
            for spelling in parameter.opts:
                shown = f"\\fB{generator.escape(spelling, code=True)}\\fR" in text
                assert shown != parameter.hidden, (name, spelling)
                n_hidden += parameter.hidden
            assert parameter.help or parameter.hidden, (name, parameter.name)


def test_examples_are_command_lines_of_this_program(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        examples = re.findall(r"^\.nf\n(.*)\n\.fi$", text, re.MULTILINE)
        assert all("logos " in example for example in examples), name
        if name.count("-") and "COMMANDS" not in text:
            assert examples, f"{name} has no example"


def test_every_variable_of_ours_is_in_the_manual(pages: dict[str, str], checkout: Path) -> None:
    used: set[str] = set()
    for path in (checkout / "logos_cli").rglob("*.py"):
        used |= set(re.findall(r"""["'](LOGOS_[A-Z_]+)["']""", path.read_text(encoding="utf-8")))
    assert used
    assert not [name for name in used if f"\\fB{name}\\fR" not in pages["logos.1"]]


@pytest.mark.skipif(shutil.which("man") is None, reason="no program `man` here")
@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_man_renders_every_page_without_a_warning(checkout: Path, pages: dict[str, str], every: int) -> None:
    for name in list(pages)[::every]:
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", f"./man/{name}"],
            cwd=checkout,
            capture_output=True,
            text=True,
            check=True,
            env={"MANWIDTH": "80", "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )
        assert done.stderr == ""
        text = re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout)
        assert max(map(len, text.splitlines())) <= 120
        assert "\\f" not in text
        command = name.removesuffix(".1").replace("-", " ")
        assert re.search(rf"SYNOPSIS\n +{command} \[OPTIONS\]", text)
