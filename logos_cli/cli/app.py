"""The program ``logos``: it finds its commands by file name, and wraps them in one boundary."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from logos_cli import __version__, registry
from logos_cli.cli.boundary import guard, occupy_closed_streams, run, wants_traceback
from logos_cli.cli.groups import ROOM, command_group
from logos_cli.cli.signals import install_signal_handlers
from logos_cli.errors import ExitCode

if TYPE_CHECKING:
    from logos_cli.cli.config import Setting

_EPILOG = "Data go to stdout, all else to stderr. Manual: man logos. No telemetry, ever."


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"logos {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Speak the LOGOS grammar: files to sentences and back, and a language model that completes them."""


def build_app(*, rich_help: bool | None = None) -> typer.Typer:
    """Return the Typer application with every command of ``cli/commands``.

    Help has boxes and colour on a terminal. It is plain text elsewhere: easier to search, and printed without an import
    of the drawing library (80 ms).
    """
    if rich_help is None:
        rich_help = sys.stdout is not None and sys.stdout.isatty()
    markup: Literal["rich"] | None = "rich" if rich_help else None
    app = typer.Typer(
        name="logos",
        cls=command_group(guard, markup),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=markup,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        epilog=_EPILOG,
    )
    app.callback()(_root)
    return app


def run_command(words: Sequence[str]) -> int:
    """Run a command line in this process, with the signals of a program, and return its exit code."""
    try:
        # the outer boundary is for errors outside of commands: help that cannot be printed, a broken plug-in
        return int(run(partial(_run_with_signals, list(words)), show_traceback=wants_traceback()))
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else int(exit.code is not None)


def _run_with_signals(words: list[str]) -> ExitCode:
    install_signal_handlers()
    return run_app(words)


def main() -> None:
    """Run the program."""
    occupy_closed_streams()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(run_command(sys.argv[1:]))


def run_app(words: list[str], further: Sequence[Setting] = ()) -> ExitCode:
    """Run a command line, with the configuration files for the options that it does not give.

    Parameters
    ----------
    further : sequence of Setting
        Values that come before those of the files.
    """
    from logos_cli.cli.config import apply_limits, default_map, settings

    found = apply_limits([*settings(), *further])
    command = next((word for word in words if not word.startswith("-")), "")
    if (
        found and command in registry.names(ROOM) and command != "config"
    ):  # which shows what the files set, right or wrong
        from logos_cli.cli.effective import refuse_unknown

        refuse_unknown(found, command)
    code = build_app()(prog_name="logos", args=words, standalone_mode=False, default_map=default_map(found))
    return ExitCode(code) if isinstance(code, int) else ExitCode.OK
