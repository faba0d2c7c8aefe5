"""``logos grammar``: check sentences, show the definition."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.options import Inputs, complete_form
from logos_cli.cli.output import inputs_or_stdin
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode


def check(
    inputs: Inputs = None,
    *,
    form: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="FORM", help="Accept sentences of this form only.", autocompletion=complete_form
        ),
    ] = None,
    prefix: Annotated[
        bool, typer.Option("--prefix", help="Accept beginnings of sentences (prompts) too.")
    ] = False,
) -> ExitCode:
    """Check sentences, one a line, or records; report each error with its place and what was expected.

    Examples:

      logos grammar check sentences.txt

      logos encode complex.pdb --as site | logos grammar check --as site
    """
    from logos_cli.workflows.check import check as run

    good = bad = 0
    for finding in run(inputs_or_stdin(inputs), form=form, prefix=prefix):
        if finding.error is None:
            good += 1
            continue
        bad += 1
        message, _, body = finding.error.pretty().partition("\n")
        terminal().error(f"{finding.place}: {message}", body)
        if finding.error.hint:
            terminal().hint(finding.error.hint)
    terminal().note(f"{good + bad:,} sentences: {good:,} well formed, {bad:,} not")
    return ExitCode.USAGE if bad and not good else ExitCode.PARTIAL if bad else ExitCode.OK


def show(
    form: Annotated[
        str | None,
        typer.Argument(metavar="FORM", help="A sentence form. Default: all.", autocompletion=complete_form),
    ] = None,
) -> None:
    """Print the definition of the grammar, or of one form with an example.

    Examples:

      logos grammar show

      logos grammar show search
    """
    from logos_cli.grammar.definition import definition

    text = definition(form)
    if not sys.stdout.isatty():
        sys.stdout.write(text)
        return
    from logos_cli.cli.paint import paint_grammar

    paint_grammar(text)


PLUGIN = Command("grammar", subcommands={"check": check, "show": show}, help="Check sentences; show the grammar.",
                 panel="Grammar", order=30)  # fmt: skip
