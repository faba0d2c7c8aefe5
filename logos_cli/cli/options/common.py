"""Options that several commands share, each written once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import typer

from logos_cli.errors import UsageError
from logos_cli.grammar.spec import FORMS

_TIME = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+)s)?")


def one_of(*values: str) -> Callable[[str], list[str]]:
    """Return a completion for the shell: those of the values that begin with what was typed."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


def parse_time(text: str) -> float:
    """Return the seconds of ``1h30m``.

    Raises
    ------
    UsageError
        If the text is no time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise UsageError(f"{text!r} is no time", hint="write it as 2h, 55m, 1h30m or 90s")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 86_400 * days + 3_600 * hours + 60 * minutes + seconds


complete_form = one_of(*FORMS)

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILES|DIRS|@LIST|-",
        help="Files, directories, @LIST (a file that names files), or - for standard input (the default in a pipe).",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write here; the extension chooses the format, .gz and .zst compress.",
        rich_help_panel="Output",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.", rich_help_panel="Output")]
RecordFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="text|jsonl|ids",
        rich_help_panel="Output",
        autocompletion=one_of("text", "jsonl", "ids"),
        help="One sentence a line, records, or token ids. Default: text on a terminal, else records.",
    ),
]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Number of processes; each takes one file at a time.")
]
Form = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="FORM",
        help="Sentence form; `logos grammar show` lists them. Default: by content.",
        autocompletion=complete_form,
    ),
]
Level = Annotated[
    int, typer.Option(min=1, max=3, help="Complex: 1 plain protein, 2 site residues tagged, 3 tagged and expanded.")
]
