"""What every part that starts processes needs: cores, the environment of a worker, errors that travel."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from logos_cli import errors
from logos_cli.errors import LogosError


def usable_cores() -> int:
    """Return how many cores this process may use: of the machine, by its affinity, and by Slurm."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(cores, int(slurm)) if slurm.isdigit() and int(slurm) else cores


def worker_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a worker, which finds this package wherever it was started."""
    places = [place for place in sys.path if place]
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(places)} | variables


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of another process, in a form that every error has.

    Attributes
    ----------
    kind : str
        The name of its class.
    """

    message: str
    hint: str | None = None
    kind: str = LogosError.__name__
    source: str | None = None

    @classmethod
    def of(cls, error: LogosError) -> Failure:
        """Return an error as what can be sent."""
        return cls(error.message, error.hint, type(error).__name__, error.source)

    def error(self) -> LogosError:
        """Return the error that it was; one of another package, or with more to it, as a plain one."""
        kind = getattr(errors, self.kind, LogosError)
        if not (isinstance(kind, type) and issubclass(kind, LogosError)) or kind is errors.GrammarError:
            kind = LogosError
        made: LogosError = kind(self.message, hint=self.hint, source=self.source)
        return made
