"""Reactions and retrosyntheses: validity, atom balance, and the rank of the right answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Context, Estimate, Evaluator, Metric, Need, Subject, Unavailable, Values
from logos_cli.grammar import Form
from logos_cli.objects.reaction import Reaction
from logos_cli.records.parts import logp_of, number_of, score_value

if TYPE_CHECKING:
    from logos_cli.evaluators.reactions.ranking import Answer, Proposal
    from logos_cli.evaluators.reference import ReferenceSet

_USPTO = "USPTO-50K convention (Liu et al. 2017, 10.1021/acscentsci.7b00303)"
_MAX_FRAG = "MaxFrag accuracy (Tetko et al. 2020, 10.1038/s41467-020-19266-y)"
_ROUND_TRIP = "round-trip accuracy (Schwaller et al. 2020, 10.1039/C9SC05704H)"
_TOPS = (1, 3, 5, 10, 50)
_TRUTH = (Need.TRUTH,)


def _top_metrics() -> Iterable[Metric]:
    for k in _TOPS:
        yield Metric(
            f"top_{k}",
            f"Share of the right answers that are among the first {k} proposals. Answers are multisets of canonical "
            "isomeric SMILES without atom maps; proposals are distinct, in the order of the records' ranks, or else by "
            "frequency and then likelihood.",
            better="higher",
            source=_USPTO,
            needs=_TRUTH,
        )
    for k in _TOPS:
        yield Metric(
            f"top_{k}_max_frag",
            f"As top_{k}, comparing only the molecule with the most heavy atoms.",
            better="higher",
            source=_MAX_FRAG,
            needs=_TRUTH,
        )


@dataclass(frozen=True, slots=True)
class _Observation:
    """The part of a record that the figures of a set need."""

    form: Form
    prompt: Answer | None
    proposal: Proposal
    round_trip: bool | None


class ReactionEvaluator(Evaluator):
    """Groups proposals by their prompt; each right answer of a prompt is one unit."""

    name = "reactions"
    help = "Reactions: validity, atom balance, Top-k accuracy, round trip."
    forms = frozenset((Form.REACTION, Form.RETROSYNTHESIS))
    metrics = (
        Metric("reaction_valid", "RDKit accepts every molecule of the answer.", better="higher", source="RDKit"),
        Metric(
            "balanced",
            "The reactants have all heavy atoms of the product, and the product is not among them.",
            better="higher",
            source="counts of heavy atoms by element",
        ),
        Metric(
            "atom_economy",
            "Mass of the product in percent of the mass of all reactants.",
            "%",
            "higher",
            source="Trost 1991 (10.1126/science.1962206)",
        ),
        Metric(
            "exact_match", "The answer is a right answer, as for top_1.", better="higher", source=_USPTO, needs=_TRUTH
        ),
        Metric(
            "max_frag_match",
            "The largest molecule of the answer is that of a right answer.",
            better="higher",
            source=_MAX_FRAG,
            needs=_TRUTH,
        ),
        Metric(
            "round_trip",
            "The likeliest product of the proposed reactants under the model (--model) is that of the prompt.",
            better="higher",
            source=_ROUND_TRIP,
            needs=(Need.MODEL,),
            question="reaction",
        ),
    )
    summary_metrics = (
        *_top_metrics(),
        Metric(
            "truth_asked",
            "Share of the right answers whose prompt is among the records; Top-k counts only these.",
            needs=_TRUTH,
        ),
        Metric(
            "readable_rate",
            "Share of all answers, malformed ones included, with molecules that RDKit accepts.",
            better="higher",
            source="RDKit",
        ),
        Metric(
            "round_trip_rate",
            "Share of the proposals with a predicted product whose product is that of the prompt. The prediction is the "
            "metric round_trip, or in the records (`logos generate retrosynthesis --round-trip`).",
            better="higher",
            source=_ROUND_TRIP,
        ),
        Metric(
            "round_trip_coverage",
            "Share of the prompts with a proposal whose predicted product is that of the prompt.",
            better="higher",
            source=_ROUND_TRIP,
        ),
    )

    def __init__(self) -> None:
        self._confirmed: dict[str, bool] = {}

    def prepare(self, wanted: Collection[str], context: Context) -> None:
        """Read the right answers and load the model."""
        self._confirmed.clear()
        if "round_trip" in wanted:
            context.likelihood()
        if context.truth is not None and any(
            Need.TRUTH in metric.needs for metric in (*self.metrics, *self.summary_metrics) if metric.name in wanted
        ):
            _right_answers(context.truth)

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the values of one proposal."""
        form, item = subject.form, subject.item
        if not isinstance(item, Reaction) or form is None:
            return {}
        from logos_cli.evaluators.reactions.ranking import canonical_answer, sides

        given, answered = sides(item, form)
        try:
            answer = canonical_answer(answered)
        except LogosError as error:
            invalid = Unavailable(error.message)
            atoms = dict.fromkeys(("balanced", "atom_economy"), invalid)
            return {"reaction_valid": False, **atoms, "exact_match": False, "max_frag_match": False}
        values: Values = {"reaction_valid": True, **_atoms(item, wanted)}
        if context.truth is not None and not {"exact_match", "max_frag_match"}.isdisjoint(wanted):
            values |= _matches(answer, _right_answers(context.truth)[form].get(canonical_answer(given)))
        return values

    def score_batch(self, subjects: Sequence[Subject], wanted: Collection[str], context: Context) -> list[Values]:
        """Return the values of several proposals; the model predicts their products in one batch."""
        rows = [self.score(subject, wanted, context) for subject in subjects]
        if "round_trip" in wanted:
            for subject, values, confirmed in zip(subjects, rows, _round_trips(subjects, context), strict=True):
                values["round_trip"] = confirmed
                if isinstance(confirmed, bool):
                    self._confirmed[subject.record.text] = confirmed
        return rows

    def observe(self, subject: Subject, _context: Context) -> _Observation | None:
        """Return prompt and answer."""
        form, record = subject.form, subject.record
        if form is None:
            return None
        from logos_cli.evaluators.reactions.ranking import Proposal, canonical_answer, prompt_of, sides

        answer: Answer | None = None
        if isinstance(subject.item, Reaction):
            try:
                answer = canonical_answer(sides(subject.item, form)[1])
            except LogosError:
                answer = None
        rank = number_of(record.scores, "rank")
        proposal = Proposal(answer, logp_of(record.sample), None if rank is None else int(rank))
        known = score_value(record.scores, "round_trip")
        round_trip = self._confirmed.get(record.text, known if isinstance(known, bool) else None)
        if round_trip and isinstance(subject.item, Reaction) and answer is not None:
            round_trip = not set(canonical_answer((subject.item.product,))) <= set(answer)
        return _Observation(form, prompt_of(record.text, form), proposal, round_trip)

    def summarise(
        self, observations: Iterable[_Observation], wanted: Collection[str], context: Context
    ) -> Mapping[str, Estimate]:
        """Return Top-k and the rates of all proposals."""
        from logos_cli.evaluators.statistics import share

        observed = list(observations)
        figures = {"readable_rate": share(observation.proposal.answer is not None for observation in observed)}
        figures |= _round_trip_rates(observed)
        if context.truth is not None:
            figures |= _top_rates(observed, context.truth)
        return {name: figure for name, figure in figures.items() if name in wanted}


