"""``logos corpus build``: convert files and records to sentences for training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from logos_cli.cli.batch import options_of
from logos_cli.cli.option_specs import argument, option
from logos_cli.cli.options.common import one_of
from logos_cli.cli.options.input import (
    canonical_option,
    column_option,
    cutoff_option,
    inputs_argument,
    jobs_option,
    reagents_option,
    sequence_option,
)
from logos_cli.cli.options.output import overwrite_option
from logos_cli.cli.options.run import RunArguments, run_block
from logos_cli.cli.output import ReportedProblems, inputs_or_stdin
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.grammar.spec import FORMS
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    from logos_cli.workflows.corpus.build import BuiltPart
    from logos_cli.workflows.corpus.corpus import Report

_SENTENCES, _SPLIT, _READING = "Sentences", "Split and mixture", "Reading"
_FORMS = (*FORMS, "complex_1", "complex_2", "complex_3")


def _weights_option() -> str | None:
    return option(
        None,
        metavar="FILE.toml",
        panel=_SPLIT,
        help="Share of each domain in training. Default: by the square root of its tokens.",
    )


def _rejects_option() -> str | None:
    return option(None, metavar="FILE", help="Write every rejected record here, with its reason.", show_default=False)


@dataclass(frozen=True, kw_only=True)
class BuildArguments:
    """The arguments of ``logos corpus build``."""

    inputs: list[str] | None = inputs_argument()
    output: Path = option(..., "--output", "-o", metavar="DIR", help="Directory of the corpus.", show_default=False)
    tokenizer: str = option(EMBEDDED, metavar="NAME|DIR", help="Model with the tokenizer; missing tags are added.")
    context_length: int = option(2048, min=16, metavar="TOKENS", help="Drop sentences that are longer, and count them.")
    forms: str | None = option(
        None,
        metavar="FORM,…",
        panel=_SENTENCES,
        autocompletion=one_of(*_FORMS),
        help="Sentences to make: forms of the grammar, complex_1 to complex_3. Default: all.",
    )
    augment: int = option(
        0,
        min=0,
        metavar="N",
        panel=_SENTENCES,
        help="N more writings of each reaction: SMILES and order of the prompt's molecules at random.",
    )
    randomize: int = option(0, min=0, metavar="N", panel=_SENTENCES, help="N more random SMILES of each molecule.")
    align: bool = option(False, "--align", panel=_SENTENCES, help="Write the answer of a reaction along its prompt.")
    windows: int = option(
        0,
        min=0,
        metavar="N",
        panel=_SENTENCES,
        help="N fragments of 6 to 160 residues around each site, as further searches.",
    )
    valid_share: float = option(
        0.01,
        min=0.0,
        max=0.99,
        metavar="SHARE",
        panel=_SPLIT,
        help="Share of the similarity groups that is held out, if a source names no split.",
    )
    seed: int = option(0, min=0, metavar="N", panel=_SPLIT, help="Seed of the split and of all random writings.")
    weights: str | None = _weights_option()
    column: str | None = column_option(_READING)
    canonical: bool = canonical_option(_READING)
    cutoff: float = cutoff_option(_READING)
    sequence: Literal["observed", "full"] = sequence_option(_READING)
    reagents: Literal["drop", "reactants", "error"] = reagents_option(_READING)
    rejects: str | None = _rejects_option()
    jobs: int = jobs_option()
    overwrite: bool = overwrite_option("Replace an existing corpus or build.", None)
    run: RunArguments = run_block()


@dataclass(frozen=True, kw_only=True)
class MergeArguments:
    """The arguments of ``logos corpus merge``."""

    corpus: Path = argument(..., metavar="CORPUS", help="The directory that the shards were built in.")
    weights: str | None = _weights_option()
    rejects: str | None = _rejects_option()


def build(args: BuildArguments) -> ExitCode:
    """Turn files and records into token shards for training.

    Reads the formats of `logos encode`. Every form of the grammar that an object can take becomes a sentence. Equal
    sentences are kept once, and a held-out sentence is never trained on. Keys `domain`, `group` and `split` of
    a record, or columns `group` and `split` of a table, set those of its sentences.

    Examples:

      logos corpus build proteins.fasta molecules.smi complexes/ -o corpus/ --jobs 8

      logos corpus build reactions.csv -o corpus/ --align --augment 4

      logos corpus build records/ -o corpus/ --tokenizer LOGOS-Hub/LOGOS-8B --context-length 4096

      logos corpus build records/ -o corpus/ --shard auto --resume
    """
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.corpus.corpus import build as run
    from logos_cli.workflows.corpus.corpus import build_shard
    from logos_cli.workflows.corpus.options import BuildOptions
    from logos_cli.workflows.corpus.sentences import SentenceOptions

    names = tuple(name.strip() for name in args.forms.split(",") if name.strip()) if args.forms else ()
    if args.run.force:
        raise UsageError("--force would mix sentences of different options", hint="--overwrite begins anew")
    if args.run.compress:
        raise UsageError("a corpus has no records to compress", hint="leave --compress out")
    how = options_of(args.run, overwrite=args.overwrite)
    options = BuildOptions(
        tokenizer=args.tokenizer,
        context_length=args.context_length,
        read=ReadOptions(
            column=args.column,
            canonical=args.canonical,
            cutoff_angstrom=args.cutoff,
            sequence=args.sequence,
            reagents=args.reagents,
        ),
        sentences=SentenceOptions(
            names, args.valid_share, args.seed, args.augment, args.randomize, args.align, args.windows
        ),
        weights=args.weights,
        rejects=args.rejects,
        jobs=args.jobs,
        resume=how.resume,
        overwrite=how.overwrite,
        retry=how.retry,
        shard=how.shard if args.run.shard is not None else None,
    )
    paths = inputs_or_stdin(args.inputs)
    start = time.monotonic()
    watch = _Watch()
    report = None
    try:
        with watch.shown():
            if options.shard is not None:
                report = build_shard(paths, args.output, options, on_part=watch.add)
            else:
                report = run(paths, args.output, options, on_part=watch.add)
    except BaseException:
        if (args.output / "build").is_dir():
            terminal().note(f"{watch.n_records:,} records are done; go on with --resume")
        raise
    if report is not None and report.was_finished:
        terminal().note(f"{args.output}: the corpus is complete; nothing is left to do")
        return ExitCode.OK
    if report is None:
        terminal().note(f"shard {how.shard.number} of {how.shard.count}: {watch.n_records:,} records are done")
        terminal().hint(f"when all shards are finished: logos corpus merge {args.output}")
        return ExitCode.PARTIAL if watch.n_rejected else ExitCode.OK
    return _report(report, args.output, time.monotonic() - start)


def merge(args: MergeArguments) -> ExitCode:
    """Write the corpus when all shards of its build are finished.

    `logos runs status CORPUS/build` shows them. The corpus is the one that a build without shards writes.

    Examples:

      logos corpus merge corpus/
    """
    from logos_cli.workflows.corpus.corpus import merge as run

    start = time.monotonic()
    report = run(args.corpus, weights=args.weights, rejects=args.rejects)
    return _report(report, args.corpus, time.monotonic() - start)


class _Watch:
    """Shows the progress of a build, and the first errors."""

    def __init__(self) -> None:
        self.n_records = 0
        self.n_sentences = 0
        self.n_rejected = 0
        self._problems = ReportedProblems()
        self._advance: Callable[[], None] | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the progress if stderr is a terminal."""
        with terminal().bar("reading", unit="records") as bar:

            def advance() -> None:
                bar.update(self.n_records, description=f"reading, {self.n_sentences:,} sentences")

            self._advance = advance
            yield

    def add(self, outcome: BuiltPart) -> None:
        """Add the counts of one part, and report its errors."""
        self.n_records += outcome.n_records
        self.n_sentences += outcome.n_sentences
        self.n_rejected += len(outcome.rejected)
        for record in outcome.rejected:
            self._problems.report(record, record.reason or "")
        if self._advance is not None:
            self._advance()


def _report(report: Report, output: Path, seconds: float) -> ExitCode:
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
