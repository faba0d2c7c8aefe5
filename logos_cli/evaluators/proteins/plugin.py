"""Proteins: properties of the sequence, and distances of designs to a base pool and to each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli.evaluators.base import Context, Estimate, Evaluator, Metric, Need, Subject, Values
from logos_cli.grammar import Form
from logos_cli.objects.protein import Protein

if TYPE_CHECKING:
    from logos_cli.evaluators.reference import ReferenceSet

_GGS = "GGS (Kirjner et al. 2024, arXiv 2307.00494)"
_PKA = "Bjellqvist et al. 1994 (10.1002/elps.1150150171)"
_REFERENCE = (Need.REFERENCE,)
_MOST_PAIRED = 1000


class ProteinEvaluator(Evaluator):
    """Sequence properties, and the figures of protein editing that need no oracle."""

    name = "proteins"
    help = "Proteins: length, mass, charge, hydropathy; diversity and novelty of designs."
    forms = frozenset((Form.PROTEIN,))
    metrics = (
        Metric("n_residues", "Number of residues of the chain."),
        Metric(
            "protein_mass", "Average mass of the unmodified chain.", "Da", source="average isotopic masses of residues"
        ),
        Metric("gravy", "Mean hydropathy of the residues.", source="Kyte and Doolittle 1982"),
        Metric("charge_ph7", "Net charge of the unfolded chain at pH 7.", "e", source=_PKA),
        Metric("isoelectric_point", "pH at which the unfolded chain has no net charge.", source=_PKA),
        Metric(
            "distance_to_reference",
            "Levenshtein distance to the nearest sequence of the reference set; novelty, if that is the base pool.",
            "residues",
            source=_GGS,
            needs=_REFERENCE,
        ),
    )
    summary_metrics = (
        Metric(
            "protein_diversity",
            f"Mean Levenshtein distance of all pairs of distinct sequences, among the first {_MOST_PAIRED:,}.",
            "residues",
            "higher",
            source=_GGS,
        ),
        Metric(
            "protein_novelty_median",
            "Median of distance_to_reference over distinct sequences.",
            "residues",
            "higher",
            source=_GGS,
            needs=_REFERENCE,
        ),
    )

    def prepare(self, wanted: Collection[str], context: Context) -> None:
        """Read the reference set."""
        needy = {metric.name for metric in (*self.metrics, *self.summary_metrics) if metric.needs}
        if context.reference is not None and not needy.isdisjoint(wanted):
            _pool(context.reference)

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the values of one chain."""
        return self.score_batch([subject], wanted, context)[0]

    def score_batch(self, subjects: Sequence[Subject], wanted: Collection[str], context: Context) -> list[Values]:
        """Return the values of several chains, with one comparison of all with the reference set."""
        properties = [_properties(subject) for subject in subjects]
        if context.reference is None or "distance_to_reference" not in wanted:
            return properties
        chains = [
            (values, subject.item.sequence)
            for values, subject in zip(properties, subjects, strict=True)
            if isinstance(subject.item, Protein)
        ]
        gaps = _distances(tuple(sequence for _, sequence in chains), context.reference)
        for (values, _), gap in zip(chains, gaps, strict=True):
            values["distance_to_reference"] = gap
        return properties

    def observe(self, subject: Subject, _context: Context) -> str | None:
        """Return the sequence."""
        return subject.item.sequence if isinstance(subject.item, Protein) else None

    def summarise(
        self, observations: Iterable[str], wanted: Collection[str], context: Context
    ) -> Mapping[str, Estimate]:
        """Return diversity and novelty of the distinct sequences."""
        from logos_cli.evaluators.proteins.editing import diversity, median

        unique = tuple(dict.fromkeys(observations))
        figures: dict[str, Estimate] = {}
        if "protein_diversity" in wanted:
            figures["protein_diversity"] = diversity(unique[:_MOST_PAIRED])
        if context.reference is not None and "protein_novelty_median" in wanted:
            figures["protein_novelty_median"] = median(_distances(unique, context.reference))
        return figures


def _properties(subject: Subject) -> Values:
    item = subject.item
    if not isinstance(item, Protein):
        return {}
    from logos_cli.evaluators.proteins import properties

    sequence = item.sequence
    return {
        "n_residues": len(sequence),
        "protein_mass": properties.molecular_weight(sequence),
        "gravy": properties.gravy(sequence),
        "charge_ph7": properties.charge(sequence),
        "isoelectric_point": properties.isoelectric_point(sequence),
    }


@lru_cache(4)
def _pool(reference: ReferenceSet) -> tuple[str, ...]:
    """Return the distinct sequences of a reference set.

    Raises
    ------
    InputError
        If it has no proteins.
    """
    return tuple(dict.fromkeys(protein.sequence for protein in reference.objects(Protein)))


@lru_cache(4)
def _distances(sequences: tuple[str, ...], reference: ReferenceSet) -> tuple[int, ...]:
    from logos_cli.evaluators.proteins.editing import nearest

    return tuple(nearest(sequences, _pool(reference)))


PLUGIN = ProteinEvaluator()
