"""``logos models``: which models there are; fetch, describe, convert, quantize and verify them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.options.common import Overwrite, one_of
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    from logos_cli.checkpoints.gguf.header import GgufHeader
    from logos_cli.models.card import ModelFacts
    from logos_cli.models.verify import Verification

_TYPES = ("auto", "f32", "f16", "bf16", "q8_0")
_QUANTIZATIONS = (
    "q8_0",
    "q6_k",
    "q5_k_m",
    "q5_k_s",
    "q5_1",
    "q5_0",
    "q4_k_m",
    "q4_k_s",
    "q4_1",
    "q4_0",
    "q3_k_l",
    "q3_k_m",
    "q3_k_s",
    "q2_k",
)
_SHOWN_TENSORS = 12

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="logos-nano, a checkpoint directory, a GGUF file, or owner/name of the hub."),
]
Revision = Annotated[str | None, typer.Option("--revision", metavar="REV", help="Branch, tag or commit on the hub.")]
Offline = Annotated[bool, typer.Option("--offline", envvar="LOGOS_OFFLINE", help="Never use the network.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="DIR",
        show_default="HF_HUB_CACHE, or below HF_HOME",
        help="The hub's cache; may be shared, and read-only for those who only use it.",
    ),
]
GgufOutput = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE.gguf", help="Write here; complete or not at all.")
]


def list_(*, cache_dir: CacheDir = None, as_json: AsJson = False) -> None:
    """List the models that are embedded, in the cache, or released.

    Examples:

      logos models list

      logos models list --json | jq -r '.[].name'
    """
    from logos_cli.models.releases import listing

    found = listing(cache_dir)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    header = ("model", "where", "architecture", "parameters", "size", "licence", "stage")
    rows = [
        (
            entry["name"],
            entry["where"],
            entry["architecture"] or "?",
            entry["parameters"] or "",
            _size(entry["gigabytes"] * 1e9),
            entry["licence"] or "?",
            entry.get("stage") or "",
        )
        for entry in found
    ]
    styles = {"embedded": "green", "cached": "green", "converted": "cyan", "hub": "yellow"}
    _table(header, rows, right={3, 4}, style=lambda row: styles[row[1]], styled=1)
    if any(entry["where"] == "hub" for entry in found):
        terminal().note("what is on the hub is fetched by: logos models pull NAME")


def pull(
    model: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model's name on the hub.")],
    *,
    revision: Revision = None,
    cache_dir: CacheDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and leave.")] = False,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a model from the Hugging Face hub into its cache.

    After an interruption it goes on where it broke off. Every large file is checked by its SHA-256. Afterwards every
    command takes the model by its name, without a connection.

    Examples:

      logos models pull LOGOS-Hub/LOGOS-pretrain-1B --dry-run

      logos models pull LOGOS-Hub/LOGOS-8B --cache-dir /shared/hub
    """
    from logos_cli.models.pull import plan_pull
    from logos_cli.models.pull import pull as fetch

    plan = plan_pull(model, revision, cache=cache_dir, offline=offline)
    if dry_run:
        if as_json:
            typer.echo(json.dumps(plan.to_dict(), indent=2))
            return
        fetched = {file.name for file in plan.files} - {file.name for file in plan.missing}
        rows = [
            (file.name, _size(file.n_bytes), "cached" if file.name in fetched else "to fetch") for file in plan.files
        ]
        _table(("file", "size", ""), rows, right={1})
        terminal().note(
            f"{_size(plan.n_bytes)} to fetch into {plan.cache}, where {_size(plan.free_bytes)} are free; "
            f"commit {plan.revision}"
        )
        return
    with _progress("fetching") as progress:
        path = fetch(plan, progress=progress)
    if as_json:
        typer.echo(json.dumps(plan.to_dict() | {"path": str(path)}, indent=2))
    else:
        typer.echo(path)
    terminal().note(f"{len(plan.files)} files, {_size(plan.n_bytes)} fetched, checked; commit {plan.revision}")


