"""``logos bench tasks``: run the published benchmarks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logos_cli import registry
from logos_cli.backends.options import LoadOptions
from logos_cli.cli.base import Command
from logos_cli.cli.batch import open_run, options_of
from logos_cli.cli.option_specs import command, option
from logos_cli.cli.options.common import one_of
from logos_cli.cli.options.load import load_block
from logos_cli.cli.options.output import OUTPUT, json_option, overwrite_option
from logos_cli.cli.options.run import RunArguments, run_block
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.io.json_types import JsonObject

if TYPE_CHECKING:
    from logos_cli.docking.options import DockOptions
    from logos_cli.report.page import Page
    from logos_cli.workflows.bench.tasks import BenchOptions, Progress, Result


_DATA, _DOCKING = "Data", "Docking"


@dataclass(frozen=True, kw_only=True)
class TasksArguments:
    """The arguments of ``logos bench tasks``."""

    data: Path | None = option(
        None,
        "--data",
        metavar="DIR",
        envvar="LOGOS_BENCH_DATA",
        show_default=False,
        panel=_DATA,
        help="Directory of the data sets; docs/measurements/benchmarks.md describes it.",
    )
    task: list[str] | None = option(
        None,
        "--task",
        metavar="NAME",
        panel=_DATA,
        autocompletion=one_of(*registry.names("benchmarks")),
        show_default="all that have data",
        help=f"One of {', '.join(registry.names('benchmarks'))}; may be repeated.",
    )
    limit: int | None = option(
        None, min=1, metavar="N", show_default="all", panel=_DATA, help="Number of cases of each, drawn at random."
    )
    num_samples: int | None = option(
        None, "--num-samples", "-n", min=1, metavar="N", show_default="the protocol's", help="Samples per case."
    )
    seed: int = option(0, metavar="N", help="Seed of the samples.")
    baseline: bool = option(True, "--baseline/--no-baseline", help="Answer each case by a trivial baseline, too.")
    adapt: bool = option(
        True,
        "--adapt/--no-adapt",
        help="Train on the base pool of each editing benchmark first, as its protocol does (minutes each), or measure the "
        "model as it is.",
    )
    dock: bool = option(
        False,
        "--dock",
        panel=_DOCKING,
        help="Dock the designed molecules and the reference ligands; needs the extra dock.",
    )
    exhaustiveness: int = option(
        8, min=1, metavar="N", panel=_DOCKING, help="Independent runs of the search for poses."
    )
    cpu: int | None = option(
        None,
        min=1,
        metavar="N",
        panel=_DOCKING,
        show_default="all that are free",
        help="Number of cores; each docks one ligand at a time.",
    )
    report_only: bool = option(False, "--report-only", help="Only compute figures and report from existing outcomes.")
    load: LoadOptions = load_block()
    output: Path = option(
        Path("bench"),
        "--output",
        "-o",
        metavar="DIR",
        panel=OUTPUT,
        help="Directory of the run, with figures and report.",
    )
    overwrite: bool = overwrite_option()
    run: RunArguments = run_block()
    json: bool = json_option("Print the figures as JSON.", OUTPUT)


def tasks(args: TasksArguments) -> ExitCode:
    """Measure a model by the published benchmarks, beside a trivial baseline and the published figures.

    A run can be stopped and go on, also with more cases, and spread over machines. The directory then holds the outcome
    of every case, results.json, results.md, report.html, one page that opens offline, and skills.json, what the model was
    measured to be able to do: `logos bench skills` joins it with other figures.

    Examples:

      logos bench tasks --data data/ -o bench/nano

      logos bench tasks --data data/ --task retrosynthesis --limit 100 --model LOGOS-Hub/LOGOS-8B -o bench/8b

      logos bench tasks --data data/ --model LOGOS-Hub/LOGOS-8B --devices 0,1 -o bench/8b

      logos bench tasks --data data/ --task ligand --limit 10 -n 10 --dock -o bench/docked

      logos bench tasks --data data/ --shard auto -o bench/8b
    """
    from logos_cli.workflows.bench.tasks import COMMAND, read_facts, require_data, results, run

    output = args.output
    if not args.report_only:
        options, how = _options(args), options_of(args.run, overwrite=args.overwrite)
        require_data(options)  # before the run begins: other data are no other run
        names = registry.names("benchmarks")
        with open_run(COMMAND, options.facts(), names, str(output), how) as shard, _progress() as progress:
            left_out = run(options, shard, progress)
        for line in left_out:
            terminal().warning(f"left out: {line}")
    facts, found = read_facts(output), results(output, tuple(args.task or ()))
    text = _write_report(output, found, facts, args.data)
    if args.json:
        typer.echo(json.dumps([result.to_dict() for result in found], indent=1))
    elif sys.stdout.isatty():
        _paint(found)
    else:
        typer.echo(text)
    terminal().note(f"{output / 'report.html'}")
    return ExitCode.OK


def _options(args: TasksArguments) -> BenchOptions:
    """Return the options of the run."""
    from logos_cli.workflows.bench.tasks import BenchOptions
    from logos_cli.workflows.generate.options import GenerateOptions

    if args.data is None:
        raise UsageError(
            "the benchmarks need data", hint="give --data DIR; docs/measurements/benchmarks.md describes it"
        )
    return BenchOptions(
        args.data,
        tuple(args.task or ()),
        args.limit,
        args.num_samples,
        args.baseline,
        GenerateOptions(seed=args.seed, load=args.load),
        _docking(args),
        args.output / "adapted" if args.adapt else None,
    )


def _docking(args: TasksArguments) -> DockOptions | None:
    """Return the options of docking, if ``--dock`` is set."""
    if not args.dock:
        return None
    from logos_cli.docking.engines.engines import choose
    from logos_cli.docking.options import DockOptions

    return DockOptions(engine=choose("auto"), exhaustiveness=args.exhaustiveness, cpu=args.cpu)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show the progress of each benchmark."""
    with terminal().bar("reading the data", unit="cases") as bar:

        def update(name: str, n_done: int, n_cases: int) -> None:
            bar.update(n_done, n_cases, name)

        yield update


def _write_report(output: Path, found: list[Result], facts: JsonObject, data: Path | None) -> str:
    """Write results.json, results.md and report.html; return the Markdown."""
    from logos_cli.checkpoints.skills import FILE, Skill, skills_to_json
    from logos_cli.io.output import open_output
    from logos_cli.report import benchmarks as report
    from logos_cli.workflows.bench.skills import skills_of_results

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
    # what a model can do after training on a pool is no skill of the model itself
    own = [row for row in rows if not facts.get("adapted") or not by_name[row["benchmark"]].benchmark.trains]
    if skills := {question: Skill(question, (figure,)) for question, figure in skills_of_results(own)}:
        contents[FILE] = json.dumps(skills_to_json(skills, str(facts.get("model"))), indent=1) + "\n"
    for name, content in contents.items():
        with open_output(str(output / name), overwrite=True) as stream:
            stream.write(content)
    return text


def _paint(found: list[Result]) -> None:
    """Show the figures as tables."""
    from rich.table import Table

    from logos_cli.cli.console import VisibleConsole
    from logos_cli.report.benchmarks import HEAD, cells

    console = VisibleConsole()
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


PLUGIN = Command("tasks", command(tasks, TasksArguments))
