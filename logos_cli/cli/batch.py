"""Open the output of a bulk command: a stream, a file, or the directory of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeGuard

from logos_cli.accounting import RecordAccount
from logos_cli.cli.interruption import note_run
from logos_cli.cli.options.run import RunArguments
from logos_cli.cli.output import RecordTaker, ReportedProblems, open_sink
from logos_cli.cli.terminal import terminal
from logos_cli.errors import UsageError
from logos_cli.io import places
from logos_cli.records import Record, Status
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    from logos_cli.io.selection import Selection, Shard
    from logos_cli.runs.directory import RunOptions, ShardRun

_ERROR: Final = Status.ERROR
_OF_EXECUTION: Final = frozenset(
    {
        *(
            "inputs",
            "arguments",
            "ligands",
            "output",
            "format",
            "overwrite",
            "run",
            "jobs",
            "draw",
            "dry_run",
            "report",
        ),
        *("report_top", "results_dir", "device", "devices", "threads", "batch_size", "gpu_layers", "mmap", "offline"),
        *("base_url", "cpu", "time", "given"),
    }
)
"""Arguments that do not change results, or that are compared in another way."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The entries that a bulk command works on, and the sink of its records.

    Attributes
    ----------
    selection : Selection, optional
        The entries of the inputs to work on; all, if absent.
    """

    sink: RecordTaker
    selection: Selection | None = None


class RunSink:
    """Writes records to the directory of a run."""

    has_sources = True
    takes_lines = True

    def __init__(self, run: ShardRun) -> None:
        self._run = run
        self._write = run.write
        self._problems = ReportedProblems()

    @property
    def tally(self) -> RecordAccount:
        """The outcomes of the records so far."""
        self._run.flush()
        return RecordAccount(Counter(self._run.statuses), asked=self._run.statuses.total())

    def write(self, record: Record, line: str | None = None, *, is_reported: bool = False) -> None:
        """Write and count one record.

        Parameters
        ----------
        line : str, optional
            Its JSON, if that must stay as it is.
        is_reported : bool
            Whether its error has been reported.
        """
        status = record.status
        if status is _ERROR and not is_reported:
            self._problems.report(record, record.reason or "")
        self._write(record.id, status, record.to_json() if line is None else line)


def is_run_directory(output: str | None) -> TypeGuard[str]:
    """Return whether an output is a directory, or a name without an extension that becomes one."""
    if output is None or output == "-" or output.startswith("/dev/"):
        return False
    return output.endswith("/") or places.is_directory(output) or not Path(output).suffix


@contextmanager
def open_batch(
    command: str,
    arguments: object,
    inputs: Sequence[str],
    *,
    output: str | None,
    format: str | None,
    overwrite: bool,
    run: RunArguments,
    native: bool = False,
    model: str = EMBEDDED,
) -> Iterator[Batch]:
    """Open the output of a bulk command.

    Parameters
    ----------
    command : str
        Name of the command.
    arguments : dataclass
        Arguments of the command; the directory of a run refuses other values than those of its first process.
    inputs : sequence of str
        Files, directories and ``-``.
    native : bool
        Files of native formats may be written.

    Raises
    ------
    LogosError
        If the output cannot be written, or is a run with other arguments.
    """
    if not is_run_directory(output):
        selection = selection_of(run)
        with open_sink(output, format, overwrite=overwrite, native=native, model=model) as sink:
            yield Batch(sink, selection)
        return
    if format not in (None, "jsonl"):
        raise UsageError(
            "the directory of a run holds records only",
            hint="leave out --format; `logos runs merge` and `logos decode` write other files",
        )
    with open_run(command, arguments, inputs, output, options_of(run, overwrite=overwrite)) as shard:
        yield Batch(RunSink(shard), shard.selection)


@contextmanager
def open_run(
    command: str,
    arguments: object,
    inputs: Sequence[str],
    output: str,
    options: RunOptions,
    *,
    attached: str | None = None,
) -> Iterator[ShardRun]:
    """Open the directory of a run; report how many records it has, and how to go on after an interruption.

    Parameters
    ----------
    arguments : dataclass or mapping
        Arguments of the command; those that only concern its execution are left out.

    Raises
    ------
    LogosError
        If it cannot be written, or is a run with other arguments.
    """
    from logos_cli import __version__
    from logos_cli.io.paths import expand_paths
    from logos_cli.runs.description import Description
    from logos_cli.runs.directory import open_shard
    from logos_cli.runs.journal import files_of

    paths = expand_paths(inputs)
    description = Description(command, _compared(arguments), tuple(paths), options.shard.count, __version__)
    try:
        with open_shard(Path(output), description, options, attached=attached) as shard:
            if shard.n_before:
                terminal().note(f"{output} has {shard.n_before:,} records; going on")
            yield shard
    except BaseException as error:
        if not isinstance(error, Exception):
            note_run(output, files_of(Path(output), options.shard)[0])
        raise


def selection_of(run: RunArguments) -> Selection | None:
    """Return the entries of a shard, for an output that is not the directory of a run; None for all.

    Raises
    ------
    UsageError
        If an option needs the directory of a run.
    """
    if run.resume or run.retry or run.force or run.compress:
        raise UsageError("--resume, --retry, --force and --compress need the directory of a run", hint="give -o DIR/")
    if run.shard is None:
        return None
    from logos_cli.io.selection import Selection

    return Selection(_shard(run))


def options_of(run: RunArguments, *, overwrite: bool) -> RunOptions:
    """Return the options of the directory of a run.

    Raises
    ------
    UsageError
        If options exclude each other, or the shard is invalid.
    """
    from logos_cli.runs.directory import RunOptions

    if run.retry not in (None, "failed"):
        raise UsageError(f"unknown value of --retry: {run.retry!r}", hint="give --retry failed")
    if overwrite and (run.resume or run.retry):
        raise UsageError("--overwrite begins anew, but --resume goes on", hint="give one of them")
    retry: Literal["failed"] | None = "failed" if run.retry == "failed" else None
    return RunOptions(_shard(run), run.resume, overwrite, retry, run.force, run.compress)


def _shard(run: RunArguments) -> Shard:
    from logos_cli.io.selection import Shard
    from logos_cli.runs.shards import parse_shard

    return Shard() if run.shard is None else parse_shard(run.shard)


def _compared(arguments: object) -> dict[str, object]:
    """Return the arguments that change results, by name."""
    if is_dataclass(arguments) and not isinstance(arguments, type):
        return dict(_plain(asdict(arguments)))
    return dict(_plain(arguments)) if isinstance(arguments, Mapping) else {}


def _plain(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if name in _OF_EXECUTION:
            continue
        if isinstance(value, Mapping):
            yield from _plain(value, f"{prefix}{name}.")
        elif isinstance(value, (str, int, float, bool, type(None))):
            yield f"{prefix}{name}", value
        else:
            yield f"{prefix}{name}", [str(each) for each in value] if isinstance(value, (list, tuple)) else str(value)
