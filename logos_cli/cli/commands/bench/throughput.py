"""``logos bench throughput``: tokens a second, and how near that is to what the machine can do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode


def throughput(
    *,
    shape: Annotated[
        Literal["2m", "9m", "1b", "8b"],
        typer.Option(help="A random checkpoint of this shape: logos-nano's, 9 M parameters, the released 1B and 8B."),
    ] = "9m",
    backend: Annotated[Literal["torch", "llamacpp"], typer.Option(help="What runs the model.")] = "torch",
    batch: Annotated[str, typer.Option("--batch", metavar="N,N,…", help="Sequences at a time.")] = "1,64",
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu|cuda[:N]|mps", envvar="LOGOS_DEVICE", help="auto takes a GPU if there is one."),
    ] = "auto",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(show_default="float32; bfloat16 for 1b and 8b", help="Precision of weights and cache."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", envvar="LOGOS_THREADS", show_default="measured", help="CPU threads."),
    ] = None,
    num_samples: Annotated[
        int, typer.Option("--num-samples", "-n", min=1, metavar="N", help="Samples of one prompt, from end to end.")
    ] = 128,
    prompt_tokens: Annotated[int, typer.Option(min=2, metavar="N", help="Length of the prompt.")] = 64,
    max_new_tokens: Annotated[int, typer.Option(min=1, metavar="N", help="Cut a sample after so many tokens.")] = 400,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="Measurements of each kind.")] = 3,
    naive: Annotated[
        bool,
        typer.Option(
            "--naive",
            help="Also do what plain scripts do, in turns: generate in batches of 16, then a forward pass a sample.",
        ),
    ] = False,
    file_type: Annotated[
        Literal["f32", "f16", "bf16", "q8_0"], typer.Option(help="Of the GGUF for llamacpp.")
    ] = "q8_0",
    as_json: Annotated[bool, typer.Option("--json", help="Print the measurement as one JSON object.")] = False,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append device, versions and the table to a Markdown file.")
    ] = None,
) -> ExitCode:
    """Measure prefill, decoding and whole runs of a random model, against the machine and a plain script.

    Decoding is compared with its roofline: the time to read weights and cache at the memory bandwidth measured
    here, or to multiply at the rate measured here, whichever is longer.

    Examples:

      logos bench throughput --naive

      logos bench throughput --shape 1b --device cuda --batch 1,64,256 --naive --write performance.md

      logos bench throughput --backend llamacpp --json | jq .rows
    """
    from logos_cli.workflows.bench.throughput import ThroughputOptions, as_markdown, parse_batches
    from logos_cli.workflows.bench.throughput import throughput as measure

    options = ThroughputOptions(
        shape=shape,
        backend=backend,
        batches=parse_batches(batch),
        n_samples=num_samples,
        prompt_tokens=prompt_tokens,
        max_new_tokens=max_new_tokens,
        device=device,
        dtype=dtype or ("bfloat16" if shape in ("1b", "8b") else "float32"),
        threads=threads,
        naive=naive,
        repeats=repeats,
        file_type=file_type,
    )
    result = measure(options, terminal().detail)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    elif sys.stdout.isatty():
        _paint(result)
    else:
        typer.echo(as_markdown([result]))
    if write is not None:
        with write.open("a", encoding="utf-8") as out:
            out.write(f"\n{_facts(result)}\n\n{as_markdown([result])}\n")
    return ExitCode.OK


def _facts(result: dict[str, Any]) -> str:
    machine, run = result["machine"], result["run"]
    return (
        f"{machine['device']}, {machine['threads']} threads, PyTorch {machine['torch']}, Python {machine['python']}; "
        f"memory {machine['bandwidth_bytes_per_s'] / 1e9:.1f} GB/s, "
        f"matrix products {machine['matmul_flop_per_s'] / 1e9:,.0f} Gflop/s; {run['samples']} samples of a prompt of "
        f"{run['prompt_tokens']} tokens, at most {run['max_new_tokens']} new, best of {run['repeats']}:"
    )


def _paint(result: dict[str, Any]) -> None:
    """Show the measurement as a table."""
    from rich.console import Console
    from rich.table import Table

    from logos_cli.workflows.bench.throughput import as_markdown

    head, _, *body = [line.strip("| ").split(" | ") for line in as_markdown([result]).splitlines()]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold cyan")
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number < 4 else "right")
    for cells in body:
        table.add_row(*(cell.strip() for cell in cells))
    console = Console(highlight=False)
    console.print(_facts(result))
    console.print(table)


PLUGIN = Command("throughput", throughput)
