"""Write records as plain sentences, JSON lines, token ids, or a native format; report failures and the account."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol, TypeVar, cast

from logos_cli.accounting import Account, RecordAccount
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, LogosError, UsageError
from logos_cli.io.output import open_output, suffix_of
from logos_cli.io.visible import VisibleStream
from logos_cli.records import Record, Status
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    from rich.console import Console

    from logos_cli.backends.base import Tokenizer
    from logos_cli.checkpoints.skills import Skill
    from logos_cli.formats.base import Writer

T = TypeVar("T")

_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "text", ".logos": "text", ".ids": "ids"}
_SHOWN_ERRORS = 20


def choose_format(wanted: str | None, output: str | None, *, native: bool = False) -> str:
    """Return ``text``, ``jsonl``, ``ids``, or, if ``native`` formats are allowed, the name of a writer.

    The explicit choice comes first, then the output's extension, then text for a terminal and records otherwise.
    """
    names = ("text", "jsonl", "ids")
    if wanted is not None:
        if wanted in names:
            return wanted
        if native:
            _writer(wanted, None)
            return wanted
        raise UsageError(f"there is no record format {wanted!r}", hint=f"formats: {', '.join(names)}")
    if output is not None and output != "-" and not output.startswith("/dev/"):
        suffix = suffix_of(output)
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
        if native:
            return _writer(None, output)
        raise UsageError(
            f"the extension {suffix or '(none)'} names no record format",
            source=output,
            hint="use .jsonl or .txt, or give -f; `logos decode` writes native formats",
        )
    return "text" if sys.stdout.isatty() else "jsonl"


def _writer(name: str | None, output: str | None) -> str:
    from logos_cli.workflows.decode import writer_for, writers

    chosen = writer_for(name, output, "-f")
    return next(key for key, value in writers().items() if value is chosen)


class RecordTaker(Protocol):
    """Takes records, and counts them."""

    @property
    def tally(self) -> RecordAccount:
        """The outcomes of the records so far."""
        ...

    @property
    def has_sources(self) -> bool:
        """Whether the output has the sources and notes of records."""
        ...

    @property
    def takes_lines(self) -> bool:
        """Whether the JSON of a record suffices."""
        ...

    def write(self, record: Record, line: str | None = None, *, is_reported: bool = False) -> None:
        """Write and count one record.

        Parameters
        ----------
        line : str, optional
            Its JSON, if that must stay as it is.
        is_reported : bool
            Whether its error has been reported.
        """
        ...


class ReportedProblems:
    """Reports the errors of records on stderr as they occur, but only the first ones."""

    def __init__(self) -> None:
        self._count = 0

    def report(self, record: Record, reason: str) -> None:
        """Report the error of one record."""
        self._count += 1
        if self._count <= _SHOWN_ERRORS:
            terminal().error(f"{place_of(record)}: {reason}")
        elif self._count == _SHOWN_ERRORS + 1:
            terminal().note("further errors are counted, not shown")


class RecordSink:
    """Writes records in one format, counts them, and reports failures on stderr."""

    def __init__(self, stream: IO[str], format: str, model: str = EMBEDDED) -> None:
        self.tally = RecordAccount()
        self._tokenizer: Tokenizer | None = None
        if format == "ids":
            from logos_cli.backends.base import LoadOptions, open_model

            self._tokenizer = open_model(LoadOptions(model)).tokenizer
        self._stream = cast("IO[str]", VisibleStream(stream)) if stream.isatty() else stream
        self._format = format
        self._problems = ReportedProblems()
        self._native: Writer | None = None
        self._console: Console | None = None
        if format == "text" and stream.isatty():
            from logos_cli.cli.console import VisibleConsole

            self._console = VisibleConsole(stream, soft_wrap=True)
        if format not in ("text", "jsonl", "ids"):
            from logos_cli.formats.base import WriteOptions
            from logos_cli.workflows.decode import stream_of, writers

            writer = writers()[format]
            self._native = writer(stream_of(stream, writer), WriteOptions())

    @property
    def has_sources(self) -> bool:
        """Whether the output has the sources and notes of records."""
        return self._format not in {"text", "ids"}

    @property
    def takes_lines(self) -> bool:
        """Whether the JSON of a record suffices."""
        return self._format == "jsonl"

    def write(self, record: Record, line: str | None = None, *, is_reported: bool = False) -> None:
        """Write and count one record.

        Parameters
        ----------
        line : str, optional
            Its JSON, if that must stay as it is.
        is_reported : bool
            Whether its error has been reported.
        """
        self.tally.add(record)
        if record.status is Status.ERROR and not is_reported:
            self._problems.report(record, record.reason or "")
        if self._native is not None:
            self._write_native(record, self._native)
        elif self._format == "jsonl":
            self._stream.write((record.to_json() if line is None else line) + "\n")
        elif record.status is not Status.ERROR:
            text = record.text
            if self._tokenizer is not None:
                text = " ".join(map(str, self._tokenizer.encode(text)))
            self._write_line(text, record)

    def _write_line(self, line: str, record: Record) -> None:
        if self._console is None:
            self._stream.write(line + "\n")
            return
        from logos_cli.cli.paint import paint_heading, paint_sentence

        self._console.print(paint_heading(record))
        self._console.print(paint_sentence(line))

    def _write_native(self, record: Record, native: Writer) -> None:
        unusable = record.status is Status.INVALID and not native.tells_status
        if record.status is Status.ERROR or unusable:
            return
        from logos_cli.workflows.decode import decode

        try:
            item = decode(record)
        except LogosError:
            if record.status is Status.INVALID:  # not even a sentence: no object to write, but counted
                return
            raise
        try:
            native.write(record, item)
        except LogosError as error:  # it ends the command, so that it must name the record
            raise error.about(record.id) from error.__cause__

    def close(self) -> None:
        """End a native file."""
        if self._native is not None:
            self._native.close()


@contextmanager
def open_sink(
    output: str | None, wanted: str | None, *, overwrite: bool = False, native: bool = False, model: str = EMBEDDED
) -> Iterator[RecordSink]:
    """Open the sink of a command; a file gets its name when the block ends without an error."""
    format = choose_format(wanted, output, native=native)
    with open_output(output, overwrite=overwrite) as stream:
        sink = RecordSink(stream, format, model)
        yield sink
        sink.close()


def write_all(records: Iterable[Record], sink: RecordTaker, *, is_part: bool = False) -> ExitCode:
    """Write every record, report the account on stderr, and return the exit code."""
    for record in records:
        sink.write(record)
    return finish(sink.tally, is_part=is_part)


def tracked(items: Iterable[T], description: str, output: str | None) -> Iterable[T]:
    """Return the items with a progress bar, unless the output is the terminal, where it would be among the records."""
    if output in (None, "-") and sys.stdout.isatty():
        return items
    return terminal().track(items, description)


def finish(account: Account, *, is_part: bool = False) -> ExitCode:
    """Report the account, and return its exit code: all lost is a bad input, some lost a partial success.

    Parameters
    ----------
    is_part : bool
        The records are a shard of a run, all of which may be in error by chance.

    Raises
    ------
    DefectError
        If the counts do not add up.
    """
    account.check()
    terminal().note(str(account))
    if account.lost and account.lost == account.requested and not is_part:
        return ExitCode.USAGE
    return ExitCode.PARTIAL if account.lost or (account.requested and not account.good) else ExitCode.OK


def warn_of_skill(skill: Skill | None, model: str) -> None:
    """Report on one line that a model answers a question at which it was measured to have no skill."""
    if skill is not None and (line := skill.warning(model)) is not None:
        terminal().warning(line)


def place_of(record: Record) -> str:
    """Return file and id of a record for messages: ``seqs.fasta: P12345``; only the id if it names the file."""
    path = record.source.get("path")
    return f"{path}: {record.id}" if path and path.strip("<>") not in record.id else record.id


def inputs_or_stdin(paths: list[str] | None) -> list[str]:
    """Return the inputs; without any, standard input if something is piped into it.

    Raises
    ------
    UsageError
        If standard input is a terminal or closed.
    """
    if paths:
        return paths
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError("no input", hint="name files, or pipe something in")
    return ["-"]
