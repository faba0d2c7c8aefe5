"""What became of every sample of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class GenerateTally:
    """What became of every sample that was asked for.

    Attributes
    ----------
    novel : int, optional
        Unique ones that are not in the reference set; None without one.
    late : int
        Samples that were not begun before the time was up.
    failed_prompts : int
        Prompts that cannot be used; their samples are ``failed``.
    short_prompts : int
        Prompts that were given up before they had yielded what was wanted of them.
    results : int
        Records that were made of samples together.
    skipped_references : int
        Entries of the reference set that could not be compared.
    stopped : bool
        Whether the time was up before all was done.
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
    stopped: bool = False

    @property
    def requested(self) -> int:
        """All of them."""
        lost = self.cut + self.malformed + self.invalid + self.failed + self.late
        return lost + self.repeated + self.unique

    def __str__(self) -> str:
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
            (self.invalid, "invalid"),
            (self.repeated, "repeated"),
            (self.unique - self.novel if self.novel is not None else 0, "known"),
        )
        line = " → ".join(f"{count:,} {name}" for count, name in stages)
        lost = ", ".join(f"{count:,} {name}" for count, name in losses if count)
        return f"{line} ({lost})" if lost else line
