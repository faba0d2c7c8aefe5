"""``logos dock``: dock ligands into a receptor with AutoDock Vina."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from logos_cli.cli.base import Command
from logos_cli.cli.batch import is_run_directory, open_run, options_of, selection_of
from logos_cli.cli.docking import check_output, check_report, show_plan, write_report, write_run, write_stream
from logos_cli.cli.option_specs import argument, block, command, option
from logos_cli.cli.options.docking import RECEPTOR_FILE, BoxArguments, SearchArguments
from logos_cli.cli.options.input import model_number_option
from logos_cli.cli.options.output import OUTPUT, format_option, overwrite_option
from logos_cli.cli.options.run import RunArguments, run_block
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, InputError, UsageError
from logos_cli.records import Status

if TYPE_CHECKING:
    from logos_cli.workflows.dock.docking import DockOptions

_BOX, _RECEPTOR, _SEARCH = "Box", "Receptor", "Search"


@dataclass(frozen=True, kw_only=True)
class DockArguments:
    """The arguments of ``logos dock``."""

    arguments: list[str] | None = argument(
        None,
        metavar="LIGANDS|-",
        show_default=False,
        help="Ligands, as with -l; - is standard input (the default in a pipe).",
    )
    receptor: str = option(..., "--receptor", "-r", metavar="FILE", help=RECEPTOR_FILE)
    ligands: list[str] | None = option(
        None,
        "--ligand",
        "-l",
        metavar="FILE|-",
        show_default=False,
        help="SMILES, SDF, MOL2, or records with a molecule or complex. May be given again.",
    )
    box: BoxArguments = block(BoxArguments)
    autobox_pocket: str | None = option(
        None,
        metavar="predicted",
        panel=_BOX,
        show_default=False,
        help="Draw the box around the best pocket of the receptor, as `logos generate site` finds it.",
    )
    search: SearchArguments = block(SearchArguments)
    model_number: int = model_number_option(_RECEPTOR)
    seed: int = option(
        1, min=0, metavar="N", panel=_SEARCH, help="Seed of conformers and search. Results do not depend on --cpu."
    )
    score_only: bool = option(False, "--score-only", panel=_SEARCH, help="Score the given poses, without a search.")
    minimize: bool = option(False, "--minimize", panel=_SEARCH, help="Relax the given poses and score them.")
    reference: str | None = option(
        None,
        metavar="FILE",
        panel=OUTPUT,
        show_default=False,
        help="Report the RMSD of each pose to the known pose in this file, with symmetry.",
    )
    output: str | None = option(
        None,
        "--output",
        "-o",
        metavar="FILE|DIR",
        panel=OUTPUT,
        show_default="records on stdout",
        help="poses.sdf[.gz], records.jsonl[.gz], or a directory for both, receptor and arguments.",
    )
    format: str | None = format_option(
        "jsonl|sdf|text", "Format of the output.", ("jsonl", "sdf", "text"), show_default="by --output"
    )
    overwrite: bool = overwrite_option()
    run: RunArguments = run_block()
    report: str | None = option(
        None,
        metavar="FILE.html",
        panel=OUTPUT,
        show_default=False,
        help="Show the best ligands on a page that opens offline: drawing, pose, scores, contacts.",
    )
    report_top: int = option(10, min=1, metavar="N", panel=OUTPUT, help="Number of ligands on the page.")
    dry_run: bool = option(False, "--dry-run", panel=OUTPUT, help="Show box, engine and options, without docking.")
    offline: bool = option(False, "--offline", hidden=True, help="Docking never needs the network; for scripts.")


def dock(args: DockArguments) -> ExitCode:
    """Dock ligands into a receptor with AutoDock Vina.

    The receptor is completed and protonated. Waters and other heterogens are removed; metals and cofactors in
    the box are kept. Each ligand gets the charges of the pH and a new conformer. By default the box is drawn around
    the receptor's own ligand, which is removed.

    Records have the best score as vina (kcal/mol, lower is better); an SDF has all poses.

    Examples:

      logos dock -r complex.pdb -l ligands.smi -o poses.sdf

      logos generate ligand --prompt complex.pdb -n 100 | logos dock -r complex.pdb - | logos score -

      logos dock -r protein.cif --autobox-site A:45,A:47-52 -l library.sdf.gz -o run/ --time-per-ligand 5m

      logos dock -r protein.pdb -l crystal.sdf --autobox-ligand crystal.sdf --reference crystal.sdf --check

      logos dock -r complex.pdb -l library.smi -o run/ --report best.html --report-top 20
    """
    from logos_cli.cli.output import finish, inputs_or_stdin
    from logos_cli.workflows.dock.docking import Docking

    overwrites = args.overwrite or args.run.resume
    check_output(args.output, args.format, overwrite=args.overwrite)
    check_report(args.report, overwrite=overwrites)
    run = Docking(args.receptor, _options(args))
    sources = inputs_or_stdin([*(args.ligands or ()), *(args.arguments or ())])
    if args.dry_run:
        next(run.candidates(sources))  # the first ligand may determine the box
        show_plan(run)
        return ExitCode.OK
    best = None
    if args.report is not None:
        from logos_cli.report.docking import BestLigands

        best = BestLigands(args.report_top)
    if is_run_directory(args.output):
        how = options_of(args.run, overwrite=args.overwrite)
        with open_run("dock", args, [args.receptor, *sources], args.output, how, attached=".sdf") as shard:
            write_run(run, lambda selection: run.results(sources, selection=selection), shard, best)
    else:
        results = run.results(sources, selection=selection_of(args.run))
        write_stream(results, args.output, args.format, overwrite=args.overwrite, best=best)
    if best is not None and args.report is not None:
        write_report(best, args.report, str(run.tally), overwrite=overwrites)
    return finish(run.tally, is_part=args.run.shard is not None)


def _options(args: DockArguments) -> DockOptions:
    if args.score_only and args.minimize:
        raise UsageError("--score-only and --minimize exclude each other", hint="give one of them")
    return args.search.options(
        args.box.options(_predicted(args)),
        args.seed,
        model=args.model_number,
        mode="score" if args.score_only else "minimize" if args.minimize else "dock",
        reference=args.reference,
    )


def _predicted(args: DockArguments) -> tuple[str, ...] | None:
    """Return the residues of the best pocket of the receptor."""
    if args.autobox_pocket is None:
        return None
    if args.autobox_pocket != "predicted":
        raise UsageError(
            f"--autobox-pocket {args.autobox_pocket!r} is not known", hint="give --autobox-pocket predicted"
        )
    from logos_cli.docking.place import site_of
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.generate.generation import generate

    for record in generate("site", args.receptor, read=ReadOptions(model=args.model_number)):
        if record.status is Status.ERROR:
            raise InputError(record.reason or "the receptor cannot be read", source=args.receptor, hint=_OTHER_BOXES)
        if record.status is Status.OK and (names := site_of(record)):
            terminal().note(f"predicted site: {', '.join(map(str, names))}")
            return tuple(map(str, names))
    raise UsageError("the receptor has no pocket", source=args.receptor, hint=_OTHER_BOXES)


_OTHER_BOXES = "give --autobox-site or --center"


PLUGIN = Command("dock", command(dock, DockArguments), panel="Design", order=45)
