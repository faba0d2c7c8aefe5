"""``logos grammar``: check sentences; show the grammar."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from logos_cli.cli.base import Command
from logos_cli.cli.boundary import show as show_error
from logos_cli.cli.option_specs import argument, command, option
from logos_cli.cli.options.common import one_of
from logos_cli.cli.options.input import form_option, inputs_argument
from logos_cli.cli.output import inputs_or_stdin
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode
from logos_cli.grammar.spec import FORMS


@dataclass(frozen=True, kw_only=True)
class CheckArguments:
    """The arguments of ``logos grammar check``."""

    inputs: list[str] | None = inputs_argument()
    form: str | None = form_option("Accept sentences of this form only.")
    prefix: bool = option(False, "--prefix", help="Accept beginnings of sentences (prompts) too.")


def check(args: CheckArguments) -> ExitCode:
    """Check sentences, one a line, or records; report each error with its position and what was expected.

    Examples:

      logos grammar check sentences.txt

      logos encode complex.pdb --as site | logos grammar check --as site
    """
    from logos_cli.workflows.check import check as run

    good = bad = unread = 0
    for finding in run(inputs_or_stdin(args.inputs), form=args.form, prefix=args.prefix):
        if finding.error is None:
            good += 1
            continue
        bad += finding.text is not None
        unread += finding.text is None
        show_error(finding.error.at(finding.place))
    unreadable = f", {unread:,} unreadable" if unread else ""
    total = good + bad + unread
    sentences = "sentence" if total == 1 else "sentences"
    terminal().note(f"{total:,} {sentences}: {good:,} well formed, {bad:,} not{unreadable}")
    if good == total:
        return ExitCode.OK
    return ExitCode.PARTIAL if good else ExitCode.USAGE


@dataclass(frozen=True, kw_only=True)
class ShowArguments:
    """The arguments of ``logos grammar show``."""

    form: str | None = argument(
        None, metavar="FORM", help="A sentence form. Default: all.", autocompletion=one_of(*FORMS)
    )


def show(args: ShowArguments) -> None:
    """Print the definition of the grammar, or of one form with an example.

    Examples:

      logos grammar show

      logos grammar show search
    """
    from logos_cli.grammar.definition import definition

    text = definition(args.form)
    if not sys.stdout.isatty():
        sys.stdout.write(text)
        return
    from logos_cli.cli.paint import paint_grammar

    paint_grammar(text)


PLUGIN = Command(
    "grammar",
    subcommands={"check": command(check, CheckArguments), "show": command(show, ShowArguments)},
    panel="Sentences",
    order=30,
)
