"""``logos bench parity``: compare the quality of a model in other precisions and on other backends."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logos_cli.backends.options import LoadOptions
from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import command, option
from logos_cli.cli.options.load import LoadArguments, load_block, model_argument
from logos_cli.cli.options.output import json_option
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode
from logos_cli.io.json_types import JsonObject
from logos_cli.resources import EMBEDDED

_TYPES = "f32,f16,bf16,q8_0,q6_k,q5_k_m,q4_k_m,q4_0"
_HEAD = ("backend", "type", "size", "perplexity", "top-1", "divergence", "largest logit difference", "valid")
_LEFT = 2


if TYPE_CHECKING:
    from logos_cli.workflows.bench.parity import ParityResult


@dataclass(frozen=True, kw_only=True)
class _Load(LoadArguments):
    """The model is the argument; backends and precisions are compared, so they are no options."""

    model: str = model_argument(EMBEDDED, "logos-nano, a checkpoint directory, or owner/name of the hub.")


@dataclass(frozen=True, kw_only=True)
class ParityArguments:
    """The arguments of ``logos bench parity``."""

    types: str = option(
        _TYPES, "--type", metavar="TYPE,…", help="GGUF types to convert to and run by llama.cpp; none leaves them out."
    )
    file: list[Path] | None = option(
        None, "--file", metavar="FILE.gguf", help="A further GGUF file of the model; may be repeated."
    )
    dtype: str = option(
        "float32,bfloat16", metavar="TYPE,…", help="Precisions to run by PyTorch; none leaves them out."
    )
    reference: str = option(
        "auto",
        metavar="auto|float32|bfloat16|float16",
        help="Precision of the reference, by PyTorch; auto: float32, above 2 billion parameters bfloat16.",
    )
    sentences: str | None = option(
        None, metavar="FILE", show_default="built-in", help="Sentences, one a line, or records; - reads stdin."
    )
    task: str = option("molecule", metavar="NAME", help="Task of the samples.")
    num_samples: int = option(
        64, "--num-samples", "-n", min=0, metavar="N", help="Samples without a constraint; 0 draws none."
    )
    seed: int = option(0, metavar="N", help="Seed of the samples; the same for all.")
    load: LoadOptions = load_block(_Load, without=("backend", "dtype", "base_url"))
    as_json: bool = json_option("Print the comparison as one JSON object.")


def parity(args: ParityArguments) -> ExitCode:
    """Compare a model in other precisions, and on llama.cpp, with itself.

    Reports the perplexity of given sentences, how often the likeliest next token is the same, how far the distributions
    of the next token diverge (in nats), and how many samples without a constraint are valid.

    Examples:

      logos bench parity

      logos bench parity LOGOS-Hub/LOGOS-pretrain-1B --type q8_0,q4_k_m --sentences held_out.txt --json

      logos bench parity LOGOS-Hub/LOGOS-8B --type none --file logos-8b-q4.gguf
    """
    from logos_cli.workflows.bench.parity import ParityOptions
    from logos_cli.workflows.bench.parity import parity as compare

    options = ParityOptions(
        load=args.load,
        types=_names(args.types),
        files=tuple(args.file or ()),
        dtypes=_names(args.dtype),
        reference=args.reference,
        sentences=args.sentences,
        task=args.task,
        n_samples=args.num_samples,
        seed=args.seed,
    )
    with terminal().bar("comparing") as bar:

        def show(step: str) -> None:
            bar.update(description=f"comparing: {step}")
            terminal().detail(step)

        result = compare(options, show)
    if args.as_json:
        typer.echo(json.dumps(result, indent=2))
        return ExitCode.OK
    _show(result)
    facts = f"{result['n_tokens']:,} tokens in {result['n_sentences']:,} sentences ({result['sentences']})"
    terminal().note(f"{facts}; reference: torch {result['reference']}")
    for row in result["rows"]:
        if row["fallbacks"]:
            others = ", ".join(f"{count} {kind}" for kind, count in row["fallbacks"].items())
            terminal().note(
                f"{row['type']} needs widths that are multiples of 256: for other matrices llama.cpp used {others}"
            )
    return ExitCode.OK


def _names(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(name.strip() for name in text.split(","))


def _cells(row: JsonObject) -> Sequence[str]:
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


def _show(result: ParityResult) -> None:
    """Print the table, as Markdown outside of a terminal."""
    rows = [_cells(row) for row in result["rows"]]
    if sys.stdout.isatty():
        from rich.table import Table

        from logos_cli.cli.console import VisibleConsole

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold cyan")
        for number, name in enumerate(_HEAD):
            table.add_column(name, justify="left" if number < _LEFT else "right")
        for row in rows:
            table.add_row(*row)
        VisibleConsole().print(table)
        return
    for cells in (_HEAD, ("---",) * len(_HEAD), *rows):
        typer.echo(f"| {' | '.join(cells)} |")


PLUGIN = Command("parity", command(parity, ParityArguments))