def _atoms(reaction: Reaction, wanted: Collection[str]) -> Values:
    """Return atom balance and atom economy."""
    names = {"balanced", "atom_economy"} & set(wanted)
    if not names:
        return {}
    from logos_cli.tasks.reactions.reactant_sets import balance_scores

    scores = balance_scores(reaction)
    values = {name: score_value(scores, name) for name in names}
    return {name: Unavailable(scores[name]["reason"]) if value is None else value for name, value in values.items()}


def _matches(answer: Answer, right: Collection[Answer] | None) -> Values:
    from logos_cli.evaluators.reactions.ranking import largest_molecule

    if right is None:
        unknown = Unavailable("there is no right answer for this prompt")
        return {"exact_match": unknown, "max_frag_match": unknown}
    largest = largest_molecule(answer)
    return {
        "exact_match": answer in right,
        "max_frag_match": any(largest == largest_molecule(other) for other in right),
    }


def _round_trips(subjects: Sequence[Subject], context: Context) -> list[bool | Unavailable]:
    """Return whether the model predicts each product from its proposed reactants; it predicts each set once."""
    from logos_cli.evaluators.reactions.forward_model import products_of
    from logos_cli.evaluators.reactions.ranking import canonical_answer

    results: list[bool | Unavailable] = [Unavailable("only a retrosynthesis has a round trip") for _ in subjects]
    proposals: dict[Answer, list[tuple[int, Answer]]] = defaultdict(list)
    for place, subject in enumerate(subjects):
        if subject.form is Form.RETROSYNTHESIS and isinstance(subject.item, Reaction):
            try:
                product, reactants = canonical_answer((subject.item.product,)), canonical_answer(subject.item.reactants)
            except LogosError as error:
                results[place] = Unavailable(error.message)
                continue
            if set(product) <= set(reactants):  # no step at all: no model confirms it
                results[place] = False
            else:
                proposals[reactants].append((place, product))
    products = products_of(list(proposals), context.load)
    for predicted, pairs in zip(products, proposals.values(), strict=True):
        for place, product in pairs:
            if isinstance(predicted, LogosError):
                results[place] = Unavailable(predicted.message)
                continue
            try:
                results[place] = canonical_answer((predicted,)) == product
            except LogosError:
                results[place] = False
    return results


