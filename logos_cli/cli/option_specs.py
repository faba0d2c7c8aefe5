"""Commands that are put together from options declared as data, so that several share one declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from logos_cli.cli.base import Callback
from logos_cli.errors import ExitCode


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """A parameter of a command.

    Attributes
    ----------
    name : str
        The keyword under which the command gets the value.
    annotation : object
        ``Annotated[type, typer.Option(…)]``, as in the signature of a command that is written out.
    default : object
    """

    name: str
    annotation: Any
    default: Any = None

    def within(self, panel: str) -> OptionSpec:
        """Return it as another command shows it, in a panel of its help."""
        option = copy(self.annotation.__metadata__[0])
        option.rich_help_panel = panel
        return replace(self, annotation=Annotated[self.annotation.__origin__, option])

    def parameter(self) -> inspect.Parameter:
        """Return it as a parameter of a signature."""
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(self.name, kind, default=self.default, annotation=self.annotation)


def option_spec(name: str, type: Any, default: Any, *spellings: str, **settings: Any) -> OptionSpec:
    """Return an option; ``settings`` are those of ``typer.Option``."""
    return OptionSpec(name, Annotated[type, typer.Option(*spellings, **settings)], default)


def command(
    name: str, run: Callable[[dict[str, Any]], ExitCode], declared: Iterable[OptionSpec], help: str
) -> Callback:
    """Return a command that calls ``run`` with the values of its options by name.

    Parameters
    ----------
    help : str
        What stands in the docstring of a command that is written out.
    """
    parameters = [each.parameter() for each in declared]

    def callback(**values: Any) -> ExitCode:
        return run(values)

    callback.__name__ = callback.__qualname__ = name
    callback.__doc__ = help
    callback.__signature__ = inspect.Signature(parameters, return_annotation=ExitCode)  # type: ignore[attr-defined]
    callback.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": ExitCode}
    return callback
