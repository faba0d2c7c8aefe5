"""``logos config``: the configuration files, and the values that they set."""

from __future__ import annotations

import json
from dataclasses import dataclass

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import command
from logos_cli.cli.options.output import json_option
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode


@dataclass(frozen=True, kw_only=True)
class ShowArguments:
    """The arguments of ``logos config show``."""

    as_json: bool = json_option("Print the values as one JSON object.")


def show(args: ShowArguments) -> ExitCode:
    """Print each value of the configuration files and of the environment, with where it comes from.

    A file logos.toml sets defaults of options: the user's in ~/.config/logos, and the project's in the current directory or
    the nearest above. An option on the command line comes first, then its environment variable, the project, the user. A
    value at the top is for every command, one in [generate] or [generate.ligand] for that command; names are those of
    the options: num-samples = 100. LOGOS_CONFIG names one file instead of both; empty, none is read.

    Examples:

      logos config show

      LOGOS_CONFIG=lab.toml logos config show --json
    """
    from logos_cli.cli.config import config_files
    from logos_cli.cli.effective import effective

    files = config_files()
    rows = effective(files)
    if args.as_json:
        typer.echo(json.dumps([row.to_dict() for row in rows], indent=1))
    else:
        width = max((len(row.option) for row in rows), default=0)
        shown = max((len(str(row.value)) for row in rows), default=0)
        for row in rows:
            typer.echo(f"{row.option:<{width}}  {row.value!s:<{shown}}  {row.source}{row.remark}")
        if not files:
            terminal().note("there is no configuration file: ~/.config/logos/logos.toml, or logos.toml in a project")
    unknown = [row for row in rows if row.is_unknown]
    for row in unknown:
        terminal().error(f"{row.source}: there is no option {row.option}")
    return ExitCode.USAGE if unknown else ExitCode.OK


PLUGIN = Command(
    "config",
    subcommands={"show": command(show, ShowArguments)},
    help="The configuration files, and the values that they set.",
    panel="Installation",
    order=92,
)
