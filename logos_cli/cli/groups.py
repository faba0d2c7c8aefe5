"""The root of the command line: a command is imported when it is used, not when the program starts or prints its help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from logos_cli import registry
from logos_cli.cli.base import Callback, Command

ROOM = "cli.commands"
Guard = Callable[[Callback], Callback]
Markup = Literal["rich"] | None


class PanelledCommand(TyperCommand):
    """A command whose plain help has the panels of its options as sections, as the help on a terminal has.

    An argument is named by its own words, without the type of Python that Typer writes beside it.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        parameters: list[Any] = list(self.params)
        for parameter in parameters:
            if parameter.param_type_name == "argument" and parameter.metavar is not None:
                parameter.display_type_rich = _no_type

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else "Options"
                panel = getattr(parameter, "rich_help_panel", None) or default
                sections.setdefault(panel, []).append(row)
        options = sections.pop("Options", None)  # --help and what has no panel come last
        for title, rows in (*sections.items(), *([("Options", options)] if options else [])):
            with formatter.section(title):
                formatter.write_dl(rows)


def command_group(guard: Guard, markup: Markup) -> type[TyperGroup]:
    """Return the class of the program for ``typer.Typer(cls=…)``: its commands are the plug-ins of ``cli/commands``.

    Parameters
    ----------
    guard : callable
        Wraps every command.
    markup : {"rich", None}
        Style of the help.
    """

    class Commands(TyperGroup):
        def list_commands(self, _ctx: object) -> list[str]:
            """Return the names in the order of the help."""
            return list(_outlines())

        def get_command(self, _ctx: object, name: str) -> object:  # type: ignore[override]
            """Return what the help lists of a command: name, summary and panel."""
            found = _outlines().get(name)
            if found is None:
                return None
            panel = str(found.settings["panel"])
            return TyperCommand(name, help=found.summary, rich_help_panel=panel, rich_markup_mode=markup)

        def resolve_command(self, ctx: object, args: list[str]) -> tuple[object, object, list[str]]:  # type: ignore[override]
            """Return the command that a command line names, imported."""
            name, command, rest = super().resolve_command(ctx, args)  # type: ignore[arg-type]
            return name, command and built(name or "", guard, markup), rest

        @property  # type: ignore[override]
        def commands(self) -> Mapping[str, object]:
            """All commands, imported."""
            return {name: built(name, guard, markup) for name in _outlines()}

        @commands.setter
        def commands(self, registered: Mapping[str, object]) -> None:
            """Ignore them: Typer registers no command in a group of this class."""

    return Commands


@cache
def _outlines() -> Mapping[str, registry.Outline]:
    """Return the outline of each command in the order of the help: by panel, each where its first command is."""
    found = {name: registry.outline(ROOM, name) for name in registry.names(ROOM)}
    ordered = sorted(found.items(), key=lambda item: (item[1].settings["order"], item[0]))
    panels = list(dict.fromkeys(outline.settings["panel"] for _, outline in ordered))
    return dict(sorted(ordered, key=lambda item: panels.index(item[1].settings["panel"])))


@cache
def built(name: str, guard: Guard, markup: Markup) -> object:
    """Return a command as Typer runs it."""
    plugin: Command = registry.load(ROOM, name)
    panel = plugin.panel
    app = typer.Typer(rich_markup_mode=markup)
    app.callback()(_nothing)  # so that even one command makes a group
    if plugin.callback is not None:
        app.command(name, cls=PanelledCommand, rich_help_panel=panel)(guard(plugin.callback))
    else:
        group = typer.Typer(
            cls=plugin.group_class or TyperGroup,
            no_args_is_help=True,
            help=plugin.help or _outlines()[name].summary,
            rich_markup_mode=markup,
        )
        group.callback()(_nothing)
        for child, callback in plugin.subcommands.items():
            group.command(child, cls=PanelledCommand)(guard(callback))
        app.add_typer(group, name=name, rich_help_panel=panel)
    found: Mapping[str, object] = typer.main.get_group(app).commands
    return found[name]


def _no_type(**_ctx: object) -> None:
    """Return no type of a parameter."""


def _nothing() -> None:
    """Do nothing: a group needs a callback."""
