"""How to dock: options of ``logos dock``, and of other commands that dock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from logos_cli.cli.option_specs import OptionSpec, option_spec
from logos_cli.cli.options.common import Overwrite, one_of
from logos_cli.docking import defaults

_BOX, _RECEPTOR, _LIGANDS, _SEARCH, _OUTPUT = "Box", "Receptor", "Ligands", "Search", "Output"
_KEPT = "CCD|A:301"

_AROUND = (
    option_spec(
        "autobox_ligand",
        str | None,
        None,
        metavar="FILE|HEM|A:301",
        rich_help_panel=_BOX,
        show_default="the site that ligands were made for, or the receptor's only ligand",
        help="Draw the box around a posed ligand, or around a ligand of the receptor.",
    ),
    option_spec(
        "autobox_site",
        str | None,
        None,
        metavar="A:45,A:47-52|FILE",
        rich_help_panel=_BOX,
        show_default=False,
        help="Draw it around residues, or around the site of a record.",
    ),
    option_spec(
        "center",
        str | None,
        None,
        metavar="X,Y,Z",
        rich_help_panel=_BOX,
        show_default=False,
        help="Centre of the box, Å.",
    ),
    option_spec(
        "size",
        str | None,
        None,
        metavar="X,Y,Z|S",
        rich_help_panel=_BOX,
        show_default="by the atoms; 22 with --center",
        help="Sides of the box, Å.",
    ),
    option_spec(
        "autobox_add",
        float,
        defaults.MARGIN_ANGSTROM,
        metavar="Å",
        rich_help_panel=_BOX,
        help="Room on every side of what the box is drawn around.",
    ),
)
HOW = (
    *_AROUND,
    # -- receptor
    option_spec(
        "keep_water", bool, False, "--keep-water", rich_help_panel=_RECEPTOR, help="Keep the waters in the box."
    ),
    option_spec(
        "keep",
        list[str] | None,
        None,
        metavar=_KEPT,
        rich_help_panel=_RECEPTOR,
        show_default="metals and cofactors in the box",
        help="Keep this heterogen. May be given again.",
    ),
    option_spec(
        "drop",
        list[str] | None,
        None,
        metavar=_KEPT,
        rich_help_panel=_RECEPTOR,
        show_default=False,
        help="Leave this heterogen out. May be given again.",
    ),
    option_spec(
        "flex",
        str | None,
        None,
        metavar="A:45,A:102",
        rich_help_panel=_RECEPTOR,
        show_default=False,
        help="Residues whose side chains move; each pose is written with where they end.",
    ),
    option_spec(
        "ph",
        float,
        defaults.PH,
        "--ph",
        metavar="PH",
        rich_help_panel=_RECEPTOR,
        help="pH whose dominant charges receptor and ligands get.",
    ),
    # -- ligands
    option_spec(
        "as_given",
        bool,
        False,
        "--as-given",
        rich_help_panel=_LIGANDS,
        help="Dock ligands with the charges that they are given with.",
    ),
    option_spec(
        "stereo",
        bool,
        False,
        "--stereo",
        rich_help_panel=_LIGANDS,
        help="Dock every stereoisomer that a ligand leaves open.",
    ),
    # -- search
    option_spec(
        "exhaustiveness",
        int,
        defaults.EXHAUSTIVENESS,
        min=1,
        metavar="N",
        rich_help_panel=_SEARCH,
        help="Independent runs of the search.",
    ),
    option_spec(
        "num_modes",
        int,
        defaults.N_POSES,
        min=1,
        metavar="N",
        rich_help_panel=_SEARCH,
        help="Poses kept of each ligand, at most.",
    ),
    option_spec(
        "energy_range",
        float,
        defaults.ENERGY_RANGE_KCAL_PER_MOL,
        metavar="KCAL",
        rich_help_panel=_SEARCH,
        help="Drop poses that are worse than the best by more (kcal/mol).",
    ),
    option_spec(
        "cpu",
        int | None,
        None,
        min=1,
        metavar="N",
        rich_help_panel=_SEARCH,
        show_default="all",
        help="Cores; each docks a ligand of its own.",
    ),
    option_spec(
        "engine",
        str,
        "auto",
        metavar="|".join(defaults.ENGINES),
        rich_help_panel=_SEARCH,
        autocompletion=one_of(*defaults.ENGINES),
        help="What searches: the vina package, or a program on the PATH.",
    ),
    option_spec(
        "time_per_ligand",
        str | None,
        None,
        metavar="90s|5m",
        rich_help_panel=_SEARCH,
        show_default="no limit",
        help="Give up a ligand that takes longer.",
    ),
    option_spec("check", bool, False, "--check", rich_help_panel=_OUTPUT, help="Test each best pose with PoseBusters."),
)
"""What every command that docks may be told."""

_RECEPTOR_FILE = "PDB, mmCIF or BinaryCIF, plain or compressed."


def elsewhere(panel: str, default_receptor: str | bool, *names: str) -> tuple[OptionSpec, ...]:
    """Return the options of a command that docks beside other things: a receptor, how, and the search's own seed.

    Parameters
    ----------
    panel : str
        Of the help, in which they stand together.
    default_receptor : str or bool
        What the help says of a receptor that is not given.
    *names : str
        Of ``HOW``; all of them if there are none.
    """
    how = [each for each in HOW if not names or each.name in names]
    receptor = option_spec(
        "receptor",
        str | None,
        None,
        "--receptor",
        "-r",
        metavar="FILE",
        show_default=default_receptor,
        help=f"What to dock into: {_RECEPTOR_FILE}",
    )
    seed = option_spec("dock_seed", int, defaults.SEED, min=0, metavar="N", help="Seed of conformers and search.")
    return tuple(each.within(panel) for each in (receptor, *how, seed))


def not_default(options: Iterable[OptionSpec], values: Mapping[str, Any]) -> list[str]:
    """Return the spellings of those options that have another value than their default."""
    return [f"--{each.name.replace('_', '-')}" for each in options if values[each.name] != each.default]


OPTIONS = (
    OptionSpec(
        "arguments",
        Annotated[
            list[str] | None,
            typer.Argument(
                metavar="LIGANDS|-",
                show_default=False,
                help="Ligands, as -l takes them; - is standard input (the default in a pipe).",
            ),
        ],
    ),
    option_spec("receptor", str, ..., "--receptor", "-r", metavar="FILE", help=_RECEPTOR_FILE),
    option_spec(
        "ligands",
        list[str] | None,
        None,
        "--ligand",
        "-l",
        metavar="FILE|-",
        show_default=False,
        help="SMILES, SDF, MOL2, or records with a molecule or complex. May be given again.",
    ),
    *_AROUND,
    option_spec(
        "autobox_pocket",
        str | None,
        None,
        metavar="predicted",
        rich_help_panel=_BOX,
        show_default=False,
        help="Draw it around the site that the language model predicts.",
    ),
    *HOW[len(_AROUND) :],
    option_spec("structure_model", int, 1, min=1, metavar="N", rich_help_panel=_RECEPTOR, help="Model of an ensemble."),
    option_spec(
        "seed",
        int,
        1,
        min=0,
        metavar="N",
        rich_help_panel=_SEARCH,
        help="Of conformers and search. Results do not depend on --cpu.",
    ),
    option_spec(
        "score_only",
        bool,
        False,
        "--score-only",
        rich_help_panel=_SEARCH,
        help="Score the given poses; search nothing.",
    ),
    option_spec(
        "minimize", bool, False, "--minimize", rich_help_panel=_SEARCH, help="Relax the given poses and score them."
    ),
    option_spec(
        "reference",
        str | None,
        None,
        metavar="FILE",
        rich_help_panel=_OUTPUT,
        show_default=False,
        help="Tell the RMSD of each pose to the known one in this file, symmetry counted.",
    ),
    option_spec(
        "output",
        str | None,
        None,
        "--output",
        "-o",
        metavar="FILE|DIR",
        rich_help_panel=_OUTPUT,
        show_default="records on stdout",
        help="poses.sdf[.gz], records.jsonl[.gz], or a directory for both, receptor and arguments.",
    ),
    option_spec(
        "format",
        str | None,
        None,
        "--format",
        "-f",
        metavar="jsonl|sdf|text",
        rich_help_panel=_OUTPUT,
        autocompletion=one_of("jsonl", "sdf", "text"),
        show_default="by --output",
        help="What to write.",
    ),
    OptionSpec("overwrite", Overwrite, False),
    option_spec(
        "resume", bool, False, "--resume", rich_help_panel=_OUTPUT, help="Continue in the directory of an earlier run."
    ),
    option_spec(
        "report",
        str | None,
        None,
        metavar="FILE.html",
        rich_help_panel=_OUTPUT,
        show_default=False,
        help="Show the best ligands on a page that opens offline: drawing, pose, scores, contacts.",
    ),
    option_spec("report_top", int, 10, min=1, metavar="N", rich_help_panel=_OUTPUT, help="So many of them."),
    option_spec(
        "dry_run", bool, False, "--dry-run", rich_help_panel=_OUTPUT, help="Show box, engine and values; dock nothing."
    ),
    option_spec("offline", bool, False, "--offline", hidden=True, help="Docking never needs the network; for scripts."),
)
