"""``logos dock``: poses and affinities of ligands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.commands._dock_options import OPTIONS
from logos_cli.cli.composed import command
from logos_cli.cli.output import Complaints, choose_format, open_sink
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.records import Record, Status

if TYPE_CHECKING:
    from logos_cli.workflows.dock import DockedLigand, Docking, DockOptions

_HELP = """Dock ligands into a receptor with AutoDock Vina.

The receptor is completed and protonated, waters and other heterogens are left out, metals and cofactors in
the box kept. Each ligand gets the charges of the pH and a fresh conformer. Without a box, the receptor's own
ligand says where, and is taken out.

Records carry the best score as vina (kcal/mol, lower is better); an SDF carries all poses.

Examples:

  logos dock -r complex.pdb -l ligands.smi -o poses.sdf

  logos generate ligand --prompt complex.pdb -n 100 | logos dock -r complex.pdb - | logos score -

  logos dock -r protein.cif --autobox-site A:45,A:47-52 -l library.sdf.gz -o run/ --time-per-ligand 5m

  logos dock -r protein.pdb -l crystal.sdf --autobox-ligand crystal.sdf --reference crystal.sdf --check
"""


def _run(values: dict[str, Any]) -> ExitCode:
    """Dock as the options say."""
    from logos_cli.cli.output import inputs_or_stdin
    from logos_cli.workflows.dock import Docking

    output, format = values["output"], values["format"]
    _check_output(output, format, resume=values["resume"])
    run = Docking(values["receptor"], _options(values))
    sources = inputs_or_stdin([*(values["ligands"] or ()), *(values["arguments"] or ())])
    if values["dry_run"]:
        return _show_plan(run, sources)
    if _is_folder(output):
        _into_folder(run, sources, output, overwrite=values["overwrite"], resume=values["resume"])
    else:
        _into_stream(run, sources, output, format, overwrite=values["overwrite"])
    return _finish(run)


def _options(values: dict[str, Any]) -> DockOptions:
    from logos_cli.cli.options import parse_time
    from logos_cli.docking.place import BoxOptions, parse_triple
    from logos_cli.docking.receptor import ReceptorOptions
    from logos_cli.workflows.dock import DockOptions

    if values["score_only"] and values["minimize"]:
        raise UsageError("--score-only and --minimize exclude each other", hint="give one of them")
    center, size, limit = values["center"], values["size"], values["time_per_ligand"]
    model = values["structure_model"]
    box = BoxOptions(
        values["autobox_ligand"],
        values["autobox_site"],
        _predicted(values["autobox_pocket"], values["receptor"], model),
        None if center is None else parse_triple(center, "--center"),
        None if size is None else parse_triple(size, "--size"),
        values["autobox_add"],
    )
    flexible = tuple(part.strip() for part in (values["flex"] or "").split(",") if part.strip())
    kept, dropped = tuple(values["keep"] or ()), tuple(values["drop"] or ())
    return DockOptions(
        box=box,
        receptor=ReceptorOptions(values["ph"], values["keep_water"], kept, dropped, flexible, model),
        ph=None if values["as_given"] else values["ph"],
        stereo=values["stereo"],
        mode="score" if values["score_only"] else "minimize" if values["minimize"] else "dock",
        exhaustiveness=values["exhaustiveness"],
        n_poses=values["num_modes"],
        energy_range_kcal_per_mol=values["energy_range"],
        seed=values["seed"],
        engine=values["engine"],
        cpu=values["cpu"],
        seconds_per_ligand=None if limit is None else parse_time(limit),
        reference=values["reference"],
        check=values["check"],
    )


def _is_folder(output: str | None) -> bool:
    if output is None or output == "-" or output.startswith("/dev/"):
        return False
    return output.endswith("/") or Path(output).is_dir() or not Path(output).suffix


def _check_output(output: str | None, format: str | None, *, resume: bool) -> None:
    from logos_cli.formats._output import suffix_of

    if _is_folder(output):
        if format is not None:
            raise UsageError("a directory gets poses and records", hint="leave out --format")
        return
    if resume:
        raise UsageError("--resume needs a directory", hint="give -o DIR: it holds what is done already")
    if format is None and output is not None and suffix_of(output) in (".sdf", ".sd"):
        return
    if format != "sdf":
        choose_format(format, output)


def _predicted(wanted: str | None, receptor: str, model: int) -> tuple[str, ...] | None:
    """Return the residues of the site that the language model ranks first."""
    if wanted is None:
        return None
    if wanted != "predicted":
        raise UsageError(f"--autobox-pocket {wanted!r} is not known", hint="give --autobox-pocket predicted")
    from logos_cli.docking.place import site_of
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.generate import generate

    for record in generate("site", receptor, read=ReadOptions(model=model)):
        if record.status is Status.OK and (names := site_of(record)):
            terminal().note(f"predicted site: {', '.join(map(str, names))}")
            return tuple(map(str, names))
    raise UsageError("the model predicts no site", source=receptor, hint="give --autobox-site or --center")


def _into_stream(
    run: Docking, sources: list[str], output: str | None, format: str | None, *, overwrite: bool
) -> None:
    from logos_cli.formats._output import open_output, suffix_of
    from logos_cli.workflows._dock_output import write_sdf

    is_sdf = format == "sdf" or (
        format is None and output is not None and suffix_of(output) in (".sdf", ".sd")
    )
    if is_sdf:
        complaints = Complaints()
        with open_output(output, overwrite=overwrite) as stream:
            for docked in _told(run, run.results(sources)):
                if docked.record.status is Status.ERROR:
                    complaints.tell(docked.record, docked.record.reason or "")
                write_sdf(docked, stream)
                stream.flush()
        return
    with open_sink(output, format, overwrite=overwrite) as sink:
        for docked in _told(run, run.results(sources)):
            sink.write(docked.record)
            sys.stdout.flush()


def _into_folder(run: Docking, sources: list[str], output: str, *, overwrite: bool, resume: bool) -> None:
    from logos_cli.workflows._dock_output import ResultFolder

    complaints = Complaints()
    with ResultFolder.open(Path(output), overwrite=overwrite, resume=resume) as folder:
        candidates = (
            each for each in run.candidates(sources) if not _is_done(run, folder.done, each.record.id)
        )
        for docked in _told(run, run.dock(candidates)):
            if docked.record.status is Status.ERROR:
                complaints.tell(docked.record, docked.record.reason or "")
            folder.write(docked)
        folder.describe(run.receptor, run.plan() | {"arguments": sys.argv[1:]})


def _is_done(run: Docking, done: dict[str, Record], id: str) -> bool:
    if id not in done:
        return False
    if done[id].status is Status.OK:
        run.tally.kept += 1
    else:
        run.tally.kept_failed += 1
    return True


def _told(run: Docking, results: Iterable[DockedLigand]) -> Iterator[DockedLigand]:
    """Yield the results; before the first, say what was made of the receptor."""
    first = True
    for docked in terminal().track(results, "docking"):
        if first and docked.poses:
            for note in (*run.place.notes, *run.receptor.notes):
                terminal().note(f"{run.model.name}: {note}")
            first = False
        yield docked


def _show_plan(run: Docking, sources: list[str]) -> ExitCode:
    next(run.candidates(sources))
    for name, value in run.plan().items():
        shown = run.place.box if name == "box" else value
        typer.echo(f"{name.replace('_', ' '):16} {shown}")
    return ExitCode.OK


def _finish(run: Docking) -> ExitCode:
    tally = run.tally
    terminal().note(str(tally))
    if not tally.lost:
        return ExitCode.OK
    return ExitCode.USAGE if tally.lost == tally.requested else ExitCode.PARTIAL


PLUGIN = Command("dock", command("dock", _run, OPTIONS, _HELP), panel="Model", order=45)
