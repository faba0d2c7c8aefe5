"""Binding sites: right residues, and the distance of a predicted site to a ligand."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from logos_cli.evaluators.base import Context, Estimate, Evaluator, Metric, Need, Subject, Unavailable, Values
from logos_cli.grammar import Form
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.complex import Complex
from logos_cli.records.parts import number_of
from logos_cli.structure.distances import CONTACT_ANGSTROM

if TYPE_CHECKING:
    from logos_cli.evaluators.reference import ReferenceSet
    from logos_cli.evaluators.sites.truth import SiteTruth

Counts = tuple[int, int, int, int]
"""True and false positives, false and true negatives."""

_TRUTH = (Need.TRUTH,)
_P2RANK = "P2Rank (Krivák and Hoksza 2018, 10.1186/s13321-018-0285-8)"
_RESIDUES = f"residues within {CONTACT_ANGSTROM} Å of a relevant ligand, or tagged in the right answers"
_NO_TRUTH = "the right answers have no site for this sequence"
_POOLED = (
    "Over the residues of all proteins together. Only the first n ranked sites count, where n is the number of relevant "
    "ligands of the structure (1 if no structure is known)."
)
_TOP = (
    "Share of the relevant ligands that a site of rank ≤ n{more} finds, where n is the number of relevant ligands of "
    "the structure. A site finds a ligand if its centre is within 4 Å of {what}. Sites without ranks count in the "
    "order of the records. The units of the interval are structures."
)


def _residue_metrics() -> Iterable[Metric]:
    for name, meaning in {
        "precision": "Share of the tagged residues that belong to a known site.",
        "recall": "Share of the residues of known sites that are tagged.",
        "f1": "Harmonic mean of precision and recall.",
        "mcc": "Matthews correlation coefficient of tagged and known residues.",
        "iou": "Number of residues both tagged and known over the number tagged or known.",
    }.items():
        yield Metric(f"site_{name}", meaning, better="higher", source=_RESIDUES, needs=_TRUTH)


@dataclass(frozen=True, slots=True)
class _Observation:
    """The part of a record that the figures of a set need.

    ``structure`` is its index among the right answers; ``dca`` and ``dcc`` are the distances to each of its ligands,
    in Å.
    """

    chains: tuple[str, ...]
    sites: tuple[tuple[int, ...], ...]
    rank: int | None
    structure: int | None = None
    dca: tuple[float, ...] = field(default=())
    dcc: tuple[float, ...] = field(default=())


class SiteEvaluator(Evaluator):
    """A record is one predicted site, ranked or not; figures group the records of one structure."""

    name = "sites"
    help = "Binding sites: residues found, distance to the ligand, P2Rank's success rates."
    forms = frozenset((Form.SEARCH, Form.SITE, Form.EXPANDED, Form.TRANSFORMATION))
    metrics = (
        Metric("n_site_residues", "Number of tagged residues."),
        Metric("site_fraction", "Share of the protein's residues that are tagged."),
        *_residue_metrics(),
        Metric(
            "dca",
            "Distance of the site's centre to the nearest atom of any relevant ligand.",
            "Å",
            "lower",
            source=_P2RANK,
            needs=_TRUTH,
        ),
        Metric(
            "dcc",
            "Distance of the site's centre to the nearest centre of a relevant ligand.",
            "Å",
            "lower",
            source=_P2RANK,
            needs=_TRUTH,
        ),
    )
    summary_metrics = (
        *(
            Metric(f"{metric.name}_pooled", f"{metric.help} {_POOLED}", better="higher", source=_RESIDUES, needs=_TRUTH)
            for metric in _residue_metrics()
        ),
        *(
            Metric(
                f"top_n{suffix}{kind}", _TOP.format(more=more, what=what), better="higher", source=_P2RANK, needs=_TRUTH
            )
            for kind, what in (("", "any of its atoms (DCA)"), ("_dcc", "its centre (DCC)"))
            for suffix, more in (("", ""), ("_plus_2", " + 2"))
        ),
        Metric(
            "structures_asked",
            "Share of the structures with relevant ligands that have a record; Top-n counts only these.",
            needs=_TRUTH,
        ),
    )

    def prepare(self, wanted: Collection[str], context: Context) -> None:
        """Read the right answers."""
        needy = {metric.name for metric in (*self.metrics, *self.summary_metrics) if metric.needs}
        if context.truth is not None and not needy.isdisjoint(wanted):
            _site_truth(context.truth)

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return size, residue scores and distances of one site."""
        item = subject.item
        if not isinstance(item, Complex):
            return {}
        n_tagged = sum(len(chain.site) for chain in item.chains)
        n_residues = sum(len(chain.sequence) for chain in item.chains)
        values: Values = {"n_site_residues": n_tagged, "site_fraction": n_tagged / n_residues}
        observation = self.observe(subject, context)
        if context.truth is None or observation is None:
            return values
        truth = _site_truth(context.truth)
        values |= _residue_values(_counts(observation.chains, observation.sites, truth))
        if not {"dca", "dcc"}.isdisjoint(wanted):
            values |= _distances(observation, subject, truth)
        return values

    def observe(self, subject: Subject, context: Context) -> _Observation | None:
        """Return chains, tagged positions and the distances to the ligands."""
        record = subject.record
        item = subject.item
        if isinstance(item, Complex):
            chains = tuple(chain.sequence for chain in item.chains)
            sites = tuple(chain.site for chain in item.chains)
        else:
            chains = _prompt_chains(record.text)
            sites = ((),) * len(chains)
        if not chains:
            return None
        rank = number_of(record.scores, "rank")
        observation = _Observation(chains, sites, None if rank is None else int(rank))
        return observation if context.truth is None else _locate(observation, subject, context.truth)

    def summarise(
        self, observations: Iterable[_Observation], wanted: Collection[str], context: Context
    ) -> Mapping[str, Estimate]:
        """Return pooled residue scores and success rates."""
        if context.truth is None:
            return {}
        observed = list(observations)
        truth = _site_truth(context.truth)
        figures = {**_pooled_scores(observed, truth), **_top_rates(observed, truth)}
        return {name: figure for name, figure in figures.items() if name in wanted}


