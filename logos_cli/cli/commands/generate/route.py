"""``logos generate route``: routes of several steps from a stock to a target."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

from logos_cli.backends.options import LoadOptions
from logos_cli.cli.batch import is_run_directory, open_run, options_of, selection_of
from logos_cli.cli.option_specs import argument, block, option
from logos_cli.cli.options.common import parse_time
from logos_cli.cli.options.input import column_option
from logos_cli.cli.options.load import load_block
from logos_cli.cli.options.output import format_option, output_option, overwrite_option
from logos_cli.cli.options.run import RunArguments, run_block
from logos_cli.cli.options.sampling import SamplingArguments
from logos_cli.cli.output import ReportedProblems, warn_of_skill
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.io import places
from logos_cli.records import Status

if TYPE_CHECKING:
    from logos_cli.report.routes import DrawnMolecule, DrawnTarget
    from logos_cli.workflows.generate.options import GenerateOptions
    from logos_cli.workflows.route.routing import FoundRoute, Routing
    from logos_cli.workflows.route.tree import RouteNode

_PROMPTS, _SEARCH, _SAMPLING = "Input", "Search", "Sampling"
_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "text", ".svg": "svg", ".html": "html"}


@dataclass(frozen=True, kw_only=True)
class RouteArguments:
    """The arguments of ``logos generate route``."""

    given: str | None = argument(
        None, metavar="TARGET", show_default=False, help="The target: a SMILES, or a file of molecules."
    )
    prompt: str | None = option(
        None,
        "--prompt",
        "-p",
        metavar="FILE|TEXT|-",
        panel=_PROMPTS,
        show_default=False,
        help="The target as an option; - is standard input.",
    )
    column: str | None = column_option(_PROMPTS, "Table: column with the SMILES.")
    stock: list[str] = option(
        ...,
        "--stock",
        "-s",
        metavar="FILE",
        panel=_SEARCH,
        help="Molecules that routes may begin with: SMILES or InChIKeys, one a line, or another file of molecules. "
        "May be given again.",
    )
    top: int = option(5, min=1, metavar="K", panel=_SEARCH, help="Search until a target has K routes, and write them.")
    depth: int = option(6, min=1, metavar="N", panel=_SEARCH, help="Most steps in the longest line of a route.")
    expansions: int = option(
        100,
        min=1,
        metavar="N",
        panel=_SEARCH,
        help="Most molecules of a target for which the model is asked for reactants.",
    )
    time_per_target: str = option(
        "5m", metavar="5m", panel=_SEARCH, help="Most time of a target, checked between expansions (2h, 5m, 90s)."
    )
    beam: int | None = option(
        None,
        min=1,
        metavar="K",
        panel=_SAMPLING,
        show_default="10; samples with a model on a server",
        help="Ask the model for the K likeliest sets of reactants of a molecule, by a beam search.",
    )
    num_samples: int | None = option(
        None,
        "--num-samples",
        "-n",
        min=1,
        metavar="N",
        panel=_SAMPLING,
        show_default="samples only if it is given",
        help="Samples of each expansion, instead of a beam search.",
    )
    seed: int = option(0, panel=_SAMPLING, metavar="N", help="Seed of the samples.")
    sampling: SamplingArguments = block(SamplingArguments)
    load: LoadOptions = load_block()
    output: str | None = output_option()
    format: str | None = format_option(
        "text|jsonl|svg|html",
        "Trees, records, drawings, or a page that opens offline. Default: text on a terminal, else records.",
        ("text", "jsonl", "svg", "html"),
    )
    overwrite: bool = overwrite_option()
    run: RunArguments = run_block()


def route(args: RouteArguments) -> ExitCode:
    """Plan the synthesis of a molecule: several steps back, to molecules in stock.

    Retro* (as syntheseus has it) searches, and the model's retrosynthesis is its single step. A route is complete only if all
    its molecules are in the stock. A target is never taken from the stock; a step never needs what it makes, in whatever
    stereo form or charge; proposals that lack atoms of the product are dropped. Needs the extra routes.

    A record has the last reaction of a route as its sentence, and all steps under the key route.

    Examples:

      logos generate route 'CC(=O)Nc1ccc(O)cc1' --stock stock.smi

      logos generate route targets.smi --stock inchikeys.txt --depth 4 -o routes.html

      logos generate route targets.smi --stock stock.smi --top 1 --time-per-target 2m -o run/
    """
    from logos_cli.workflows.route.routing import RouteOptions, Routing
    from logos_cli.workflows.route.stock import Stock

    targets = _targets(args)
    options = RouteOptions(args.top, args.depth, args.expansions, parse_time(args.time_per_target))
    is_directory = is_run_directory(args.output)
    format = "jsonl" if is_directory else _format(args)
    with terminal().bar("reading the stock", unit="targets") as bar:
        stock = Stock.read(args.stock)
        routing = Routing(stock, options, _generation(args), lambda now, n_done: bar.update(n_done, None, now or None))
        terminal().note(f"stock: {len(stock):,} molecules")
        if stock.n_skipped:
            terminal().warning(
                f"{stock.n_skipped:,} entries of the stock cannot be used; the first: {stock.first_skipped}"
            )
        warn_of_skill(routing.plan.skill, routing.plan.checkpoint.name)
        if is_directory and args.output is not None:
            _write_run(routing, args, targets, args.output)
        else:
            with _open_writer(args, format) as writer:
                problems = ReportedProblems()
                selection = selection_of(args.run)
                try:
                    for found in routing.routes(targets, selection=selection):
                        if found.record.status is Status.ERROR:
                            problems.report(found.record, found.record.reason or "")
                        with bar.paused():
                            writer.write(found)
                finally:
                    writer.close(str(routing.tally))
    return _finish(routing, is_part=args.run.shard is not None)


def _targets(args: RouteArguments) -> str | None:
    if args.given is not None and args.prompt is not None:
        raise UsageError("TARGET and --prompt exclude each other", hint="give the target once")
    found = args.given if args.prompt is None else args.prompt
    if found is None and not (sys.stdin is None or sys.stdin.isatty()):
        return "-"
    if found is None:
        raise UsageError("no target", hint="give a SMILES or a file of molecules")
    return found


def _format(args: RouteArguments) -> str:
    from logos_cli.io.output import suffix_of

    if args.format is not None:
        if args.format not in _FORMATS.values():
            raise UsageError(f"there is no format {args.format!r} of routes", hint="text, jsonl, svg or html")
        return args.format
    if args.output is None or args.output == "-" or args.output.startswith("/dev/"):
        return "text" if sys.stdout.isatty() else "jsonl"
    suffix = suffix_of(args.output)
    if suffix not in _FORMATS:
        raise UsageError(
            f"the extension {suffix} names no format of routes", source=args.output, hint=", ".join(_FORMATS)
        )
    return _FORMATS[suffix]


def _generation(args: RouteArguments) -> GenerateOptions:
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.generate.options import GenerateOptions

    return GenerateOptions(
        n_samples=args.num_samples,
        beam=args.beam,
        seed=args.seed,
        **asdict(args.sampling),
        load=args.load,
        read=ReadOptions(column=args.column),
    )


def _write_run(routing: Routing, args: RouteArguments, targets: str | None, output: str) -> None:
    """Write records to the directory of a run: all routes of a target together."""
    if args.format not in (None, "jsonl"):
        raise UsageError("the directory of a run holds records", hint="leave out --format, or give -o FILE")
    files = [each for each in (targets,) if each is not None and (each == "-" or places.is_file(each))]
    problems = ReportedProblems()
    with open_run(
        "generate route", args, [*files, *args.stock], output, options_of(args.run, overwrite=args.overwrite)
    ) as shard:
        for found in routing.routes(targets, selection=shard.selection):
            record = found.record
            if record.status is Status.ERROR:
                problems.report(record, record.reason or "")
            shard.write_part(str(record.sample.get("prompt", record.id)), record.status, record.to_json())


class _Writer:
    """Writes routes in one format; drawings and pages are written at the end."""

    def __init__(self, stream: IO[str], format: str, lead: str) -> None:
        self._stream, self._format, self._lead = stream, format, lead
        self._targets: dict[str, DrawnTarget] = {}

    def write(self, found: FoundRoute) -> None:
        record = found.record
        if self._format == "jsonl":
            self._stream.write(record.to_json() + "\n")
        elif self._format == "text":
            self._stream.writelines(f"{line}\n" for line in _lines(found))
        elif found.target:
            self._note(found)
        self._stream.flush()

    def close(self, account: str) -> None:
        """Write what waits."""
        if self._format not in ("svg", "html") or not self._targets:
            return
        from logos_cli.report.routes import draw_targets, routes_page

        targets = list(self._targets.values())
        self._stream.write(
            draw_targets(targets) if self._format == "svg" else routes_page(targets, self._lead, account)
        )
        self._targets.clear()

    def _note(self, found: FoundRoute) -> None:
        from logos_cli.report.routes import DrawnTarget

        name = str(found.record.sample.get("prompt", found.record.id))
        target = self._targets.setdefault(name, DrawnTarget(name, found.target, found.record.reason or ""))
        if found.route is not None:
            target.routes.append((_heading(found, found.route), _drawn(found.route)))


@contextmanager
def _open_writer(args: RouteArguments, format: str) -> Iterator[_Writer]:
    from logos_cli.engine.start import name_of
    from logos_cli.io.output import open_output

    lead = f"Planned by Retro* with {name_of(args.load)}; every route ends in molecules of {', '.join(args.stock)}."
    with open_output(args.output, overwrite=args.overwrite) as stream:
        yield _Writer(stream, format, lead)


def _heading(found: FoundRoute, route: RouteNode) -> str:
    n_steps = "1 step" if route.n_steps == 1 else f"{route.n_steps} steps"
    return f"{found.record.id}: {n_steps}, probability {route.probability:.2g}"


def _lines(found: FoundRoute) -> Iterable[str]:
    """Yield a route as an indented tree."""
    if found.route is None:
        if found.record.status is not Status.ERROR:
            yield f"{found.record.id}: {found.record.reason}"
        return
    yield _heading(found, found.route)
    yield from _tree(found.route, "  ")


def _tree(node: RouteNode, indent: str) -> Iterator[str]:
    note = "in stock" if node.step is None else f"share {node.step.probability:.2g}, from"
    yield f"{indent}{node.smiles}  [{note}]"
    for reactant in () if node.step is None else node.step.reactants:
        yield from _tree(reactant, f"{indent}  ")


def _drawn(node: RouteNode) -> DrawnMolecule:
    from logos_cli.report.routes import DrawnMolecule

    if node.step is None:
        return DrawnMolecule(node.smiles)
    return DrawnMolecule(node.smiles, f"{node.step.probability:.2g}", [_drawn(each) for each in node.step.reactants])


def _finish(routing: Routing, *, is_part: bool) -> ExitCode:
    """Report the samples of all expansions, and the targets."""
    tally, samples = routing.tally, routing.proposer.tally
    tally.check()
    if samples.requested:
        terminal().note(f"samples: {samples}")
    terminal().note(str(tally))
    if tally.failed and tally.failed == tally.requested and not is_part:
        return ExitCode.USAGE
    return ExitCode.PARTIAL if tally.failed or tally.unsolved else ExitCode.OK
