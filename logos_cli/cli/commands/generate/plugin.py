"""``logos generate``: complete sentences with a language model: one command per task."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli import registry
from logos_cli.cli.aliases import with_aliases
from logos_cli.cli.base import Callback, Command
from logos_cli.cli.batch import is_run_directory, open_run, options_of, selection_of
from logos_cli.cli.commands.generate.group import TaskFirst
from logos_cli.cli.option_specs import command
from logos_cli.cli.options.common import parse_time
from logos_cli.cli.output import open_sink, warn_of_skill
from logos_cli.cli.progress import Bar
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.io import places
from logos_cli.records import Record, Status

if TYPE_CHECKING:
    from logos_cli.cli.commands.generate.options import GenerateArguments
    from logos_cli.tasks.base import Task
    from logos_cli.workflows.generate.generation import GenerateOptions, GenerateTally, Generation
    from logos_cli.workflows.generate.plan import GenerationPlan

_MUTATIONS = 3
_ROUTE = "route"
"""The one command that is no task: it asks a task again and again."""
_HELP = """Complete sentences with a language model: one command per task.

The default sampling of each task is that of the published scripts; --dry-run shows the values.
"""


def _run(task: Task, args: GenerateArguments) -> ExitCode:
    """Generate with the options of a task's command."""
    with terminal().bar(f"preparing {task.name}", unit="samples") as bar:
        return _generate(task, args, bar)


def _generate(task: Task, args: GenerateArguments, bar: Bar) -> ExitCode:
    from logos_cli.cli.commands.generate.dock import DockedOutput, check_docking
    from logos_cli.workflows.generate.generation import Generation
    from logos_cli.workflows.generate.plan import plan_generation

    prompt = _prompt(args)
    check_docking(args)
    options = _options(args)
    plan = plan_generation(task.name, options, args.own)
    if plan.unused:
        terminal().warning(f"no sample is drawn, so {', '.join(plan.unused)} has no effect; -n draws that many")
    docked = DockedOutput(plan, prompt, args) if args.dock else None
    if args.dry_run:
        from logos_cli.cli.commands.generate.plan import show_plan

        bar.stop()
        code = show_plan(plan, prompt)
        if docked is not None:
            docked.show_plan()
        return code
    run = Generation(plan, progress=partial(_show_progress, bar, plan))
    if docked is not None:
        bar.stop()  # docking has its own
        code = docked.write(lambda selection: run.records(prompt, selection=selection), run.tally)
        return _finish(run.tally, task, options, is_part=args.run.shard is not None) or code
    output = args.output
    if args.results_dir is not None:
        Path(args.results_dir).mkdir(parents=True, exist_ok=True)
        output = output or str(Path(args.results_dir) / f"{task.name}.jsonl")
    if is_run_directory(output):
        _write_run(run, args, prompt, output)
    else:
        _write_stream(run, args, prompt, output, bar)
    bar.stop()
    return _finish(run.tally, task, options, is_part=args.run.shard is not None, is_kept=output not in (None, "-"))


def _write_stream(run: Generation, args: GenerateArguments, prompt: str | None, output: str | None, bar: Bar) -> None:
    """Write records to standard output or a file; the bar makes room for what goes to the same terminal."""
    format = args.format or _writer(run.plan.task, output)
    selection = selection_of(args.run)
    on_terminal = output in (None, "-") and sys.stdout.isatty()
    with open_sink(output, format, overwrite=args.overwrite, native=True, model=args.load.model) as sink:
        for record in _flushed(run.records(prompt, selection=selection)):
            with bar.paused() if on_terminal else nullcontext():
                sink.write(record)
        bar.stop()


def _show_progress(bar: Bar, plan: GenerationPlan, now: str, n_done: int, n_known: int | None) -> None:
    """Show what a generation does, and before the model is loaded, whether it has the skill."""
    is_loading = now.startswith("loading")
    if is_loading:
        warn_of_skill(plan.skill, plan.checkpoint.name)
        if plan.checkpoint.is_served and plan.options.sampling_of is None:
            terminal().note(
                f"sampling of {plan.sampling_of}: a server does not report that of its model; see --sampling-of"
            )
    bar.update(n_done, n_known, now if is_loading else f"{now} {plan.task.name}")


def _write_run(run: Generation, args: GenerateArguments, prompt: str | None, output: str) -> None:
    """Write records to the directory of a run."""
    from logos_cli.cli.output import ReportedProblems

    if args.order == "completed":
        raise UsageError("the records of a run come in the order of the prompts", hint="leave out --order")
    if args.format not in (None, "jsonl"):
        raise UsageError(
            "the directory of a run holds records", hint="leave out --format; `logos runs merge` or decode"
        )
    problems = ReportedProblems()
    inputs = [] if prompt is None else [prompt]
    files = [each for each in inputs if each == "-" or places.is_file(each)]
    compared = replace(args, prompt=prompt)
    with open_run(
        f"generate {run.plan.task.name}", compared, files, output, options_of(args.run, overwrite=args.overwrite)
    ) as shard:
        for record in run.records(prompt, selection=shard.selection):
            if record.status is Status.ERROR:
                problems.report(record, record.reason or "")
            # what samples are put together to is a result of the prompt
            entry = record.id if shard.expects(record.id) else record.sample.get("prompt", record.id)
            if run.tally.stopped and entry != record.id:
                continue  # too few samples of this prompt may be there; it is done when the run goes on
            shard.write_part(entry, record.status, record.to_json())
        shard.is_cut = run.tally.stopped


