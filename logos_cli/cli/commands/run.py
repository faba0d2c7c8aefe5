"""``logos run``: run the commands of one TOML file, one after another."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import argument, command, option
from logos_cli.cli.terminal import set_terminal, terminal
from logos_cli.errors import ExitCode


@dataclass(frozen=True, kw_only=True)
class RunFileArguments:
    """The arguments of ``logos run``."""

    file: Path = argument(..., metavar="FILE.toml", help="The steps of the run.")
    dry_run: bool = option(False, "--dry-run", help="Print the command lines, and run none.")


def run_file(args: RunFileArguments) -> ExitCode:
    """Run the commands of one TOML file, one after another.

    Each [[step]] names a command and its options; arguments are its files or prompts. Values above the first step are
    defaults of all steps, as in logos.toml. A step that fails ends the run; one that loses some records does not, and the
    exit code reports it.

    Examples:

      logos run design.toml

      logos run design.toml --dry-run
    """
    from logos_cli.cli.app import run_app
    from logos_cli.cli.config import run_steps

    settings, steps = run_steps(args.file)
    outer, worst = terminal(), ExitCode.OK
    for number, words in enumerate(steps, 1):
        line = shlex.join(["logos", *words])
        if args.dry_run:
            typer.echo(line)
            continue
        outer.note(f"step {number} of {len(steps)}: {line}")
        code = run_app(words, settings)
        set_terminal(outer)
        if code not in (ExitCode.OK, ExitCode.PARTIAL):
            outer.error(f"{args.file}: step {number} failed: {line}")
            return code
        worst = max(worst, code)
    return worst


PLUGIN = Command("run", command(run_file, RunFileArguments), panel="Runs", order=60)
