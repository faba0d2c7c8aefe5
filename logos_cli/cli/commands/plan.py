"""``logos plan``: try a few records of a command, and plan the job array for all of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import argument, command, option
from logos_cli.cli.options.common import parse_time
from logos_cli.cli.options.output import json_option, overwrite_option
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, OutputError, UsageError

if TYPE_CHECKING:
    from logos_cli.workflows.plan import RunPlan


@dataclass(frozen=True, kw_only=True)
class PlanArguments:
    """Arguments of ``logos plan``."""

    command: list[str] = argument(..., metavar="-- COMMAND…", help="The command of the run, with -o RUN/.")
    walltime: str = option("1h", metavar="4h", help="Time of a job.")
    tried: int = option(
        64, min=1, metavar="N", help="Number of records to try first; more, if they take a few seconds only."
    )
    shards: int | None = option(
        None, min=1, metavar="N", show_default="as few as fit the walltime", help="Number of shards."
    )
    most_shards: int = option(1000, min=1, metavar="N", help="Most tasks in a job array.")
    threads: int = option(1, min=1, metavar="N", help="Cores of a job.")
    system: Literal["slurm", "pbs", "lsf"] = option("slurm", help="Batch system of the scripts.")
    output: str | None = option(
        None, "--output", "-o", metavar="DIR", show_default=False, help="Write array.sh, merge.sh and submit.sh here."
    )
    overwrite: bool = overwrite_option("Replace existing scripts.", None)
    as_json: bool = json_option("Print the plan as JSON.")


def plan(args: PlanArguments) -> ExitCode:
    """Try a few records of a command, and plan the job array for all of them.

    Prints time, memory, disk space, and the number of shards that fit the walltime. Exits with 1 if the run does not fit. With
    -o, writes the scripts of the batch system: the array, a job that checks and merges the results, and their submission.

    Examples:

      logos plan --walltime 4h -- score library.smi --metrics qed,sa -o run/

      logos plan --walltime 12h -o jobs/ -- dock -r receptor.pdb -l library.smi -o run/ && sh jobs/submit.sh
    """
    from logos_cli.workflows.plan import plan_run, scripts_of

    folder = None if args.output is None else Path(args.output)
    if folder is not None and not args.overwrite and (existing := [*folder.glob("*.sh")]):
        raise UsageError(
            "the scripts exist", source=str(existing[0]), hint="add --overwrite, or choose another directory"
        )
    found = plan_run(
        args.command,
        parse_time(args.walltime),
        n_tried=args.tried,
        n_shards=args.shards,
        n_most_shards=args.most_shards,
    )
    if args.as_json:
        derived = ("seconds_per_shard", "core_hours", "disk_bytes", "n_files")
        typer.echo(json.dumps({**asdict(found), **{name: getattr(found, name) for name in derived}}, indent=1))
    else:
        _show(found)
    for reason in found.reasons:
        terminal().error(f"the run does not fit: {reason}")
    if found.reasons:
        terminal().hint("take a longer --walltime, a faster machine, or fewer records")
        return ExitCode.FAILED
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in scripts_of(found, args.system, n_threads=args.threads).items():
                (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", source=str(folder)) from error
        terminal().note(f"submit it with: sh {folder}/submit.sh")
    return ExitCode.OK


def _show(found: RunPlan) -> None:
    """Print a plan for people."""
    rows = (
        ("records", f"{found.n_entries:,} ({found.n_tried:,} tried, {found.n_failed:,} of them failed)"),
        ("a record", f"{_time(found.seconds_per_entry)}, {found.bytes_per_entry:,.0f} bytes"),
        ("start", _time(found.start_s)),
        ("shards", f"{found.n_shards:,}, each {_time(found.seconds_per_shard)} of {_time(found.walltime_s)}"),
        ("in all", f"{found.core_hours:,.2f} core hours"),
        ("memory", f"{found.memory_gib} GiB ({found.memory_bytes / 2**20:,.0f} MiB at most were used)"),
        ("disk", f"{found.disk_bytes / 2**20:,.1f} MiB in {found.n_files:,} files"),
    )
    for name, text in rows:
        typer.echo(f"{name:9} {text}")


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


PLUGIN = Command("plan", command(plan, PlanArguments), panel="Runs", order=71)
