"""Options of ``logos generate``: those of every task, and those that a task asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

from logos_cli.cli.option_specs import OptionSpec, option_spec
from logos_cli.cli.options.common import Output, Overwrite
from logos_cli.cli.options.load import COMPUTATION
from logos_cli.structure.distances import CONTACT_ANGSTROM
from logos_cli.tasks.base import Task, TaskOption

UPSTREAM = {
    "--num_samples": "num_samples",
    "--top_p": "top_p",
    "--top_k": "top_k",
    "--repetition_penalty": "repetition_penalty",
    "--max_new_tokens": "max_new_tokens",
    "--batch_size": "batch_size",
    "--model_path": "model",
    "--results_dir": "results_dir",
}
"""Spellings of the published scripts."""

_TASK, _PROMPTS, _SAMPLING, _MODEL, _OUTPUT = "Task", "Prompts", "Sampling", "Model", "Output"
_PRESET = "preset"

_AMOUNT = (
    option_spec(
        "until",
        str | None,
        None,
        metavar="valid=500,unique=100",
        show_default=False,
        help="Sample each prompt until so many are valid, unique or novel; -n is then the most, by default 20 for "
        "each that is wanted.",
    ),
    option_spec(
        "time",
        str | None,
        None,
        metavar="55m",
        show_default="until done",
        help="Begin no sample after this time (2h, 55m, 1h30m, 90s); those under way are finished.",
    ),
    option_spec("seed", int, 0, metavar="N", help="With a sample's id, all that its randomness depends on."),
    option_spec(
        "constrain",
        Literal["grammar", "chemistry", "off"],
        "grammar",
        help="Sample well-formed sentences of the task's shape only; chemistry: with valid molecules only; off: "
        "freely.",
    ),
)

_RESTRICTIONS = {
    "template": (
        option_spec(
            "template",
            str | None,
            None,
            metavar="TEXT",
            rich_help_panel=_TASK,
            help="What the answer looks like: EVQLCAR{X:8,20}WGQG has 8 to 20 free residues.",
        ),
    ),
    "edit": (
        option_spec(
            "edit",
            str | None,
            None,
            metavar="FILE|TEXT|-",
            rich_help_panel=_TASK,
            help="Instead of a prompt: wild types of which to make variants.",
        ),
        option_spec(
            "max_mutations",
            int | None,
            None,
            min=1,
            metavar="K",
            show_default="3",
            rich_help_panel=_TASK,
            help="Exchange at most so many residues of --edit.",
        ),
        option_spec(
            "positions",
            str | None,
            None,
            metavar="10-20,45",
            show_default="anywhere",
            rich_help_panel=_TASK,
            help="Where --edit may, counted from 1.",
        ),
    ),
}

_READING = {
    "ligand": option_spec(
        "ligand",
        str | None,
        None,
        metavar="ID|CHAIN:NUMBER",
        rich_help_panel=_PROMPTS,
        show_default="every relevant one",
        help="Structure: the ligand whose pocket to take.",
    ),
    "cutoff_angstrom": option_spec(
        "cutoff",
        float,
        CONTACT_ANGSTROM,
        min=0.1,
        metavar="Å",
        rich_help_panel=_PROMPTS,
        help="Structure: a residue lines the pocket if a heavy atom is this near the ligand.",
    ),
    "chains": option_spec(
        "chain",
        list[str] | None,
        None,
        metavar="ID",
        rich_help_panel=_PROMPTS,
        help="Structure: keep this protein chain; may be repeated.",
    ),
    "column": option_spec(
        "column",
        str | None,
        None,
        metavar="NAME",
        rich_help_panel=_PROMPTS,
        help="Table: column with the SMILES or sequence.",
    ),
}
READ_NAMES = {"ligand": "ligand", "cutoff": "cutoff_angstrom", "chain": "chains", "column": "column"}
"""Options that say how to read prompt files, and their names in ``ReadOptions``."""

_CHOICE = (
    option_spec(
        "temperature",
        float | None,
        None,
        min=0,
        metavar="T",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Divides the logits; 0 takes the likeliest token.",
    ),
    option_spec(
        "top_p",
        float | None,
        None,
        metavar="P",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Keep the likeliest tokens that together reach P.",
    ),
    option_spec(
        "top_k",
        int | None,
        None,
        min=0,
        metavar="K",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Keep the K likeliest tokens; 0 keeps all.",
    ),
    option_spec(
        "min_p",
        float | None,
        None,
        min=0,
        max=1,
        metavar="P",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Keep tokens at least P times as likely as the likeliest.",
    ),
    option_spec(
        "repetition_penalty",
        float | None,
        None,
        metavar="X",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Make tokens of prompt and answer less likely; 1 is none.",
    ),
    option_spec(
        "max_new_tokens",
        int | None,
        None,
        min=1,
        metavar="N",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Cut a sample after so many tokens.",
    ),
)


_REFERENCE = option_spec(
    "reference",
    str | None,
    None,
    metavar="FILE|logos-nano",
    rich_help_panel=_OUTPUT,
    show_default=False,
    help="Known objects, or what the embedded model was trained on: records say whether they are novel, and the "
    "account counts it.",
)
_WRITING = (
    OptionSpec("output", Output),
    option_spec("results_dir", str | None, None, "--results_dir", hidden=True),
    option_spec(
        "format",
        str | None,
        None,
        "--format",
        "-f",
        metavar="text|jsonl|fasta|smi|…",
        rich_help_panel=_OUTPUT,
        help="Sentences, records, or a format of decode. Default: text on a terminal, else records.",
    ),
    option_spec(
        "order",
        Literal["input", "completed"],
        "input",
        rich_help_panel=_OUTPUT,
        help="In the order of the prompts, or as soon as each is finished.",
    ),
    option_spec(
        "keep_invalid",
        bool,
        True,
        "--keep-invalid/--drop-invalid",
        rich_help_panel=_OUTPUT,
        help="Write records of samples that are not valid, or only count them.",
    ),
    OptionSpec("overwrite", Overwrite, False),
    option_spec(
        "dry_run", bool, False, "--dry-run", help="Check options and prompts, say what would be done, and leave."
    ),
)


def options_of(task: Task) -> Iterator[OptionSpec]:
    """Yield the parameters of a task's command, in the order of its help."""
    yield OptionSpec(
        "given",
        Annotated[
            str | None,
            typer.Argument(metavar="PROMPT", show_default=False, help=f"{task.prompts[0].upper()}{task.prompts[1:]}."),
        ],
    )
    yield option_spec(
        "prompt",
        str | None,
        None,
        "--prompt",
        "-p",
        *task.prompt_spellings,
        metavar="FILE|TEXT|-",
        rich_help_panel=_PROMPTS,
        show_default=False,
        help="The same: a file of any format that encode reads, a sentence or its beginning, a bare sequence or "
        "SMILES, - for standard input.",
    )
    shown = True if task.n_samples > 1 else "1"
    yield option_spec(
        "num_samples",
        int | None,
        None,
        "--num-samples",
        "-n",
        min=1,
        metavar="N",
        show_default=str(task.n_samples) if shown is True else shown,
        help="Samples of each prompt.",
    )
    yield from _AMOUNT
    yield from map(_own, task.options)
    for name in task.restrictions:
        yield from _RESTRICTIONS[name]
    for name in task.read_options:
        yield _READING[name]
    yield from _CHOICE
    yield from COMPUTATION
    if task.compared:
        yield _REFERENCE
    yield from _WRITING


def _own(option: TaskOption) -> OptionSpec:
    """Return an option that the task declares."""
    kind: Any = Literal[option.choices] if option.choices else option.type
    if option.repeated:
        kind = list[kind]
    if option.default is None:
        kind = kind | None
    settings: dict[str, Any] = {"help": option.help, "metavar": option.metavar, "rich_help_panel": _TASK}
    if option.type in (int, float):
        settings |= {"min": option.least, "max": option.most}
    if option.shown_default is not None:
        settings["show_default"] = option.shown_default
    return option_spec(option.name, kind, option.default, option.flag, *option.spellings, **settings)
