"""``logos corpus``: sentences to train on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.options.common import Inputs, Jobs, RecordFormat, one_of
from logos_cli.cli.output import ReportedProblems, inputs_or_stdin, open_sink
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode
from logos_cli.grammar.spec import FORMS
from logos_cli.resources import EMBEDDED
from logos_cli.structure.distances import CONTACT_ANGSTROM

if TYPE_CHECKING:
    from logos_cli.training.corpus.shards import Corpus
    from logos_cli.workflows.corpus.build import BuiltPart
    from logos_cli.workflows.corpus.corpus import Report
    from logos_cli.workflows.corpus.view import DomainInfo

_SENTENCES, _SPLIT, _READING = "Sentences", "Split and mixture", "Reading"
Directory = Annotated[Path, typer.Argument(metavar="CORPUS", help="The directory of a corpus.")]
_FORMS = (*FORMS, "complex_1", "complex_2", "complex_3")


def build(
    inputs: Inputs = None,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of the corpus.", show_default=False)
    ],
    tokenizer: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="Model whose tokenizer writes; tags that it lacks are added.")
    ] = EMBEDDED,
    context_length: Annotated[
        int, typer.Option(min=16, metavar="TOKENS", help="Drop sentences that are longer, and count them.")
    ] = 2048,
    forms: Annotated[
        str | None,
        typer.Option(
            metavar="FORM,…",
            rich_help_panel=_SENTENCES,
            autocompletion=one_of(*_FORMS),
            help="Only these: forms of the grammar, complex_1 to complex_3. Default: all.",
        ),
    ] = None,
    augment: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            rich_help_panel=_SENTENCES,
            help="N more writings of each reaction: SMILES and order of the given side at random.",
        ),
    ] = 0,
    randomize: Annotated[
        int, typer.Option(min=0, metavar="N", rich_help_panel=_SENTENCES, help="N more random SMILES of each molecule.")
    ] = 0,
    align: Annotated[
        bool,
        typer.Option("--align", rich_help_panel=_SENTENCES, help="Write the answer of a reaction along its prompt."),
    ] = False,
    windows: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            rich_help_panel=_SENTENCES,
            help="N fragments of 6 to 160 residues around each site, as further searches.",
        ),
    ] = 0,
    valid_share: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.99,
            metavar="SHARE",
            rich_help_panel=_SPLIT,
            help="Share of the similarity groups that is held out, where a source does not say.",
        ),
    ] = 0.01,
    seed: Annotated[
        int, typer.Option(min=0, rich_help_panel=_SPLIT, help="Of the split and of everything random.")
    ] = 0,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.toml",
            rich_help_panel=_SPLIT,
            help="Share of each domain in training. Default: by the square root of its tokens.",
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", rich_help_panel=_READING, help="Column of a table that holds the SMILES or sequence."
        ),
    ] = None,
    canonical: Annotated[
        bool, typer.Option("--canonical", rich_help_panel=_READING, help="Write canonical isomeric SMILES.")
    ] = False,
    cutoff: Annotated[
        float,
        typer.Option(
            min=0.1,
            metavar="Å",
            rich_help_panel=_READING,
            help="A residue lines the ligand if a heavy atom is this near.",
        ),
    ] = CONTACT_ANGSTROM,
    sequence: Annotated[
        Literal["observed", "full"],
        typer.Option(rich_help_panel=_READING, help="Residues with coordinates, or the deposited sequence."),
    ] = "observed",
    reagents: Annotated[
        Literal["drop", "reactants", "error"],
        typer.Option(rich_help_panel=_READING, help="What to do with the reagents of a reaction."),
    ] = "drop",
    rejects: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write every rejected record here, with its reason.", show_default=False),
    ] = None,
    jobs: Jobs = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a build that was interrupted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing corpus or build.")] = False,
) -> ExitCode:
    """Turn files and records into token shards for training.

    Reads what `logos encode` reads. Every form of the grammar that an object can take becomes a sentence. Of
    equal sentences one is kept; one that is held out is never trained on. Keys `domain`, `group` and `split` of
    a record, or columns `group` and `split` of a table, say where its sentences belong.

    Examples:

      logos corpus build proteins.fasta molecules.smi complexes/ -o corpus/ --jobs 8

      logos corpus build reactions.csv -o corpus/ --align --augment 4

      logos corpus build records/ -o corpus/ --tokenizer LOGOS-Hub/LOGOS-8B --context-length 4096
    """
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.corpus.corpus import BuildOptions
    from logos_cli.workflows.corpus.corpus import build as run
    from logos_cli.workflows.corpus.sentences import SentenceOptions

    names = tuple(name.strip() for name in forms.split(",") if name.strip()) if forms else ()
    options = BuildOptions(
        tokenizer=tokenizer,
        context_length=context_length,
        read=ReadOptions(
            column=column, canonical=canonical, cutoff_angstrom=cutoff, sequence=sequence, reagents=reagents
        ),
        sentences=SentenceOptions(names, valid_share, seed, augment, randomize, align, windows),
        weights=weights,
        rejects=rejects,
        jobs=jobs,
        resume=resume,
        overwrite=overwrite,
    )
    paths = inputs_or_stdin(inputs)
    start = time.monotonic()
    watch = _Watch()
    try:
        with watch.shown():
            report = run(paths, output, options, tell=watch.see)
    except BaseException:
        if (output / "build").is_dir():
            terminal().note(f"{watch.n_records:,} records are done; go on with --resume")
        raise
    return _tell(report, output, time.monotonic() - start)


class _Watch:
    """Shows how far a build is, and the first errors."""

    def __init__(self) -> None:
        self.n_records = 0
        self.n_sentences = 0
        self._complaints = ReportedProblems()
        self._advance: Any = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the progress if stderr is a terminal."""
        if terminal().quiet or not sys.stderr.isatty():
            yield
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=terminal().console, transient=True) as progress:
            task = progress.add_task("reading")
            start = time.monotonic()

            def advance() -> None:
                rate = self.n_records / max(time.monotonic() - start, 1e-3)
                progress.update(
                    task,
                    description=f"{self.n_records:,} records  {self.n_sentences:,} sentences  {rate:,.0f} records/s",
                )

            self._advance = advance
            yield

    def see(self, outcome: BuiltPart) -> None:
        """Note what became of one part of the input."""
        self.n_records += outcome.n_records
        self.n_sentences += outcome.n_sentences
        for record in outcome.rejected:
            self._complaints.tell(record, record.reason or "")
        if self._advance is not None:
            self._advance()


