"""Options of ``logos score``."""

from __future__ import annotations

from dataclasses import dataclass

from logos_cli.backends.options import LoadOptions
from logos_cli.cli.option_specs import block, option
from logos_cli.cli.options.docking import RECEPTOR_FILE, DockingArguments, SearchArguments
from logos_cli.cli.options.input import column_option, form_option, inputs_argument, jobs_option
from logos_cli.cli.options.load import load_block
from logos_cli.cli.options.output import OUTPUT, format_option, json_option, output_option, overwrite_option
from logos_cli.cli.options.run import RunArguments, run_block

_SCORES, _CHOICE, _MUTANTS = "Scores", "Choice", "Variants"


def _complete_metrics(incomplete: str) -> list[str]:
    """Complete the last of several metrics or families that commas separate, for the shell."""
    from logos_cli.workflows.score.metrics import catalogue, evaluators

    before, comma, last = incomplete.rpartition(",")
    names = ["default", "all", "none", *evaluators(), *catalogue()]
    return [f"{before}{comma}{name}" for name in dict.fromkeys(names) if name.startswith(last)]


@dataclass(frozen=True, kw_only=True)
class ScoreDocking(DockingArguments):
    """Options of the scores that dock."""

    receptor: str | None = option(
        None, "--receptor", "-r", metavar="FILE", show_default=False, help=f"Receptor to dock into: {RECEPTOR_FILE}"
    )
    search: SearchArguments = block(SearchArguments, without=("flex", "stereo", "num_modes", "energy_range", "check"))


@dataclass(frozen=True, kw_only=True)
class ScoreArguments:
    """The arguments of ``logos score``."""

    inputs: list[str] | None = inputs_argument()
    metrics: list[str] | None = option(
        None,
        metavar="a,b|FAMILY|all",
        panel=_SCORES,
        show_default="all that need no model and no missing input",
        autocompletion=_complete_metrics,
        help="Scores and families of scores, by name; default, all or none; may be repeated.",
    )
    explain: bool = option(
        False,
        "--explain",
        panel=_SCORES,
        help="Print the definition, unit, direction, version and source of each score, and exit.",
    )
    reference: str | None = option(
        None,
        metavar="FILE",
        panel=_SCORES,
        show_default=False,
        help="Known objects, for novelty and distances: a file of any format that encode reads.",
    )
    truth: str | None = option(
        None, metavar="FILE", panel=_SCORES, show_default=False, help="The right answers, for accuracies."
    )
    blocks: bool = option(
        False,
        "--blocks",
        panel=_SCORES,
        help="Likelihood: also of each block of the sentence, given the text before it (logp_block_1 …).",
    )
    where: str | None = option(
        None,
        metavar="'qed>0.5 and sa<4'",
        panel=_CHOICE,
        show_default=False,
        help="Keep the records that meet this condition; a null value never does.",
    )
    top: int | None = option(
        None, min=1, metavar="N", panel=_CHOICE, show_default="all", help="Keep the best N, best first."
    )
    by: str | None = option(
        None, metavar="SCORE", panel=_CHOICE, show_default="the only score", help="Score that --top ranks by."
    )
    ascending: bool | None = option(
        None,
        "--ascending/--descending",
        panel=_CHOICE,
        show_default="by the score's definition",
        help="Whether --top takes the smallest or the largest.",
    )
    mutants: str | None = option(
        None,
        metavar="TABLE",
        panel=_MUTANTS,
        show_default=False,
        help="Score the variants of --wild-type in this table (A45G, A45G:K50R) by log-likelihood ratio.",
    )
    wild_type: str | None = option(
        None,
        metavar="FILE|SEQUENCE",
        panel=_MUTANTS,
        show_default=False,
        help="Wild type of the variants; without --mutants, the reference of logp_ratio.",
    )
    fitness: str | None = option(
        None,
        metavar="COLUMN",
        panel=_MUTANTS,
        show_default="found by name",
        help="Column of --mutants with measured fitness, for the rank correlation.",
    )
    first_residue: int | None = option(
        None,
        metavar="N",
        panel=_MUTANTS,
        show_default="1",
        help="Number of the wild type's first residue in --mutants.",
    )
    form: str | None = form_option()
    column: str | None = column_option(help="Table: column with the SMILES or sequence.")
    run: RunArguments = run_block()
    jobs: int = jobs_option("Number of processes; a model runs in one, with its own threads.")
    load: LoadOptions = load_block()
    docking: ScoreDocking = block(ScoreDocking, panel="Docking")
    output: str | None = output_option()
    format: str | None = format_option(
        "jsonl|csv|smi|…", "Records, or a format of decode. Default: by --output, else records."
    )
    json: bool = json_option(
        "Print the figures of all records as JSON; records are then written to --output only.", OUTPUT
    )
    summary: str | None = option(
        None, metavar="FILE", panel=OUTPUT, show_default=False, help="Write the figures of all records here, as JSON."
    )
    draw: str | None = option(
        None,
        metavar="FILE.svg|.png",
        panel=OUTPUT,
        show_default=False,
        help="Draw the kept molecules as a grid, with the scores of --metrics and --by below each.",
    )
    overwrite: bool = overwrite_option()
