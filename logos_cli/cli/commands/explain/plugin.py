"""``logos explain``: show how probable each token of a sentence is, given those before it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING

from logos_cli.backends.options import LoadOptions
from logos_cli.cli.base import Command
from logos_cli.cli.batch import is_run_directory, open_run, options_of, selection_of
from logos_cli.cli.option_specs import argument, command, option
from logos_cli.cli.options.load import load_block
from logos_cli.cli.options.output import format_option, output_option, overwrite_option
from logos_cli.cli.options.run import RunArguments, run_block
from logos_cli.cli.output import inputs_or_stdin
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, LogosError, UsageError
from logos_cli.io.json_types import to_json
from logos_cli.io.output import check_output, open_output, suffix_of
from logos_cli.records import Status

if TYPE_CHECKING:
    from logos_cli.io.selection import Selection
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


@dataclass(frozen=True, kw_only=True)
class ExplainArguments:
    """The arguments of ``logos explain``."""

    inputs: list[str] | None = argument(
        None,
        metavar="SENTENCE|FILES|-",
        show_default=False,
        help="A sentence, records, or files of any format that encode reads; - for standard input.",
    )
    id: str | None = option(None, metavar="ID", show_default="all", help="Only the record with this id.")
    limit: int | None = option(None, min=1, metavar="N", show_default="all", help="Largest number of records.")
    load: LoadOptions = load_block()
    output: str | None = output_option()
    format: str | None = format_option(
        "text|json|cif|html",
        "Colours or numbers, JSON, the structure with B-factors, or a page.",
        _FORMATS,
        show_default="by --output, else text",
    )
    overwrite: bool = overwrite_option()
    run: RunArguments = run_block()


def explain(args: ExplainArguments) -> ExitCode:
    """Show how probable each token of a sentence is, given those before it.

    A terminal shows colours with a legend; without colour (NO_COLOR, or in a file) numbers stand below the tokens. JSON
    has every token with its position and log-probability, one object a line for each record. mmCIF is for records of
    structures: the B-factor of a residue is its negative mean log-probability, so that unexpected residues stand out. HTML
    is one page with the coloured sentences and such structures; it opens offline.

    Examples:

      logos explain '<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>'

      logos generate protein -n 1 | logos explain

      logos explain complex.pdb -o surprise.cif

      logos explain complex.pdb -o surprise.html
    """
    if is_run_directory(args.output):
        return _explain_run(args, args.output)
    format = _format(args)
    check_output(args.output, overwrite=args.overwrite)
    n_shown = n_failed = 0
    pages: list[Explanation] = []
    with open_output(args.output, overwrite=args.overwrite) as stream:
        show = pages.append if format == "html" else _writer(format, stream)
        for explanation in _explained(args, selection_of(args.run)):
            n_shown += 1
            if explanation.error is not None:
                n_failed += 1
                terminal().error(f"{explanation.record.id}: {explanation.error.message}")
            if explanation.error is None or format == "json":
                show(explanation)
        if pages:
            from logos_cli.engine.start import name_of

            stream.write(_page(pages, name_of(args.load)))
    if not n_shown:
        raise UsageError(f"no record is named {args.id!r}" if args.id else "there is no record")
    return _code(n_shown, n_failed)


def _code(n_shown: int, n_failed: int) -> ExitCode:
    if not n_failed:
        return ExitCode.OK
    return ExitCode.USAGE if n_failed == n_shown else ExitCode.PARTIAL


def _explain_run(args: ExplainArguments, output: str) -> ExitCode:
    """Write the explanations as JSON to the directory of a run."""
    if args.format not in (None, "json") or args.id is not None or args.limit is not None:
        raise UsageError(
            "the directory of a run holds all explanations, as JSON", hint="leave out -f, --id and --limit"
        )
    given = inputs_or_stdin(args.inputs)
    if any(each.startswith("<") for each in given):
        raise UsageError("the inputs of a run are files", hint="write the sentences to a file, one a line")
    n_shown = n_failed = 0
    with open_run("explain", args, given, output, options_of(args.run, overwrite=args.overwrite)) as run:
        for each in terminal().track(_explained(args, run.selection), "explaining"):
            n_shown += 1
            n_failed += each.error is not None
            status = each.record.status if each.error is None else Status.ERROR
            run.write(each.record.id, status, to_json(each.to_dict()))
    terminal().note(f"{n_shown:,} explained, {n_failed:,} in error")
    # all records of a shard may be in error by chance
    return ExitCode.PARTIAL if n_failed and args.run.shard is not None else _code(n_shown, n_failed)


def _format(args: ExplainArguments) -> str:
    if args.format is not None:
        if args.format not in _FORMATS:
            raise UsageError(f"there is no format {args.format!r}", hint=f"formats: {', '.join(_FORMATS)}")
        return args.format
    if args.output is None or args.output == "-" or args.output.startswith("/dev/"):
        return "text"
    suffix = suffix_of(args.output)
    if suffix not in _BY_SUFFIX:
        raise UsageError(
            f"the extension {suffix or '(none)'} names no format",
            source=args.output,
            hint="use .json, .cif, .html or .txt",
        )
    return _BY_SUFFIX[suffix]


def _explained(args: ExplainArguments, selection: Selection | None = None) -> Iterator[Explanation]:
    from logos_cli.records import Record
    from logos_cli.workflows.explain import ExplainOptions, iter_explained

    given = inputs_or_stdin(args.inputs)
    inputs = [Record(f"sentence:{n}", "", each) if each.startswith("<") else each for n, each in enumerate(given, 1)]
    found = iter_explained(inputs, ExplainOptions(args.load), selection=selection)
    if args.id is not None:
        found = (each for each in found if each.record.id == args.id)
    return islice(found, args.limit)


def _page(explanations: list[Explanation], model: str) -> str:
    """Return the explanations as HTML, with the structures if their files are unchanged."""
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


def _writer(format: str, stream: IO[str]) -> Callable[[Explanation], object]:
    """Return the function that writes one explanation."""
    if format == "json":
        return lambda each: stream.write(to_json(each.to_dict()) + "\n")
    if format == "cif":
        return lambda each: stream.write(each.cif())
    from logos_cli.cli.commands.explain.display import show_explanation, show_legend
    from logos_cli.cli.console import VisibleConsole

    console = VisibleConsole(stream, width=None if stream.isatty() else 100)
    has_legend = False

    def show(explanation: Explanation) -> None:
        nonlocal has_legend
        if not has_legend:  # not above the error of an input that cannot be read
            show_legend(console)
            has_legend = True
        show_explanation(console, explanation)
        sys.stdout.flush()

    return show


PLUGIN = Command("explain", command(explain, ExplainArguments), panel="Design", order=48)
