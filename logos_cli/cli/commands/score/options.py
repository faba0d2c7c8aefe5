"""Options of ``logos score``."""

from __future__ import annotations

from typing import Annotated

import typer

from logos_cli.cli.option_specs import OptionSpec, option_spec
from logos_cli.cli.options.common import Form, Inputs, Output, Overwrite
from logos_cli.cli.options.docking import elsewhere
from logos_cli.cli.options.load import COMPUTATION

_SCORES, _CHOICE, _MUTANTS, _OUTPUT = "Scores", "Choice", "Variants", "Output"
_MODEL = ("model", "revision", "backend", "device", "dtype", "base_url", "threads", "offline")

DOCKING = elsewhere(
    "Docking",
    False,
    "autobox_ligand",
    "autobox_site",
    "center",
    "size",
    "autobox_add",
    "keep_water",
    "keep",
    "drop",
    "ph",
    "as_given",
    "exhaustiveness",
    "cpu",
    "engine",
    "time_per_ligand",
)
"""For the scores that dock."""

DECLARED = (
    OptionSpec("inputs", Inputs),
    option_spec(
        "metrics",
        list[str] | None,
        None,
        metavar="a,b|FAMILY|all",
        rich_help_panel=_SCORES,
        show_default="all that need no model and nothing not given",
        help="Scores and families of scores, by name; default, all or none; may be repeated.",
    ),
    option_spec(
        "explain",
        bool,
        False,
        "--explain",
        rich_help_panel=_SCORES,
        help="Say what each score means (definition, unit, direction, version, source), and leave.",
    ),
    option_spec(
        "reference",
        str | None,
        None,
        metavar="FILE",
        rich_help_panel=_SCORES,
        show_default=False,
        help="What to compare with, for novelty and distances: a file of any format that encode reads.",
    ),
    option_spec(
        "truth",
        str | None,
        None,
        metavar="FILE",
        rich_help_panel=_SCORES,
        show_default=False,
        help="The right answers, for accuracies.",
    ),
    option_spec(
        "blocks",
        bool,
        False,
        "--blocks",
        rich_help_panel=_SCORES,
        help="Likelihood: each block of the sentence as well, given what precedes it (logp_block_1 …).",
    ),
    option_spec(
        "where",
        str | None,
        None,
        metavar="'qed>0.5 and sa<4'",
        rich_help_panel=_CHOICE,
        show_default=False,
        help="Keep the records that meet this; a null never does.",
    ),
    option_spec(
        "top",
        int | None,
        None,
        min=1,
        metavar="N",
        rich_help_panel=_CHOICE,
        show_default="all",
        help="Keep the best N, best first.",
    ),
    option_spec(
        "by",
        str | None,
        None,
        metavar="SCORE",
        rich_help_panel=_CHOICE,
        show_default="the only score",
        help="What --top ranks by.",
    ),
    option_spec(
        "ascending",
        bool | None,
        None,
        "--ascending/--descending",
        rich_help_panel=_CHOICE,
        show_default="as is better",
        help="Whether --top takes the smallest or the largest.",
    ),
    option_spec(
        "mutants",
        str | None,
        None,
        metavar="TABLE",
        rich_help_panel=_MUTANTS,
        show_default=False,
        help="Score variants of --wild-type that a table names (A45G, A45G:K50R) by log-likelihood ratio.",
    ),
    option_spec(
        "wild_type",
        str | None,
        None,
        metavar="FILE|SEQUENCE",
        rich_help_panel=_MUTANTS,
        show_default=False,
        help="What they are variants of; without --mutants, what logp_ratio compares with.",
    ),
    option_spec(
        "fitness",
        str | None,
        None,
        metavar="COLUMN",
        rich_help_panel=_MUTANTS,
        show_default="found by name",
        help="Column of --mutants with measured fitness, for the rank correlation.",
    ),
    option_spec(
        "first_residue",
        int | None,
        None,
        metavar="N",
        rich_help_panel=_MUTANTS,
        show_default="1",
        help="The number that the wild type's first residue has in --mutants.",
    ),
    OptionSpec("form", Form),
    option_spec("column", str | None, None, metavar="NAME", help="Table: column with the SMILES or sequence."),
    OptionSpec(
        "jobs",
        Annotated[
            int,
            typer.Option(
                "--jobs",
                "-j",
                min=1,
                metavar="N",
                help="Number of processes; a model runs in one, with its own threads.",
            ),
        ],
        1,
    ),
    *(each for each in COMPUTATION if each.name in _MODEL),
    *DOCKING,
    OptionSpec("output", Output),
    option_spec(
        "format",
        str | None,
        None,
        "--format",
        "-f",
        metavar="jsonl|csv|smi|…",
        rich_help_panel=_OUTPUT,
        help="Records, or a format of decode. Default: by --output, else records.",
    ),
    option_spec(
        "json",
        bool,
        False,
        "--json",
        rich_help_panel=_OUTPUT,
        help="Print the figures of all records as JSON; records are then written to --output only.",
    ),
    option_spec(
        "summary",
        str | None,
        None,
        metavar="FILE",
        rich_help_panel=_OUTPUT,
        show_default=False,
        help="Write the figures of all records here, as JSON.",
    ),
    option_spec(
        "draw",
        str | None,
        None,
        metavar="FILE.svg|.png",
        rich_help_panel=_OUTPUT,
        show_default=False,
        help="Draw the molecules that are kept as a grid, with the scores of --metrics and --by below each.",
    ),
    OptionSpec("overwrite", Overwrite, False),
)
