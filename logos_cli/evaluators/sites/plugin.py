"""Binding sites: residues that are right, and how near the predicted site is to a ligand."""

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

if TYPE_CHECKING:
    from logos_cli.evaluators.sites.truth import SiteTruth

Counts = tuple[int, int, int, int]
"""True and false positives, false and true negatives."""

_TRUTH = (Need.TRUTH,)
_P2RANK = "P2Rank (Krivák and Hoksza 2018, 10.1186/s13321-018-0285-8)"
_RESIDUES = "residues within 4.5 Å of a relevant ligand, or as the right answers tag them"
_NO_TRUTH = "the right answers have none for this sequence"
_POOLED = (
    "Of the residues of all proteins together; of ranked sites those that are among the first n, n being the number "
    "of the structure's relevant ligands (1 where no structure is known)."
)
_TOP = (
    "Share of the relevant ligands that are met by a site of rank ≤ n{more}, n being the number of relevant ligands of "
    "their structure; a site meets a ligand if its centre is within 4 Å of {what}. Sites without ranks count in the "
    "order of the records; the units of the interval are structures."
)


def _residue_metrics() -> Iterable[Metric]:
    for name, meaning in {
        "precision": "Share of the tagged residues that are of a known site.",
        "recall": "Share of the residues of known sites that are tagged.",
        "f1": "Harmonic mean of precision and recall.",
        "mcc": "Matthews correlation coefficient of tagged and known residues.",
        "iou": "Residues both tagged and known over those that are one or the other.",
    }.items():
        yield Metric(f"site_{name}", meaning, better="higher", source=_RESIDUES, needs=_TRUTH)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the figures of a set need to know of one record.

    ``structure`` is its number among the right answers; distances are to each of its ligands, in Å.
    """

    chains: tuple[str, ...]
    sites: tuple[tuple[int, ...], ...]
    rank: int | None
    structure: int | None = None
    dca: tuple[float, ...] = field(default=())
    dcc: tuple[float, ...] = field(default=())


class SiteEvaluator(Evaluator):
    """A record is one predicted site, ranked or not; the records of one structure are grouped."""

    name = "sites"
    help = "Binding sites: residues found, distance to the ligand, P2Rank's success rates."
    forms = frozenset((Form.SEARCH, Form.SITE, Form.EXPANDED, Form.TRANSFORMATION))
    metrics = (
        Metric("n_site_residues", "How many residues are tagged."),
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
            "Share of the structures with relevant ligands that a record speaks of; Top-n is of these.",
            needs=_TRUTH,
        ),
    )

    def prepare(self, wanted: Collection[str], context: Context) -> None:
        """Read the right answers."""
        asked = {metric.name for metric in (*self.metrics, *self.summary_metrics) if metric.needs}
        if context.truth is not None and not asked.isdisjoint(wanted):
            _truth(context)

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return size, residue scores and distances of one site."""
        item = subject.item
        if not isinstance(item, Complex):
            return {}
        n_tagged = sum(len(chain.site) for chain in item.chains)
        n_residues = sum(len(chain.sequence) for chain in item.chains)
        values: Values = {"n_site_residues": n_tagged, "site_fraction": n_tagged / n_residues}
        if context.truth is None:
            return values
        seen = self.observe(subject, context)
        if seen is None:
            return values
        values |= _residue_values(_counts(seen.chains, seen.sites, _truth(context)))
        if not {"dca", "dcc"}.isdisjoint(wanted):
            values |= _distances(seen, subject, _truth(context))
        return values

    def observe(self, subject: Subject, context: Context) -> _Seen | None:
        """Return chains, tagged places and the distances to the ligands."""
        record = subject.record
        item = subject.item
        if isinstance(item, Complex):
            chains = tuple(chain.sequence for chain in item.chains)
            sites = tuple(chain.site for chain in item.chains)
        else:
            chains = _asked_chains(record.text)
            sites = ((),) * len(chains)
        if not chains:
            return None
        rank = record.scores.get("rank")
        seen = _Seen(chains, sites, rank.get("value") if isinstance(rank, Mapping) else None)
        return seen if context.truth is None else _located(seen, subject, context)

    def summarise(
        self, observations: Iterable[_Seen], wanted: Collection[str], context: Context
    ) -> Mapping[str, Estimate]:
        """Return pooled residue scores and success rates."""
        if context.truth is None:
            return {}
        seen = list(observations)
        truth = _truth(context)
        found = {**_pooled(seen, truth), **_top_rates(seen, truth)}
        return {name: figure for name, figure in found.items() if name in wanted}


def _truth(context: Context) -> SiteTruth:
    from logos_cli.evaluators.sites.truth import site_truth

    assert context.truth is not None
    return site_truth(context.truth)


def _asked_chains(text: str) -> tuple[str, ...]:
    """Return the chains that an answer that is not well formed was asked about."""
    head, found, _ = text.partition(Operator.SEARCH)
    if not found:
        return ()
    body = head.removeprefix(Kind.PROTEIN.start).removesuffix(Kind.PROTEIN.end)
    return tuple(body.split(Kind.PROTEIN.end + Kind.PROTEIN.start))


