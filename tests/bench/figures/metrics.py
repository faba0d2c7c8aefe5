"""The headline figures: what is compared between sizes and put into the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from tests.bench.figures.fitness import ASSAYS
from tests.bench.figures.statistics import Figure

Figures = dict[str, Any]
"""All figures of one model, as its JSON file holds them."""


class Verdict(StrEnum):
    """What a family of sizes says of "larger is better" on one metric."""

    CONFIRMED = "confirmed"
    DIRECTION = "direction only"
    NOT_CONFIRMED = "not confirmed"
    OPEN = "–"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of every model.

    Attributes
    ----------
    task, name : str
        As tables show them.
    path : tuple of str
        Where the figure stands.
    rivals : tuple of pairs
        What stands beside it and asks no trained model: names and places, of which the best one counts.
    lower : bool
        Whether less is better.
    plotted : bool
        Whether the plot has a panel of it.
    judged : bool
        Whether more of it is a merit, or less.
    paired : tuple of str, optional
        Where a figure stands that compares each model unit by unit with one common rival; more is better. Its
        interval is narrower, and decides between sizes.
    """

    task: str
    name: str
    path: tuple[str, ...]
    rivals: tuple[tuple[str, tuple[str, ...]], ...] = ()
    lower: bool = False
    plotted: bool = False
    judged: bool = True
    paired: tuple[str, ...] | None = None

    def of(self, figures: Figures) -> Figure | None:
        """Return the figure of a model, None where it was not measured."""
        return lookup(figures, self.path)

    def rival_of(self, family: Sequence[Figures]) -> tuple[str, Figure] | None:
        """Return name and figure of the best rival, as the first model that was measured beside one has it."""
        for figures in family:
            found = [(name, figure) for name, path in self.rivals if (figure := lookup(figures, path))]
            if found:
                return (min if self.lower else max)(found, key=lambda pair: pair[1]["value"])
        return None


def lookup(figures: Figures, path: Sequence[str]) -> Figure | None:
    """Return the measured figure at a path."""
    place: Any = figures
    for name in path:
        place = place.get(name) if isinstance(place, dict) else None
    return place if isinstance(place, dict) and place.get("value") is not None else None


def _perplexity(task: str, domain: str, kind: str = "", *, plotted: bool = False) -> Metric:
    middle = (kind,) if kind else ()
    names = {"residue": "perplexity per residue", "answer": "perplexity of the answer", "": "perplexity"}
    place = ("losses", domain, *middle)
    rivals = tuple(
        (name, (*place, f"{key}_perplexity")) for name, key in (("5-gram", "fivegram"), ("unigram", "unigram"))
    )
    return Metric(
        task,
        names[kind],
        (*place, "perplexity"),
        rivals,
        lower=True,
        plotted=plotted,
        paired=(*place, "gain_over_fivegram_nats"),
    )


_BETWEEN: Final = ("molecules", "between_two_training_samples")
_SCORES: Final = (("BLOSUM62", "blosum62"), ("fewest mutations", "fewest_mutations"), ("5-gram", "fivegram"))
_SITE: Final = ("sites", "small_molecules")

