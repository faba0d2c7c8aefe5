"""``logos score``: add scores to records or files, keep the best, and sum them up."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from logos_cli.cli.base import Command
from logos_cli.cli.batch import is_run_directory, open_batch
from logos_cli.cli.commands.score.options import ScoreArguments, ScoreDocking
from logos_cli.cli.option_specs import changed, command
from logos_cli.cli.output import finish, inputs_or_stdin, warn_of_skill
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, ReportedError, UsageError
from logos_cli.io.output import check_output, open_output, suffix_of
from logos_cli.records import Record

if TYPE_CHECKING:
    from io import TextIOWrapper

    from logos_cli.docking.options import ReceptorSpec
    from logos_cli.io.selection import Selection
    from logos_cli.workflows.score.items import ScoredRecord
    from logos_cli.workflows.score.mutants import MutantTable
    from logos_cli.workflows.score.scoring import ScoreOptions, Scoring
    from logos_cli.workflows.score.summary import SummaryRow

_DRAWINGS = (".svg", ".png")


def score(args: ScoreArguments) -> ExitCode:
    """Add scores to records or files, keep the best, and sum them up.

    Reads the formats of encode. Only the scores of a record change: everything else stays the same, byte by byte. By
    default all scores are computed that need neither a model nor a missing input; --explain defines each of them.
    A value that cannot be computed is null, with the reason, and never passes a filter. Means and rates of all
    records go to stderr, each with its number of records and a 95 % interval; those of a shard only to --summary.

    Examples:

      logos generate molecule -n 100 | logos score --where 'qed>0.5 and sa<4' -o kept.jsonl

      logos score library.smi --metrics qed,sa --top 10 --by qed -o best.csv

      logos score library.smi --metrics qed --top 12 --by qed --draw best.svg -o best.smi

      logos score records.jsonl --metrics ppl --summary figures.json

      logos score library.smi --metrics vina,qed --receptor complex.pdb --top 10 --by vina

      logos score --mutants variants.csv --wild-type wt.fasta -o fitness.csv
    """
    if args.explain:
        return _explain(args)
    check_output(args.summary, overwrite=args.overwrite)
    _check_drawing(args)
    if args.json and args.format is not None and args.output is None:
        raise UsageError(
            "--json prints figures in place of the records, which --format is for", hint="write them with -o FILE"
        )
    options = _options(args)
    if args.mutants is not None:
        from logos_cli.workflows.score.mutants import MutantScoring

        if args.run.shard is not None or is_run_directory(args.output):
            raise UsageError("variants of --mutants are scored together", hint="give -o FILE, without --shard")
        mutants = MutantScoring(_table(args, args.mutants), options)
        made: list[SummaryRow] = []

        def summary() -> list[SummaryRow]:
            made[:] = mutants.summary()
            return made

        code = _write(mutants.scoring, lambda *_: mutants.records(), summary, args, [])
        if better := mutants.better_baselines(made):
            verb = "rank" if len(better) > 1 else "ranks"
            terminal().warning(f"{' and '.join(better)} {verb} these variants better than the model does")
        return code
    for spelling, value in (("--fitness", args.fitness), ("--first-residue", args.first_residue)):
        if value is not None:
            raise UsageError(f"{spelling} goes with --mutants")
    from logos_cli.workflows.score.scoring import Scoring

    paths = inputs_or_stdin(args.inputs)
    has_readers = args.json or args.summary is not None or not (terminal().quiet or args.run.shard is not None)
    scoring = Scoring(options, has_summary=has_readers)
    if scoring.left_out:
        names = ", ".join(scoring.left_out)
        terminal().warning(
            f"a shard has no figures of the set ({names}): score the directory of the run, or add --summary"
        )

    def records(selection: Selection | None, as_lines: bool) -> Iterator[ScoredRecord]:
        return scoring.records(paths, selection=selection, as_lines=as_lines)

    return _write(scoring, records, scoring.summary, args, paths)


def _table(args: ScoreArguments, table: str) -> MutantTable:
    """Return the table of variants; the wild type is given by its option or as the only argument."""
    from logos_cli.workflows.score.mutants import MutantTable, WildType

    given = [*(args.inputs or ()), *([args.wild_type] if args.wild_type else ())]
    if not given:
        raise UsageError("--mutants needs one wild type", hint="give it with --wild-type FILE|SEQUENCE")
    if len(given) > 1:
        raise UsageError(
            f"--mutants scores the variants of its table against one wild type, and {len(given)} are given: {', '.join(given)}",
            hint="leave the other files out; records are scored without --mutants",
        )
    first = 1 if args.first_residue is None else args.first_residue
    return MutantTable(table, WildType.read(given[0]), args.fitness, first)


def _options(args: ScoreArguments) -> ScoreOptions:
    from logos_cli.formats.base import ReadOptions, form_of
    from logos_cli.workflows.score.scoring import ScoreOptions

    wild_type = None
    if args.wild_type is not None and args.mutants is None:
        from logos_cli.workflows.score.mutants import WildType

        wild_type = WildType.read(args.wild_type).text()
    form = form_of(args.form) if args.form is not None else None
    return ScoreOptions(
        metrics=_names(args.metrics),
        where=args.where,
        top=args.top,
        by=args.by,
        ascending=args.ascending,
        reference=args.reference,
        truth=args.truth,
        wild_type=wild_type,
        receptor=_receptor(args.docking),
        blocks=args.blocks,
        jobs=args.jobs,
        load=args.load,
        read=ReadOptions(form=form, column=args.column),
    )


def _receptor(docking: ScoreDocking) -> ReceptorSpec | None:
    """Return the receptor that ligands are docked into, if one is given."""
    if docking.receptor is None:
        if stray := changed(docking):
            raise UsageError(f"{', '.join(stray)} needs docking", hint="give --receptor FILE")
        return None
    from logos_cli.docking.options import ReceptorSpec

    return ReceptorSpec(docking.receptor, docking.options())


def _names(given: list[str] | None) -> tuple[str, ...] | None:
    """Return the names of metrics, which commas may separate."""
    if given is None:
        return None
    return tuple(name.strip() for each in given for name in each.split(",") if name.strip())


def _explain(args: ScoreArguments) -> ExitCode:
    """Print the data dictionary of the named metrics and families."""
    from logos_cli.cli.commands.score.display import show_dictionary
    from logos_cli.evaluators.base import Context
    from logos_cli.workflows.score.metrics import ALL, catalogue, expand_names

    names = _names(args.metrics)
    shown = expand_names(names or (ALL,), Context())
    show_dictionary([catalogue()[name] for name in shown], as_json=args.json)
    return ExitCode.OK


def _warn_of_unused(scoring: Scoring, args: ScoreArguments) -> None:
    """Name the inputs that were given and that no score uses; variants always have their wild type."""
    unused = [each for each in scoring.unused if args.mutants is None or each != "--wild-type"]
    if unused:
        verb = "is" if len(unused) == 1 else "are"
        terminal().warning(
            f"{' and '.join(unused)} {verb} not used: no score that is computed needs it (see --metrics)"
        )


def _write(
    scoring: Scoring,
    records: Callable[[Selection | None, bool], Iterator[ScoredRecord]],
    summary: Callable[[], list[SummaryRow]],
    args: ScoreArguments,
    inputs: list[str],
) -> ExitCode:
    """Write records and figures, and report the account."""
    _warn_of_unused(scoring, args)
    for skill in scoring.unskilled():
        warn_of_skill(skill, scoring.context.model)
    drawn: list[Record] = []

    def scored(selection: Selection | None = None, *, as_lines: bool = False) -> Iterator[ScoredRecord]:
        if args.draw is None:
            return records(selection, as_lines)
        return _kept_for_drawing(records(selection, False), drawn)

    is_bare = args.output is None and args.run.shard is None
    if args.json and is_bare:
        deque(terminal().track(scored(), "scoring"), maxlen=0)
    elif is_bare and args.format is None and sys.stdout.isatty():
        _show(scored())
    else:
        if args.top is not None and (args.run.shard is not None or is_run_directory(args.output)):
            raise UsageError("--top ranks all records of a run", hint="score them first, then: logos score RUN/ --top")
        with open_batch(
            "score",
            args,
            inputs,
            output=args.output,
            format=args.format,
            overwrite=args.overwrite,
            run=args.run,
            native=True,
        ) as batch:
            found = scored(batch.selection, as_lines=batch.sink.takes_lines)
            for each in terminal().track(found, "scoring"):
                batch.sink.write(each.counted, each.line, is_reported=isinstance(each.error, ReportedError))
                sys.stdout.flush()
    with terminal().bar("computing the figures of the set"):
        rows = summary()
    if args.json or args.summary is not None:
        text = json.dumps(scoring.summary_json(rows), ensure_ascii=False, indent=1)
        if args.json:
            print(text)
        if args.summary is not None:
            with open_output(args.summary, overwrite=args.overwrite) as stream:
                stream.write(text + "\n")
    if args.draw is not None:
        _draw(drawn, args.draw, args)
    return _finish(scoring, rows, args)


def _finish(scoring: Scoring, rows: list[SummaryRow], args: ScoreArguments) -> ExitCode:
    """Show the figures, and report the account."""
    from logos_cli.cli.commands.score.display import show_summary

    if not args.json:
        show_summary(rows)
    if scoring.tally.kept_nothing:
        left_out = "" if not _removed_empty(args) else f"; {args.output} is not written"
        terminal().warning(f"nothing was kept: no record meets the conditions{left_out}")
    return finish(scoring.tally, is_part=args.run.shard is not None)


def _removed_empty(args: ScoreArguments) -> bool:
    """Remove the file of a run that kept nothing: it has no record, and a table lacks the columns of the scores.

    Directories of runs, shards and devices stay: others read them.
    """
    if args.output is None or args.run.shard is not None or is_run_directory(args.output):
        return False
    path = Path(args.output)
    if args.output == "-" or args.output.startswith("/dev/") or path.is_symlink() or not path.is_file():
        return False
    path.unlink()
    return True


def _check_drawing(args: ScoreArguments) -> None:
    """Refuse a drawing that cannot be written, before anything is scored."""
    if args.draw is None:
        return
    check_output(args.draw, overwrite=args.overwrite)
    if suffix_of(args.draw) not in _DRAWINGS:
        raise UsageError("a drawing is an SVG or a PNG", source=args.draw, hint="give it the extension .svg or .png")


def _kept_for_drawing(records: Iterator[ScoredRecord], drawn: list[Record]) -> Iterator[ScoredRecord]:
    """Yield records, and keep the first ones: one more than can be drawn."""
    from logos_cli.evaluators.molecules.grid import MOST

    for each in records:
        if len(drawn) <= MOST:
            drawn.append(each.counted)
        yield each


def _draw(drawn: list[Record], path: str, args: ScoreArguments) -> None:
    from logos_cli.evaluators.molecules.grid import draw_records, draw_records_png

    named = _names(args.metrics) or ()
    metrics = list(dict.fromkeys([*named, *([args.by] if args.by else ())]))
    picture = draw_records(drawn, metrics) if suffix_of(path) == ".svg" else draw_records_png(drawn, metrics)
    with open_output(path, overwrite=args.overwrite) as stream:
        if isinstance(picture, str):
            stream.write(picture)
        else:
            cast("TextIOWrapper", stream).buffer.write(picture)


def _show(records: Iterator[ScoredRecord]) -> None:
    """Show records on a terminal."""
    from logos_cli.cli.commands.score.display import show_record
    from logos_cli.cli.console import VisibleConsole

    console = VisibleConsole()
    for each in records:
        show_record(console, each.counted)


PLUGIN = Command("score", command(score, ScoreArguments), panel="Design", order=40)
