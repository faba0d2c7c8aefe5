"""Account for every item of a run: outcomes that exclude each other, and sum to the number of items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from logos_cli.errors import DefectError
from logos_cli.records import Record

Part = tuple[int, str]
"""A number of items, and their outcome."""


@dataclass(slots=True)
class Account(ABC):
    """Base of the accounts of all commands.

    Attributes
    ----------
    asked : int
        Items that were begun, counted when they were begun.
    """

    asked: int = field(default=0, kw_only=True)

    @property
    @abstractmethod
    def good(self) -> int:
        """Items with the wanted outcome."""

    @property
    @abstractmethod
    def lost(self) -> int:
        """Items without a result: records in error."""

    @property
    @abstractmethod
    def requested(self) -> int:
        """The sum of all outcomes."""

    def check(self) -> None:
        """Check that every item that was begun has an outcome.

        Raises
        ------
        DefectError
            If the outcomes do not sum to the items that were begun.
        """
        if self.asked != self.requested:
            raise DefectError(
                f"{self.asked:,} items were begun, but {self.requested:,} are accounted for",
                hint="this is a defect of logos; compare input and output, and report it",
            )


def account_line(stages: Iterable[Part], losses: Iterable[Part]) -> str:
    """Return all outcomes on one line: ``10 requested → 8 valid → 7 unique (2 invalid, 1 repeated)``."""
    line = " → ".join(f"{count:,} {name}" for count, name in stages)
    lost = ", ".join(f"{count:,} {name}" for count, name in losses if count)
    return f"{line} ({lost})" if lost else line


@dataclass(slots=True)
class RecordAccount(Account):
    """The records of a run by status."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> Record:
        """Count a record by status and return it."""
        self.asked += 1
        self.counts[record.status.value] += 1
        return record

    @property
    def requested(self) -> int:
        """All records."""
        return self.counts.total()

    @property
    def good(self) -> int:
        """Records that are not in error."""
        return self.requested - self.lost

    @property
    def lost(self) -> int:
        """Records in error."""
        return self.counts["error"]

    def __str__(self) -> str:
        parts = [f"{self.counts['ok']:,} ok"]
        parts += [f"{self.counts[name]:,} {name}" for name in ("invalid", "error") if self.counts[name]]
        noun = "record" if self.requested == 1 else "records"
        return f"{self.requested:,} {noun}: {', '.join(parts)}"
