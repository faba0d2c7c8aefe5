"""Run published benchmarks with one model: cases, their outcomes, and figures.

The outcomes are the results of a run (:mod:`logos_cli.runs`): the benchmarks are its inputs, their cases the entries.
Figures are always computed from all outcomes of the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from logos_cli import registry
from logos_cli.benchmarks.base import SEED, Benchmark, Case, CaseOutcome, Training
from logos_cli.engine.start import name_of
from logos_cli.errors import InputError, UsageError
from logos_cli.evaluators.base import Estimate
from logos_cli.io.json_types import JsonObject
from logos_cli.records import Record, Status
from logos_cli.runs.directory import ShardRun, read_run
from logos_cli.runs.merge import merged_rows
from logos_cli.workflows.generate.generation import GenerateOptions, Generation
from logos_cli.workflows.generate.plan import plan_generation

if TYPE_CHECKING:
    from logos_cli.backends.options import LoadOptions
    from logos_cli.docking.options import DockOptions

COMMAND: Final = "bench tasks"
_READ_ONLY: Final = ("llamacpp", "remote")
"""Backends whose models cannot be trained."""
Progress = Callable[[str, int, int], None]
"""Called with a benchmark's name, the number of cases that were answered, and the number of those to answer."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The benchmarks to run, and how.

    Attributes
    ----------
    data : Path
        Directory of the data sets.
    names : tuple of str
        Benchmarks; empty takes all.
    limit : int, optional
        Number of cases of each, drawn at random with a fixed seed; None takes all. A larger limit includes the cases
        of a smaller one, so that a run can be extended.
    n_samples : int, optional
        Samples of each case; None takes the protocol's.
    baseline : bool
        Answer every case by the trivial baseline, too.
    generate : GenerateOptions
        Model, backend, device and seed.
    adapted : Path, optional
        Directory of the models that protocols train; without it, no protocol trains the model, and the figures state it.
    dock : DockOptions, optional
        Dock the molecules that are designed for pockets, with these options; the box is the benchmark's.
    """

    data: Path
    names: tuple[str, ...] = ()
    limit: int | None = None
    n_samples: int | None = None
    baseline: bool = True
    generate: GenerateOptions = field(default_factory=GenerateOptions)
    dock: DockOptions | None = None
    adapted: Path | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"the limit is {self.limit}; it must be 1 or more")
        if not self.data.is_dir():
            raise InputError(
                "there is no such folder",
                source=str(self.data),
                hint="--data names the folder of docs/measurements/benchmarks.md",
            )

    @property
    def trains(self) -> bool:
        """Whether a protocol trains the model."""
        return self.adapted is not None and any(benchmark.trains for benchmark in chosen(self.names))

    def facts(self) -> JsonObject:
        """Return the values that must be the same for all shards and sessions of a run."""
        how = self.generate
        same = ("seed", "constrain", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens")
        return {
            "data": self.data.name,
            "n_samples": self.n_samples,
            "model": name_of(how.load),
            "revision": how.load.revision,
            **{name: getattr(how, name) for name in same},
            "adapted": self.trains,
            "docking": self.dock and {name: getattr(self.dock, name) for name in ("engine", "exhaustiveness", "ph")},
        }


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one benchmark.

    Attributes
    ----------
    n_cases : int
        Cases with an outcome.
    model, baseline : mapping
        Estimates by the figure's name.
    outcomes : list
        Outcomes of the model, by case.
    """

    benchmark: Benchmark
    n_cases: int
    model: Mapping[str, Estimate]
    baseline: Mapping[str, Estimate]
    outcomes: Mapping[str, CaseOutcome]

    def to_dict(self) -> JsonObject:
        """Return the JSON object."""
        rows = {
            figure.name: {
                "help": figure.help,
                "unit": figure.unit,
                "better": figure.better,
                "model": self.model[figure.name].to_dict(),
                "baseline": self.baseline[figure.name].to_dict() if figure.name in self.baseline else None,
                "published": dict(figure.published),
                "comparable": figure.comparable,
                "remark": figure.remark,
            }
            for figure in self.benchmark.figures
        }
        return {
            "benchmark": self.benchmark.name,
            "help": self.benchmark.help,
            "baseline_help": self.benchmark.baseline_help,
            "remarks": self.benchmark.remarks(list(self.outcomes.values())),
            "n_cases": self.n_cases,
            "figures": rows,
        }


def chosen(names: Sequence[str]) -> list[Benchmark]:
    """Return benchmarks by name; all of them if none is named.

    Raises
    ------
    UsageError
        If there is no benchmark of a name.
    """
    return [registry.load("benchmarks", name) for name in names or registry.names("benchmarks")]


def run(options: BenchOptions, shard: ShardRun, progress: Progress | None = None) -> list[str]:
    """Answer the cases of a shard that have no outcome yet.

    Returns
    -------
    list of str
        Benchmarks that were left out because their data are missing, with the error.

    Raises
    ------
    InputError
        If the data of a named benchmark are missing or damaged.
    """
    left_out = []
    for benchmark in chosen(options.names):
        try:
            cases = _cases(benchmark, options)
        except InputError as error:
            if options.names:
                raise
            left_out.append(f"{benchmark.name}: {error}")
            continue
        number = registry.names("benchmarks").index(benchmark.name)
        place = shard.selection.of_file(number, benchmark.name)
        place.units = shard.selection.pending
        waiting = [case for case in cases if place.takes(case.id)]
        shard.selection.note_end(number, place.n_seen)
        for n_done, row in enumerate(_answer(benchmark, waiting, options, progress)):
            if progress:
                progress(benchmark.name, n_done, len(waiting))
            shard.write(row["case"], Status.OK, json.dumps(row, allow_nan=False))
        if progress:
            progress(benchmark.name, len(waiting), len(waiting))
    return left_out


