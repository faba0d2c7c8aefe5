"""Options of the output."""

from __future__ import annotations

from logos_cli.cli.option_specs import option
from logos_cli.cli.options.common import one_of

OUTPUT = "Output"
"""Panel of the help."""


def output_option() -> str | None:
    """Return the option for the output file."""
    return option(
        None,
        "--output",
        "-o",
        metavar="FILE",
        panel=OUTPUT,
        help="Write here; the extension chooses the format, .gz and .zst compress.",
    )


def overwrite_option(help: str = "Replace an existing output.", panel: str | None = OUTPUT) -> bool:
    """Return the option that allows replacing a file."""
    return option(False, "--overwrite", panel=panel, help=help)


def format_option(
    metavar: str, help: str, names: tuple[str, ...] = (), *, show_default: str | bool = True
) -> str | None:
    """Return the option for the format; a shell completes ``names``."""
    return option(
        None,
        "--format",
        "-f",
        metavar=metavar,
        panel=OUTPUT,
        autocompletion=one_of(*names) if names else None,
        show_default=show_default,
        help=help,
    )


def record_format_option() -> str | None:
    """Return the option for the format of records."""
    return format_option(
        "text|jsonl|ids",
        "One sentence a line, records, or token ids. Default: text on a terminal, else records.",
        ("text", "jsonl", "ids"),
    )


def json_option(help: str, panel: str | None = None) -> bool:
    """Return the option for JSON instead of a table."""
    return option(False, "--json", panel=panel, help=help)
