"""``logos corpus info|show|verify``: inspect a corpus."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from logos_cli.cli.option_specs import argument, option
from logos_cli.cli.options.output import json_option, record_format_option
from logos_cli.cli.output import open_sink
from logos_cli.cli.terminal import terminal
from logos_cli.io.json_types import to_json

if TYPE_CHECKING:
    from rich.table import Table

    from logos_cli.training.corpus.shards import Corpus
    from logos_cli.workflows.corpus.view import DomainInfo


def corpus_argument() -> Path:
    """Return the argument for a corpus."""
    return argument(..., metavar="CORPUS", help="The directory of a corpus.")


@dataclass(frozen=True, kw_only=True)
class InfoArguments:
    """The arguments of ``logos corpus info``."""

    corpus: Path = corpus_argument()
    as_json: bool = json_option("Print the manifest as JSON.")


def info(args: InfoArguments) -> None:
    """Show the contents of a corpus: domains, forms, splits, sentences, tokens, weights, and dropped sentences.

    Examples:

      logos corpus info corpus/

      logos corpus info corpus/ --json | jq .weights
    """
    from logos_cli.training.corpus.shards import Corpus

    found = Corpus(args.corpus)
    if args.as_json:
        typer.echo(to_json(found.manifest, indent=1))
    elif sys.stdout.isatty():
        _paint(found)
    else:
        _print_rows(found)


def _print_rows(corpus: Corpus) -> None:
    """Print one domain a line, for other programs."""
    from logos_cli.workflows.corpus.view import domains_of

    columns = ("domain", "forms", "train", "train_tokens", "valid", "valid_tokens", "weight", "dropped")
    typer.echo("\t".join(columns))
    for one in domains_of(corpus):
        counts = [one.n_sentences["train"], one.n_tokens["train"], one.n_sentences["valid"], one.n_tokens["valid"]]
        row = (one.domain, ",".join(one.forms), *counts, one.weight, sum(one.dropped.values()))
        typer.echo("\t".join(map(str, row)))


def _paint(corpus: Corpus) -> None:
    """Show the corpus as a table with its sums, and the facts below it."""
    from rich.text import Text

    from logos_cli.cli.console import VisibleConsole
    from logos_cli.workflows.corpus.view import domains_of

    rows = list(domains_of(corpus))
    console = VisibleConsole()
    table = _table(rows, has_bars=True)
    console.print_table(table if console.needs(table) <= console.width else _table(rows, has_bars=False))
    for name, text in _facts(corpus):
        console.print(Text(f"  {name:<11}", style="cyan").append(text, style="default"))


def _table(rows: Sequence[DomainInfo], *, has_bars: bool) -> Table:
    """Return a row for each domain; the bars show the weights once more, where there is room."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    largest = max((one.weight for one in rows), default=0) or 1
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_footer=len(rows) > 1, header_style="bold cyan")
    table.add_column("domain", "total", style="bold", footer_style="bold", no_wrap=True)
    titles = ("train", "tokens", "held out", "tokens", "mean", "dropped", "weight")
    for title, footer in zip(titles, (*_totals(rows), ""), strict=True):
        quiet = "dim" if title in ("mean", "dropped") else ""
        table.add_column(title, footer, justify="right", style=quiet, footer_style="bold", no_wrap=True)
    if has_bars:
        table.add_column("", style="green", no_wrap=True)
    differ = any(one.forms != (one.domain,) for one in rows)
    if differ:
        table.add_column("form", style="dim", no_wrap=True)
    for one in rows:
        bar = "▇" * max(1, round(8 * one.weight / largest)) if one.weight else ""
        more = [*([bar] if has_bars else []), *([", ".join(one.forms)] if differ else [])]
        table.add_row(*map(Text, (one.domain, *_cells(one), f"{one.weight:.1%}", *more)))
    return table


