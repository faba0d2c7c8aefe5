"""What became of everything that a run was asked for: parts that exclude each other, and sum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from logos_cli.errors import DefectError
from logos_cli.records import Record

Part = tuple[int, str]
"""How many, and what became of them."""


@dataclass(slots=True)
class Account(ABC):
    """Base of the accounts of all commands.

    Attributes
    ----------
    asked : int
        Everything that was begun, counted when it was begun.
    """

    asked: int = field(default=0, kw_only=True)

    @property
    @abstractmethod
    def good(self) -> int:
        """What came out as it should."""

    @property
    @abstractmethod
    def lost(self) -> int:
        """What ought to have come out and did not: records in error."""

    @property
    @abstractmethod
    def requested(self) -> int:
        """The sum of the parts."""

    def check(self) -> None:
        """Make sure that nothing that was begun is missing.

        Raises
        ------
        DefectError
            If the parts do not sum to what was asked for.
        """
        if self.asked != self.requested:
            raise DefectError(
                f"of {self.asked:,} that were asked for, {self.requested:,} are accounted for",
                hint="this is a defect of logos; compare input and output, and report it",
            )


def account_line(stages: Iterable[Part], losses: Iterable[Part]) -> str:
    """Return what became of all on one line: ``10 requested → 8 valid → 7 unique (2 invalid, 1 repeated)``."""
    line = " → ".join(f"{count:,} {name}" for count, name in stages)
    lost = ", ".join(f"{count:,} {name}" for count, name in losses if count)
    return f"{line} ({lost})" if lost else line


@dataclass(slots=True)
class RecordAccount(Account):
    """What became of every record, by status."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> Record:
        """Count a record by status and return it."""
        self.asked += 1
        self.counts[record.status.value] += 1
        return record

    @property
    def requested(self) -> int:
        """All records, whatever became of them."""
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
