"""``logos generate``: complete sentences with a language model, one subcommand a task."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logos_cli import registry
from logos_cli.cli.aliases import with_aliases
from logos_cli.cli.base import Callback, Command
from logos_cli.cli.commands.generate.group import TaskFirst
from logos_cli.cli.option_specs import command
from logos_cli.cli.options.common import parse_time
from logos_cli.cli.output import open_sink
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.tasks.base import Task
    from logos_cli.workflows.generate.generation import GenerateOptions, GenerateTally

_MUTATIONS = 3
_HELP = """Complete sentences with a language model: one command a task.

Each task samples as the published scripts do, unless told otherwise; --dry-run shows the values.
"""


def _run(task: Task, values: dict[str, Any]) -> ExitCode:
    """Generate as the options of a task's command say."""
    from logos_cli.workflows.generate.generation import Generation

    prompt = _prompt(values)
    if task.docks:
        from logos_cli.cli.commands.generate import dock as docking

        docking.check(values)
    options = _options(values)
    run = Generation(task.name, options, task_options={each.name: values[each.name] for each in task.options})
    docked = docking.DockedOutput(run, prompt, values) if values.get("dock") else None
    if values["dry_run"]:
        from logos_cli.cli.commands.generate.plan import show_plan

        code = show_plan(run, prompt)
        if docked is not None:
            docked.show_plan()
        return code
    if docked is not None:
        code = docked.write(run.records(prompt))
        return _finish(run.tally, task, options) or code
    output = values["output"]
    if values["results_dir"] is not None:
        Path(values["results_dir"]).mkdir(parents=True, exist_ok=True)
        output = output or str(Path(values["results_dir"]) / f"{task.name}.jsonl")
    with open_sink(
        output,
        values["format"] or _writer(run.task, output),
        overwrite=values["overwrite"],
        native=True,
        model=options.model,
    ) as sink:
        records = _flushed(run.records(prompt))
        if output not in (None, "-") or not sys.stdout.isatty():  # on the terminal sentences are their own progress
            total = run.n_samples if prompt is None and run.until is None else None
            records = terminal().track(records, f"generating {task.name}", total)
        for record in records:
            sink.write(record)
    return _finish(run.tally, task, options)


def _writer(task: Task, output: str | None) -> str | None:
    """Return the writer of results that a task has for an output's ending; on a terminal, a table of what is ranked."""
    if task.chosen.get("samples"):
        return None
    if output in (None, "-"):
        return "table" if task.n_samples > 1 and sys.stdout.isatty() else None
    from logos_cli.io.output import suffix_of

    return task.writers.get(suffix_of(output))


def _prompt(values: dict[str, Any]) -> str | None:
    """Return the one prompt, which may be given in several ways."""
    given: dict[str, str] = {
        name: values[key]
        for name, key in (("PROMPT", "given"), ("--prompt", "prompt"), ("--edit", "edit"))
        if values.get(key) is not None
    }
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other",
            hint="the wild type is the prompt" if "--edit" in given else "give the prompt once",
        )
    if values.get("edit") is None and values.get("max_mutations") is not None:
        raise UsageError("--max-mutations needs a wild type", hint="give it with --edit")
    return next(iter(given.values()), None)


def _options(values: dict[str, Any]) -> GenerateOptions:
    """Return what every task understands; options that a task does not offer stay at their defaults."""
    from logos_cli.cli.commands.generate.options import READ_NAMES
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.generate.generation import GenerateOptions

    known = {each.name for each in fields(GenerateOptions)}
    chosen = {name: value for name, value in values.items() if name in known}
    read = {name: values[option] for option, name in READ_NAMES.items() if values.get(option) is not None}
    if "chains" in read:
        read["chains"] = tuple(read["chains"])
    if values.get("edit") is not None:
        chosen["max_mutations"] = values["max_mutations"] or _MUTATIONS
    return GenerateOptions(
        **chosen,
        n_samples=values["num_samples"],
        time_s=None if values["time"] is None else parse_time(values["time"]),
        read=ReadOptions(**read),
    )


def _flushed(records: Iterator[Record]) -> Iterator[Record]:
    """Hand each record to the reader of a pipe as soon as it is written."""
    for record in records:
        yield record
        sys.stdout.flush()


def _finish(tally: GenerateTally, task: Task, options: GenerateOptions) -> ExitCode:
    """Say what became of the samples; a run without one valid sample is no success."""
    out = terminal()
    if tally.skipped_references:
        out.warning(f"{tally.skipped_references:,} entries of {options.reference} cannot be compared with")
    if tally.stopped:
        out.note("the time is up: no further sample was begun, what was under way is finished")
    if tally.short_prompts:
        prompts = "1 prompt" if tally.short_prompts == 1 else f"{tally.short_prompts:,} prompts"
        out.warning(f"{prompts} gave fewer than {options.until} and were given up; -n sets the most samples")
    results = f"; {task.collects}: {tally.results:,}" if tally.results else ""
    out.note(f"{tally}{results}")
    if tally.failed and tally.failed == tally.requested:
        return ExitCode.USAGE
    return ExitCode.PARTIAL if tally.failed or tally.short_prompts or not tally.unique else ExitCode.OK


class _Commands(Mapping[str, Callback]):
    """The command of each task, made when it is asked for: names are those of files."""

    def __iter__(self) -> Iterator[str]:
        return iter(registry.names("tasks"))

    def __len__(self) -> int:
        return len(registry.names("tasks"))

    def __getitem__(self, name: str) -> Callback:
        from logos_cli.cli.commands.generate.options import UPSTREAM, options_of

        task: Task = registry.load("tasks", name)
        examples = "\n\n".join(f"  {example}" for example in task.examples)
        help = "\n\n".join(filter(None, (task.help, task.details, "Examples:", examples)))
        declared = [*options_of(task)]
        if task.docks:
            from logos_cli.cli.commands.generate.dock import OPTIONS

            declared += OPTIONS
        return with_aliases(command(name, functools.partial(_run, task), declared, help), UPSTREAM)


PLUGIN = Command("generate", subcommands=_Commands(), help=_HELP, panel="Model", order=30, group_class=TaskFirst)
