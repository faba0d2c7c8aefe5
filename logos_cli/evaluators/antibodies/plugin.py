"""Antibodies: numbering, CDRs, and the recovery of native CDRs by designs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING, Final

from logos_cli.errors import InputError, LogosError, MissingError, with_hint
from logos_cli.evaluators.base import Context, Estimate, Evaluator, Metric, Need, Subject, Unavailable, Values
from logos_cli.grammar import Form
from logos_cli.grammar.spec import Kind
from logos_cli.objects.antibody import Antibody

if TYPE_CHECKING:
    from logos_cli.evaluators.reference import ReferenceSet
    from logos_cli.objects.antibody_numbering import VariableDomain

NAMES: Final = ("h1", "h2", "h3", "l1", "l2", "l3")
SCHEME: Final = "chothia"

_ANARCII = "ANARCII (Greenshields-Watson et al. 2025)"
_CDRS = "Chothia numbers (H1 26-32, H2 52-56, H3 95-102, L1 24-34, L2 50-56, L3 89-97)"
_RADAB = "RADAb (Wang et al. 2025), CDRs after Chothia (H3 95-102)"
_ANTIBERTY = "AntiBERTy (Ruffolo et al. 2021), as in RADAb (Wang et al. 2025)"
_LOCI: Final = {"heavy": "H", "light": "L"}
_TRUTH, _MODEL, _REQUEST = (Need.TRUTH,), (Need.MODEL,), (Need.REQUEST,)
_NOT_NATIVE = "the right answers have no antibody with this framework"


def _cdr_metrics() -> Iterable[Metric]:
    for name in NAMES:
        label = f"CDR-{name.upper()}"
        yield Metric(f"cdr_{name}", f"Residues of {label}.", source=_CDRS)
        yield Metric(f"length_{name}", f"Number of residues of {label}.", "residues", source=_CDRS)
        yield Metric(
            f"recovery_{name}",
            f"Share of the residues of {label} of the native antibody that the design has at the same number. The "
            "native antibody is the one with the same framework.",
            better="higher",
            source=_RADAB,
            needs=_TRUTH,
        )
        yield Metric(
            f"length_match_{name}",
            f"{label} is as long as that of the native antibody.",
            better="higher",
            source=_RADAB,
            needs=_TRUTH,
        )
        yield Metric(
            f"plausibility_{name}",
            f"Mean pseudo-log-likelihood of the residues of {label}, each given all others, under AntiBERTy.",
            "nat",
            "higher",
            source=_ANTIBERTY,
            needs=_REQUEST,
        )
        yield Metric(
            f"own_logp_{name}",
            f"Mean pseudo-log-likelihood of the residues of {label}, each given all others, under the language model of "
            "--model itself: another scale than plausibility, and high for its own designs.",
            "nat",
            "higher",
            source="Masked log-probabilities, as RADAb's plausibility",
            needs=_MODEL,
        )


@dataclass(frozen=True, slots=True)
class _Numbered:
    """The numbered domains of one record in the order of its chains, or the ``reason`` why there are none."""

    domains: tuple[VariableDomain, ...] = ()
    reason: str | None = None


class AntibodyEvaluator(Evaluator):
    """Scores antibodies; a record is one antibody, a chain or a pair."""

    name = "antibodies"
    help = "Antibodies: numbering, CDRs, recovery of native CDRs, plausibility (needs ANARCII)."
    forms = frozenset((Form.ANTIBODY,))
    metrics = (
        Metric(
            "antibody_numbered",
            "ANARCII numbers a variable domain of every chain as an antibody, with a score above 25, and no two domains "
            "are of one kind.",
            better="higher",
            source=_ANARCII,
        ),
        Metric(
            "chain_types",
            "Types of the chains, in their order: H, K (kappa) or L (lambda); a single-chain Fv has two.",
            source=_ANARCII,
        ),
        Metric("numbering_score", "ANARCII's score of the numbering, the lowest of the chains.", source=_ANARCII),
        *_cdr_metrics(),
        *(
            Metric(
                f"plausibility_{chain}",
                f"Mean pseudo-log-likelihood of all residues of the {chain} chain, each given all others, under AntiBERTy: "
                "the published plausibility of designs.",
                "nat",
                "higher",
                source=_ANTIBERTY,
                needs=_REQUEST,
            )
            for chain in _LOCI
        ),
    )
    summary_metrics = (
        Metric(
            "antibody_rate",
            "Share of all records, malformed ones included, that number as antibodies.",
            better="higher",
            source=_ANARCII,
        ),
        Metric("h3_unique_rate", "Share of distinct CDR-H3 among all that are complete.", source=_CDRS),
    )

    def prepare(self, wanted: Collection[str], context: Context) -> None:
        """Read the right answers and load the model; the first chain loads ANARCII."""
        if context.truth is not None and not {f"recovery_{name}" for name in NAMES}.isdisjoint(wanted):
            _natives(context.truth)
        if any(name.startswith("own_logp_") for name in wanted):
            context.likelihood()

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the values of one antibody."""
        return self.score_batch([subject], wanted, context)[0]

    def score_batch(self, subjects: Sequence[Subject], wanted: Collection[str], context: Context) -> list[Values]:
        """Return the values of several antibodies; ANARCII numbers them in one batch."""
        try:
            antibodies = _number(list(map(_chains, subjects)), SCHEME)
        except MissingError as error:
            missing = Unavailable(with_hint(error))
            return [dict.fromkeys(wanted, missing) for _ in subjects]
        return [
            self._values(subject, numbered, wanted, context)
            for subject, numbered in zip(subjects, antibodies, strict=True)
        ]

    def _values(self, subject: Subject, numbered: _Numbered, wanted: Collection[str], context: Context) -> Values:
        if not numbered.domains:
            reason = Unavailable(numbered.reason or "the record is not an antibody")
            return {"antibody_numbered": False, **dict.fromkeys(set(wanted) - {"antibody_numbered"}, reason)}
        domains = numbered.domains
        values: Values = {
            "antibody_numbered": _is_antibody(domains),
            "chain_types": "/".join(domain.chain_type for domain in domains),
            "numbering_score": min(domain.score for domain in domains),
            **_cdr_values(domains),
        }
        if context.truth is not None:
            values |= _recoveries(subject, domains, context.truth)
        for name in NAMES:
            if f"own_logp_{name}" in wanted:
                values[f"own_logp_{name}"] = _own_logp(subject, domains, name, context)
        if any(name.startswith("plausibility_") for name in wanted):
            values |= _plausibilities(domains, wanted)
        return values

    def observe(self, subject: Subject, _context: Context) -> tuple[bool, str | None] | str:
        """Return whether the record is an antibody, and its CDR-H3; the reason why that is unknown if ANARCII is missing."""
        try:
            (numbered,) = _number([_chains(subject)], SCHEME)
        except MissingError as error:
            return with_hint(error)
        h3 = _cdr_values(numbered.domains).get("cdr_h3")
        return _is_antibody(numbered.domains), h3 if isinstance(h3, str) else None

    def summarise(
        self, observations: Iterable[tuple[bool, str | None] | str], wanted: Collection[str], _context: Context
    ) -> Mapping[str, Estimate]:
        """Return the rates."""
        from logos_cli.evaluators.statistics import first_occurrences, share

        observed: list[tuple[bool, str | None]] = []
        for each in observations:
            if isinstance(each, str):
                return dict.fromkeys(wanted, Estimate.unknown(each))
            observed.append(each)
        figures = {
            "antibody_rate": share(is_antibody for is_antibody, _ in observed),
            "h3_unique_rate": share(first_occurrences([h3 for _, h3 in observed if h3 is not None])),
        }
        return {name: figure for name, figure in figures.items() if name in wanted}


