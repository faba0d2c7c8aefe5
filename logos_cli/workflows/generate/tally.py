"""The outcomes of all samples of a run, as counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from logos_cli.accounting import Account, account_line


@dataclass(slots=True)
class GenerateTally(Account):
    """The outcomes of all requested samples, as counts.

    Attributes
    ----------
    novel : int, optional
        Unique samples that are not in the reference set; None without one.
    late : int
        Samples that were not begun in time.
    failed_prompts : int
        Prompts that cannot be used; their samples are ``failed``.
    refused : Counter of str
        The part of the invalid samples that are well formed and cannot be answers to their prompts, by what is wrong
        with them: ``answered with the product``.
    reads : bool
        Whether each prompt was read once, and nothing was sampled.
    short_prompts : int
        Prompts that were given up before they reached the wanted counts.
    results : int
        Records of combined samples.
    skipped_references : int
        Entries of the reference set that could not be compared.
    redrawn : int
        Answers of a server that did not fit, and in whose place another was requested.
    given_up : int
        Samples without an answer of the server that fits, in all tries; each has one of the outcomes.
    stopped : bool
        Whether the run ended early, as its time was over.
    """

    cut: int = 0
    malformed: int = 0
    invalid: int = 0
    repeated: int = 0
    unique: int = 0
    failed: int = 0
    late: int = 0
    novel: int | None = None
    failed_prompts: int = 0
    short_prompts: int = 0
    results: int = 0
    skipped_references: int = 0
    redrawn: int = 0
    given_up: int = 0
    stopped: bool = False
    refused: Counter[str] = field(default_factory=Counter)
    reads: bool = False

    @property
    def requested(self) -> int:
        """All requested samples."""
        lost = self.cut + self.malformed + self.invalid + self.failed + self.late
        return lost + self.repeated + self.unique

    @property
    def good(self) -> int:
        """Valid samples, each counted once."""
        return self.unique

    @property
    def lost(self) -> int:
        """Samples of prompts that cannot be used."""
        return self.failed

    def __str__(self) -> str:
        if self.reads:
            return account_line(
                [(self.requested, "requested"), (self.unique, "answered")],
                [(self.failed, "never begun"), (self.late, "not begun in time")],
            )
        well_formed = self.invalid + self.repeated + self.unique
        stages = [
            (self.requested, "requested"),
            (well_formed, "well-formed"),
            (self.repeated + self.unique, "valid"),
            (self.unique, "unique"),
        ]
        if self.novel is not None:
            stages.append((self.novel, "novel"))
        losses = (
            (self.failed, "never begun"),
            (self.late, "not begun in time"),
            (self.cut, "cut at the limit of tokens"),
            (self.malformed, "malformed"),
            *((count, outcome) for outcome, count in sorted(self.refused.items())),
            (self.invalid - self.refused.total(), "invalid"),
            (self.repeated, "repeated"),
            (self.unique - self.novel if self.novel is not None else 0, "known"),
        )
        return account_line(stages, losses)
