"""``logos bench throughput``: measure tokens per second, beside the limits of the machine."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from logos_cli.backends.options import LoadOptions
from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import command, option
from logos_cli.cli.options.load import LoadArguments, load_block
from logos_cli.cli.options.output import json_option
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode

if TYPE_CHECKING:
    from logos_cli.workflows.bench.throughput import ThroughputResult


@dataclass(frozen=True, kw_only=True)
class _Load(LoadArguments):
    """The model is a random one, on one device; ``--batch`` has the sizes of batches."""

    backend: Literal["torch", "onnxruntime", "llamacpp"] = option(
        "torch", panel="Model", help="Library that runs the model."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", panel="Model", show_default="float32; bfloat16 for 1b and 8b", help="Precision of weights and cache."
    )


@dataclass(frozen=True, kw_only=True)
class ThroughputArguments:
    """The arguments of ``logos bench throughput``."""

    shape: Literal["2m", "nano", "9m", "1b", "8b"] = option(
        "9m", help="A random checkpoint of this shape: 2 M parameters, logos-nano's, 9 M, the released 1B and 8B."
    )
    batch: str = option("1,64", "--batch", metavar="N,N,…", help="Sequences at a time.")
    num_samples: int = option(
        128, "--num-samples", "-n", min=1, metavar="N", help="Samples of one prompt, from end to end."
    )
    prompt_tokens: int = option(64, min=2, metavar="N", help="Length of the prompt.")
    max_new_tokens: int = option(400, min=1, metavar="N", help="Cut a sample after this number of tokens.")
    repeats: int = option(3, min=1, metavar="N", help="Measurements of each kind.")
    naive: bool = option(
        False,
        "--naive",
        help="Also run a plain script, in turns: it generates in batches of 16, then does a forward pass per sample.",
    )
    beside: Literal["torch", "onnxruntime", "llamacpp"] | None = option(
        None, help="Also measure the steps of this backend, in turns; x beside is our rate over its."
    )
    file_type: Literal["f32", "f16", "bf16", "q8_0"] = option("q8_0", help="Type of the GGUF for llamacpp.")
    load: LoadOptions = load_block(_Load, without=("model", "revision", "devices", "base_url", "batch_size", "offline"))
    as_json: bool = json_option("Print the measurement as one JSON object.")
    write: Path | None = option(None, metavar="FILE", help="Append device, versions and the table to a Markdown file.")


def throughput(args: ThroughputArguments) -> ExitCode:
    """Measure prefill, decoding and whole runs of a random model, against the machine and a plain script.

    Decoding is compared with its roofline: the time to read weights and cache at the memory bandwidth measured
    here, or to multiply at the rate measured here, whichever is longer.

    Examples:

      logos bench throughput --naive

      logos bench throughput --shape 1b --device cuda --batch 1,64,256 --naive --write performance.md

      logos bench throughput --backend llamacpp --json | jq .rows

      logos bench throughput --shape nano --backend onnxruntime --beside llamacpp --batch 1,8,64
    """
    from logos_cli.workflows.bench.throughput import ThroughputOptions, as_markdown, parse_batches
    from logos_cli.workflows.bench.throughput import throughput as measure

    load = args.load
    if load.dtype == "auto":
        load = replace(load, dtype="bfloat16" if args.shape in ("1b", "8b") else "float32")
    options = ThroughputOptions(
        shape=args.shape,
        load=load,
        batches=parse_batches(args.batch),
        n_samples=args.num_samples,
        prompt_tokens=args.prompt_tokens,
        max_new_tokens=args.max_new_tokens,
        naive=args.naive,
        repeats=args.repeats,
        file_type=args.file_type,
        beside=args.beside,
    )
    with terminal().bar("measuring") as bar:

        def show(step: str) -> None:
            bar.update(description=f"measuring: {step}")
            terminal().detail(step)

        result = measure(options, show)
    if args.as_json:
        typer.echo(json.dumps(result, indent=2))
    elif sys.stdout.isatty():
        _paint(result)
    else:
        typer.echo(as_markdown([result]))
    if args.write is not None:
        with args.write.open("a", encoding="utf-8") as out:
            out.write(f"\n{_facts(result)}\n\n{as_markdown([result])}\n")
    return ExitCode.OK


def _facts(result: ThroughputResult) -> str:
    machine, run = result["machine"], result["run"]
    return (
        f"{machine['device']}, {machine['threads']} threads, PyTorch {machine['torch']}, Python {machine['python']}; "
        f"memory {machine['bandwidth_bytes_per_s'] / 1e9:.1f} GB/s, "
        f"matrix products {machine['matmul_flop_per_s'] / 1e9:,.0f} Gflop/s; {run['samples']} samples of a prompt of "
        f"{run['prompt_tokens']} tokens, at most {run['max_new_tokens']} new, best of {run['repeats']}:"
    )


def _paint(result: ThroughputResult) -> None:
    """Show the measurement as a table."""
    from rich.table import Table

    from logos_cli.cli.console import VisibleConsole
    from logos_cli.workflows.bench.throughput import as_markdown

    head, _, *body = [line.strip("| ").split(" | ") for line in as_markdown([result]).splitlines()]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold cyan")
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number < 4 else "right")
    for cells in body:
        table.add_row(*(cell.strip() for cell in cells))
    console = VisibleConsole()
    console.print(_facts(result))
    console.print(table)


PLUGIN = Command("throughput", command(throughput, ThroughputArguments))
