"""``logos models list|pull|info``: list, fetch and describe models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logos_cli.cli.commands.models.display import progress, size, table
from logos_cli.cli.option_specs import argument, option
from logos_cli.cli.options.load import model_argument, offline_option, revision_option
from logos_cli.cli.options.output import json_option
from logos_cli.cli.terminal import terminal
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    from logos_cli.models.card import ModelFacts

_JSON = "Print the result as JSON."


def cache_dir_option() -> Path | None:
    """Return the option for the hub's cache."""
    return option(
        None,
        "--cache-dir",
        metavar="DIR",
        show_default="HF_HUB_CACHE, or below HF_HOME",
        help="The hub's cache; it may be shared, and read-only for those who only load models.",
    )


@dataclass(frozen=True, kw_only=True)
class ListArguments:
    """The arguments of ``logos models list``."""

    cache_dir: Path | None = cache_dir_option()
    as_json: bool = json_option(_JSON)


def list_(args: ListArguments) -> None:
    """List the models that are embedded, in the cache, or released.

    Examples:

      logos models list

      logos models list --json | jq -r '.[].name'
    """
    from logos_cli.models.releases import listing

    found = listing(args.cache_dir)
    if args.as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    header = ("model", "where", "architecture", "parameters", "size", "licence", "stage")
    rows = [
        (
            entry["name"],
            entry["where"],
            entry["architecture"] or "?",
            entry["parameters"] or "",
            size(entry["gigabytes"] * 1e9),
            entry["licence"] or "?",
            entry.get("stage") or "",
        )
        for entry in found
    ]
    styles = {"embedded": "green", "cached": "green", "converted": "cyan", "hub": "yellow"}
    table(header, rows, right={3, 4}, style=lambda row: styles[row[1]], styled=1)
    if any(entry["where"] == "hub" for entry in found):
        terminal().note("fetch a model of the hub with: logos models pull NAME")


@dataclass(frozen=True, kw_only=True)
class PullArguments:
    """The arguments of ``logos models pull``."""

    model: str = argument(..., metavar="OWNER/NAME", help="The model's name on the hub.")
    revision: str | None = revision_option()
    cache_dir: Path | None = cache_dir_option()
    dry_run: bool = option(False, "--dry-run", help="Show what would be fetched, and exit.")
    offline: bool = offline_option()
    as_json: bool = json_option(_JSON)


def pull(args: PullArguments) -> None:
    """Fetch a model from the Hugging Face hub into its cache.

    An interrupted download is resumed. Every large file is checked by its SHA-256. Afterwards every command takes the
    model by its name, without a connection.

    Examples:

      logos models pull LOGOS-Hub/LOGOS-pretrain-1B --dry-run

      logos models pull LOGOS-Hub/LOGOS-8B --cache-dir /shared/hub
    """
    from logos_cli.models.pull import plan_pull
    from logos_cli.models.pull import pull as fetch

    plan = plan_pull(args.model, args.revision, cache=args.cache_dir, offline=args.offline)
    if args.dry_run:
        if args.as_json:
            typer.echo(json.dumps(plan.to_dict(), indent=2))
            return
        fetched = {file.name for file in plan.files} - {file.name for file in plan.missing}
        rows = [
            (file.name, size(file.n_bytes), "cached" if file.name in fetched else "to fetch") for file in plan.files
        ]
        table(("file", "size", ""), rows, right={1})
        terminal().note(
            f"{size(plan.n_bytes)} to fetch into {plan.cache}, where {size(plan.free_bytes)} are free; "
            f"commit {plan.revision}"
        )
        return
    with progress("fetching") as draw:
        path = fetch(plan, progress=draw)
    if args.as_json:
        typer.echo(json.dumps(plan.to_dict() | {"path": str(path)}, indent=2))
    else:
        typer.echo(path)
    terminal().note(f"{len(plan.files)} files, {size(plan.n_bytes)} fetched, checked; commit {plan.revision}")


@dataclass(frozen=True, kw_only=True)
class InfoArguments:
    """The arguments of ``logos models info``."""

    model: str = model_argument(EMBEDDED)
    revision: str | None = revision_option()
    offline: bool = offline_option()
    as_json: bool = json_option(_JSON)


def info(args: InfoArguments) -> None:
    """Describe a model: architecture, parameters, context, tags, and the memory that a batch needs.

    Nothing is loaded. Memory is weights and cached keys and values in 16 bits; working memory comes on top.

    Examples:

      logos models info

      logos models info model.gguf --json
    """
    from logos_cli.models.card import BATCHES, facts, to_json

    found = facts(args.model, args.revision, offline=args.offline)
    if args.as_json:
        typer.echo(to_json(found))
        return
    table(("", ""), _description(found), titled=False)
    typer.echo()
    lengths = found.lengths_tokens
    header = ("sequences at a time", *(f"{length:,} tokens" for length in lengths))
    rows = [(f"{batch}", *(size(found.memory_bytes(batch, length)) for length in lengths)) for batch in BATCHES]
    table(header, rows, right=set(range(len(header))))
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
        ("format", f"{found.format}, {types}, {size(found.weight_bytes)}"),
        ("licence", found.licence or "?"),
        ("architecture", network),
        ("parameters", f"{found.n_parameters:,}"),
        ("context", f"{shape.context_tokens:,} tokens"),
        ("vocabulary", f"{found.n_tokens:,} tokens, {found.n_tags} of {_n_tags()} tags"),
        ("cache", f"{size(shape.cache_bytes(1))} a token in 16 bits"),
        ("sha256", found.sha256 or "(above 2 GiB: logos models verify)"),
    ]
    return [row for row in rows if row[1]]
