"""Errors of other processes, and the description of their ends."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass
from typing import Self, TypeVar

from logos_cli.errors import (
    DefectError,
    DeviceMemoryError,
    LogosError,
    SystemFaultError,
    WorkerLostError,
    is_out_of_memory,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands for a result that another process could not make.

    Attributes
    ----------
    error : LogosError
        The error that was raised there; a defect has its traceback as a note.
    """

    error: LogosError

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Return the failure of an exception; lack of memory, faults of the system and defects become errors of this package."""
        if is_out_of_memory(error):
            return cls(DeviceMemoryError("out of memory", hint="use fewer processes, or a smaller batch"))
        if isinstance(error, LogosError):
            return cls(error)
        if isinstance(error, OSError):
            return cls(SystemFaultError.of(error))
        defect = DefectError.of(error)
        defect.add_note("".join(traceback.format_exception(error)))
        return cls(defect)

    @property
    def is_lost(self) -> bool:
        """Whether the process ended before it had a result."""
        return isinstance(self.error, WorkerLostError)


def result_of(outcome: T | Failure) -> T:
    """Return a result.

    Raises
    ------
    LogosError
        The failure's error, if there is no result.
    """
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def describe_end(status: int) -> str:
    """Return the end of a process in words: ``by signal 9 (SIGKILL)``, ``with status 3``.

    Parameters
    ----------
    status : int
        The exit status, or the negative number of a signal.
    """
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"by signal {-status}"
