"""``logos explain``: where a model finds a sentence likely, and where it does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import OptionSpec, command, option_spec
from logos_cli.cli.options.common import Output, Overwrite, one_of
from logos_cli.cli.options.load import COMPUTATION
from logos_cli.cli.output import inputs_or_stdin
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, LogosError, UsageError
from logos_cli.io.output import check_output, open_output, suffix_of

if TYPE_CHECKING:
    from logos_cli.workflows.explain import Explanation

_FORMATS = ("text", "json", "cif", "html")
_BY_SUFFIX = {
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".cif": "cif",
    ".mmcif": "cif",
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
}
_MODEL = ("model", "revision", "backend", "device", "dtype", "base_url", "threads", "offline")

_HELP = """Show how probable each token of a sentence is, given those before it.

On a terminal as colour, with a legend; without colour (NO_COLOR, or in a file) as numbers below the tokens. JSON has
every token with its place and log-probability, one object a line for each record. mmCIF is for records that come from a
structure: the B-factor of a residue is minus its mean log-probability, so that the unexpected stands out. HTML is one
page with the coloured sentences and such structures, which opens offline.

Examples:

  logos explain '<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>'

  logos generate protein -n 1 | logos explain

  logos explain complex.pdb -o surprise.cif

  logos explain complex.pdb -o surprise.html
"""


def _run(values: dict[str, Any]) -> ExitCode:
    """Explain as the options say."""
    format = _format(values)
    check_output(values["output"], overwrite=values["overwrite"])
    n_shown = n_failed = 0
    pages: list[Explanation] = []
    with open_output(values["output"], overwrite=values["overwrite"]) as stream:
        show = pages.append if format == "html" else _writer(format, stream)
        for explanation in _explained(values):
            n_shown += 1
            if explanation.error is not None:
                n_failed += 1
                terminal().error(f"{explanation.record.id}: {explanation.error.message}")
            if explanation.error is None or format == "json":
                show(explanation)
        if pages:
            stream.write(_page(pages, values["model"]))
    if not n_shown:
        raise UsageError(f"no record is named {values['id']!r}" if values["id"] else "there is no record")
    if not n_failed:
        return ExitCode.OK
    return ExitCode.USAGE if n_failed == n_shown else ExitCode.PARTIAL


def _format(values: dict[str, Any]) -> str:
    wanted, output = values["format"], values["output"]
    if wanted is not None:
        if wanted not in _FORMATS:
            raise UsageError(f"there is no format {wanted!r}", hint=f"formats: {', '.join(_FORMATS)}")
        return str(wanted)
    if output is None or output == "-" or output.startswith("/dev/"):
        return "text"
    suffix = suffix_of(output)
    if suffix not in _BY_SUFFIX:
        raise UsageError(
            f"the extension {suffix or '(none)'} names no format", source=output, hint="use .json, .cif, .html or .txt"
        )
    return _BY_SUFFIX[suffix]


def _explained(values: dict[str, Any]) -> Iterator[Explanation]:
    from logos_cli.backends.base import LoadOptions
    from logos_cli.records import Record
    from logos_cli.workflows.explain import explain

    load = LoadOptions(
        values["model"],
        values["revision"],
        values["device"],
        values["dtype"],
        values["threads"],
        values["offline"],
        base_url=values["base_url"],
    )
    given = inputs_or_stdin(values["inputs"])
    inputs = [Record(f"sentence:{n}", "", each) if each.startswith("<") else each for n, each in enumerate(given, 1)]
    found = explain(inputs, load, backend=values["backend"])
    if values["id"] is not None:
        found = (each for each in found if each.record.id == values["id"])
    return islice(found, values["limit"])


def _page(explanations: list[Explanation], model: str) -> str:
    """Return the explanations as HTML; those of structures with the structure, if it is there as it was."""
    from logos_cli.cli.commands.explain.display import figures_of
    from logos_cli.report.explanations import ExplainedSentence, explanation_page

    sentences = []
    for each in explanations:
        try:
            structure = each.cif()
        except LogosError:
            structure = None
        title = f"{each.record.id} {each.record.kind}".rstrip()
        tokens = [(token.text, token.logp) for token in each.tokens]
        sentences.append(ExplainedSentence(title, figures_of(each).replace("\n", "; "), tokens, structure))
    return explanation_page(sentences, model)


def _writer(format: str, stream: Any) -> Any:
    """Return the function that writes one explanation."""
    if format == "json":
        return lambda each: stream.write(json.dumps(each.to_dict(), ensure_ascii=False) + "\n")
    if format == "cif":
        return lambda each: stream.write(each.cif())
    from rich.console import Console

    from logos_cli.cli.commands.explain.display import show_explanation, show_legend

    console = Console(file=stream, highlight=False, width=None if stream.isatty() else 100)
    show_legend(console)

    def show(explanation: Explanation) -> None:
        show_explanation(console, explanation)
        sys.stdout.flush()

    return show


PLUGIN = Command(
    "explain",
    command(
        "explain",
        _run,
        (
            OptionSpec(
                "inputs",
                Annotated[
                    list[str] | None,
                    typer.Argument(
                        metavar="SENTENCE|FILES|-",
                        show_default=False,
                        help="A sentence, records, or files of any format that encode reads; - for standard input.",
                    ),
                ],
            ),
            option_spec("id", str | None, None, metavar="ID", show_default="all", help="Only the record of that id."),
            option_spec(
                "limit", int | None, None, min=1, metavar="N", show_default="all", help="At most so many records."
            ),
            *(each for each in COMPUTATION if each.name in _MODEL),
            OptionSpec("output", Output),
            option_spec(
                "format",
                str | None,
                None,
                "--format",
                "-f",
                metavar="text|json|cif|html",
                rich_help_panel="Output",
                autocompletion=one_of(*_FORMATS),
                show_default="by --output, else text",
                help="Colours or numbers, JSON, the structure with B-factors, or a page.",
            ),
            OptionSpec("overwrite", Overwrite, False),
        ),
        _HELP,
    ),
    panel="Model",
    order=45,
)