def info(
    model: Model = EMBEDDED, *, revision: Revision = None, offline: Offline = False, as_json: AsJson = False
) -> None:
    """Describe a model: architecture, parameters, context, tags, and the memory that a batch needs.

    Nothing is loaded. Memory is weights and cached keys and values in 16 bits; working memory comes on top.

    Examples:

      logos models info

      logos models info model.gguf --json
    """
    from logos_cli.models.card import BATCHES, facts, to_json

    found = facts(model, revision, offline=offline)
    if as_json:
        typer.echo(to_json(found))
        return
    _table(("", ""), _description(found), titled=False)
    typer.echo()
    lengths = found.lengths_tokens
    header = ("sequences at a time", *(f"{length:,} tokens" for length in lengths))
    rows = [(f"{batch}", *(_size(found.memory_bytes(batch, length)) for length in lengths)) for batch in BATCHES]
    _table(header, rows, right=set(range(len(header))))
    if found.n_tags < _n_tags():
        terminal().warning("the tokenizer lacks tags: logos cannot use this model (logos train adds them)")


def _n_tags() -> int:
    from logos_cli.grammar import TAGS

    return len(TAGS)


def _description(found: ModelFacts) -> list[tuple[str, str]]:
    shape = found.shape
    most = sum(found.types.values())
    types = ", ".join(
        f"{name} {count / most:.0%}" if len(found.types) > 1 else name
        for name, count in sorted(found.types.items(), key=lambda item: -item[1])
    )
    network = (
        f"{shape.architecture}, {shape.n_layers} layers of {shape.hidden_size}, {shape.n_heads} heads over "
        f"{shape.n_kv_heads}, feed-forward {shape.intermediate_size}"
    )
    rows = [
        ("model", found.name),
        ("path", str(found.path)),
        ("revision", found.revision or ""),
        ("format", f"{found.format}, {types}, {_size(found.weight_bytes)}"),
        ("licence", found.licence or "?"),
        ("architecture", network),
        ("parameters", f"{found.n_parameters:,}"),
        ("context", f"{shape.context_tokens:,} tokens"),
        ("vocabulary", f"{found.n_tokens:,} tokens, {found.n_tags} of {_n_tags()} tags"),
        ("cache", f"{_size(shape.cache_bytes(1))} a token in 16 bits"),
        ("sha256", found.sha256 or "(above 2 GiB: logos models verify)"),
    ]
    return [row for row in rows if row[1]]


def convert(
    model: Model,
    output: GgufOutput,
    *,
    kind: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="|".join(_TYPES),
            autocompletion=one_of(*_TYPES),
            help="Type of the matrices; auto keeps the checkpoint's.",
        ),
    ] = "auto",
    revision: Revision = None,
    offline: Offline = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a Llama or Qwen3 checkpoint as one GGUF file, tokenizer included.

    The file is what llama.cpp's own converter writes, and any program of that family runs it.

    Examples:

      logos models convert logos-nano -o nano.gguf

      logos models convert LOGOS-Hub/LOGOS-8B -o logos-8b.gguf --type q8_0
    """
    from logos_cli.models.convert import convert as run

    with _progress("converting") as progress:
        header = run(model, output, kind, revision=revision, offline=offline, overwrite=overwrite, progress=progress)
    _tell_file(header, as_json=as_json)


def quantize(
    model: Model,
    output: GgufOutput,
    *,
    kind: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="TYPE",
            autocompletion=one_of(*_QUANTIZATIONS),
            help=f"Best first: {', '.join(_QUANTIZATIONS)}.",
        ),
    ] = "q4_k_m",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, metavar="N", show_default="all", help="CPU threads.")
    ] = None,
    fallback: Annotated[
        bool, typer.Option("--fallback", help="Let matrices that the type cannot divide be of a larger one.")
    ] = False,
    revision: Revision = None,
    offline: Offline = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a model with smaller numbers, by llama.cpp's own quantizer; a checkpoint is converted first.

    The K types need matrices whose width is a multiple of 256, the others one of 32; with --fallback llama.cpp takes
    a larger type for those of another width.

    Examples:

      logos models quantize logos-8b.gguf -o logos-8b-q4.gguf --type q4_k_m

      logos models quantize logos-nano -o nano-q8.gguf --type q8_0
    """
    from logos_cli.models.convert import quantize as run

    with _progress("converting") as progress:
        header = run(
            model,
            output,
            kind,
            threads=threads,
            fallback=fallback,
            revision=revision,
            offline=offline,
            overwrite=overwrite,
            progress=progress,
        )
    _tell_file(header, as_json=as_json)