def _site_truth(truth: ReferenceSet) -> SiteTruth:
    from logos_cli.evaluators.sites.truth import site_truth

    return site_truth(truth)


def _prompt_chains(text: str) -> tuple[str, ...]:
    """Return the chains of the prompt of a malformed answer."""
    head, has_operator, _ = text.partition(Operator.SEARCH)
    if not has_operator:
        return ()
    body = head.removeprefix(Kind.PROTEIN.start).removesuffix(Kind.PROTEIN.end)
    return tuple(body.split(Kind.PROTEIN.end + Kind.PROTEIN.start))


def _counts(chains: Sequence[str], sites: Sequence[Collection[int]], truth: SiteTruth) -> Counts | None:
    """Return the confusion counts of the residues; None if a sequence is not known."""
    from logos_cli.evaluators.statistics import confusion

    if any(chain not in truth.sites for chain in chains):
        return None
    rows = [confusion(site, truth.sites[chain], len(chain)) for chain, site in zip(chains, sites, strict=True)]
    tp, fp, fn, tn = (sum(column) for column in zip(*rows, strict=True))
    return tp, fp, fn, tn


def _residue_values(counts: Counts | None) -> Values:
    names = tuple(metric.name for metric in _residue_metrics())
    if counts is None:
        return dict.fromkeys(names, Unavailable(_NO_TRUTH))
    tp, fp, fn, tn = counts
    if not tp + fn:
        return dict.fromkeys(names, Unavailable("no residue of this protein belongs to a known site"))
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return {
        "site_precision": tp / (tp + fp) if tp + fp else Unavailable("no residue is tagged"),
        "site_recall": tp / (tp + fn),
        "site_f1": 2 * tp / (2 * tp + fp + fn),
        "site_mcc": (tp * tn - fp * fn) / below if below else 0.0,
        "site_iou": tp / (tp + fp + fn),
    }


def _locate(observation: _Observation, subject: Subject, reference: ReferenceSet) -> _Observation:
    """Return the observation with its structure and the distances to the ligands."""
    truth = _site_truth(reference)
    number = truth.structure_of(observation.chains, subject.record.source)
    if isinstance(number, str):
        return observation
    centre = _centre(observation, number, subject, reference)
    if centre is None:
        return replace(observation, structure=number)
    import numpy as np

    from logos_cli.evaluators.sites import geometry

    place, ligands = np.array(centre), truth.structures[number].ligands
    return replace(
        observation,
        structure=number,
        dca=tuple(geometry.dca(place, ligand) for ligand in ligands),
        dcc=tuple(geometry.dcc(place, ligand) for ligand in ligands),
    )


