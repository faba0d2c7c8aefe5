"""``logos bench tasks``: the published protocols."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from logos_cli import registry
from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import command, option_spec
from logos_cli.cli.options.common import one_of
from logos_cli.cli.options.load import COMPUTATION
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from logos_cli.docking.options import DockOptions
    from logos_cli.report.page import Page
    from logos_cli.workflows.bench.tasks import BenchOptions, Progress, Result


_DATA, _DOCKING, _OUTPUT = "Data", "Docking", "Output"

DECLARED = (
    option_spec(
        "data",
        Path | None,
        None,
        "--data",
        metavar="DIR",
        envvar="LOGOS_BENCH_DATA",
        show_default=False,
        rich_help_panel=_DATA,
        help="Where the data sets lie; docs/measurements/benchmarks.md says how.",
    ),
    option_spec(
        "task",
        list[str] | None,
        None,
        "--task",
        metavar="NAME",
        rich_help_panel=_DATA,
        autocompletion=one_of(*registry.names("benchmarks")),
        show_default="all whose data are there",
        help=f"One of {', '.join(registry.names('benchmarks'))}; may be repeated.",
    ),
    option_spec(
        "limit",
        int | None,
        None,
        min=1,
        metavar="N",
        show_default="all",
        rich_help_panel=_DATA,
        help="So many cases of each, drawn at random.",
    ),
    option_spec(
        "shard",
        str,
        "1/1",
        metavar="I/N",
        rich_help_panel=_DATA,
        help="Of N machines this is the I-th; all write to the same directory.",
    ),
    option_spec(
        "num_samples",
        int | None,
        None,
        "--num-samples",
        "-n",
        min=1,
        metavar="N",
        show_default="the protocol's",
        help="Samples of a case.",
    ),
    option_spec("seed", int, 0, metavar="N", help="Of the samples."),
    option_spec("baseline", bool, True, "--baseline/--no-baseline", help="Answer each case trivially as well."),
    option_spec(
        "dock",
        bool,
        False,
        "--dock",
        rich_help_panel=_DOCKING,
        help="Dock what is designed for pockets, and the reference ligands; takes the extra dock.",
    ),
    option_spec(
        "exhaustiveness", int, 8, min=1, metavar="N", rich_help_panel=_DOCKING, help="How long is searched for poses."
    ),
    option_spec(
        "cpu",
        int | None,
        None,
        min=1,
        metavar="N",
        rich_help_panel=_DOCKING,
        show_default="all that are free",
        help="Cores that dock, a ligand each.",
    ),
    option_spec(
        "report_only", bool, False, "--report-only", help="Answer nothing: make figures and report of what is there."
    ),
    *COMPUTATION,
    option_spec(
        "output",
        Path,
        Path("bench"),
        "--output",
        "-o",
        metavar="DIR",
        rich_help_panel=_OUTPUT,
        help="Outcomes, figures and report; a run goes on there.",
    ),
    option_spec("json", bool, False, "--json", rich_help_panel=_OUTPUT, help="Print the figures as JSON."),
)

_HELP = """Measure a model by the published protocols, beside a trivial baseline and the published figures.

A run can be stopped and started again, and spread over machines. The directory then holds the outcome of every
case, results.json, results.md, and report.html, one page that opens offline.

Examples:

  logos bench tasks --data data/ -o bench/nano

  logos bench tasks --data data/ --task retrosynthesis --limit 100 --model LOGOS-Hub/LOGOS-8B -o bench/8b

  logos bench tasks --data data/ --model LOGOS-Hub/LOGOS-8B --devices 0,1 -o bench/8b

  logos bench tasks --data data/ --task ligand --limit 10 -n 10 --dock -o bench/docked

  logos bench tasks --data data/ --shard $SLURM_ARRAY_TASK_ID/100 -o bench/8b
