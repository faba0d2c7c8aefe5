"""``logos generate``: complete sentences with a language model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from logos_cli import registry
from logos_cli.cli.aliases import with_aliases
from logos_cli.cli.base import Command
from logos_cli.cli.options import Output, Overwrite, one_of
from logos_cli.cli.output import open_sink
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.records import Record
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    from logos_cli.backends.base import MemoryPlan
    from logos_cli.workflows.generate import GenerateTally, Generation

_SAMPLING, _MODEL, _STRUCTURES, _OUTPUT = "Sampling", "Model", "Prompts", "Output"
_PRESET = "the task's"
_MUTATIONS = 3
_UPSTREAM = {
    "--num_samples": "num_samples",
    "--top_p": "top_p",
    "--top_k": "top_k",
    "--repetition_penalty": "repetition_penalty",
    "--max_new_tokens": "max_new_tokens",
    "--batch_size": "batch_size",
    "--model_path": "model",
    "--results_dir": "results_dir",
}


def generate(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", autocompletion=one_of(*registry.names("tasks")), show_default=False,
            help=f"{', '.join(registry.names('tasks'))}.",
        ),
    ],
    *,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", "-p", "--pocket", metavar="FILE|TEXT|-", rich_help_panel=_STRUCTURES,
            help="What to complete: a file of any format that encode reads, a sentence or its beginning, "
            "a bare sequence or SMILES, - for standard input. Default: begin from nothing.",
        ),
    ] = None,
    num_samples: Annotated[
        int, typer.Option("--num-samples", "-n", min=1, metavar="N", help="Samples of each prompt.")
    ] = 1,
    seed: Annotated[
        int, typer.Option(metavar="N", help="With a sample's id, all that its randomness depends on.")
    ] = 0,
    constrain: Annotated[
        Literal["grammar", "chemistry", "off"],
        typer.Option(help="Sample well-formed sentences of the task's shape only; chemistry: with valid molecules "
                     "only; off: freely."),
    ] = "grammar",
    template: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What the answer looks like: EVQLCAR{X:8,20}WGQG has 8 to 20 free residues."),
    ] = None,
    edit: Annotated[
        str | None,
        typer.Option(metavar="FILE|TEXT|-", rich_help_panel=_STRUCTURES,
                     help="Instead of --prompt: wild types of which to make variants (protein, antibody)."),
    ] = None,
    max_mutations: Annotated[
        int | None,
        typer.Option("--max-mutations", min=1, metavar="K", show_default="3",
                     help="Exchange at most so many residues of --edit."),
    ] = None,
    positions: Annotated[
        str | None,
        typer.Option(metavar="10-20,45", show_default="anywhere", help="Where --edit may, counted from 1."),
    ] = None,
    order: Annotated[
        Literal["input", "completed"],
        typer.Option(rich_help_panel=_OUTPUT, help="In the order of the prompts, or as soon as each is finished."),
    ] = "input",
    level: Annotated[
        int | None,
        typer.Option(min=1, max=3, rich_help_panel=_STRUCTURES, show_default="2, or what the prompt has",
                     help="Pocket: 1 plain protein, 2 site residues tagged, 3 tagged and expanded."),
    ] = None,
    ligand: Annotated[
        str | None,
        typer.Option(metavar="ID|CHAIN:NUMBER", rich_help_panel=_STRUCTURES, show_default="every relevant one",
                     help="Structure: the ligand whose pocket to take."),
    ] = None,
    cutoff: Annotated[
        float,
        typer.Option(min=0.1, metavar="Å", rich_help_panel=_STRUCTURES,
                     help="Structure: a residue lines the pocket if a heavy atom is this near the ligand."),
    ] = 4.5,
    chain: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", rich_help_panel=_STRUCTURES,
                     help="Structure: keep this protein chain; may be repeated."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_STRUCTURES, help="Table: column with the SMILES or sequence."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, metavar="T", show_default=_PRESET, rich_help_panel=_SAMPLING,
                     help="Divides the logits; 0 takes the likeliest token."),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(metavar="P", show_default=_PRESET, rich_help_panel=_SAMPLING,
                     help="Keep the likeliest tokens that together reach P."),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(min=0, metavar="K", show_default=_PRESET, rich_help_panel=_SAMPLING,
                     help="Keep the K likeliest tokens; 0 keeps all."),
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="P", show_default=_PRESET, rich_help_panel=_SAMPLING,
                     help="Keep tokens at least P times as likely as the likeliest."),
    ] = None,
    repetition_penalty: Annotated[
        float | None,
        typer.Option(metavar="X", show_default=_PRESET, rich_help_panel=_SAMPLING,
                     help="Make tokens of prompt and answer less likely; 1 is none."),
    ] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default=_PRESET, rich_help_panel=_SAMPLING,
                     help="Cut a sample after so many tokens."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(metavar="NAME|DIR", envvar="LOGOS_MODEL", rich_help_panel=_MODEL,
                     help="The embedded model, a directory, or owner/name of the Hugging Face hub."),
    ] = EMBEDDED,
    revision: Annotated[
        str | None,
        typer.Option(metavar="REV", rich_help_panel=_MODEL, help="Branch, tag or commit on the hub."),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(metavar="auto|torch|llamacpp|remote", envvar="LOGOS_BACKEND", rich_help_panel=_MODEL,
                     autocompletion=one_of("auto", "torch", "llamacpp", "remote"), help="What runs the model."),
    ] = "auto",
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu|cuda[:N]|mps", envvar="LOGOS_DEVICE", rich_help_panel=_MODEL,
                     autocompletion=one_of("auto", "cpu", "cuda", "mps"), help="auto takes a GPU if there is one."),
    ] = "auto",
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(rich_help_panel=_MODEL,
                     help="auto: the checkpoint's; float32 on a CPU without bfloat16 instructions."),
    ] = "auto",
    devices: Annotated[
        str | None,
        typer.Option(metavar="0,1|cpu,cpu", envvar="LOGOS_DEVICES", rich_help_panel=_MODEL, show_default=False,
                     help="Several devices that share the samples, each with a process and a model of its own."),
    ] = None,
    gpu_layers: Annotated[
        int | None,
        typer.Option("--gpu-layers", metavar="N", rich_help_panel=_MODEL, show_default="all, where there is a GPU",
                     help="llama.cpp: layers that a GPU computes; 0 is none."),
    ] = None,
    kv_type: Annotated[
        str | None,
        typer.Option("--kv-type", metavar="f32|f16|q8_0", rich_help_panel=_MODEL, show_default="f16 or the model's",
                     autocompletion=one_of("f32", "f16", "q8_0"), help="llama.cpp: type of cached keys and values."),
    ] = None,
    mmap: Annotated[
        bool | None,
        typer.Option("--mmap/--no-mmap", rich_help_panel=_MODEL, show_default="mapped",
                     help="llama.cpp: map the file into memory, or read it."),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", envvar="LOGOS_BASE_URL", rich_help_panel=_MODEL, show_default=False,
                     help="A server of OpenAI's completions (vLLM, SGLang, llama-server) that runs the model; its "
                     "key comes from LOGOS_API_KEY."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", envvar="LOGOS_THREADS", rich_help_panel=_MODEL, show_default="measured",
                     help="CPU threads."),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", min=1, metavar="N", rich_help_panel=_MODEL,
                     show_default="64, on CUDA 256, or as many as fit",
                     help="The most samples at a time; it does not change what is generated."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", envvar="LOGOS_OFFLINE", rich_help_panel=_MODEL, help="Never use the network.")
    ] = False,
    output: Output = None,
    results_dir: Annotated[str | None, typer.Option("--results_dir", hidden=True)] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="text|jsonl|fasta|smi|…", rich_help_panel=_OUTPUT,
                     help="Sentences, records, or a format of decode. Default: text on a terminal, else records."),
    ] = None,
    overwrite: Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check options and prompts, say what would be done, and leave.")
    ] = False,
) -> ExitCode:  # fmt: skip
    """Complete sentences with a language model.

    protein and antibody continue a sequence, molecule a SMILES; reaction predicts the product of reactants,
    retrosynthesis the reactants of a product; material designs the linkers of a metal-organic framework; site
    tags the residues of a protein that line a binding site; ligand designs a molecule for a pocket.

    Each task samples as the published scripts do, unless told otherwise; --dry-run shows the values.

    Examples:

      logos generate molecule -n 100 -o molecules.smi

      logos generate protein --prompt seq.fasta -n 8

      logos generate site --prompt MKTAYIAKQRQISFVKSHFSRQ -n 5

      logos generate antibody --template "EVQLVESGGGLVQPGGSLRLSCAAS{X:5,30}WGQGTLVTVSS" -n 20

      logos generate protein --edit wild_type.fasta --max-mutations 3 --positions 10-20,45 -n 50

      logos encode complex.pdb | logos generate ligand --prompt - -n 20 --seed 7 > ligands.jsonl
    """
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.generate import GenerateOptions, Generation

    if edit is not None and prompt is not None:
        raise UsageError("--edit and --prompt exclude each other", hint="the wild type is the prompt")
    if edit is None and max_mutations is not None:
        raise UsageError("--max-mutations needs a wild type", hint="give it with --edit")
    prompt = prompt if edit is None else edit
    options = GenerateOptions(
        n_samples=num_samples,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        max_new_tokens=max_new_tokens,
        constrain=constrain,
        template=template,
        max_mutations=max_mutations if edit is None else max_mutations or _MUTATIONS,
        positions=positions,
        order=order,
        level=level,
        batch_size=batch_size,
        model=model,
        revision=revision,
        backend=backend,
        device=device,
        dtype=dtype,
        threads=threads,
        offline=offline,
        base_url=base_url,
        gpu_layers=gpu_layers,
        kv_type=kv_type,
        mmap=mmap,
        devices=devices,
        read=ReadOptions(cutoff_angstrom=cutoff, ligand=ligand, chains=tuple(chain or ()), column=column),
    )
    run = Generation(task, options)
    if dry_run:
        return _show_plan(run, prompt)
    if results_dir is not None:
        Path(results_dir).mkdir(parents=True, exist_ok=True)
        output = output or str(Path(results_dir) / f"{task}.jsonl")
    shown = output in (None, "-") and sys.stdout.isatty()
    with open_sink(output, format, overwrite=overwrite, native=True, model=model) as sink:
        records = _flushed(run.records(prompt))
        if not shown:  # sentences on the terminal are their own progress
            total = num_samples if prompt is None else None
            records = terminal().track(records, f"generating {task}", total)
        for record in records:
            sink.write(record)
    return _finish(run.tally)


def _flushed(records: Iterator[Record]) -> Iterator[Record]:
    """Hand each record to the reader of a pipe as soon as it is written."""
    for record in records:
        yield record
        sys.stdout.flush()


def _finish(tally: GenerateTally) -> ExitCode:
    """Say what became of the samples; a run without one valid sample is no success."""
    terminal().note(str(tally))
    if tally.failed and tally.failed == tally.requested:
        return ExitCode.USAGE
    return ExitCode.PARTIAL if tally.failed or not tally.unique else ExitCode.OK


def _show_plan(run: Generation, prompt: str | None) -> ExitCode:
    """Print the resolved options and what the prompts amount to."""
    n_good, longest, failed = 0, 0, 0
    for opening in run.openings(prompt):
        if opening.sentence is None:
            failed += 1
            terminal().error(f"{opening.id}: {opening.error}")
            continue
        n_good += 1
        longest = max(longest, len(run.checkpoint.tokenizer.encode(opening.sentence.text)))
    plan = run.plan() | {
        "prompts": n_good,
        "prompts_unusable": failed,
        "longest_prompt_tokens": longest,
        "samples": n_good * run.options.n_samples,
    }
    if n_good:
        plan |= _memory(run.memory(longest))
    width = max(map(len, plan))
    for key, value in plan.items():
        typer.echo(f"{key:<{width}}  {value}")
    if not failed:
        return ExitCode.OK
    return ExitCode.PARTIAL if n_good else ExitCode.USAGE


def _memory(memory: MemoryPlan | None) -> dict[str, object]:
    """Return the memory that a run takes, in words."""
    if memory is None:
        return {}
    free = "unknown" if memory.free_bytes is None else _size(memory.free_bytes)
    cache = (memory.batch_size + 1) * memory.cache_bytes_per_sequence
    return {
        "device": memory.device,
        "dtype": memory.dtype,
        "memory_free": free,
        "memory_weights": _size(memory.weights_bytes),
        "memory_cache_per_sequence": _size(memory.cache_bytes_per_sequence),
        "memory_cache": _size(cache),
        "batch_size": memory.batch_size,
    }


def _size(n_bytes: int) -> str:
    """Return a number of bytes as people write it."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / (1 << 10):.1f} KiB"


PLUGIN = Command("generate", with_aliases(generate, _UPSTREAM), panel="Model", order=30)
