"""Output of the commands that dock: poses, records, the report and the plan."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from logos_cli.cli.batch import is_run_directory
from logos_cli.cli.output import ReportedProblems, choose_format, open_sink
from logos_cli.cli.terminal import terminal
from logos_cli.errors import UsageError
from logos_cli.records import Status

if TYPE_CHECKING:
    from logos_cli.io.selection import Selection
    from logos_cli.report.docking import BestLigands
    from logos_cli.runs.directory import ShardRun
    from logos_cli.workflows.dock.docking import DockedLigand, Docking, PocketDocking

_SDF = (".sdf", ".sd")


# -- output of results --------------------------------------------------------------------------------


def check_output(output: str | None, format: str | None, *, overwrite: bool) -> None:
    """Refuse an output that cannot take poses or records, before anything is done.

    Raises
    ------
    LogosError
        If the format is unknown or does not fit the output, or if the file exists.
    """
    from logos_cli.io.output import check_output as check_file

    if is_run_directory(output):
        if format is not None:
            raise UsageError("a directory gets poses and records", hint="leave out --format")
        return
    if not _is_sdf(output, format):
        choose_format(format, output)
    check_file(output, overwrite=overwrite)


def _is_sdf(output: str | None, format: str | None) -> bool:
    from logos_cli.io.output import suffix_of

    if format is not None:
        return format == "sdf"
    return output is not None and suffix_of(output) in _SDF


def write_stream(
    results: Iterable[DockedLigand],
    output: str | None,
    format: str | None,
    *,
    overwrite: bool,
    best: BestLigands | None = None,
) -> None:
    """Write all poses to an SDF, or records; ``best`` collects them, too."""
    from logos_cli.io.output import open_output
    from logos_cli.workflows.dock.output import write_sdf

    if _is_sdf(output, format):
        problems = ReportedProblems()
        with open_output(output, overwrite=overwrite) as stream:
            for docked in _with_notes(results, best):
                if docked.record.status is Status.ERROR:
                    problems.report(docked.record, docked.record.reason or "")
                write_sdf(docked, stream)
                stream.flush()
        return
    with open_sink(output, format, overwrite=overwrite) as sink:
        for docked in _with_notes(results, best):
            sink.write(docked.record)
            sys.stdout.flush()


def write_run(
    run: Docking | PocketDocking,
    results: Callable[[Selection], Iterator[DockedLigand]],
    shard: ShardRun,
    best: BestLigands | None = None,
) -> None:
    """Write poses, records, receptors and resolved options to the directory of a run.

    Parameters
    ----------
    results : callable
        Returns the ligands of the shard that are left to dock, with their poses.
    best : BestLigands, optional
        Collects the results, including those from before.
    """
    from logos_cli.workflows.dock.output import describe, sdf_text, write_receptors

    problems = ReportedProblems()
    for docked in _with_notes(results(shard.selection), best):
        record = docked.record
        if record.status is Status.ERROR:
            problems.report(record, record.reason or "")
        write_receptors(docked, shard.directory)
        # an isomer is one of several records of its ligand
        entry = record.id if shard.expects(record.id) else record.id.rpartition("#")[0]
        shard.measured["search_seconds"] = round(run.tally.search_s, 1)
        shard.write_part(entry, record.status, record.to_json(), sdf_text(docked).encode())
    describe(run.sites, run.plan(), shard.directory)
    if best is not None:
        for record in shard.before():
            best.add(record, run.site.receptor)


def check_report(report: str | None, *, overwrite: bool) -> None:
    """Refuse a report that cannot be written, before anything is done.

    Raises
    ------
    LogosError
        If the file exists, its directory does not, or its name is not that of a page.
    """
    from logos_cli.io.output import check_output, suffix_of

    if report is None:
        return
    if suffix_of(report) not in (".html", ".htm"):
        raise UsageError(f"--report writes an HTML page, not {report!r}", hint="give a name ending in .html")
    check_output(report, overwrite=overwrite)


def write_report(best: BestLigands, report: str, account: str, *, overwrite: bool) -> None:
    """Write the page of the best ligands."""
    from logos_cli.io.output import open_output

    with open_output(report, overwrite=overwrite) as stream:
        stream.write(best.page(account))
    terminal().note(f"report: {report}")


def _with_notes(results: Iterable[DockedLigand], best: BestLigands | None) -> Iterator[DockedLigand]:
    """Yield the results; before the first of each site, report the notes on its receptor."""
    site = None
    for docked in terminal().track(results, "docking"):
        if docked.site is not None and docked.site is not site:
            site = docked.site
            for note in (*site.place.notes, *site.receptor.notes):
                terminal().note(f"{site.model.name}: {note}")
        if best is not None and docked.site is not None:
            best.add(docked.record, docked.site.receptor)
        yield docked


# -- the plan -----------------------------------------------------------------------------------------


def show_plan(run: Docking | PocketDocking) -> None:
    """Print the resolved options."""
    for name, value in run.plan().items():
        shown = run.site.place.box if name == "box" else value
        typer.echo(f"{name.replace('_', ' '):16} {shown}")
