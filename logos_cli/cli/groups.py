"""Groups of commands that are built when one of them is used, not when the program starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import typer
import typer.main
from typer.core import TyperGroup

from logos_cli.cli.base import Callback, Command

Guard = Callable[[Callback], Callback]


def lazy_group(plugin: Command, guard: Guard, markup: Literal["rich"] | None) -> type[TyperGroup]:
    """Return the class of a group for ``typer.Typer(cls=…)``, with the commands of a plug-in.

    Parameters
    ----------
    guard : callable
        Wraps every command.
    markup : {"rich", None}
        Style of the help.
    """
    base = plugin.group_class or TyperGroup

    class Group(base):  # type: ignore[misc, valid-type]
        _built: Mapping[str, object] | None = None

        @property
        def commands(self) -> Mapping[str, object]:
            """The commands, built at the first access."""
            if self._built is None:
                self._built = _build(plugin, guard, markup)
            return self._built

        @commands.setter
        def commands(self, registered: Mapping[str, object]) -> None:
            """Ignore them: Typer registers no command in a group of this class."""

    return Group


def _build(plugin: Command, guard: Guard, markup: Literal["rich"] | None) -> Mapping[str, object]:
    app = typer.Typer(rich_markup_mode=markup)
    app.callback()(_nothing)  # so that even one command makes a group
    for name, callback in plugin.subcommands.items():
        app.command(name)(guard(callback))
    found: Mapping[str, object] = typer.main.get_group(app).commands
    return found


def _nothing() -> None:
    """Do nothing: a group needs a callback."""