def _chains(subject: Subject) -> tuple[str, ...]:
    return subject.item.chains if isinstance(subject.item, Antibody) else ()


def _number(antibodies: Sequence[tuple[str, ...]], scheme: str) -> list[_Numbered]:
    """Return the numbered domains of each antibody, or none if one of its chains does not number."""
    from logos_cli.objects.antibody_numbering import number_domains

    results = iter(number_domains([chain for chains in antibodies for chain in chains], scheme))
    antibodies_numbered = []
    for chains in antibodies:
        domains = [next(results) for _ in chains]
        reasons = [
            f"chain {number} does not number as an antibody: {domain}"
            for number, domain in enumerate(domains, 1)
            if isinstance(domain, str)
        ]
        numbered = tuple(domain for found in domains if not isinstance(found, str) for domain in found)
        antibodies_numbered.append(_Numbered(reason=reasons[0]) if reasons else _Numbered(numbered))
    return antibodies_numbered


def _is_antibody(domains: Sequence[VariableDomain]) -> bool:
    loci = [domain.locus for domain in domains]
    return bool(domains) and len(set(loci)) == len(loci) and all(domain.is_typical for domain in domains)


def _cdr_values(domains: Sequence[VariableDomain]) -> Values:
    """Return residues and lengths of the CDRs."""
    from logos_cli.evaluators.antibodies.designs import cdr

    values: Values = {}
    for domain in domains:
        for name in NAMES:
            if name[0].upper() != domain.locus:
                continue
            residues = cdr(domain, name.upper())
            incomplete = Unavailable("the chain begins or ends in this CDR")
            values[f"cdr_{name}"] = incomplete if residues is None else residues
            values[f"length_{name}"] = incomplete if residues is None else len(residues)
    for name in NAMES:
        absent = Unavailable(f"there is no {'heavy' if name[0] == 'h' else 'light'} chain")
        values.setdefault(f"cdr_{name}", absent)
        values.setdefault(f"length_{name}", absent)
    return values


