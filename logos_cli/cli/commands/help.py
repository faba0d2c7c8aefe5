"""``logos help``: show the help of a command, as COMMAND --help does."""

from __future__ import annotations

from dataclasses import dataclass

from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import argument, command
from logos_cli.errors import ExitCode


@dataclass(frozen=True, kw_only=True)
class HelpArguments:
    """The arguments of ``logos help``."""

    words: list[str] | None = argument(
        None, metavar="COMMAND...", show_default=False, help="A command, with its subcommand; none for the list."
    )


def show_help(args: HelpArguments) -> ExitCode:
    """Show the help of a command, as COMMAND --help does.

    Examples:

      logos help

      logos help generate ligand
    """
    from logos_cli.cli.app import run_app

    return run_app([*(args.words or ()), "--help"])


PLUGIN = Command("help", command(show_help, HelpArguments), panel="Installation", order=99)
