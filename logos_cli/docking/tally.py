"""The outcomes of all ligands of a run, as counts."""

from __future__ import annotations

from dataclasses import dataclass

from logos_cli.accounting import Account, account_line


@dataclass(slots=True)
class DockTally(Account):
    """The outcomes of all ligands, as counts.

    Attributes
    ----------
    invalid, unusable : int
        Invalid samples, and other records without a ligand.
    search_s : float
        Time of all searches, on all cores.
    """

    docked: int = 0
    failed: int = 0
    invalid: int = 0
    unusable: int = 0
    contradicting: int = 0
    implausible: int = 0
    search_s: float = 0.0
    verb: str = "docked"

    @property
    def requested(self) -> int:
        """All ligands."""
        return self.good + self.invalid + self.lost

    @property
    def good(self) -> int:
        """Ligands with a pose."""
        return self.docked

    @property
    def lost(self) -> int:
        """Ligands that should have a pose and have none."""
        return self.failed + self.unusable

    def __str__(self) -> str:
        losses = (
            (self.invalid, "not valid"),
            (self.unusable, "not usable"),
            (self.failed, "failed"),
            (self.contradicting, "contradict their site"),
            (self.implausible, "not plausible"),
        )
        return account_line(((self.requested, "requested"), (self.good, self.verb)), losses)