def _centre(
    observation: _Observation, number: int, subject: Subject, reference: ReferenceSet
) -> tuple[float, ...] | None:
    """Return the centre in the record, or else that of its residues; None if no residue has coordinates.

    The centre in the record counts only if it refers to the same file as the right answer.
    """
    record = subject.record
    structure = _site_truth(reference).structures[number]
    site = record.extra.get("site")
    centre = site.get("centre_angstrom") if isinstance(site, Mapping) else None
    if isinstance(centre, list) and record.source.get("sha256") in (None, structure.sha256):
        return tuple(map(float, centre))
    from logos_cli.evaluators.sites.truth import centre_of

    names = tuple(record.source.get("chains", ()))
    return centre_of(reference, number, observation.chains, observation.sites, names)


def _distances(observation: _Observation, subject: Subject, truth: SiteTruth) -> Values:
    if observation.dca:
        return {"dca": min(observation.dca), "dcc": min(observation.dcc)}
    reason: Any = truth.structure_of(observation.chains, subject.record.source)
    if not isinstance(reason, str):
        reason = "no tagged residue has coordinates"
    return {"dca": Unavailable(reason), "dcc": Unavailable(reason)}


def _pooled_scores(observed: Sequence[_Observation], truth: SiteTruth) -> dict[str, Estimate]:
    """Return residue scores of all proteins together; the union of the first sites of a chain is one answer."""
    import numpy as np

    from logos_cli.evaluators import statistics

    rows: list[Counts] = []
    tagged: dict[tuple[int | None, str], set[int]] = defaultdict(set)
    for site in observed:
        if site.rank is None:
            if counts := _counts(site.chains, site.sites, truth):
                rows.append(counts)
            continue
        n_sites = 1 if site.structure is None else len(truth.structures[site.structure].ligands)
        for chain, residues in zip(site.chains, site.sites, strict=True):
            tagged[site.structure, chain].update(residues if site.rank <= n_sites else ())
    for (_, chain), places in tagged.items():
        if counts := _counts((chain,), (places,), truth):
            rows.append(counts)
    units = np.array(rows, dtype=np.float64).reshape(-1, 4)
    functions = {
        "precision": lambda sums: sums[..., 0] / (sums[..., 0] + sums[..., 1]),
        "recall": lambda sums: sums[..., 0] / (sums[..., 0] + sums[..., 2]),
        "f1": statistics.f1,
        "mcc": statistics.mcc,
        "iou": statistics.iou,
    }
    return {f"site_{name}_pooled": statistics.bootstrap(units, function) for name, function in functions.items()}


def _top_rates(observed: Sequence[_Observation], truth: SiteTruth) -> dict[str, Estimate]:
    from logos_cli.evaluators.sites import geometry
    from logos_cli.evaluators.statistics import share

    groups: dict[int, list[_Observation]] = defaultdict(list)
    for site in observed:
        if site.structure is not None:
            groups[site.structure].append(site)
    ranks: dict[str, list[list[int | None]]] = {"": [], "_dcc": []}
    for number, sites in groups.items():
        # a stable sort keeps sites without ranks, or with equal ranks in several chains, in the order of the records
        placed = sorted((site for site in sites if site.dca), key=lambda site: site.rank or 0)
        nothing: list[int | None] = [None] * len(truth.structures[number].ligands)
        ranks[""].append(geometry.ligand_ranks([site.dca for site in placed]) or nothing)
        ranks["_dcc"].append(geometry.ligand_ranks([site.dcc for site in placed]) or nothing)
    rates = {
        f"top_n{suffix}{kind}": geometry.top_n(rows, n_more)
        for kind, rows in ranks.items()
        for suffix, n_more in (("", 0), ("_plus_2", 2))
    }
    if not truth.structures:
        unknown = Estimate.unknown("the right answers are residues, not structures")
        return {**dict.fromkeys(rates, unknown), "structures_asked": unknown}
    return {**rates, "structures_asked": share(number in groups for number in range(len(truth.structures)))}


PLUGIN = SiteEvaluator()