def _counts(chains: Sequence[str], sites: Sequence[Collection[int]], truth: SiteTruth) -> Counts | None:
    """Return how many residues are right and wrong; None if the sequences are not known."""
    from logos_cli.evaluators.statistics import confusion

    if any(chain not in truth.sites for chain in chains):
        return None
    each = [confusion(site, truth.sites[chain], len(chain)) for chain, site in zip(chains, sites, strict=True)]
    tp, fp, fn, tn = (sum(column) for column in zip(*each, strict=True))
    return tp, fp, fn, tn


def _residue_values(counts: Counts | None) -> Values:
    names = tuple(metric.name for metric in _residue_metrics())
    if counts is None:
        return dict.fromkeys(names, Unavailable(_NO_TRUTH))
    tp, fp, fn, tn = counts
    if not tp + fn:
        return dict.fromkeys(names, Unavailable("no residue of this protein is of a known site"))
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return {
        "site_precision": tp / (tp + fp) if tp + fp else Unavailable("no residue is tagged"),
        "site_recall": tp / (tp + fn),
        "site_f1": 2 * tp / (2 * tp + fp + fn),
        "site_mcc": (tp * tn - fp * fn) / below if below else 0.0,
        "site_iou": tp / (tp + fp + fn),
    }


def _located(seen: _Seen, subject: Subject, context: Context) -> _Seen:
    """Return the observation with its structure and the distances to the ligands."""
    truth = _truth(context)
    number = truth.structure_of(seen.chains, subject.record.source)
    if isinstance(number, str):
        return seen
    centre = _centre(seen, number, subject, context)
    if centre is None:
        return replace(seen, structure=number)
    import numpy as np

    from logos_cli.evaluators.sites import geometry

    place, ligands = np.array(centre), truth.structures[number].ligands
    return replace(
        seen,
        structure=number,
        dca=tuple(geometry.dca(place, ligand) for ligand in ligands),
        dcc=tuple(geometry.dcc(place, ligand) for ligand in ligands),
    )


def _centre(seen: _Seen, number: int, subject: Subject, context: Context) -> tuple[float, ...] | None:
    """Return the centre that the record brings, or else that of its residues; None if none has coordinates.

    A centre in the frame of another file than the right answers' is of no use.
    """
    record = subject.record
    structure = _truth(context).structures[number]
    site = record.extra.get("site")
    given = site.get("centre_angstrom") if isinstance(site, Mapping) else None
    if isinstance(given, list) and record.source.get("sha256") in (None, structure.sha256):
        return tuple(map(float, given))
    from logos_cli.evaluators.sites.truth import centre_of

    assert context.truth is not None
    names = tuple(record.source.get("chains", ()))
    return centre_of(context.truth, number, seen.chains, seen.sites, names)


def _distances(seen: _Seen, subject: Subject, truth: SiteTruth) -> Values:
    if seen.dca:
        return {"dca": min(seen.dca), "dcc": min(seen.dcc)}
    reason: Any = truth.structure_of(seen.chains, subject.record.source)
    if not isinstance(reason, str):
        reason = "no tagged residue has coordinates"
    return {"dca": Unavailable(reason), "dcc": Unavailable(reason)}


def _pooled(seen: Sequence[_Seen], truth: SiteTruth) -> dict[str, Estimate]:
    """Return residue scores of all proteins together; the union of a chain's first sites is one answer."""
    import numpy as np

    from logos_cli.evaluators import statistics

    rows: list[Counts] = []
    tagged: dict[tuple[int | None, str], set[int]] = defaultdict(set)
    for each in seen:
        if each.rank is None:
            if counts := _counts(each.chains, each.sites, truth):
                rows.append(counts)
            continue
        n_sites = 1 if each.structure is None else len(truth.structures[each.structure].ligands)
        for chain, site in zip(each.chains, each.sites, strict=True):
            tagged[each.structure, chain].update(site if each.rank <= n_sites else ())
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


def _top_rates(seen: Sequence[_Seen], truth: SiteTruth) -> dict[str, Estimate]:
    from logos_cli.evaluators.sites import geometry
    from logos_cli.evaluators.statistics import share

    groups: dict[int, list[_Seen]] = defaultdict(list)
    for each in seen:
        if each.structure is not None:
            groups[each.structure].append(each)
    ranks: dict[str, list[list[int | None]]] = {"": [], "_dcc": []}
    for number, sites in groups.items():
        # stable: sites without ranks, and those of equal rank in several chains, stay in the order of the records
        placed = sorted((site for site in sites if site.dca), key=lambda site: site.rank or 0)
        nothing: list[int | None] = [None] * len(truth.structures[number].ligands)
        ranks[""].append(geometry.ligand_ranks([site.dca for site in placed]) or nothing)
        ranks["_dcc"].append(geometry.ligand_ranks([site.dcc for site in placed]) or nothing)
    found = {
        f"top_n{suffix}{kind}": geometry.top_n(rows, n_more)
        for kind, rows in ranks.items()
        for suffix, n_more in (("", 0), ("_plus_2", 2))
    }
    if not truth.structures:
        none = Estimate.unknown("the right answers are residues, no structures")
        return {**dict.fromkeys(found, none), "structures_asked": none}
    return {**found, "structures_asked": share(number in groups for number in range(len(truth.structures)))}


PLUGIN = SiteEvaluator()