def _tell(report: Report, output: Path, seconds: float) -> ExitCode:
    counts, out = report.records, terminal()
    parts = [f"{counts.used:,} used"]
    parts += [f"{count:,} rejected ({reason})" for reason, count in sorted(counts.rejected.items())]
    parts += [f"{count:,} left out ({reason})" for reason, count in sorted(counts.left_out.items())]
    out.note(f"{counts.read:,} records: {', '.join(parts)}")
    parts = [f"{report.n_train:,} to train on", f"{report.n_valid:,} held out"]
    n_context = report.manifest["context_length"]
    for count, what in (
        (report.n_seen, "repeated"),
        (report.n_held_out, "repeating a held-out one"),
        (report.n_long, f"longer than {n_context:,} tokens"),
    ):
        parts += [f"{count:,} {what}"] if count else []
    out.note(f"{report.n_made:,} sentences: {', '.join(parts)}")
    n_tokens = sum(entry["n_tokens"] for splits in report.manifest["domains"].values() for entry in splits.values())
    rate = report.n_made / max(seconds, 1e-3) * 60
    out.note(f"{output}: {n_tokens:,} tokens in {seconds:,.1f} s ({rate:,.0f} sentences/min)")
    out.detail(f"logos corpus info {output}")
    return ExitCode.PARTIAL if counts.rejected.total() else ExitCode.OK


# -- info ----------------------------------------------------------------------------------------------------


