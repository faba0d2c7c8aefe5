"""``logos bench tasks``: the published protocols."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logos_cli import registry
from logos_cli.cli.base import Command
from logos_cli.cli.options import one_of
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    from rich.progress import TaskID

    from logos_cli.report.page import Page
    from logos_cli.workflows.bench_tasks import Progress, Result


def tasks(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", envvar="LOGOS_BENCH_DATA", show_default=False,
                     help="Where the data sets lie; docs/benchmarks.md says how."),
    ] = None,
    *,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="NAME", autocompletion=one_of(*registry.names("benchmarks")),
                     show_default="all whose data are there",
                     help=f"One of {', '.join(registry.names('benchmarks'))}; may be repeated."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Outcomes, figures and report; a run goes on there.")
    ] = Path("bench"),
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", show_default="all", help="So many cases of each, drawn at random.")
    ] = None,
    num_samples: Annotated[
        int | None,
        typer.Option("--num-samples", "-n", min=1, metavar="N", show_default="the protocol's",
                     help="Samples of a case."),
    ] = None,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Of N machines this is the I-th; all write to the same directory.")
    ] = "1/1",
    baseline: Annotated[
        bool, typer.Option("--baseline/--no-baseline", help="Answer each case trivially as well.")
    ] = True,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Answer nothing: make figures and report of what is there.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(metavar="NAME|DIR", envvar="LOGOS_MODEL",
                     help="The embedded model, a directory, or owner/name of the Hugging Face hub."),
    ] = EMBEDDED,
    backend: Annotated[str, typer.Option(metavar="auto|torch|llamacpp", help="What runs the model.")] = "auto",
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu|cuda[:N]|mps", envvar="LOGOS_DEVICE", help="auto takes a GPU if there is one."),
    ] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", min=1, metavar="N", show_default="as many as fit", help="At a time."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the samples.")] = 0,
    offline: Annotated[bool, typer.Option("--offline", envvar="LOGOS_OFFLINE", help="Never use the network.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> ExitCode:  # fmt: skip
    """Measure a model by the published protocols, beside a trivial baseline and the published figures.

    A run can be stopped and started again, and spread over machines. The directory then holds the outcome of every
    case, results.json, results.md, and report.html, one page that opens offline.

    Examples:

      logos bench tasks --data data/ -o bench/nano

      logos bench tasks --data data/ --task retrosynthesis --limit 100 --model LOGOS-Hub/LOGOS-8B -o bench/8b

      logos bench tasks --data data/ --shard $SLURM_ARRAY_TASK_ID/100 -o bench/8b
    """
    from logos_cli.workflows.bench_tasks import BenchOptions, read_facts, results, run
    from logos_cli.workflows.generate import GenerateOptions

    names = tuple(task or ())
    if not report_only:
        if data is None:
            raise UsageError(
                "the benchmarks need data", hint="give --data DIR; docs/benchmarks.md says what it holds"
            )
        how = GenerateOptions(
            model=model, backend=backend, device=device, batch_size=batch_size, seed=seed, offline=offline
        )
        options = BenchOptions(data, names, limit, num_samples, _shard(shard), baseline, how)
        with _progress() as tell:
            left_out = run(options, output, tell)
        for line in left_out:
            terminal().warning(f"left out: {line}")
    facts, found = read_facts(output), results(output, names)
    text = _write_report(output, found, facts, data)
    if as_json:
        typer.echo(json.dumps([result.to_dict() for result in found], indent=1))
    elif sys.stdout.isatty():
        _paint(found)
    else:
        typer.echo(text)
    terminal().note(f"{output / 'report.html'}")
    return ExitCode.OK


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
    from logos_cli.formats._output import open_output
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


PLUGIN = Command("tasks", tasks)