@lru_cache(4)
def _right_answers(truth: ReferenceSet) -> dict[Form, dict[Answer, list[Answer]]]:
    """Return the right answers by direction and prompt, without reactions that RDKit rejects."""
    from logos_cli.evaluators.reactions.ranking import canonical_answer

    right: dict[Form, dict[Answer, list[Answer]]] = {form: defaultdict(list) for form in ReactionEvaluator.forms}
    for reaction in truth.objects(Reaction):
        try:
            reactants, product = canonical_answer(reaction.reactants), canonical_answer((reaction.product,))
        except LogosError:
            continue
        right[Form.REACTION][reactants].append(product)
        right[Form.RETROSYNTHESIS][product].append(reactants)
    return {form: dict(answers) for form, answers in right.items()}


def _top_rates(observed: list[_Observation], truth: ReferenceSet) -> dict[str, Estimate]:
    from logos_cli.evaluators.reactions.ranking import max_frag_rank, rank_of, ranked_answers, top_k
    from logos_cli.evaluators.statistics import share

    names = [f"top_{k}{kind}" for kind in ("", "_max_frag") for k in _TOPS]
    forms = {observation.form for observation in observed}
    if len(forms) > 1:
        mixed = Estimate.unknown("the records mix both directions; score reactions and retrosyntheses separately")
        return dict.fromkeys((*names, "truth_asked"), mixed)
    proposals: dict[Answer, list[Proposal]] = defaultdict(list)
    for observation in observed:
        if observation.prompt is not None:
            proposals[observation.prompt].append(observation.proposal)
    exact: list[int | None] = []
    largest: list[int | None] = []
    asked: list[bool] = []
    for form in forms:
        for prompt, answers in _right_answers(truth)[form].items():
            asked += [prompt in proposals] * len(answers)
            ranked = ranked_answers(proposals.get(prompt, []))
            for answer in answers if prompt in proposals else ():
                exact.append(rank_of(answer, ranked))
                largest.append(max_frag_rank(answer, ranked))
    rates = {f"top_{k}": top_k(exact, k) for k in _TOPS}
    rates |= {f"top_{k}_max_frag": top_k(largest, k) for k in _TOPS}
    return {**rates, "truth_asked": share(asked)}


def _round_trip_rates(observed: list[_Observation]) -> dict[str, Estimate]:
    from logos_cli.evaluators.statistics import share

    checked = [record for record in observed if record.round_trip is not None and record.prompt is not None]
    if not checked:
        unknown = Estimate.unknown("no record has the prediction of a forward model")
        return {"round_trip_rate": unknown, "round_trip_coverage": unknown}
    prompts = dict.fromkeys(record.prompt for record in checked)
    confirmed = {record.prompt for record in checked if record.round_trip}
    return {
        "round_trip_rate": share(record.round_trip for record in checked),
        "round_trip_coverage": share(prompt in confirmed for prompt in prompts),
    }


PLUGIN = ReactionEvaluator()
