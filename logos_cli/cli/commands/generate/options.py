"""Options of ``logos generate``: those of every task, and those that a task asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

from logos_cli.cli.option_specs import Declared, declare
from logos_cli.cli.options.common import Output, Overwrite, one_of
from logos_cli.resources import EMBEDDED
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
    declare(
        "until",
        str | None,
        None,
        metavar="valid=500,unique=100",
        show_default=False,
        help="Sample each prompt until so many are valid, unique or novel; -n is then the most, by default 20 for "
        "each that is wanted.",
    ),
    declare(
        "time",
        str | None,
        None,
        metavar="55m",
        show_default="until done",
        help="Begin no sample after this time (2h, 55m, 1h30m, 90s); those under way are finished.",
    ),
    declare("seed", int, 0, metavar="N", help="With a sample's id, all that its randomness depends on."),
    declare(
        "constrain",
        Literal["grammar", "chemistry", "off"],
        "grammar",
        help="Sample well-formed sentences of the task's shape only; chemistry: with valid molecules only; off: "
        "freely.",
    ),
)

_RESTRICTIONS = {
    "template": (
        declare(
            "template",
            str | None,
            None,
            metavar="TEXT",
            rich_help_panel=_TASK,
            help="What the answer looks like: EVQLCAR{X:8,20}WGQG has 8 to 20 free residues.",
        ),
    ),
    "edit": (
        declare(
            "edit",
            str | None,
            None,
            metavar="FILE|TEXT|-",
            rich_help_panel=_TASK,
            help="Instead of a prompt: wild types of which to make variants.",
        ),
        declare(
            "max_mutations",
            int | None,
            None,
            min=1,
            metavar="K",
            show_default="3",
            rich_help_panel=_TASK,
            help="Exchange at most so many residues of --edit.",
        ),
        declare(
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
    "ligand": declare(
        "ligand",
        str | None,
        None,
        metavar="ID|CHAIN:NUMBER",
        rich_help_panel=_PROMPTS,
        show_default="every relevant one",
        help="Structure: the ligand whose pocket to take.",
    ),
    "cutoff_angstrom": declare(
        "cutoff",
        float,
        4.5,
        min=0.1,
        metavar="Å",
        rich_help_panel=_PROMPTS,
        help="Structure: a residue lines the pocket if a heavy atom is this near the ligand.",
    ),
    "chains": declare(
        "chain",
        list[str] | None,
        None,
        metavar="ID",
        rich_help_panel=_PROMPTS,
        help="Structure: keep this protein chain; may be repeated.",
    ),
    "column": declare(
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
    declare(
        "temperature",
        float | None,
        None,
        min=0,
        metavar="T",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Divides the logits; 0 takes the likeliest token.",
    ),
    declare(
        "top_p",
        float | None,
        None,
        metavar="P",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Keep the likeliest tokens that together reach P.",
    ),
    declare(
        "top_k",
        int | None,
        None,
        min=0,
        metavar="K",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Keep the K likeliest tokens; 0 keeps all.",
    ),
    declare(
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
    declare(
        "repetition_penalty",
        float | None,
        None,
        metavar="X",
        show_default=_PRESET,
        rich_help_panel=_SAMPLING,
        help="Make tokens of prompt and answer less likely; 1 is none.",
    ),
    declare(
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

COMPUTATION = (
    declare(
        "model",
        str,
        EMBEDDED,
        metavar="NAME|DIR",
        envvar="LOGOS_MODEL",
        rich_help_panel=_MODEL,
        help="The embedded model, a directory, or owner/name of the Hugging Face hub.",
    ),
    declare(
        "revision", str | None, None, metavar="REV", rich_help_panel=_MODEL, help="Branch, tag or commit on the hub."
    ),
    declare(
        "backend",
        str,
        "auto",
        metavar="auto|torch|llamacpp|remote",
        envvar="LOGOS_BACKEND",
        rich_help_panel=_MODEL,
        autocompletion=one_of("auto", "torch", "llamacpp", "remote"),
        help="What runs the model.",
    ),
    declare(
        "device",
        str,
        "auto",
        metavar="auto|cpu|cuda[:N]|mps",
        envvar="LOGOS_DEVICE",
        rich_help_panel=_MODEL,
        autocompletion=one_of("auto", "cpu", "cuda", "mps"),
        help="auto takes a GPU if there is one.",
    ),
    declare(
        "dtype",
        Literal["auto", "float32", "bfloat16", "float16", "int8", "nf4"],
        "auto",
        rich_help_panel=_MODEL,
        help="auto: the checkpoint's; float32 on a CPU without bfloat16 instructions. int8 and nf4 keep the "
        "weights of the layers in 8 and 4 bits (torch; nf4 needs the extra bnb).",
    ),
    declare(
        "devices",
        str | None,
        None,
        metavar="0,1|cpu,cpu",
        envvar="LOGOS_DEVICES",
        rich_help_panel=_MODEL,
        show_default=False,
        help="Several devices that share the samples, each with a process and a model of its own.",
    ),
    declare(
        "gpu_layers",
        int | None,
        None,
        metavar="N",
        rich_help_panel=_MODEL,
        show_default="all, where there is a GPU",
        help="llama.cpp: layers that a GPU computes; 0 is none.",
    ),
    declare(
        "kv_type",
        str | None,
        None,
        metavar="f32|f16|q8_0",
        rich_help_panel=_MODEL,
        show_default="f16 or the model's",
        autocompletion=one_of("f32", "f16", "q8_0"),
        help="llama.cpp: type of cached keys and values.",
    ),
    declare(
        "mmap",
        bool | None,
        None,
        "--mmap/--no-mmap",
        rich_help_panel=_MODEL,
        show_default="mapped",
        help="llama.cpp: map the file into memory, or read it.",
    ),
    declare(
        "base_url",
        str | None,
        None,
        metavar="URL",
        envvar="LOGOS_BASE_URL",
        rich_help_panel=_MODEL,
        show_default=False,
        help="A server of OpenAI's completions (vLLM, SGLang, llama-server) that runs the model; its key comes "
        "from LOGOS_API_KEY.",
    ),
    declare(
        "threads",
        int | None,
        None,
        min=1,
        metavar="N",
        envvar="LOGOS_THREADS",
        rich_help_panel=_MODEL,
        show_default="measured",
        help="CPU threads.",
    ),
    declare(
        "batch_size",
        int | None,
        None,
        "--batch-size",
        "-b",
        min=1,
        metavar="N",
        rich_help_panel=_MODEL,
        show_default="64, on CUDA 256, or as many as fit",
        help="The most samples at a time; it does not change what is generated.",
    ),
    declare(
        "offline",
        bool,
        False,
        "--offline",
        envvar="LOGOS_OFFLINE",
        rich_help_panel=_MODEL,
        help="Never use the network.",
    ),
)

_REFERENCE = declare(
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
    Declared("output", Output),
    declare("results_dir", str | None, None, "--results_dir", hidden=True),
    declare(
        "format",
        str | None,
        None,
        "--format",
        "-f",
        metavar="text|jsonl|fasta|smi|…",
        rich_help_panel=_OUTPUT,
        help="Sentences, records, or a format of decode. Default: text on a terminal, else records.",
    ),
    declare(
        "order",
        Literal["input", "completed"],
        "input",
        rich_help_panel=_OUTPUT,
        help="In the order of the prompts, or as soon as each is finished.",
    ),
    declare(
        "keep_invalid",
        bool,
        True,
        "--keep-invalid/--drop-invalid",
        rich_help_panel=_OUTPUT,
        help="Write records of samples that are not valid, or only count them.",
    ),
    Declared("overwrite", Overwrite, False),
    declare("dry_run", bool, False, "--dry-run", help="Check options and prompts, say what would be done, and leave."),
)


def options_of(task: Task) -> Iterator[Declared]:
    """Yield the parameters of a task's command, in the order of its help."""
    yield Declared(
        "given",
        Annotated[
            str | None,
            typer.Argument(metavar="PROMPT", show_default=False, help=f"{task.prompts[0].upper()}{task.prompts[1:]}."),
        ],
    )
    yield declare(
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
    yield declare(
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


def _own(option: TaskOption) -> Declared:
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
    return declare(option.name, kind, option.default, option.flag, *option.spellings, **settings)
