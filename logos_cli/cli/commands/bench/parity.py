"""``logos bench parity``: what other precisions and backends cost in quality."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode
from logos_cli.resources import EMBEDDED

_TYPES = "f32,f16,bf16,q8_0,q6_k,q5_k_m,q4_k_m,q4_0"
_HEAD = ("backend", "type", "size", "perplexity", "top-1", "divergence", "largest logit difference", "valid")
_LEFT = 2


def parity(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="logos-nano, a checkpoint directory, or owner/name of the hub.")
    ] = EMBEDDED,
    *,
    types: Annotated[
        str,
        typer.Option(
            "--type", metavar="TYPE,…", help="GGUF types to make of it and run by llama.cpp; none leaves them out."
        ),
    ] = _TYPES,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE.gguf", help="A GGUF of the model, made elsewhere; may be repeated."),
    ] = None,
    dtype: Annotated[
        str, typer.Option(metavar="TYPE,…", help="Precisions to run by PyTorch; none leaves them out.")
    ] = "float32,bfloat16",
    reference: Annotated[
        str,
        typer.Option(
            metavar="auto|float32|bfloat16|float16",
            help="By PyTorch, what all are compared with; auto: float32, above 2 billion parameters bfloat16.",
        ),
    ] = "auto",
    sentences: Annotated[
        str | None,
        typer.Option(metavar="FILE", show_default="built-in", help="Sentences, one a line, or records; - reads stdin."),
    ] = None,
    task: Annotated[str, typer.Option(metavar="NAME", help="Of which samples are drawn.")] = "molecule",
    num_samples: Annotated[
        int, typer.Option("--num-samples", "-n", min=0, metavar="N", help="Samples without a constraint; 0 draws none.")
    ] = 64,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the samples; the same for all.")] = 0,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda[:N]|mps", envvar="LOGOS_DEVICE", help="Where to compute.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", envvar="LOGOS_THREADS", show_default="measured", help="CPU threads."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="REV", help="Branch, tag or commit on the hub.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", envvar="LOGOS_OFFLINE", help="Never use the network.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as one JSON object.")] = False,
) -> ExitCode:
    """Compare a model in other precisions, and on llama.cpp, with itself.

    Perplexity of given sentences; how often the likeliest next token is the same; how far the distributions of the
    next token diverge, in nats; and how many samples are valid that no constraint holds.

    Examples:

      logos bench parity

      logos bench parity LOGOS-Hub/LOGOS-pretrain-1B --type q8_0,q4_k_m --sentences held_out.txt --json

      logos bench parity LOGOS-Hub/LOGOS-8B --type none --file logos-8b-q4.gguf
    """
    from logos_cli.workflows.bench.parity import ParityOptions
    from logos_cli.workflows.bench.parity import parity as compare

    options = ParityOptions(
        model=model,
        revision=revision,
        offline=offline,
        types=_names(types),
        files=tuple(file or ()),
        dtypes=_names(dtype),
        reference=reference,
        sentences=sentences,
        task=task,
        n_samples=num_samples,
        device=device,
        threads=threads,
        seed=seed,
    )
    result = compare(options, _tell())
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return ExitCode.OK
    _show(result)
    facts = f"{result['n_tokens']:,} tokens in {result['n_sentences']:,} sentences ({result['sentences']})"
    terminal().note(f"{facts}; reference: torch {result['reference']}")
    for row in result["rows"]:
        if row["fallbacks"]:
            others = ", ".join(f"{count} {kind}" for kind, count in row["fallbacks"].items())
            terminal().note(
                f"{row['type']} divides no matrix whose width is no multiple of 256: there llama.cpp took {others}"
            )
    return ExitCode.OK


def _names(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(name.strip() for name in text.split(","))


def _tell() -> Callable[[str], None]:
    """Return what says which step is going on: on a terminal to everybody, since a large model takes its time."""
    out = terminal()
    return out.note if sys.stderr.isatty() else out.detail


def _cells(row: dict[str, Any]) -> Sequence[str]:
    n_samples = row["n_samples"]
    return (
        row["backend"],
        row["type"],
        f"{row['n_bytes'] / 1e6:,.1f} MB",
        f"{row['perplexity']:.4f}",
        f"{row['top1']:.2%}",
        f"{row['kl_nats']:.2g}",
        f"{row['largest_logit_difference']:.2g}",
        f"{row['n_valid'] / n_samples:.0%} of {n_samples}" if n_samples else "",
    )


def _show(result: dict[str, Any]) -> None:
    """Print the table: drawn on a terminal, Markdown elsewhere."""
    rows = [_cells(row) for row in result["rows"]]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold cyan")
        for number, name in enumerate(_HEAD):
            table.add_column(name, justify="left" if number < _LEFT else "right")
        for row in rows:
            table.add_row(*row)
        Console(highlight=False).print(table)
        return
    for cells in (_HEAD, ("---",) * len(_HEAD), *rows):
        typer.echo(f"| {' | '.join(cells)} |")


PLUGIN = Command("parity", parity)
