"""What every command owes to its user."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest
import typer.main

from logos_cli import registry
from logos_cli.backends.options import LoadOptions
from logos_cli.cli.app import build_app
from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import specs_of
from logos_cli.cli.options.load import LoadArguments

NAMES = registry.names("cli.commands")
ROOT: Any = typer.main.get_command(build_app(rich_help=False))


def _leaves() -> dict[str, Any]:
    found = {}
    for name, command in ROOT.commands.items():
        children = getattr(command, "commands", None)
        found.update({f"{name} {child}": children[child] for child in children} if children else {name: command})
    return found


LEAVES = _leaves()


@pytest.mark.parametrize("name", NAMES)
def test_the_plugin_is_named_as_its_file(name: str) -> None:
    plugin = registry.load("cli.commands", name)
    assert isinstance(plugin, Command)
    assert plugin.name == name
    assert bool(plugin.callback) != bool(plugin.subcommands)
    assert name in ROOT.commands


@pytest.mark.parametrize("name", NAMES)
def test_the_outline_is_that_of_the_plugin(name: str) -> None:
    """``logos --help`` reads it from the text of the file, without an import."""
    plugin = registry.load("cli.commands", name)
    found = registry.outline("cli.commands", name)
    assert (found.settings["panel"], found.settings["order"]) == (plugin.panel, plugin.order)
    assert found.summary.endswith(".")
    if plugin.callback:
        assert plugin.callback.__doc__.startswith(found.summary[:-1])


@pytest.mark.parametrize("name", LEAVES)
def test_help_is_complete(name: str) -> None:
    command = LEAVES[name]
    summary = command.help.split("\n\n")[0]
    assert summary.endswith(".")
    assert re.search(r"^Examples:$", command.help, re.MULTILINE)
    assert f"logos {name}" in command.help.split("Examples:")[1]
    for parameter in command.params:
        if not parameter.hidden:
            assert parameter.help, parameter.name
            assert parameter.help.endswith("."), parameter.name


@pytest.mark.parametrize("name", LEAVES)
def test_common_options_are_everywhere(name: str) -> None:
    spelt = {option for parameter in LEAVES[name].params for option in parameter.opts}
    assert {"--quiet", "-q", "--verbose", "-v", "--traceback"} <= spelt


def test_one_spelling_means_one_thing() -> None:
    """A short option stands for the same long one in every command."""
    meaning: dict[str, set[str]] = {}
    for command in LEAVES.values():
        for parameter in command.params:
            longs = [option for option in parameter.opts if option.startswith("--")]
            for option in parameter.opts:
                if re.fullmatch(r"-[a-z]", option):
                    meaning.setdefault(option, set()).add(longs[0])
    assert {short: longs for short, longs in meaning.items() if len(longs) > 1} == {}


def test_options_are_spelt_with_hyphens_and_underscores_are_hidden() -> None:
    for name, command in LEAVES.items():
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.hidden:
                assert not [option for option in parameter.opts if "_" in option], name


def test_the_options_that_load_a_model_are_those_of_the_library() -> None:
    """By name and default, so that the one is made of the other."""
    declared = {each.name: each.default for each in specs_of(LoadArguments)}
    assert declared == {each.name: each.default for each in fields(LoadOptions)}


@pytest.mark.parametrize(
    "name", [name for name in LEAVES if name.split()[0] in ("generate", "score", "explain")] + ["bench tasks"]
)
def test_every_command_that_runs_a_model_offers_all_of_them(name: str) -> None:
    names = {parameter.name for parameter in LEAVES[name].params}
    assert {each.name for each in fields(LoadOptions)} <= names
