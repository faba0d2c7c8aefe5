"""Exceptions of the library and the exit codes that they map to.

The library raises; only ``cli/boundary.py`` prints and exits. Every error has a message (what is wrong, and where) and,
if there is a remedy, a hint (what to do).
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import ClassVar, Final, NamedTuple, Self


class ExitCode(IntEnum):
    """Exit status of a command (``docs/reference/command-line.md``)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    MISSING = 4
    OUT_OF_MEMORY = 5
    INTERRUPTED = 130
    TERMINATED = 143


class Span(NamedTuple):
    """A half-open range of character positions, zero-based."""

    start: int
    end: int


class LogosError(Exception):
    """Base of all errors that a user can meet.

    Parameters
    ----------
    message : str
        One sentence: what is wrong.
    hint : str, optional
        What the user can do about it.
    source : str, optional
        File (or ``<stdin>``) and place in it, e.g. ``seqs.fasta:12``.
    span : Span, optional
        The part of the offending text.
    text : str, optional
        The offending text that ``span`` refers to.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        source: str | None = None,
        span: Span | None = None,
        text: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.source = source
        self.span = span
        self.text = text

    def __str__(self) -> str:
        place = f"{self.source}: " if self.source else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{hint}"

    def __reduce__(self) -> tuple[object, ...]:
        """Let errors of every signature travel between processes."""
        return _restored, (type(self), self.args), self.__dict__

    def about(self, name: str) -> Self:
        """Return this error with a record's name before its message."""
        self.message = f"{name}: {self.message}"
        return self

    def at(self, source: str) -> LogosError:
        """Return self with ``source`` filled in where it is not known yet."""
        if self.source is None:
            self.source = source
        return self


def _restored(kind: type[LogosError], args: tuple[object, ...]) -> LogosError:
    return kind.__new__(kind, *args)


class UsageError(LogosError):
    """An option or argument that cannot be used as given."""

    exit_code = ExitCode.USAGE


class InputError(LogosError):
    """Input that cannot be read: empty, damaged, or of the wrong kind."""

    exit_code = ExitCode.USAGE


class ReportedError(InputError):
    """Why a record in a pipe is not ok, where an earlier command of the pipe has reported it."""


class FormatError(InputError):
    """A file whose content does not follow its format."""


class GrammarError(InputError):
    """A sentence that is not well formed.

    ``expected`` lists, in the grammar's own words, what the grammar allows at ``span``.
    """

    text: str
    span: Span

    def __init__(
        self, message: str, *, text: str, span: Span, expected: tuple[str, ...] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, span=span, text=text)
        self.expected = expected

    def pretty(self, width: int = 100) -> str:
        """Return the message above a window of the sentence, with a caret under the wrong part."""
        start = max(0, self.span.start - width // 2)
        end = min(len(self.text), start + width)
        before, after = ("…" if start else ""), ("…" if end < len(self.text) else "")
        window = self.text[start:end].translate(_VISIBLE)
        length = max(1, min(self.span.end, end) - self.span.start)
        caret = " " * (len(before) + self.span.start - start) + "^" * length
        expected = f"\nexpected: {', '.join(self.expected)}" if self.expected else ""
        return f"{self.message}\n{before}{window}{after}\n{caret}{expected}"


# control characters (C0, DEL, C1) would move the cursor
_VISIBLE = dict.fromkeys((*range(32), *range(127, 160)), "·")


class MoleculeError(InputError):
    """A SMILES or molecule block that RDKit does not accept."""


class AnswerError(LogosError):
    """A completion that is well formed and cannot be an answer to its prompt.

    Parameters
    ----------
    outcome : str
        What the account of a run counts: ``answered with the product``.
    """

    def __init__(
        self, message: str, *, outcome: str = "invalid", hint: str | None = None, source: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, source=source)
        self.outcome = outcome


class StructureError(InputError):
    """A macromolecular or crystal structure that cannot be encoded."""


class OutputError(LogosError):
    """A result that cannot be written: permission, full disk, unknown format."""

    exit_code = ExitCode.FAILED


class SystemFaultError(LogosError):
    """What the operating system refuses, whatever the record: a full disk, a broken device, too many open files."""

    @classmethod
    def of(cls, error: OSError) -> Self:
        """Return the error of a request to the system."""
        where = str(error.filename) if error.filename else "output"
        if error.errno == errno.ENOSPC:
            return cls("no space is left on the device", source=where, hint="free some space; what was written is kept")
        return cls(error.strerror or str(error), source=where)


class MissingError(LogosError):
    """A model, a program or an optional package that is not installed."""

    exit_code = ExitCode.MISSING


class ModelError(LogosError):
    """A model directory or checkpoint that cannot be used."""

    exit_code = ExitCode.USAGE


class DeviceLostError(LogosError):
    """The device stopped working in the middle of a run."""


class DeviceMemoryError(LogosError):
    """The device has too little memory even for one sequence."""

    exit_code = ExitCode.OUT_OF_MEMORY


class WorkerLostError(LogosError):
    """A process that worked on something ended before it had finished."""


class TimeLimitError(LogosError):
    """Something took longer than it may, and was stopped."""


class DefectError(LogosError):
    """Something that should not happen: a mistake in this package, or in a library that it uses."""

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Return what is reported of an exception that nobody expected."""
        return cls(
            f"internal error: {type(error).__name__}: {error}",
            hint="this is a defect of logos; run again with --traceback and report what it prints",
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out: in Python, or where the system loads a library, which is not missing then."""
    cause = error.__cause__ if isinstance(error, MissingError) else error
    if isinstance(cause, ImportError):
        return any(text in str(cause) for text in _NO_PLACE_FOR_A_LIBRARY)
    return isinstance(cause, MemoryError)


def with_hint(error: LogosError) -> str:
    """Return what an error of a record says, with the remedy.

    Raises
    ------
    LogosError
        The error itself, if memory ran out: that is no property of the record.
    """
    if is_out_of_memory(error):
        raise error
    return error.message + (f" ({error.hint})" if error.hint else "")


_NO_PLACE_FOR_A_LIBRARY: Final = ("failed to map segment", "cannot map zero-fill pages", "cannot create shared object")
"""Texts of the loader of glibc."""