def _cells(one: DomainInfo) -> list[str]:
    """Return the counts of one domain, as cells of the table."""
    mean = sum(one.n_tokens.values()) / max(1, sum(one.n_sentences.values()))
    counts = [
        text for split in ("train", "valid") for text in (f"{one.n_sentences[split]:,}", _short(one.n_tokens[split]))
    ]
    return [*counts, f"{mean:,.0f}", f"{sum(one.dropped.values()):,}"]


def _totals(rows: Sequence[DomainInfo]) -> list[str]:
    """Return the sums below the columns of counts."""
    counts = [
        text
        for split in ("train", "valid")
        for text in (
            f"{sum(one.n_sentences[split] for one in rows):,}",
            _short(sum(one.n_tokens[split] for one in rows)),
        )
    ]
    return [*counts, "", f"{sum(sum(one.dropped.values()) for one in rows):,}"]


def _facts(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """Yield the facts below the table."""
    from logos_cli.workflows.corpus.corpus import report_of
    from logos_cli.workflows.corpus.view import size_of

    report, tokenizer = report_of(corpus.manifest), corpus.manifest["tokenizer"]
    added = f", {len(tokenizer['added'])} tags added" if tokenizer["added"] else ""
    yield "tokenizer", f"{tokenizer['sha256'][:12]}, {tokenizer['n_tokens']:,} tokens{added}"
    yield "sentences", f"up to {corpus.context_length:,} tokens"
    yield "on disk", f"{size_of(corpus) / 1e6:,.1f} MB, {corpus.manifest['dtype']}"
    if report.n_seen or report.n_held_out or report.n_long:
        reasons = (
            f"{report.n_seen:,} repeated",
            f"{report.n_held_out:,} repeating a held-out one",
            f"{report.n_long:,} too long",
        )
        yield "dropped", ", ".join(reasons)
    counts = report.records
    if rejected := counts.rejected.total():
        yield "records", f"{counts.used:,} of {counts.read:,} used, {rejected:,} rejected"


def _short(count: int) -> str:
    """Return a count in three or four digits: ``12.3 M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return str(count)


@dataclass(frozen=True, kw_only=True)
class VerifyArguments:
    """The arguments of ``logos corpus verify``."""

    corpus: Path = corpus_argument()


def verify(args: VerifyArguments) -> None:
    """Compare every file of a corpus with its hash; name the file that was cut off or altered.

    Examples:

      logos corpus verify corpus/
    """
    from logos_cli.training.corpus.shards import SPLITS, Corpus

    found = Corpus(args.corpus)
    names = list(found.files())
    for name in terminal().track(names, "verifying", len(names)):
        found.verify_file(name)
    for split in SPLITS:
        found.shards(split)
    n_sentences = sum(e["n_sentences"] for s in found.manifest["domains"].values() for e in s.values())
    terminal().note(f"{args.corpus}: {len(names):,} files match the manifest, {n_sentences:,} sentences")


@dataclass(frozen=True, kw_only=True)
class ShowArguments:
    """The arguments of ``logos corpus show``."""

    corpus: Path = corpus_argument()
    sentences: list[str] = argument(
        ...,
        metavar="DOMAIN[:INDEX]…",
        help="Domains of `logos corpus info`, or single sentences by their numbers from 0, as errors of logos train "
        "name them.",
    )
    split: Literal["train", "valid"] = option("train", help="Split of the corpus.")
    limit: int = option(10, min=1, metavar="N", help="Number of sentences of a whole domain.")
    format: str | None = record_format_option()


def show(args: ShowArguments) -> None:
    """Print sentences of a corpus, as models read them.

    Examples:

      logos corpus show corpus/ molecule --limit 3

      logos corpus show corpus/ retrosynthesis:81 protein:7
    """
    from logos_cli.training.corpus.shards import Corpus
    from logos_cli.workflows.corpus.view import sentences_of

    with open_sink(None, args.format or "text") as sink:
        for record in sentences_of(Corpus(args.corpus), args.sentences, args.split, args.limit):
            sink.write(record)
