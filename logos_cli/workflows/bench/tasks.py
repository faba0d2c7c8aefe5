"""Run published benchmarks with one model: cases, their outcomes, and figures.

A run's directory holds ``run.json`` (its options) and one file of outcomes for each benchmark and shard. A case with
an outcome is not run again. Figures are always computed from all outcomes in the directory, so that the files of
several machines need only be copied into one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from logos_cli import __version__, registry
from logos_cli.benchmarks.base import SEED, Benchmark, Case, CaseOutcome
from logos_cli.errors import FormatError, InputError, OutputError, UsageError
from logos_cli.evaluators.base import Estimate
from logos_cli.io.json_types import JsonObject
from logos_cli.processes.lock import locked
from logos_cli.records import Record
from logos_cli.workflows.generate.generation import GenerateOptions, Generation
from logos_cli.workflows.generate.plan import plan_generation

if TYPE_CHECKING:
    from logos_cli.docking.options import DockOptions

RUN_FILE: Final = "run.json"
Progress = Callable[[str, int, int], None]
"""Called with a benchmark's name, the number of cases with an outcome, and the number of all cases."""


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
    shard : tuple of int
        Number of the shard, from 1, and number of shards.
    baseline : bool
        Answer every case by the trivial baseline, too.
    generate : GenerateOptions
        Model, backend, device and seed.
    dock : DockOptions, optional
        Dock the molecules that are designed for pockets, with these options; the box is the benchmark's.
    """

    data: Path
    names: tuple[str, ...] = ()
    limit: int | None = None
    n_samples: int | None = None
    shard: tuple[int, int] = (1, 1)
    baseline: bool = True
    generate: GenerateOptions = field(default_factory=GenerateOptions)
    dock: DockOptions | None = None

    def __post_init__(self) -> None:
        number, count = self.shard
        if not 1 <= number <= count:
            raise UsageError(f"there is no shard {number} of {count}", hint="give 1/4 … 4/4")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"the limit is {self.limit}; it must be 1 or more")

    def facts(self) -> JsonObject:
        """Return the values that must be the same for all shards and sessions of a run."""
        how = self.generate
        same = ("seed", "constrain", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens")
        return {
            "logos": __version__,
            "data": self.data.name,
            "n_samples": self.n_samples,
            "model": how.load.model,
            "revision": how.load.revision,
            **{name: getattr(how, name) for name in same},
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


def run(options: BenchOptions, directory: Path, progress: Progress | None = None) -> list[str]:
    """Answer the cases that have no outcome yet.

    Parameters
    ----------
    directory : Path
        The run's directory; it is made if there is none.

    Returns
    -------
    list of str
        Benchmarks that were left out because their data are missing, with the error.

    Raises
    ------
    UsageError
        If the directory holds a run with another model, seed or protocol, or another process is at work there.
    InputError
        If there is no folder of data, or the data of a named benchmark are missing or damaged.
    """
    if not options.data.is_dir():
        raise InputError(
            "there is no such folder",
            source=str(options.data),
            hint="--data names the folder of docs/measurements/benchmarks.md",
        )
    _begin(options, directory)
    left_out = []
    number, count = options.shard
    for benchmark in chosen(options.names):
        try:
            cases = _cases(benchmark, options)
        except InputError as error:
            if options.names:
                raise
            left_out.append(f"{benchmark.name}: {error}")
            continue
        path = directory / f"{benchmark.name}.{number}-of-{count}.jsonl"
        with locked(path, "benchmarking"):
            _answer(benchmark, cases, options, path, progress)
    return left_out


def _begin(options: BenchOptions, directory: Path) -> None:
    """Write ``run.json``, or compare the options with an existing one."""
    path, now = directory / RUN_FILE, options.facts()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            began = {**now, "began": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
            temporary.write_text(json.dumps(began, indent=1) + "\n", encoding="utf-8")
            temporary.replace(path)
            return
        before = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", source=str(path)) from error
    except ValueError as error:
        raise FormatError("the run's file is damaged", source=str(path)) from error
    for name, value in now.items():
        if before.get(name) != value:
            raise UsageError(
                f"the run began with another {name.replace('_', ' ')} ({before.get(name)!r}, now {value!r})",
                source=str(directory),
                hint="choose another -o",
            )


def _cases(benchmark: Benchmark, options: BenchOptions) -> list[Case]:
    """Return the cases of this shard."""
    cases = list(benchmark.cases(options.data))
    if not cases:
        raise InputError("the data hold no case", source=str(options.data), hint=benchmark.layout)
    if options.limit is not None and options.limit < len(cases):
        drawn = np.random.default_rng(SEED).permutation(len(cases))[: options.limit]
        cases = [cases[index] for index in sorted(drawn)]
    number, count = options.shard
    return cases[number - 1 :: count]


def _answer(
    benchmark: Benchmark, cases: Sequence[Case], options: BenchOptions, path: Path, progress: Progress | None
) -> None:
    done = _repair(path)
    waiting = [case for case in cases if case.id not in done]
    n_done = len(cases) - len(waiting)
    if progress:
        progress(benchmark.name, n_done, len(cases))
    if not waiting:
        return
    with path.open("a", encoding="utf-8") as stream:
        for case, records in _answers(benchmark, waiting, options):
            row: JsonObject = {"case": case.id, "model": benchmark.outcome(case, records)}
            if options.baseline:
                rng = np.random.default_rng([SEED, *case.id.encode()])
                row["baseline"] = benchmark.baseline(case, options.data, rng)
            if options.dock is not None:
                answers = [row[name] for name in ("model", "baseline") if row.get(name) is not None]
                benchmark.dock(case, answers, options.dock)
            stream.write(json.dumps(row, allow_nan=False) + "\n")
            stream.flush()
            n_done += 1
            if progress:
                progress(benchmark.name, n_done, len(cases))


def _answers(benchmark: Benchmark, cases: Sequence[Case], options: BenchOptions) -> Iterator[tuple[Case, list[Record]]]:
    """Yield each case with the records of its samples; the model is loaded once."""
    how = replace(
        options.generate,
        n_samples=options.n_samples or benchmark.n_samples,
        **{name: value for name, value in benchmark.sampling.items() if getattr(options.generate, name) is None},
    )
    owners = {prompt.id: case for case in cases for prompt in case.prompts}
    plan = plan_generation(benchmark.task, how, benchmark.task_options)
    made = Generation(plan).records([prompt for case in cases for prompt in case.prompts])
    answered = groupby(made, lambda record: owners[_prompt_of(record)].id)
    current = next(answered, None)
    for case in cases:  # a case without records has an outcome, too
        records = []
        if current is not None and current[0] == case.id:
            records = list(current[1])
            current = next(answered, None)
        yield case, records


def _prompt_of(record: Record) -> str:
    """Return the id of the prompt that a record answers; a failed prompt's record has its id."""
    return str(record.sample.get("prompt", record.id))


