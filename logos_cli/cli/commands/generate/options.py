"""Options of ``logos generate``: those of every task, and those that a task declares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Literal, Optional

import typer
from typer.models import OptionInfo

from logos_cli.backends.options import LoadOptions
from logos_cli.checkpoints.task_sampling import TaskSampling, from_config
from logos_cli.cli.option_specs import OptionSpec, argument, block, option, others, specs_of
from logos_cli.cli.options.docking import DockingArguments
from logos_cli.cli.options.input import column_option, cutoff_option, model_number_option
from logos_cli.cli.options.load import load_block
from logos_cli.cli.options.output import OUTPUT, format_option, output_option, overwrite_option
from logos_cli.cli.options.run import RunArguments, run_block
from logos_cli.cli.options.sampling import SamplingArguments
from logos_cli.engine.sampling import Sampling
from logos_cli.resources import EMBEDDED, data_path
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
"""Spellings of options in the published scripts."""

_TASK, _PROMPTS, _DOCKING = "Task", "Input", "Docking"
_SAMPLING, _CONSTRAINTS = "Sampling", "Constraints"


@dataclass(frozen=True, kw_only=True)
class GenerateArguments:
    """The arguments of ``logos generate TASK``; options that a task does not have keep their defaults."""

    given: str | None = argument(None, metavar="PROMPT", show_default=False, help="")
    prompt: str | None = option(
        None,
        "--prompt",
        "-p",
        metavar="FILE|TEXT|-",
        panel=_PROMPTS,
        show_default=False,
        help="The prompt as an option: a file that encode reads, a sentence or its beginning, a bare sequence or "
        "SMILES, - for standard input.",
    )
    column: str | None = column_option(_PROMPTS, "Table: column with the SMILES or sequence.")
    chain: list[str] | None = option(
        None, metavar="ID", panel=_PROMPTS, help="Structure: keep this protein chain; may be repeated."
    )
    ligand: str | None = option(
        None,
        metavar="ID|CHAIN:NUMBER",
        panel=_PROMPTS,
        show_default="every relevant one",
        help="Structure: the ligand of the pocket.",
    )
    cutoff: float = cutoff_option(_PROMPTS, "Structure: distance of heavy atoms at which a residue lines the pocket.")
    model_number: int = model_number_option(_PROMPTS)
    num_samples: int | None = option(
        None, "--num-samples", "-n", min=1, panel=_SAMPLING, metavar="N", help="Samples of each prompt."
    )
    beam: int | None = option(
        None,
        min=1,
        metavar="K",
        panel=_SAMPLING,
        show_default=False,
        help="Find the K likeliest answers to each prompt by a beam search of this width, and draw no samples.",
    )
    until: str | None = option(
        None,
        panel=_SAMPLING,
        metavar="valid=500,unique=100",
        show_default=False,
        help="Sample each prompt until it has these numbers of valid, unique or novel samples; -n is then the limit, by "
        "default 20 samples per wanted one.",
    )
    time: str | None = option(
        None,
        panel=_SAMPLING,
        metavar="55m",
        show_default="until done",
        help="Begin no sample after this time (2h, 55m, 1h30m, 90s); those under way are finished.",
    )
    seed: int = option(
        0, panel=_SAMPLING, metavar="N", help="Seed of the samples; each depends on it and on its id only."
    )
    sampling: SamplingArguments = block(SamplingArguments)
    sampling_of: str | None = option(
        None,
        "--sampling-of",
        metavar="MODEL",
        panel=_SAMPLING,
        show_default="the model's own, else the task's",
        help="Take the sampling values of this model: logos-nano, a directory, a GGUF file. A server does not report its own.",
    )
    constrain: Literal["grammar", "chemistry", "off"] = option(
        "grammar",
        panel=_CONSTRAINTS,
        help="grammar: sample only well-formed sentences of the task's form; chemistry: only those with valid molecules; "
        "off: no constraint.",
    )
    template: str | None = option(
        None,
        metavar="TEXT",
        panel=_CONSTRAINTS,
        help="Pattern of the answer: EVQLCAR{X:8,20}WGQG has 8 to 20 free residues.",
    )
    edit: str | None = option(
        None, metavar="FILE|TEXT|-", panel=_CONSTRAINTS, help="Make variants of these wild types, instead of a prompt."
    )
    max_mutations: int | None = option(
        None, min=1, metavar="K", show_default="3", panel=_CONSTRAINTS, help="Largest number of mutations with --edit."
    )
    positions: str | None = option(
        None,
        metavar="10-20,45",
        show_default="anywhere",
        panel=_CONSTRAINTS,
        help="Positions of the mutations, counted from 1.",
    )
    guide: Literal["uniform", "oracle"] | None = option(
        None,
        metavar="uniform|oracle",
        show_default="uniform",
        panel=_CONSTRAINTS,
        help="Draw the positions of a variant all alike, and let the model choose residues; or draw both by the frequencies in "
        "the table of measured values that --oracle was trained on.",
    )
    own: Mapping[str, object] = others()
    load: LoadOptions = load_block()
    reference: str | None = option(
        None,
        metavar="FILE|logos-nano",
        panel=OUTPUT,
        show_default=False,
        help="Known objects, or the training data of the embedded model: records get the score novel, and the account "
        "counts novel samples.",
    )
    output: str | None = output_option()
    results_dir: str | None = option(None, "--results_dir", hidden=True, help="")
    format: str | None = format_option(
        "text|jsonl|fasta|smi|…",
        "Sentences, records, or a format of decode. Default: text on a terminal, else records.",
    )
    order: Literal["input", "completed"] = option(
        "input", panel=OUTPUT, help="Order of the records: that of the prompts, or that in which they are finished."
    )
    keep_invalid: bool = option(
        True,
        "--keep-invalid/--drop-invalid",
        panel=OUTPUT,
        help="Write records of invalid samples, or only count them.",
    )
    overwrite: bool = overwrite_option()
    run: RunArguments = run_block()
    dry_run: bool = option(False, "--dry-run", panel=OUTPUT, help="Check options and prompts, show the plan, and exit.")
    dock: bool = option(
        False,
        "--dock",
        panel=_DOCKING,
        help="Dock the samples, as `logos dock` does: scores in records, poses in -o FILE.sdf or DIR.",
    )
    docking: DockingArguments = block(DockingArguments, panel=_DOCKING)


_SAMPLED = frozenset(each.name for each in fields(Sampling))
_RESTRICTIONS = {"template": ("template",), "edit": ("edit", "max_mutations", "positions", "guide")}
_READING = {
    "ligand": "ligand",
    "cutoff_angstrom": "cutoff",
    "chains": "chain",
    "model": "model_number",
    "column": "column",
}
"""Options for reading prompt files, by their names in ``ReadOptions``."""


def options_of(task: Task) -> Iterator[OptionSpec]:
    """Yield the options of a task's command, in the order of its help."""
    absent = _absent(task)
    for each in specs_of(GenerateArguments):
        if each.name not in absent:
            yield _of_task(each, task)
        if each.name == "guide":
            yield from map(_own, task.options)