@lru_cache(4)
def _natives(truth: ReferenceSet) -> dict[str, list[tuple[VariableDomain, ...]]]:
    """Return the right answers by their framework, numbered in :data:`SCHEME`.

    Raises
    ------
    InputError
        If none of them numbers as an antibody.
    """
    from logos_cli.evaluators.antibodies.designs import framework
    from logos_cli.objects.antibody_numbering import Scheme

    chains = [antibody.chains for antibody in truth.objects(Antibody)]
    natives: dict[str, list[tuple[VariableDomain, ...]]] = defaultdict(list)
    for imgt, numbered in zip(_number(chains, Scheme.IMGT), _number(chains, SCHEME), strict=True):
        if imgt.domains:
            natives[framework(imgt.domains)].append(numbered.domains)
    if not natives:
        raise InputError(
            "none of the right answers numbers as an antibody",
            source=truth.path,
            hint="give antibodies with whole variable domains",
        )
    return dict(natives)


def _native_of(subject: Subject, truth: ReferenceSet) -> tuple[VariableDomain, ...] | Unavailable:
    """Return the numbered native antibody with the framework of a design."""
    from logos_cli.evaluators.antibodies.designs import framework
    from logos_cli.objects.antibody_numbering import Scheme

    (imgt,) = _number([_chains(subject)], Scheme.IMGT)
    natives = _natives(truth).get(framework(imgt.domains))
    if not natives:
        return Unavailable(_NOT_NATIVE)
    different = {tuple(domain.sequence[domain.start : domain.end] for domain in native) for native in natives}
    if len(different) > 1:
        return Unavailable(f"{len(different)} different antibodies of the right answers have this framework")
    return natives[0]


