"""The values that configuration files and the environment set, with where they come from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main

from logos_cli.cli.app import build_app
from logos_cli.cli.config import settings


@dataclass(frozen=True, slots=True)
class Effective:
    """A value that is set outside of a command line.

    Attributes
    ----------
    option : str
        Command and option: ``generate ligand --num-samples``; or the variable.
    source : str
        The file, or the environment.
    is_used : bool
        Whether no other place sets the same value before.
    is_unknown : bool
        Whether no command has the option.
    """

    option: str
    value: object
    source: str
    is_used: bool = True
    is_unknown: bool = False

    @property
    def remark(self) -> str:
        """What a reader must know of it."""
        return "" if self.is_used else " (another value comes first)"

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"option": self.option, "value": self.value, "source": self.source, "used": self.is_used}


def effective(files: Sequence[Path]) -> list[Effective]:
    """Return all values of configuration files and of variables of options, with where they come from."""
    found = list(settings(files))
    options = _options_of_commands()
    variables = {variable for own in options.values() for variable in own.values() if variable}
    rows = []
    for place, each in enumerate(found):
        later = any(other.command == each.command and other.name == each.name for other in found[place + 1 :])
        holders = [own for path, own in options.items() if path[: len(each.command)] == each.command]
        known = [own[each.name] for own in holders if each.name in own]
        shadowed = any(variable and os.environ.get(variable) for variable in known)
        option = " ".join((*each.command, f"--{each.name.replace('_', '-')}"))
        rows.append(Effective(option, each.value, str(each.path), not (later or shadowed), not known))
    set_here = sorted(name for name in variables if os.environ.get(name))
    return rows + [Effective(name, os.environ[name], "environment") for name in set_here]


def _options_of_commands() -> dict[tuple[str, ...], dict[str, str | None]]:
    """Return the options of each command with their variables of the environment."""
    found: dict[tuple[str, ...], dict[str, str | None]] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        found[path] = {
            parameter.name: parameter.envvar if isinstance(parameter.envvar, str) else None
            for parameter in command.params
        }
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*path, name))

    walk(typer.main.get_command(build_app(rich_help=False)), ())
    return found