"""


def _run(values: dict[str, Any]) -> ExitCode:
    """Answer the cases, as far as they have no outcome yet, and report on all outcomes."""
    from logos_cli.workflows.bench.tasks import read_facts, results, run

    output: Path = values["output"]
    options = None if values["report_only"] else _options(values)
    if options is not None:
        with _progress() as tell:
            left_out = run(options, output, tell)
        for line in left_out:
            terminal().warning(f"left out: {line}")
    facts, found = read_facts(output), results(output, tuple(values["task"] or ()))
    text = _write_report(output, found, facts, values["data"])
    if values["json"]:
        typer.echo(json.dumps([result.to_dict() for result in found], indent=1))
    elif sys.stdout.isatty():
        _paint(found)
    else:
        typer.echo(text)
    terminal().note(f"{output / 'report.html'}")
    return ExitCode.OK


def _options(values: dict[str, Any]) -> BenchOptions:
    """Return what to run, and with which model."""
    from logos_cli.workflows.bench.tasks import BenchOptions
    from logos_cli.workflows.generate.generation import GenerateOptions

    if values["data"] is None:
        raise UsageError(
            "the benchmarks need data", hint="give --data DIR; docs/measurements/benchmarks.md says what it holds"
        )
    computation = {each.name: values[each.name] for each in COMPUTATION}
    return BenchOptions(
        values["data"],
        tuple(values["task"] or ()),
        values["limit"],
        values["num_samples"],
        _shard(values["shard"]),
        values["baseline"],
        GenerateOptions(seed=values["seed"], **computation),
        _docking(values),
    )


def _docking(values: dict[str, Any]) -> DockOptions | None:
    """Return how to dock, if that is wanted."""
    if not values["dock"]:
        return None
    from logos_cli.docking.engines.engines import choose
    from logos_cli.docking.options import DockOptions

    return DockOptions(engine=choose("auto"), exhaustiveness=values["exhaustiveness"], cpu=values["cpu"])


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise UsageError(f"{text!r} is no shard", hint="give 1/4 … 4/4")
    return int(match[1]), int(match[2])


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Draw how far each benchmark is, if stderr is a terminal."""
    if terminal().quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=terminal().console, transient=True) as bars:
        shown: dict[str, TaskID] = {}

        def tell(name: str, n_done: int, n_cases: int) -> None:
            if name not in shown:
                shown[name] = bars.add_task(name, total=n_cases)
            bars.update(shown[name], completed=n_done)

        yield tell


def _write_report(output: Path, found: list[Result], facts: dict[str, Any], data: Path | None) -> str:
    """Write results.json, results.md and report.html; return the Markdown."""
    from logos_cli.io.output import open_output
    from logos_cli.report import benchmarks as report

    by_name = {result.benchmark.name: result for result in found}

    def illustrate(name: str, page: Page) -> None:
        by_name[name].benchmark.illustrate(page, by_name[name].outcomes, data)

    rows = [result.to_dict() for result in found]
    text = report.markdown(rows, facts)
    contents = {
        "results.json": json.dumps({**facts, "benchmarks": rows}, indent=1) + "\n",
        "results.md": text,
        "report.html": report.page(rows, facts, illustrate),
    }
    for name, content in contents.items():
        with open_output(str(output / name), overwrite=True) as stream:
            stream.write(content)
    return text


def _paint(found: list[Result]) -> None:
    """Show the figures as tables."""
    from rich.console import Console
    from rich.table import Table

    from logos_cli.report.benchmarks import HEAD, cells

    console = Console(highlight=False)
    for result in found:
        row = result.to_dict()
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold cyan", title_justify="left")
        table.title = f"{row['benchmark']}: {row['n_cases']:,} cases"
        for place, name in enumerate(HEAD):
            table.add_column(name, justify="right" if place else "left")
        for line in cells(row):
            table.add_row(*line)
        console.print(table)
        console.print()


PLUGIN = Command("tasks", command("tasks", _run, DECLARED, _HELP))