def _recoveries(subject: Subject, domains: Sequence[VariableDomain], truth: ReferenceSet) -> Values:
    from logos_cli.evaluators.antibodies.designs import cdr, recovery

    native = _native_of(subject, truth)
    values: Values = {}
    for name in NAMES:
        metrics = (f"recovery_{name}", f"length_match_{name}")
        if isinstance(native, Unavailable):
            values |= dict.fromkeys(metrics, native)
            continue
        native_chain, design_chain = _chain_of(native, name), _chain_of(domains, name)
        share = None
        if native_chain is not None and design_chain is not None:
            share = recovery(native_chain, design_chain, name.upper())
        if native_chain is None or design_chain is None or share is None:
            values |= dict.fromkeys(metrics, Unavailable("one of the two antibodies has no such CDR"))
            continue
        lengths = {len(cdr(chain, name.upper()) or "") for chain in (native_chain, design_chain)}
        values |= {metrics[0]: share, metrics[1]: len(lengths) == 1}
    return values


def _chain_of(domains: Sequence[VariableDomain], name: str) -> VariableDomain | None:
    """Return the chain of a CDR."""
    return next((domain for domain in domains if domain.locus == name[0].upper()), None)


def _plausibilities(domains: Sequence[VariableDomain], wanted: Collection[str]) -> Values:
    """Return the wanted figures under AntiBERTy; each residue is looked at once."""
    from logos_cli.evaluators.antibodies.antiberty import load_antiberty

    asked = {name.removeprefix("plausibility_") for name in wanted if name.startswith("plausibility_")}
    try:
        model = load_antiberty()
    except MissingError as error:
        missing = Unavailable(with_hint(error))
        return {f"plausibility_{name}": missing for name in asked}
    values: Values = {f"plausibility_{name}": Unavailable("the antibody has no such CDR or chain") for name in asked}
    for domain in domains:
        spans = {chain: (domain.start, domain.end) for chain, locus in _LOCI.items() if locus == domain.locus}
        spans |= {name: span for name in NAMES if (span := domain.cdrs.get(f"CDR-{name.upper()}")) is not None}
        spans = {name: span for name, span in spans.items() if name in asked and span[0] < span[1]}
        if not spans:
            continue
        places = sorted({place - domain.start for span in spans.values() for place in range(*span)})
        try:
            logps = model.residue_logps(domain.sequence[domain.start : domain.end], places)
        except LogosError as error:
            values |= {f"plausibility_{name}": Unavailable(error.message) for name in spans}
            continue
        found = dict(zip(places, logps.tolist(), strict=True))
        for name, span in spans.items():
            values[f"plausibility_{name}"] = fmean(found[place - domain.start] for place in range(*span))
    return values


def _own_logp(subject: Subject, domains: Sequence[VariableDomain], name: str, context: Context) -> float | Unavailable:
    """Return the pseudo-log-likelihood of one CDR under the language model."""
    from logos_cli.engine.likelihood import ScoredText
    from logos_cli.evaluators.antibodies.designs import pseudo_log_likelihood

    number = next((i for i, domain in enumerate(domains) if domain.locus == name[0].upper()), None)
    span = None if number is None else domains[number].cdrs.get(f"CDR-{name.upper()}")
    if number is None or span is None or span[0] == span[1]:
        return Unavailable("the antibody has no such CDR")
    chain = domains[number].sequence
    chains = _chains(subject)
    before = sum(len(other) + len(Kind.ANTIBODY.end) for other in chains[: chains.index(chain)])
    start = before + (chains.index(chain) + 1) * len(Kind.ANTIBODY.start)
    model = context.likelihood()

    def totals(texts: Sequence[str]) -> list[float]:
        scored = model.score(texts)
        if errors := [text for text in scored if isinstance(text, LogosError)]:
            raise errors[0]
        return [float(text.all.sum()) for text in scored if isinstance(text, ScoredText)]

    return pseudo_log_likelihood(subject.record.text, range(start + span[0], start + span[1]), totals)


PLUGIN = AntibodyEvaluator()
