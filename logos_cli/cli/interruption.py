"""What an interrupted command leaves: where it is, how much it is, and how to go on."""

from __future__ import annotations

import gzip
import shlex
import sys
import zlib
from contextlib import suppress
from pathlib import Path

from logos_cli.cli.terminal import terminal
from logos_cli.io.output import UNFINISHED, Unfinished

_LINES = frozenset({".jsonl", ".ndjson", ".txt", ".logos", ".ids", ".smi", ".csv", ".tsv"})
"""Endings of files that have one record on a line."""

_RUNS: list[tuple[str, Path]] = []


def note_run(output: str, results: Path) -> None:
    """Note the directory of an interrupted run, and the file with its records."""
    _RUNS.append((output, results))


def report_interruption(what: str) -> None:
    """Report on stderr what is on disk, under which name, and what to type to go on."""
    out = terminal()
    unfinished, runs = list(UNFINISHED), list(_RUNS)
    UNFINISHED.clear()
    _RUNS.clear()
    for output, results in runs:
        out.note(f"{what}; {output} has {_n_finished(results)}")
        out.hint(f"go on with: {_command_line()}")
    for each in unfinished:
        _report_file(what, each)
    if not runs and not unfinished:
        out.note(f"{what}; nothing is left to go on with: records on standard output are whole")


def _report_file(what: str, file: Unfinished) -> None:
    out = terminal()
    if file.part is None:
        out.note(f"{what} before the first record: {file.path} was not written")
        return
    out.note(f"{what}; {file.part} holds {_contents(file.part, Path(file.path))}")
    out.hint("a run that can go on has a directory: give -o DIR/ instead of a file, and later --resume")


def _contents(part: Path, path: Path) -> str:
    """Return how much an unfinished file holds."""
    if path.suffix.lower() in _LINES:
        return _n_finished(part)
    return f"what was finished ({part.stat().st_size:,} bytes)"


def _n_finished(file: Path) -> str:
    """Return the number of whole lines of a file, in words."""
    n_lines = 0
    if file.is_file():
        with (
            gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream,
            suppress(EOFError, gzip.BadGzipFile, zlib.error),
        ):
            for line in stream:
                n_lines += line.endswith(b"\n")
    return f"{n_lines:,} finished record{'' if n_lines == 1 else 's'}"


def _command_line() -> str:
    """Return the command line that goes on with a run."""
    words = [word for word in sys.argv[1:] if word != "--overwrite"]
    return shlex.join(["logos", *words, *([] if "--resume" in words else ["--resume"])])