def _writer(task: Task, output: str | None) -> str | None:
    """Return the task's writer of results for an output's ending; on a terminal, the table of ranked results."""
    if task.chosen.get("samples"):
        return None
    if output in (None, "-"):
        return "table" if sys.stdout.isatty() else None
    from logos_cli.io.output import suffix_of

    return task.writers.get(suffix_of(output))


def _prompt(args: GenerateArguments) -> str | None:
    """Return the only prompt, from the argument or one of its options."""
    ways = (("PROMPT", args.given), ("--prompt", args.prompt), ("--edit", args.edit))
    given = {name: value for name, value in ways if value is not None}
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other",
            hint="the wild type is the prompt" if "--edit" in given else "give the prompt once",
        )
    if args.edit is None and args.max_mutations is not None:
        raise UsageError("--max-mutations needs a wild type", hint="give it with --edit")
    return next(iter(given.values()), None)


def _options(args: GenerateArguments) -> GenerateOptions:
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.generate.options import GenerateOptions

    return GenerateOptions(
        n_samples=args.num_samples,
        beam=args.beam,
        until=args.until,
        time_s=None if args.time is None else parse_time(args.time),
        keep_invalid=args.keep_invalid,
        reference=args.reference,
        seed=args.seed,
        **asdict(args.sampling),
        sampling_of=args.sampling_of,
        constrain=args.constrain,
        template=args.template,
        max_mutations=None if args.edit is None else args.max_mutations or _MUTATIONS,
        positions=args.positions,
        guide=args.guide,
        order=args.order,
        load=args.load,
        read=ReadOptions(
            ligand=args.ligand,
            cutoff_angstrom=args.cutoff,
            chains=tuple(args.chain or ()),
            model=args.model_number,
            column=args.column,
        ),
    )


def _flushed(records: Iterator[Record]) -> Iterator[Record]:
    """Yield records, and flush each to the reader of a pipe."""
    for record in records:
        yield record
        sys.stdout.flush()


def _finish(
    tally: GenerateTally, task: Task, options: GenerateOptions, *, is_part: bool, is_kept: bool = True
) -> ExitCode:
    """Report the outcomes of the samples; a run without one valid sample is a partial failure.

    Parameters
    ----------
    is_part : bool
        Whether the records are a shard.
    is_kept : bool
        Whether the records are in a file or a pipe, and not on a terminal only.
    """
    from logos_cli.engine.texts import TRIES

    out = terminal()
    tally.check()
    if tally.redrawn:
        given_up = f"; {tally.given_up:,} samples had none that fits in {TRIES} tries" if tally.given_up else ""
        answers = "1 answer" if tally.redrawn == 1 else f"{tally.redrawn:,} answers"
        out.note(f"{answers} of the server did not fit the grammar, and others were requested{given_up}")
    if tally.skipped_references:
        out.warning(f"{tally.skipped_references:,} entries of {options.reference} cannot be compared")
    if tally.stopped:
        out.note("the time is up: no further sample was begun, and those under way were finished")
    if tally.short_prompts:
        prompts = "1 prompt" if tally.short_prompts == 1 else f"{tally.short_prompts:,} prompts"
        out.warning(f"{prompts} did not reach {options.until}; -n sets the limit of samples")
    results = f"; {task.collects}: {tally.results:,}" if tally.results else ""
    out.note(f"{tally}{results}")
    if sys.stdout.isatty() and tally.good and not is_kept:
        out.note(f"next: {task.next_step}")
    if is_part and not tally.requested:
        return ExitCode.OK  # more shards than samples or prompts
    if tally.failed and tally.failed == tally.requested and not is_part:
        return ExitCode.USAGE
    return ExitCode.PARTIAL if tally.failed or tally.short_prompts or not tally.unique else ExitCode.OK


class _Commands(Mapping[str, Callback]):
    """The command of each task, made when it is used; the names are those of the files."""

    def __iter__(self) -> Iterator[str]:
        return iter(sorted((*registry.names("tasks"), _ROUTE)))

    def __len__(self) -> int:
        return len(registry.names("tasks")) + 1

    def __getitem__(self, name: str) -> Callback:
        if name == _ROUTE:
            from logos_cli.cli.commands.generate.route import RouteArguments, route

            return command(route, RouteArguments)
        from logos_cli.cli.commands.generate.options import UPSTREAM, GenerateArguments, options_of

        task: Task = registry.load("tasks", name)
        examples = "\n\n".join(f"  {example}" for example in task.examples)
        help = "\n\n".join(filter(None, (task.help, task.details, "Examples:", examples)))
        run = functools.partial(_run, task)
        return with_aliases(command(run, GenerateArguments, specs=options_of(task), help=help), UPSTREAM)


PLUGIN = Command("generate", subcommands=_Commands(), help=_HELP, panel="Design", order=30, group_class=TaskFirst)