def _tell_file(header: GgufHeader, *, as_json: bool) -> None:
    types: dict[str, int] = {}
    for entry in header.tensors.values():
        types[entry.type] = types.get(entry.type, 0) + 1
    if as_json:
        found = {
            "path": str(header.path),
            "bytes": header.size,
            "architecture": header.architecture,
            "parameters": header.n_parameters,
            "tensors": types,
        }
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(header.path)
    listed = ", ".join(f"{count} {name}" for name, count in types.items())
    terminal().note(f"{_size(header.size)}, {header.n_parameters:,} parameters; tensors: {listed}")


def verify(
    model: Model,
    *,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="MODEL", help="Compare every tensor with those of this checkpoint."),
    ] = None,
    revision: Revision = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Check a model's files, and compare them with the checkpoint that they were made from.

    Every tensor must be there and every number finite; files of the hub must have the digests that it promised.
    Against a checkpoint, f32, f16, bf16 and q8_0 must agree to the last bit, coarser types as nearly as they can.

    Examples:

      logos models verify logos-nano

      logos models verify nano.gguf --against logos-nano
    """
    from logos_cli.models.verify import verify as run

    with _progress("verifying") as progress:
        found = run(model, against, revision=revision, offline=offline, progress=progress)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _tell_verification(found)
    return ExitCode.OK if found.sound else ExitCode.FAILED


def _tell_verification(found: Verification) -> None:
    for name, sha256 in found.sha256.items():
        typer.echo(f"{sha256}  {name}")
    for problem in found.problems:
        terminal().error(f"{found.model}: {problem}")
    bad = [finding for finding in found.tensors if finding.problem is not None]
    for finding in bad[:_SHOWN_TENSORS]:
        terminal().error(f"{found.model}: {finding.name} ({finding.type}) {finding.problem}")
    if len(bad) > _SHOWN_TENSORS:
        terminal().note(f"and {len(bad) - _SHOWN_TENSORS:,} more tensors")
    compared = f", largest error {found.largest_error:.2%}" if found.against is not None else ""
    verdict = "sound" if found.sound else "NOT sound"
    terminal().note(f"{verdict}: {len(found.tensors):,} tensors, {len(bad):,} of them wrong{compared}")


def _size(n_bytes: float) -> str:
    """Return a size for people, in units of 10^9 bytes and parts of it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} B"


def _table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: set[int] | None = None,
    style: Callable[[Sequence[str]], str] | None = None,
    styled: int = 0,
    titled: bool = True,
) -> None:
    """Print a table: drawn on a terminal, in plain columns elsewhere."""
    right = right or set()
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), show_header=titled, header_style="bold cyan")
        for number, title in enumerate(header):
            table.add_column(title, justify="right" if number in right else "left", overflow="fold")
        for row in rows:
            painted = [Text(cell) for cell in row]
            if style is not None:
                painted[styled].stylize(style(row))
            if not titled:
                painted[0].stylize("bold cyan")
            table.add_row(*painted)
        Console(highlight=False).print(table)
        return
    lines = [header, *rows] if titled else list(rows)
    widths = [max(len(line[number]) for line in lines) for number in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(widths[number]) if number in right else cell.ljust(widths[number])
            for number, cell in enumerate(line)
        ]
        typer.echo("  ".join(cells).rstrip())


@contextmanager
def _progress(description: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield what draws a bar from (name, number, total) on a terminal; None elsewhere."""
    out = terminal()
    if out.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out.console, transient=True) as bar:
        task = bar.add_task(description, total=None)

        def draw(name: str, number: int, total: int) -> None:
            bar.update(task, description=f"{description} {name}", completed=number, total=total)

        yield draw


PLUGIN = Command(
    "models",
    subcommands={"list": list_, "info": info, "pull": pull, "convert": convert, "quantize": quantize, "verify": verify},
    help="List, fetch, describe, convert, quantize and verify models.",
    panel="Model",
    order=60,
)
