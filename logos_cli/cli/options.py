"""Options that several commands share, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

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
        help="One sentence a line, records, or token ids. Default: text on a terminal, else records.",
    ),
]  # fmt: skip
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Number of processes.")]
Form = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="FORM", help="Sentence form; `logos grammar show` lists them. Default: by content."
    ),
]
Level = Annotated[
    int,
    typer.Option(
        min=1, max=3, help="Complex: 1 plain protein, 2 site residues tagged, 3 tagged and expanded."
    ),
]