def require_data(options: BenchOptions) -> None:
    """Refuse to begin without the data of a named benchmark, or of any, or with a model that its protocol cannot train.

    Raises
    ------
    InputError
        With what is missing, and the command that makes the data.
    UsageError
        If the model is that of a server or a GGUF file.
    """
    missing = []
    benchmarks = chosen(options.names)
    for benchmark in benchmarks:
        try:
            next(iter(benchmark.cases(options.data)), None)
        except InputError:
            if options.names:
                raise
            missing.append(benchmark.name)
            continue
        if benchmark.trains and options.adapted is not None:
            _require_trainable(options.generate.load)
    if len(missing) == len(benchmarks):
        raise InputError(
            "there are no data of any benchmark",
            source=str(options.data),
            hint="in a checkout, python -m scripts.bench_data -o data/ makes them; docs/measurements/benchmarks.md",
        )


def _require_trainable(load: LoadOptions) -> None:
    if load.base_url is not None or load.backend in _READ_ONLY or load.model.lower().endswith(".gguf"):
        raise UsageError(
            "the model of a server, or in GGUF, cannot be trained on the pool",
            source=load.model,
            hint="--no-adapt measures the model as it is",
        )


def _cases(benchmark: Benchmark, options: BenchOptions) -> list[Case]:
    """Return the cases in a fixed random order, so that those of a limit are the first of a larger one."""
    cases = list(benchmark.cases(options.data))
    if not cases:
        raise InputError("the data hold no case", source=str(options.data), hint=benchmark.layout)
    drawn = np.random.default_rng(SEED).permutation(len(cases))[: options.limit]
    return [cases[index] for index in drawn]


def _answer(
    benchmark: Benchmark, cases: Sequence[Case], options: BenchOptions, progress: Progress | None
) -> Iterator[JsonObject]:
    """Yield the outcome of each case."""
    for case, records in _answers(benchmark, cases, options, progress) if cases else ():
        row: JsonObject = {"benchmark": benchmark.name, "case": case.id, "model": benchmark.outcome(case, records)}
        if options.baseline:
            rng = np.random.default_rng([SEED, *case.id.encode()])
            row["baseline"] = benchmark.baseline(case, options.data, rng)
        if options.dock is not None:
            answers = [row[name] for name in ("model", "baseline") if row.get(name) is not None]
            benchmark.dock(case, answers, options.dock)
        yield row


def _answers(
    benchmark: Benchmark, cases: Sequence[Case], options: BenchOptions, progress: Progress | None
) -> Iterator[tuple[Case, list[Record]]]:
    """Yield each case with the records of its samples; the model is loaded once."""
    how = replace(
        options.generate,
        n_samples=options.n_samples or benchmark.n_samples,
        **{name: value for name, value in benchmark.sampling.items() if getattr(options.generate, name) is None},
    )
    task_options = dict(benchmark.task_options)
    if options.adapted is not None and benchmark.trains:
        model = benchmark.adapted(_training(benchmark, options, options.adapted / benchmark.name, progress))
        how = replace(how, load=replace(how.load, model=model, revision=None), **benchmark.adapted_sampling)
        task_options = {**task_options, **benchmark.adapted_options(model)}
    owners = {prompt.id: case for case in cases for prompt in case.prompts}
    plan = plan_generation(benchmark.task, how, task_options)
    made = Generation(plan).records([prompt for case in cases for prompt in case.prompts])
    answered = groupby(made, lambda record: owners[_prompt_of(record)].id)
    current = next(answered, None)
    for case in cases:  # a case without records has an outcome, too
        records = []
        if current is not None and current[0] == case.id:
            records = list(current[1])
            current = next(answered, None)
        yield case, records


def _training(benchmark: Benchmark, options: BenchOptions, directory: Path, progress: Progress | None) -> Training:
    load = options.generate.load
    epochs = partial(progress, f"{benchmark.name}, training") if progress else None
    return Training(options.data, load.model, load.revision, directory, load.threads, load.offline, epochs)


def _prompt_of(record: Record) -> str:
    """Return the id of the prompt that a record answers; a failed prompt's record has its id."""
    return str(record.sample.get("prompt", record.id))


def read_facts(directory: Path) -> JsonObject:
    """Return the options of a run: model, seed, version.

    Raises
    ------
    InputError
        If the directory holds no run of benchmarks.
    """
    run = read_run(directory)
    if run["command"] != COMMAND:
        raise InputError(f"this is a run of logos {run['command']}", source=str(directory))
    return {"logos": run["version"], **run["arguments"], "began": run.get("began")}


def results(directory: Path, names: Sequence[str] = ()) -> list[Result]:
    """Return the figures from all outcomes in a run's directory.

    Raises
    ------
    InputError
        If it has none.
    """
    rows_of: dict[str, dict[str, JsonObject]] = {}
    for row in merged_rows(directory):
        rows_of.setdefault(row["benchmark"], {})[row["case"]] = row
    found = []
    for benchmark in chosen(names):
        rows = rows_of.get(benchmark.name)
        if not rows:
            continue
        outcomes = {case: row["model"] for case, row in rows.items()}
        trivial = [row["baseline"] for row in rows.values() if row.get("baseline") is not None]
        found.append(
            Result(
                benchmark,
                len(rows),
                benchmark.summarise(list(outcomes.values())),
                benchmark.summarise(trivial) if trivial else {},
                outcomes,
            )
        )
    if not found:
        raise InputError("there are no outcomes", source=str(directory), hint="run the benchmarks first")
    return found
