"""The values that configuration files and the environment set, with where they come from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from logos_cli import limits, registry
from logos_cli.cli.boundary import guard
from logos_cli.cli.config import LIMITS, Setting, settings
from logos_cli.cli.groups import ROOM, built
from logos_cli.errors import UsageError

_Options = dict[tuple[str, ...], dict[str, str | None]]


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
    options = _options_of(registry.names(ROOM))
    variables = {variable for own in options.values() for variable in own.values() if variable}
    rows = []
    for place, each in enumerate(found):
        if each.command == LIMITS:
            is_used = limits.source_of(each.name) == str(each.path)
            rows.append(Effective(f"limits.{each.name}", each.value, str(each.path), is_used))
            continue
        later = any(other.command == each.command and other.name == each.name for other in found[place + 1 :])
        known = [own[each.name] for own in _holders(each, options)]
        shadowed = any(variable and os.environ.get(variable) for variable in known)
        rows.append(Effective(each.label, each.value, str(each.path), not (later or shadowed), not known))
    variables |= {each.variable for each in limits.LIMITS.values() if limits.source_of(each.name) == limits.ENVIRONMENT}
    set_here = sorted(name for name in variables if os.environ.get(name))
    return rows + [Effective(name, os.environ[name], limits.ENVIRONMENT) for name in set_here]


def refuse_unknown(found: Sequence[Setting], command: str) -> None:
    """Refuse values that no option takes: of the tables of a command, of tables that are no command's, and at the top.

    Raises
    ------
    UsageError
        With the name, the file and the nearest options.
    """
    names = registry.names(ROOM)
    own = _options_of([command])
    for each in found:
        if each.command and each.command[0] in names and each.command[0] != command:
            continue  # its own command refuses it
        if _holders(each, own) or (not each.command and _holders(each, _options_of(names))):
            continue
        known = {name for path, options in own.items() if path[: len(each.command)] == each.command for name in options}
        near = get_close_matches(each.name, known, n=1)
        raise UsageError(
            f"{each.label} is no option of logos{f' {each.command[0]}' if each.command else ''}",
            source=str(each.path),
            hint=f"did you mean {near[0].replace('_', '-')}?" if near else "logos config show lists what the files set",
        )


def _holders(setting: Setting, options: _Options) -> list[dict[str, str | None]]:
    """Return the options of the commands that take a value."""
    depth = len(setting.command)
    return [own for path, own in options.items() if path[:depth] == setting.command and setting.name in own]


def _options_of(names: Iterable[str]) -> _Options:
    """Return the options of commands and their subcommands with their variables of the environment."""
    found: _Options = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        found[path] = {
            parameter.name: parameter.envvar if isinstance(parameter.envvar, str) else None
            for parameter in command.params
        }
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*path, name))

    for name in names:
        walk(built(name, guard, None), (name,))
    return found
