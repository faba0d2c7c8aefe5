"""Options that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from logos_cli.grammar.spec import FORMS


def one_of(*values: str) -> Callable[[str], list[str]]:
    """Return a completion for the shell: those of the values that begin with what was typed."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


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
        "--output", "-o", metavar="FILE", help="Write here; the extension chooses the format, .gz and .zst compress.",
        rich_help_panel="Output",
    ),
]  # fmt: skip
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing output.", rich_help_panel="Output")
]
RecordFormat = Annotated[
    str | None,
    typer.Option(
        "--format", "-f", metavar="text|jsonl|ids", rich_help_panel="Output",
        autocompletion=one_of("text", "jsonl", "ids"),
        help="One sentence a line, records, or token ids. Default: text on a terminal, else records.",
    ),
]  # fmt: skip
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=1, metavar="N", help="Number of processes; each takes one file at a time."
    ),
]
Form = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="FORM", help="Sentence form; `logos grammar show` lists them. Default: by content.",
        autocompletion=complete_form,
    ),
]  # fmt: skip
Level = Annotated[
    int,
    typer.Option(
        min=1, max=3, help="Complex: 1 plain protein, 2 site residues tagged, 3 tagged and expanded."
    ),
]
