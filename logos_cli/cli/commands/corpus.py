"""``logos corpus``: sentences to train on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.options import Inputs, Jobs, one_of
from logos_cli.cli.output import Complaints, inputs_or_stdin
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    from logos_cli.training.corpus import Corpus
    from logos_cli.workflows._corpus_build import Outcome
    from logos_cli.workflows.corpus import Report

_SENTENCES, _SPLIT, _READING = "Sentences", "Split and mixture", "Reading"
Directory = Annotated[Path, typer.Argument(metavar="CORPUS", help="The directory of a corpus.")]
_FORMS = (
    "protein", "antibody", "molecule", "site", "expanded", "transformation", "search", "material", "reaction",
    "retrosynthesis", "complex_1", "complex_2", "complex_3",
)  # fmt: skip


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
        typer.Option(metavar="FORM,…", rich_help_panel=_SENTENCES, autocompletion=one_of(*_FORMS),
                     help="Only these: forms of the grammar, complex_1 to complex_3. Default: all."),
    ] = None,
    augment: Annotated[
        int, typer.Option(min=0, metavar="N", rich_help_panel=_SENTENCES,
                          help="N more writings of each reaction: SMILES and order of the given side at random.")
    ] = 0,
    randomize: Annotated[
        int, typer.Option(min=0, metavar="N", rich_help_panel=_SENTENCES,
                          help="N more random SMILES of each molecule.")
    ] = 0,
    align: Annotated[
        bool, typer.Option("--align", rich_help_panel=_SENTENCES,
                           help="Write the answer of a reaction along its prompt.")
    ] = False,
    windows: Annotated[
        int, typer.Option(min=0, metavar="N", rich_help_panel=_SENTENCES,
                          help="N fragments of 40 to 160 residues around each site, as further searches.")
    ] = 0,
    valid_share: Annotated[
        float, typer.Option(min=0.0, max=0.99, metavar="SHARE", rich_help_panel=_SPLIT,
                            help="Share of the similarity groups that is held out, where a source does not say.")
    ] = 0.01,
    seed: Annotated[
        int, typer.Option(min=0, rich_help_panel=_SPLIT, help="Of the split and of everything random.")
    ] = 0,
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE.toml", rich_help_panel=_SPLIT,
                     help="Share of each domain in training. Default: by the square root of its tokens."),
    ] = None,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=_READING,
                                 help="Column of a table that holds the SMILES or sequence.")
    ] = None,
    canonical: Annotated[
        bool, typer.Option("--canonical", rich_help_panel=_READING, help="Write canonical isomeric SMILES.")
    ] = False,
    cutoff: Annotated[
        float, typer.Option(min=0.1, metavar="Å", rich_help_panel=_READING,
                            help="A residue lines the ligand if a heavy atom is this near.")
    ] = 4.5,
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
) -> ExitCode:  # fmt: skip
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
    from logos_cli.workflows._corpus_sentences import SentenceOptions
    from logos_cli.workflows.corpus import BuildOptions
    from logos_cli.workflows.corpus import build as run

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
        self._complaints = Complaints()
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

    def see(self, outcome: Outcome) -> None:
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
    n_tokens = sum(
        entry["n_tokens"] for splits in report.manifest["domains"].values() for entry in splits.values()
    )
    rate = report.n_made / max(seconds, 1e-3) * 60
    out.note(f"{output}: {n_tokens:,} tokens in {seconds:,.1f} s ({rate:,.0f} sentences/min)")
    out.detail(f"logos corpus info {output}")
    return ExitCode.PARTIAL if counts.rejected.total() else ExitCode.OK


# -- info ----------------------------------------------------------------------------------------------------


def info(
    corpus: Directory,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Show what a corpus holds: domains, forms, splits, sentences, tokens, weights, and what was dropped.

    Examples:

      logos corpus info corpus/

      logos corpus info corpus/ --json | jq .weights
    """
    from logos_cli.training.corpus import Corpus

    found = Corpus(corpus)
    if as_json:
        typer.echo(json.dumps(found.manifest, indent=1, ensure_ascii=False))
        return
    header, rows, total = _table(found)
    if sys.stdout.isatty():
        _paint(found, header, rows, total)
        return
    for row in (header, *rows, total):
        typer.echo("\t".join(row))


_HEADER = ("domain", "form", "train", "tokens", "held out", "tokens", "mean", "weight", "dropped")


def _table(corpus: Corpus) -> tuple[tuple[str, ...], list[tuple[str, ...]], tuple[str, ...]]:
    """Return header, rows and the sum."""
    from logos_cli.workflows.corpus import domains_of

    rows, sums = [], [0] * 5
    for one in domains_of(corpus):
        numbers = [
            one.n_sentences["train"],
            one.n_tokens["train"],
            one.n_sentences["valid"],
            one.n_tokens["valid"],
        ]
        dropped = sum(one.dropped.values())
        sums = [a + b for a, b in zip(sums, [*numbers, dropped], strict=True)]
        mean = sum(one.n_tokens.values()) / max(1, sum(one.n_sentences.values()))
        name = ",".join(form for form in one.forms if form != one.domain) or ("=" if one.forms else "-")
        rows.append(
            (
                one.domain,
                name,
                *(f"{n:,}" for n in numbers),
                f"{mean:,.0f}",
                f"{one.weight:.2%}",
                f"{dropped:,}",
            )
        )
    mean = (sums[1] + sums[3]) / max(1, sums[0] + sums[2])
    total = ("total", "", *(f"{n:,}" for n in sums[:4]), f"{mean:,.0f}", "", f"{sums[4]:,}")
    return _HEADER, rows, total


def _paint(
    corpus: Corpus, header: tuple[str, ...], rows: list[tuple[str, ...]], total: tuple[str, ...]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from logos_cli.workflows.corpus import report_of, size_of

    console = Console(highlight=False)
    manifest = corpus.manifest
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_footer=True, header_style="bold cyan")
    for number, (name, last) in enumerate(zip(header, total, strict=True)):
        style = "bold" if number == 0 else "dim" if name in ("mean", "dropped", "form") else None
        table.add_column(
            name,
            Text(last, style="bold"),
            justify="left" if number < 2 else "right",
            style=style,
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)
    report = report_of(manifest)
    tokenizer = manifest["tokenizer"]
    added = f", {len(tokenizer['added'])} tags added" if tokenizer["added"] else ""
    console.print(
        f" tokenizer [cyan]{tokenizer['sha256'][:12]}[/], {tokenizer['n_tokens']:,} tokens{added}; "
        f"context {manifest['context_length']:,}; {manifest['dtype']}; {size_of(corpus) / 1e6:,.1f} MB"
    )
    console.print(
        f" dropped: {report.n_seen:,} repeated, {report.n_held_out:,} repeating a held-out sentence, "
        f"{report.n_long:,} too long"
    )


def verify(corpus: Directory) -> None:
    """Hash every file of a corpus and compare; name the file that was cut off or altered.

    Examples:

      logos corpus verify corpus/
    """
    from logos_cli.training.corpus import SPLITS, Corpus

    found = Corpus(corpus)
    names = list(found.files())
    for name in terminal().track(names, "verifying", len(names)):
        found.verify_file(name)
    for split in SPLITS:
        found.shards(split)
    n_sentences = sum(e["n_sentences"] for s in found.manifest["domains"].values() for e in s.values())
    terminal().note(f"{corpus}: {len(names):,} files are as the manifest says, {n_sentences:,} sentences")


PLUGIN = Command("corpus", subcommands={"build": build, "info": info, "verify": verify},
                 help="Build and inspect what models are trained on.", panel="Training", order=50)  # fmt: skip
