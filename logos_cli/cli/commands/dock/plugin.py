"""``logos dock``: poses and affinities of ligands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logos_cli.cli.base import Command
from logos_cli.cli.docking import (
    box_of,
    check_output,
    check_report,
    is_folder,
    options_of,
    show_plan,
    write_folder,
    write_report,
    write_stream,
)
from logos_cli.cli.option_specs import command
from logos_cli.cli.options.docking import OPTIONS
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.records import Status

if TYPE_CHECKING:
    from logos_cli.workflows.dock.docking import DockOptions

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

  logos dock -r complex.pdb -l library.smi -o run/ --report best.html --report-top 20
"""


def _run(values: dict[str, Any]) -> ExitCode:
    """Dock as the options say."""
    from logos_cli.cli.output import finish, inputs_or_stdin
    from logos_cli.workflows.dock.docking import Docking

    output, format = values["output"], values["format"]
    check_output(output, format, overwrite=values["overwrite"], resume=values["resume"])
    check_report(values["report"], overwrite=values["overwrite"] or values["resume"])
    run = Docking(values["receptor"], _options(values))
    sources = inputs_or_stdin([*(values["ligands"] or ()), *(values["arguments"] or ())])
    if values["dry_run"]:
        next(run.candidates(sources))  # the first may say where
        show_plan(run)
        return ExitCode.OK
    best = None
    if values["report"] is not None:
        from logos_cli.report.docking import BestLigands

        best = BestLigands(values["report_top"])
    overwrite = values["overwrite"]
    if is_folder(output):
        write_folder(run, sources, output, overwrite=overwrite, resume=values["resume"], best=best)
    else:
        write_stream(run.results(sources), output, format, overwrite=overwrite, best=best)
    if best is not None:
        write_report(best, values["report"], str(run.tally), overwrite=overwrite or values["resume"])
    return finish(run.tally)


def _options(values: dict[str, Any]) -> DockOptions:
    if values["score_only"] and values["minimize"]:
        raise UsageError("--score-only and --minimize exclude each other", hint="give one of them")
    predicted = _predicted(values["autobox_pocket"], values["receptor"], values["structure_model"])
    return options_of(
        values,
        box=box_of(values, predicted),
        mode="score" if values["score_only"] else "minimize" if values["minimize"] else "dock",
        seed=values["seed"],
        reference=values["reference"],
    )


def _predicted(wanted: str | None, receptor: str, model: int) -> tuple[str, ...] | None:
    """Return the residues of the site that the language model ranks first."""
    if wanted is None:
        return None
    if wanted != "predicted":
        raise UsageError(f"--autobox-pocket {wanted!r} is not known", hint="give --autobox-pocket predicted")
    from logos_cli.docking.place import site_of
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.generate.generation import generate

    for record in generate("site", receptor, read=ReadOptions(model=model)):
        if record.status is Status.OK and (names := site_of(record)):
            terminal().note(f"predicted site: {', '.join(map(str, names))}")
            return tuple(map(str, names))
    raise UsageError("the model predicts no site", source=receptor, hint="give --autobox-site or --center")


PLUGIN = Command("dock", command("dock", _run, OPTIONS, _HELP), panel="Model", order=45)
