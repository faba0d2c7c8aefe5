"""What the second edition of the model is asked for, and whether it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.bench.figures.metrics import Figures, lookup
from tests.bench.figures.report import interval


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and its aim.

    Attributes
    ----------
    task, name : str
    path : tuple of str
        Where the figure stands.
    goal : float
    before : str
        The first edition's.
    lower : bool
        Less is better.
    """

    task: str
    name: str
    path: tuple[str, ...]
    goal: float
    before: str
    lower: bool = False

    def is_reached(self, value: float) -> bool:
        """Whether a value is as good as the goal."""
        return value <= self.goal if self.lower else value >= self.goal


_BEAM: Final = ("reactions", "retrosynthesis", "beam")
_RESIDUE: Final = ("residue", "perplexity")
_SITE: Final = ("sites", "small_molecules")
_POCKET: Final = ("pockets", "level_2")

TARGETS: Final = (
    Target("molecules", "valid, as the task samples (%)", ("defaults", "molecule", "valid (%)"), 95.0, "86"),
    Target("molecules", "FCD to held-out", ("defaults", "molecule", "FCD to held-out"), 3.7, "4.0", lower=True),
    Target("antibodies", "perplexity per residue", ("losses", "antibody", *_RESIDUE), 2.0, "2.29", lower=True),
    Target("antibodies", "numbered (%)", ("defaults", "antibody", "numbered_percent"), 97.0, "97"),
    Target("antibodies", "light chains among samples (%)", ("defaults", "antibody", "light_percent"), 20.0, "2"),
    Target("proteins", "perplexity per residue", ("losses", "protein", *_RESIDUE), 16.5, "17.9", lower=True),
    Target("sites", "area under the ROC curve", (*_SITE, "auc"), 0.70, "0.61"),
    Target("sites", "MCC, as many residues as true", (*_SITE, "mcc"), 0.15, "0.08"),
    Target("ligands", "likelier with the pocket (nats)", (*_POCKET, "gain_nats"), 0.0, "-17"),
    Target("ligands", "rank of the own pocket of 40", (*_POCKET, "rank_of_own_pocket"), 15.0, "20.7", lower=True),
    Target("retrosynthesis", "top-1, beam (%)", (*_BEAM, "top_1_percent"), 25.0, "9.5 to 14"),
    Target("retrosynthesis", "top-10, beam (%)", (*_BEAM, "top_10_percent"), 55.0, "36 to 39"),
    Target("forward reaction", "top-1, beam (%)", ("reactions", "reaction", "beam", "top_1_percent"), 45.0, "23"),
    Target("frameworks", "valid, novel, unique (%)", ("defaults", "material", "valid_novel_unique_percent"), 65.0, "60"),
)  # fmt: skip


def target_rows(figures: Figures) -> Iterator[str]:
    """Yield a Markdown table of the targets that were measured."""
    yield "| task | figure | goal | first edition | now | n | |"
    yield "| --- " * 7 + "|"
    for target in TARGETS:
        if found := lookup(figures, target.path):
            sign = "≤" if target.lower else "≥"
            verdict = "reached" if target.is_reached(found["value"]) else "missed"
            now = interval(found)
            yield (
                f"| {target.task} | {target.name} | {sign} {target.goal:g} | {target.before} | {now} | {found['n']} "
                f"| {verdict} |"
            )