METRICS: Final[tuple[Metric, ...]] = (
    _perplexity("proteins", "protein", "residue", plotted=True),
    _perplexity("antibodies", "antibody", "residue", plotted=True),
    Metric("antibodies", "samples numbered (%)", ("antibodies", "numbered_percent"), plotted=True),
    Metric("antibodies", "numbered, new and unique (%)", ("antibodies", "numbered_new_unique_percent")),
    Metric("antibodies", "light chains among samples (%)", ("antibodies", "light_percent"), judged=False),
    Metric("antibodies", "pairs among samples (%)", ("antibodies", "paired_percent"), judged=False),
    _perplexity("molecules", "molecule"),
    Metric("molecules", "valid (%)", ("molecules", "valid_percent"), plotted=True),
    Metric("molecules", "unique of valid (%)", ("molecules", "unique_of_valid_percent"), judged=False),
    Metric("molecules", "novel of unique (%)", ("molecules", "novel_of_unique_percent"), judged=False),
    *(
        Metric(
            "molecules",
            f"{label} distance to training",
            ("molecules", f"{name}_distance"),
            (("training to training", (*_BETWEEN, f"{name}_distance")),),
            lower=True,
        )
        for name, label in (("qed", "QED"), ("sa", "SA"), ("logp", "logP"))
    ),
    Metric("molecules, chemistry constraint", "valid (%)", ("molecules", "chemistry", "valid_percent")),
    Metric("molecules, as the task samples", "valid (%)", ("defaults", "molecule", "valid (%)")),
    Metric(
        "molecules, as the task samples", "FCD to held-out", ("defaults", "molecule", "FCD to held-out"), lower=True
    ),
    Metric("antibodies, as the task samples", "numbered (%)", ("defaults", "antibody", "numbered_percent")),
    Metric(
        "antibodies, as the task samples",
        "light chains among samples (%)",
        ("defaults", "antibody", "light_percent"),
        judged=False,
    ),
    Metric(
        "frameworks, as the task samples",
        "valid, novel, unique (%)",
        ("defaults", "material", "valid_novel_unique_percent"),
    ),
    _perplexity("frameworks", "material"),
    Metric("frameworks", "valid (%)", ("materials", "valid_percent")),
    Metric("frameworks", "valid, novel, unique (%)", ("materials", "valid_novel_unique_percent"), plotted=True),
    _perplexity("retrosynthesis", "retrosynthesis", "answer"),
    *(
        Metric(
            "retrosynthesis",
            f"top-{k}, beam (%)",
            ("reactions", "retrosynthesis", "beam", f"top_{k}_percent"),
            plotted=k == 10,
        )
        for k in (1, 5, 10)
    ),
    Metric("retrosynthesis", "top-10, 32 samples (%)", ("reactions", "retrosynthesis", "samples", "top_10_percent")),
    _perplexity("forward reaction", "reaction", "answer"),
    *(
        Metric(
            "forward reaction",
            f"top-{k}, beam (%)",
            ("reactions", "reaction", "beam", f"top_{k}_percent"),
            plotted=k == 1,
        )
        for k in (1, 5, 10)
    ),
    Metric(
        "forward reaction",
        "top-1, beam, by the product alone (%)",
        ("reactions", "reaction", "one_direction", "top_1_percent"),
    ),
    Metric("forward reaction", "top-10, 32 samples (%)", ("reactions", "reaction", "samples", "top_10_percent")),
    _perplexity("site search", "search", "answer"),
    Metric(
        "site search",
        "MCC, ranked residues",
        (*_SITE, "mcc"),
        (("letter frequency", (*_SITE, "letter_frequency_mcc")),),
        plotted=True,
        paired=(*_SITE, "mcc_gain"),
    ),
    Metric(
        "site search", "F1, ranked residues", (*_SITE, "f1"), (("letter frequency", (*_SITE, "letter_frequency_f1")),)
    ),
    Metric(
        "site search",
        "MCC, decoded",
        ("sites", "decoded", "mcc"),
        (("letter frequency", ("sites", "decoded", "letter_frequency_mcc")),),
    ),
    Metric(
        "site search",
        "MCC of ions, ranked residues",
        ("sites", "ions", "mcc"),
        (("letter frequency", ("sites", "ions", "letter_frequency_mcc")),),
        paired=("sites", "ions", "mcc_gain"),
    ),
    Metric(
        "site search",
        "area under the ROC curve, residues",
        (*_SITE, "auc"),
        (("letter frequency", (*_SITE, "letter_frequency_auc")),),
    ),
    Metric("ligand for a pocket, level 2", "likelier with its pocket (nats)", ("pockets", "level_2", "gain_nats")),
    Metric(
        "ligand for a pocket, level 2",
        "rank of its own pocket",
        ("pockets", "level_2", "rank_of_own_pocket"),
        lower=True,
    ),
    *(_perplexity(f"ligand for a pocket, level {n}", f"complex_{n}", "answer") for n in (1, 2, 3)),
    _perplexity("transformation", "transformation", "answer"),
    *(
        Metric(
            "fitness",
            f"{name}, Spearman",
            ("fitness", name, "model_spearman"),
            tuple((label, ("fitness", name, f"{key}_spearman")) for label, key in _SCORES),
            plotted=name == "GB1",
        )
        for name in ASSAYS
    ),
)


def measured(family: Sequence[Figures]) -> Iterator[Metric]:
    """Yield the metrics that some model of a family has a figure of."""
    yield from (metric for metric in METRICS if any(metric.of(figures) for figures in family))


def by_size(family: Sequence[Figures]) -> list[Figures]:
    """Return the models from the smallest to the largest."""
    return sorted(family, key=lambda figures: int(figures["model"]["n_parameters"]))


def verdict(metric: Metric, family: Sequence[Figures]) -> Verdict:
    """Return whether larger is better.

    Confirmed: every size is better than the one before, and the intervals of the smallest and the largest do not
    overlap. Direction only: the largest is better than the smallest, but one of these conditions is not met.
    """
    models = by_size(family)
    if not metric.judged:
        return Verdict.OPEN
    path, sign = (metric.paired, 1) if metric.paired else (metric.path, -1 if metric.lower else 1)
    found = [figure for figures in models if (figure := lookup(figures, path))]
    if len(found) <= 1:
        return Verdict.OPEN
    values = [sign * figure["value"] for figure in found]
    ends = [sorted((sign * figure["low"], sign * figure["high"])) for figure in (found[0], found[-1])]
    if values[-1] <= values[0]:
        return Verdict.NOT_CONFIRMED
    rising = all(after > before for before, after in pairwise(values))
    return Verdict.CONFIRMED if rising and ends[1][0] > ends[0][1] else Verdict.DIRECTION