def info(
    corpus: Directory, *, as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False
) -> None:
    """Show what a corpus holds: domains, forms, splits, sentences, tokens, weights, and what was dropped.

    Examples:

      logos corpus info corpus/

      logos corpus info corpus/ --json | jq .weights
    """
    from logos_cli.training.corpus.shards import Corpus

    found = Corpus(corpus)
    if as_json:
        typer.echo(json.dumps(found.manifest, indent=1, ensure_ascii=False))
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
    """Show the corpus as a table with its sums, and what it was made with."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from logos_cli.workflows.corpus.view import domains_of

    rows = list(domains_of(corpus))
    cells = [_cells(one) for one in rows]
    largest = max((one.weight for one in rows), default=0) or 1
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_footer=len(rows) > 1, header_style="bold cyan")
    table.add_column("domain", "total", style="bold", footer_style="bold", no_wrap=True)
    titles = ("train", "tokens", "held out", "tokens", "mean", "dropped", "weight")
    for title, footer in zip(titles, (*_totals(rows), ""), strict=True):
        quiet = "dim" if title in ("mean", "dropped") else ""
        table.add_column(title, footer, justify="right", style=quiet, footer_style="bold", no_wrap=True)
    table.add_column("", no_wrap=True)
    differ = any(one.forms != (one.domain,) for one in rows)
    if differ:
        table.add_column("form", style="dim", no_wrap=True)
    for one, row in zip(rows, cells, strict=True):
        bar = Text("▇" * max(1, round(8 * one.weight / largest)) if one.weight else "", style="green")
        forms = [", ".join(one.forms)] if differ else []
        table.add_row(one.domain, *row, f"{one.weight:.1%}", bar, *forms)
    console = Console(highlight=False)
    console.print(table)
    for name, text in _facts(corpus):
        console.print(Text(f"  {name:<11}", style="cyan").append(text, style="default"))


def _cells(one: DomainInfo) -> list[str]:
    """Return the counts of one domain as the table shows them."""
    mean = sum(one.n_tokens.values()) / max(1, sum(one.n_sentences.values()))
    counts = [
        text for split in ("train", "valid") for text in (f"{one.n_sentences[split]:,}", _short(one.n_tokens[split]))
    ]
    return [*counts, f"{mean:,.0f}", f"{sum(one.dropped.values()):,}"]


def _totals(rows: Sequence[DomainInfo]) -> list[str]:
    """Return what stands below the columns of counts."""
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
    """Yield what is said below the table."""
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


def verify(corpus: Directory) -> None:
    """Hash every file of a corpus and compare; name the file that was cut off or altered.

    Examples:

      logos corpus verify corpus/
    """
    from logos_cli.training.corpus.shards import SPLITS, Corpus

    found = Corpus(corpus)
    names = list(found.files())
    for name in terminal().track(names, "verifying", len(names)):
        found.verify_file(name)
    for split in SPLITS:
        found.shards(split)
    n_sentences = sum(e["n_sentences"] for s in found.manifest["domains"].values() for e in s.values())
    terminal().note(f"{corpus}: {len(names):,} files are as the manifest says, {n_sentences:,} sentences")


# -- show ----------------------------------------------------------------------------------------------------


def show(
    corpus: Directory,
    sentences: Annotated[
        list[str],
        typer.Argument(
            metavar="DOMAIN[:INDEX]…",
            help="Domains as `logos corpus info` lists them; a sentence of one "
            "by its number, from 0, as errors of logos train name it.",
        ),
    ],
    *,
    split: Annotated[Literal["train", "valid"], typer.Option(help="Which part of the corpus.")] = "train",
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Of a whole domain, its first N sentences.")] = 10,
    format: RecordFormat = None,
) -> None:
    """Print sentences of a corpus as models read them.

    Examples:

      logos corpus show corpus/ molecule --limit 3

      logos corpus show corpus/ retrosynthesis:81 protein:7
    """
    from logos_cli.training.corpus.shards import Corpus
    from logos_cli.workflows.corpus.view import sentences_of

    with open_sink(None, format or "text") as sink:
        for record in sentences_of(Corpus(corpus), sentences, split, limit):
            sink.write(record)


PLUGIN = Command(
    "corpus",
    subcommands={"build": build, "info": info, "show": show, "verify": verify},
    help="Build and inspect what models are trained on.",
    panel="Training",
    order=50,
)
