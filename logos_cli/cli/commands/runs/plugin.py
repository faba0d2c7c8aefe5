"""``logos runs``: follow, check and merge the runs of bulk commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.commands.runs.display import counts_of, show_status, status_lines
from logos_cli.cli.option_specs import argument, command, option
from logos_cli.cli.options.output import json_option, overwrite_option
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.io.json_types import to_json

if TYPE_CHECKING:
    from logos_cli.runs.status import RunStatus, Verification


def runs_argument() -> list[Path]:
    """Return the argument that names directories of runs."""
    return argument(..., metavar="RUN…", help="Directories of runs.")


@dataclass(frozen=True, kw_only=True)
class StatusArguments:
    """Arguments of ``logos runs status``."""

    runs: list[Path] = runs_argument()
    watch: bool = option(False, "--watch", help="Update every two seconds, until all shards are done.")
    as_json: bool = json_option("Print JSON, one run a line.")


def status(args: StatusArguments) -> ExitCode:
    """Show the progress of runs: records by outcome, records per second, and why records failed.

    Exits with 3 if a shard is not done.

    Examples:

      logos runs status RUN/

      logos runs status RUN/ --watch

      logos runs status RUN/ --json | jq .counts
    """
    from logos_cli.runs.status import status_of

    while True:
        found = [status_of(path) for path in args.runs]
        if args.as_json:
            for each in found:
                typer.echo(to_json(_as_json(each)))
        else:
            for each in found:
                show_status(each)
        n_unfinished = sum(each.n_unfinished for each in found)
        if not (args.watch and n_unfinished):
            return ExitCode.PARTIAL if n_unfinished else ExitCode.OK
        time.sleep(2)


def _as_json(found: RunStatus) -> dict[str, object]:
    return {
        "path": str(found.path),
        "command": found.run["command"],
        "counts": counts_of(found.counts),
        "n_requested": found.n_requested,
        "seconds_left": found.seconds_left,
        "reasons": dict(found.reasons.most_common()),
        "shards": [
            {
                "shard": f"{each.shard.number}/{each.shard.count}",
                "state": each.state,
                "counts": counts_of(each.counts),
                "host": each.host,
                "seen": each.seen,
                "records_per_s": each.n_per_s,
            }
            for each in found.shards
        ],
    }


@dataclass(frozen=True, kw_only=True)
class ListArguments:
    """Arguments of ``logos runs list``."""

    folder: Path = argument(Path(), metavar="DIR", help="Directory to search, with its folders.")


def list_runs(args: ListArguments) -> ExitCode:
    """List the runs in a directory, one a line: path, command, records, state.

    Examples:

      logos runs list

      logos runs list /scratch/me
    """
    from logos_cli.runs.directory import is_run
    from logos_cli.runs.status import status_of

    folders = [args.folder, *sorted(path for path in args.folder.glob("*") if path.is_dir())]
    found = [status_of(path, with_reasons=False) for path in folders if is_run(path)]
    for each in found:
        typer.echo("\t".join(status_lines(each)))
    if not found:
        terminal().note(f"{args.folder} has no runs")
    return ExitCode.OK


@dataclass(frozen=True, kw_only=True)
class MergeArguments:
    """Arguments of ``logos runs merge``."""

    runs: list[Path] = runs_argument()
    output: str | None = option(
        None,
        "--output",
        "-o",
        metavar="FILE",
        show_default="standard output",
        help=".jsonl, .sdf of docking, .gz, .zst.",
    )
    partial: bool = option(False, "--partial", help="Merge the existing results, although shards are not done.")
    overwrite: bool = overwrite_option()


def merge(args: MergeArguments) -> ExitCode:
    """Write the results of all shards in the order of the input.

    Examples:

      logos runs merge RUN/ -o all.jsonl.gz

      logos runs merge RUN/ | logos score - --metrics qed
    """
    import sys

    from logos_cli.io.output import open_output, suffix_of
    from logos_cli.runs.merge import has_attached
    from logos_cli.runs.status import status_of

    unfinished = sum(status_of(path, with_reasons=False).n_unfinished for path in args.runs)
    if unfinished and not args.partial:
        raise UsageError(
            "1 shard is not done" if unfinished == 1 else f"{unfinished} shards are not done",
            source=str(args.runs[0]),
            hint="go on with --resume, see `logos runs status`, or merge the existing results with --partial",
        )
    suffix = ".jsonl" if args.output in (None, "-") else suffix_of(str(args.output))
    attached = None if suffix in {".jsonl", ".ndjson"} else suffix
    if attached is not None and not any(has_attached(path, attached) for path in args.runs):
        raise UsageError(f"the run has no {suffix} results", hint="`logos decode RUN/ -o FILE` writes other formats")
    with open_output(args.output, overwrite=args.overwrite) as stream:
        binary = cast(TextIOWrapper, stream).buffer
        for piece in _pieces(args.runs, attached):
            binary.write(piece)
        binary.flush()
    sys.stdout.flush()
    return ExitCode.OK


def _pieces(runs: list[Path], attached: str | None) -> Iterator[bytes]:
    from logos_cli.runs.merge import iter_merged

    for path in runs:
        yield from iter_merged(path, attached)


@dataclass(frozen=True, kw_only=True)
class VerifyArguments:
    """Arguments of ``logos runs verify``."""

    runs: list[Path] = runs_argument()


def verify(args: VerifyArguments) -> ExitCode:
    """Check that every entry of the inputs is in the results exactly once: ok, invalid, failed or skipped.

    Names the entries that are missing, repeated or unexpected, and exits with 1.

    Examples:

      logos runs verify RUN/
    """
    from logos_cli.runs.status import verify as verified

    code = ExitCode.OK
    for path in args.runs:
        found = verified(path)
        if found.is_complete:
            parts = ", ".join(f"{count:,} {name}" for name, count in counts_of(found.counts).items() if count)
            entries = "1 entry" if found.n_requested == 1 else f"{found.n_requested:,} entries"
            typer.echo(f"{path}: complete: {entries}: {parts or 'none'}")
        else:
            code = ExitCode.FAILED
            for line in _faults(found):
                terminal().error(f"{path}: {line}")
    return code


def _faults(found: Verification) -> Iterator[str]:
    for shard in found.unfinished:
        yield f"shard {shard.shard.number} of {shard.shard.count} is {shard.state}, with {shard.n_done:,} records"
    groups = (
        (found.n_missing, found.missing, "missing from the results"),
        (found.n_doubled, found.doubled, "in the results more than once"),
        (found.n_strange, found.strange, "in the results, but not in the inputs"),
    )
    for number, names, what in groups:
        if number:
            more = f" and {number - len(names):,} more" if number > len(names) else ""
            entries = "1 entry is" if number == 1 else f"{number:,} entries are"
            yield f"{entries} {what}: {', '.join(names)}{more}"


PLUGIN = Command(
    "runs",
    subcommands={
        "status": command(status, StatusArguments),
        "merge": command(merge, MergeArguments),
        "verify": command(verify, VerifyArguments),
        "list": command(list_runs, ListArguments),
    },
    panel="Runs",
    order=70,
)