def _absent(task: Task) -> set[str]:
    """Return the options that a task does not have."""
    absent = {name for what, names in _RESTRICTIONS.items() if what not in task.restrictions for name in names}
    absent |= {name for field, name in _READING.items() if field not in task.read_options}
    if not task.compared:
        absent.add("reference")
    if task.reads:
        absent.add("beam")
    if not task.docks:
        absent |= {"dock", *(each.name for each in specs_of(DockingArguments))}
    return absent


def _of_task(spec: OptionSpec, task: Task) -> OptionSpec:
    """Return an option with the help of a task."""
    info = copy(spec.info)
    if spec.name == "given":
        info.help = f"{task.prompts[0].upper()}{task.prompts[1:]}."
    elif spec.name == "prompt":
        info.param_decls = (*(info.param_decls or ()), *task.prompt_spellings)
    elif spec.name == "num_samples":
        info.show_default = "samples only if it is given" if task.reads or task.beam else str(task.n_samples)
    elif spec.name == "beam" and task.beam:
        info.show_default = f"{task.beam}; samples with a model on a server"
    elif spec.name in _SAMPLED:
        info.show_default = _sampling_default(task, spec.name)
    return replace(spec, info=info)


def _sampling_default(task: Task, name: str) -> str:
    """Return the value of a sampling parameter: the task's, and that of the embedded model where it has its own."""
    value = getattr(task.preset, name)
    own = _of_embedded().get(task.name, {}).get(name)
    if own is None or own == value:
        return f"{value:,g}" if isinstance(value, float) else str(value)
    return f"{own:g} with {EMBEDDED}, else {value:g}"


@cache
def _of_embedded() -> TaskSampling:
    """Return the sampling parameters that the embedded model has of its own."""
    path = data_path("tokenizers", EMBEDDED, "generation_config.json")
    return from_config(json.loads(path.read_text(encoding="utf-8")))


def _own(declared: TaskOption) -> OptionSpec:
    """Return an option that the task declares."""
    kind: object = Literal[declared.choices] if declared.choices else declared.type
    if declared.repeated:
        kind = list[kind]  # type: ignore[valid-type]
    if declared.default is None:
        kind = Optional[kind]  # noqa: UP045 - a value, no annotation
    info: OptionInfo = typer.Option(
        declared.flag,
        *declared.spellings,
        help=declared.help,
        metavar=declared.metavar,
        rich_help_panel=_TASK,
        min=declared.least,
        max=declared.most,
        show_default=True if declared.shown_default is None else declared.shown_default,
    )
    return OptionSpec(declared.name, kind, info, declared.default)
