"""Configuration files: defaults of options, of the user and of a project.

    seed = 7                     # every command that has the option

    [generate]                   # every task
    model = "LOGOS-Hub/LOGOS-8B"

    [generate.ligand]            # one command
    num-samples = 100

The user's is ``$XDG_CONFIG_HOME/logos/logos.toml`` (``~/.config``), the project's ``logos.toml`` in the current directory
or the nearest above. An option on the command line comes first, then its environment variable, the project, the user.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from logos_cli import limits, registry
from logos_cli.errors import UsageError

NAME: Final = "logos.toml"
LIMITS: Final = ("limits",)
"""The table of bounds."""
OFF: Final = "LOGOS_CONFIG"
"""The variable that names another file than the user's; empty for none at all."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a configuration file.

    Attributes
    ----------
    command : tuple of str
        The command or group that it is for; empty for all.
    name : str
        The option, with underscores.
    path : Path
        The file.
    """

    command: tuple[str, ...]
    name: str
    value: object
    path: Path

    @property
    def label(self) -> str:
        """Command and option as on the command line: ``generate ligand --num-samples``."""
        return " ".join((*self.command, f"--{self.name.replace('_', '-')}"))


def config_files() -> list[Path]:
    """Return the configuration files that exist: the user's, then the project's, which comes first where both set a value."""
    named = os.environ.get(OFF)
    if named is not None:
        return [Path(named)] if named else []
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    user = Path(home).expanduser() / "logos" / NAME
    here = Path.cwd()
    project = next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)
    return [path for path in (user, project) if path is not None and path.is_file()]


def settings(files: Sequence[Path] | None = None) -> Iterator[Setting]:
    """Yield the values of the files, in their order.

    Raises
    ------
    UsageError
        If a file is no TOML.
    """
    for path in config_files() if files is None else files:
        yield from _flat(_read(path), (), path)


def apply_limits(found: Iterable[Setting]) -> list[Setting]:
    """Set the bounds of the tables ``[limits]`` for this process, and return the other values.

    Raises
    ------
    UsageError
        If there is no such bound, or if it is no whole number above 0.
    """
    found = list(found)
    for each in reversed(found):  # the last file comes first
        if each.command == LIMITS:
            limits.apply(each.name, each.value, str(each.path))
    return [each for each in found if each.command != LIMITS]


def _read(path: Path) -> dict[str, Any]:
    from logos_cli.io.toml import parse_toml, toml_text

    try:
        text = toml_text(path)
    except FileNotFoundError as error:
        raise UsageError("there is no such file", source=str(path), hint="check the path") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"the file cannot be read: {error}", source=str(path)) from error
    return parse_toml(text, str(path))


def _flat(table: Mapping[str, Any], command: tuple[str, ...], path: Path) -> Iterator[Setting]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*command, name), path)
        else:
            yield Setting(command, name.replace("-", "_"), value, path)


def default_map(found: Sequence[Setting]) -> dict[str, Any]:
    """Return the defaults of commands as Typer takes them: nested tables of the names of commands.

    Parameters
    ----------
    found : sequence of Setting
        Of two values for one option the later counts.
    """
    if not found:
        return {}
    # a table named as an option of the program would be its value
    return {name: _of_command((name,), found) for name in registry.names("cli.commands") if name != "help"}


def _of_command(command: tuple[str, ...], found: Sequence[Setting]) -> dict[str, Any]:
    """Return the values of a command, with those of all commands and of its group, and the tables of its subcommands."""
    own: dict[str, Any] = {}
    for depth in range(len(command) + 1):
        own |= {each.name: each.value for each in found if each.command == command[:depth]}
    children = {each.command[len(command)] for each in found if len(each.command) > len(command)}
    if len(command) == 1:
        children |= set(registry.names("tasks")) if command[0] == "generate" else set()
        for child in children:
            own[child] = _of_command((*command, child), found)
    return own


# -- runs -----------------------------------------------------------------------------------------------------------


def run_steps(path: Path) -> tuple[list[Setting], list[list[str]]]:
    """Return the common values and the command lines of a file of steps.

    Raises
    ------
    UsageError
        If the file is no TOML, or a step is not well formed.
    """
    table = _read(path)
    steps = table.pop("step", None)
    if not isinstance(steps, list) or not steps or not all(isinstance(step, dict) for step in steps):
        raise UsageError(
            "the file has no steps", source=str(path), hint='begin each with [[step]] and command = "score"'
        )
    return list(_flat(table, (), path)), [_words(step, f"{path}, step {n}") for n, step in enumerate(steps, 1)]


def _words(step: Mapping[str, Any], source: str) -> list[str]:
    """Return the words of one step."""
    rest = dict(step)
    command, given = rest.pop("command", None), rest.pop("arguments", [])
    if not isinstance(command, str) or not command.split():
        raise UsageError("the step names no command", source=source, hint='command = "generate ligand"')
    words = command.split()
    for name, value in rest.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, Mapping):
            raise UsageError(f"{name} is a table; a step holds options only", source=source)
        if value is False:
            continue
        for each in value if isinstance(value, list) else [value]:
            words += [option] if each is True else [option, str(each)]
    return [*words, *map(str, given if isinstance(given, list) else [given])]
