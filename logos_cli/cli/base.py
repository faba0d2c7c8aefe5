"""The class of a command, which command files export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from typer.core import TyperGroup

from logos_cli.errors import ExitCode

Callback = Callable[..., ExitCode | None]


@dataclass(frozen=True, slots=True)
class Command:
    """The ``PLUGIN`` of a command file, its last statement.

    The first line of the file, after the colon, is the command's line in ``logos --help``; panel and order are literals,
    so that the help needs no import of the command.

    Attributes
    ----------
    name : str
        The name on the command line; the file's name.
    callback : callable, optional
        The command, a function with Typer annotations; its docstring is the help text.
    subcommands : mapping
        ``{name: callable}`` for a command that is a group.
    help : str
        Help of a group, if more than its line in ``logos --help``; that of a single command is its docstring.
    group_class : type, optional
        A ``typer.core.TyperGroup`` that parses the group's command line in its own way.
    panel : str
        Heading in ``logos --help``.
    order : int
        Position in ``logos --help``, ascending.
    """

    name: str
    callback: Callback | None = None
    subcommands: Mapping[str, Callback] = field(default_factory=dict)
    help: str = ""
    group_class: type[TyperGroup] | None = None
    panel: str = "Commands"
    order: int = 100