def _repair(path: Path) -> set[str]:
    """Return the ids of the cases in a file of outcomes; a broken last line is cut off."""
    if not path.exists():
        return set()
    done, good = set(), 0
    with path.open("r+b") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                break
            done.add(_row(line, path)["case"])
            good += len(line)
        stream.truncate(good)
    return done


def _row(line: bytes | str, path: Path) -> JsonObject:
    try:
        row = json.loads(line)
        _ = row["case"], row["model"]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError("a line is no outcome", source=str(path), hint="delete the file and run again") from error
    return dict(row)


def read_facts(directory: Path) -> JsonObject:
    """Return the options of a run: model, seed, versions.

    Raises
    ------
    InputError
        If the directory holds no run.
    """
    try:
        return dict(json.loads((directory / RUN_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError("the directory holds no run", source=str(directory)) from error


def results(directory: Path, names: Sequence[str] = ()) -> list[Result]:
    """Return the figures from all outcomes in a run's directory.

    Raises
    ------
    InputError
        If it has none.
    FormatError
        If a file of outcomes is damaged.
    """
    found = []
    for benchmark in chosen(names):
        rows: dict[str, JsonObject] = {}
        for path in sorted(directory.glob(f"{benchmark.name}.*-of-*.jsonl")):
            with path.open(encoding="utf-8") as stream:
                for row in _whole_rows(stream, path):
                    rows[row["case"]] = row
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


def _whole_rows(stream: IO[str], path: Path) -> Iterator[JsonObject]:
    for line in stream:
        if line.endswith("\n"):  # another process may be writing the last one
            yield _row(line, path)
