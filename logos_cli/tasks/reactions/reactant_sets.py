"""Reactions in both directions: prompts, canonical answers, and scores of proposed reactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logos_cli.errors import AnswerError, LogosError, MoleculeError
from logos_cli.grammar import Form, emit, parse
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Score, Scores
from logos_cli.records.parts import number_of
from logos_cli.tasks.base import PromptInfo, PromptSentence, TaskOption
from logos_cli.tasks.ranking import RankedAnswer, RankingCollector, added

BALANCE = TaskOption(
    "balance",
    str,
    "Proposals whose product has atoms that no reactant has: flag them in the record, or drop them.",
    default="flag",
    choices=("flag", "drop"),
    of_results=True,
)
ATOM_ECONOMY = TaskOption(
    "atom_economy",
    float,
    "Drop proposals below this atom economy: mass of the product in percent of the mass of the reactants.",
    metavar="PERCENT",
    shown_default="none",
    least=0,
    most=100,
    of_results=True,
)
DIRECTIONS = TaskOption(
    "directions",
    str,
    "Rank products by the likelihood of the reaction in both directions, or by that of the product alone.",
    choices=("both", "forward"),
    shown_default="both; forward with samples",
    of_results=True,
)
ROUND_TRIP = TaskOption(
    "round_trip",
    bool,
    "Let the same model predict the product of each proposal, and report whether it is the prompt.",
    default=False,
    of_results=True,
)


def components(smiles: Sequence[str]) -> tuple[str, ...]:
    """Return the canonical SMILES of the molecules of one side, sorted; a salt counts as its ions.

    Raises
    ------
    MoleculeError
        If RDKit rejects one.
    """
    from logos_cli.chemistry.smiles import canonical_smiles

    return tuple(sorted(part for text in smiles for part in canonical_smiles(text).split(".")))


def check_change(reactants: Sequence[str], product: Sequence[str], outcome: str) -> None:
    """Refuse a reaction that changes nothing: all of its product is among its reactants.

    Parameters
    ----------
    reactants, product : sequence of str
        Canonical SMILES, as :func:`components` returns them.
    outcome : str
        What the account counts.

    Raises
    ------
    AnswerError
        If nothing changes.
    """
    if set(map(_unmapped, product)) <= set(map(_unmapped, reactants)):
        alone = len(reactants) == len(product)
        raise AnswerError(
            "the reactants are the product itself" if alone else "the product is itself among the reactants",
            outcome=outcome,
        )


def _unmapped(smiles: str) -> str:
    """Return canonical SMILES without the numbers of mapped atoms."""
    from logos_cli.chemistry.smiles import smiles_without_maps

    return smiles_without_maps(smiles)


def after_reactants(reactants: Sequence[str]) -> PromptSentence:
    """Return the sentence whose completion is the product of reactants."""
    head = f"{''.join(map(_block, reactants))}{Operator.REACT}"
    return PromptSentence(f"{head}{Kind.MOLECULE.start}", grammar("molecule_block"), len(head), Kind.MOLECULE.end)


class ReactionCollector(RankingCollector):
    """Ranks the reactions of one prompt, in canonical form, with scores from their atom counts.

    Parameters
    ----------
    chosen : mapping
        Values of the task's options: ``top``, ``balance``, ``atom_economy``.
    """

    label = "reaction"

    def __init__(self, prompt: PromptInfo, chosen: dict[str, Any]) -> None:
        super().__init__(prompt, chosen["top"])
        self._drop_unbalanced = chosen["balance"] == "drop"
        self._min_atom_economy: float | None = chosen["atom_economy"]

    def ranked(self) -> list[RankedAnswer]:
        """Return the reactions that pass the filters, the best first, with scores."""
        ranked = super().ranked()
        for candidate in ranked:
            if "balanced" not in candidate.scores:
                candidate.scores |= balance_scores(Reaction.from_sentence(candidate.sentence))
        return [candidate for candidate in ranked if self._passes(candidate)]

    def _passes(self, candidate: RankedAnswer) -> bool:
        if self._drop_unbalanced and not candidate.scores["balanced"]["value"]:
            return False
        economy = number_of(candidate.scores, "atom_economy")
        return self._min_atom_economy is None or (economy is not None and economy >= self._min_atom_economy)

    def output_text(self, candidate: RankedAnswer) -> str:
        """Return the reaction with the predicted side canonical and sorted."""
        reaction = Reaction.from_sentence(candidate.sentence)
        form = candidate.sentence.form
        if form is Form.REACTION:
            canonical = Reaction(reaction.reactants, ".".join(components([reaction.product])))
        else:
            canonical = Reaction(components(reaction.reactants), reaction.product)
        return emit(canonical.to_sentence(form))


class ReactantCollector(ReactionCollector):
    """Ranks the sets of reactants that are proposed for a product, and lets the model predict what each becomes.

    Parameters
    ----------
    chosen : mapping
        As for :class:`ReactionCollector`, and ``round_trip``.
    """

    def __init__(self, prompt: PromptInfo, chosen: dict[str, Any]) -> None:
        super().__init__(prompt, chosen)
        self._round_trip = bool(chosen["round_trip"])
        self._round_trips: list[RankedAnswer] = []

    def questions(self) -> Sequence[PromptSentence]:
        """Return the prompts that predict the product of each proposal in the output."""
        if not self._round_trip:
            return ()
        self._round_trips = self.ranked()[: self.top]
        return [after_reactants(candidate.answer.split(".")) for candidate in self._round_trips]

    def answer(self, number: int, text: str, _logp: float | None) -> None:
        """Compare the predicted product with that of the prompt."""
        candidate = self._round_trips[number]
        wanted = components([Reaction.from_sentence(candidate.sentence).product])
        try:
            predicted = components([parse(text, Form.REACTION).right[0].payload])
        except LogosError as error:
            candidate.scores["round_trip"] = {
                "value": False,
                "better": "higher",
                "reason": f"the model predicts no product: {error.message}",
            }
            return
        candidate.scores["round_trip"] = {
            "value": predicted == wanted,
            "better": "higher",
            "predicted": ".".join(predicted),
        }


class ProductCollector(ReactionCollector):
    """Ranks the products of reactants by the likelihood of the reaction in both directions.

    A product that is likely after its reactants may be one that could come from anything: the reactants themselves, or a
    part of them. How likely the reactants are, given the product, tells these from the product of the reaction, as a
    channel model does in translation (Yu et al. 2017, arXiv 1611.02554).

    Parameters
    ----------
    chosen : mapping
        As for :class:`ReactionCollector`, and ``directions``.
    """

    def __init__(self, prompt: PromptInfo, chosen: dict[str, Any]) -> None:
        super().__init__(prompt, chosen)
        self._is_asked = prompt.is_searched and chosen["directions"] != "forward"
        self._asked: list[RankedAnswer] = []
        self._backward: dict[str, float] = {}
        self._n_unknown = 0

    def questions(self) -> Sequence[PromptSentence]:
        """Return what asks how likely the reactants of the prompt are, given each product; in two spellings."""
        found = []
        for candidate in self.ranked() if self._is_asked else ():
            for question in before_product(Reaction.from_sentence(candidate.sentence).reactants, candidate.answer):
                self._asked.append(candidate)
                found.append(question)
        self._n_unknown = len(found)
        return found

    def answer(self, number: int, _text: str, logp: float | None) -> None:
        """Add the likelihood of a spelling of the reactants."""
        if logp is None:
            return
        candidate, self._n_unknown = self._asked[number], self._n_unknown - 1
        known = self._backward.get(candidate.answer)
        total = self._backward[candidate.answer] = logp if known is None else added(known, logp)
        candidate.scores["logp_backward"] = {"value": total, "unit": "nat", "better": "higher"}

    def order(self, candidate: RankedAnswer) -> tuple[object, ...]:
        """Return the sort key: the likeliest in both directions first, once both are known of all that were asked for."""
        backward = self._backward.get(candidate.answer)
        if self._n_unknown or backward is None or candidate.logp is None:
            return super().order(candidate)
        return -(candidate.logp + backward), candidate.answer


def before_product(reactants: Sequence[str], product: str) -> list[PromptSentence]:
    """Return the questions how likely reactants are, given their product: canonical, and written along the product.

    Models are trained on either; see :func:`~logos_cli.chemistry.smiles_variants.aligned`.
    """
    from logos_cli.chemistry.smiles_variants import along, canonical

    head = f"{_block(product)}{Operator.REVERSE_REACT}"
    molecules = sorted(map(canonical, reactants))
    return [
        PromptSentence(head, grammar("molecule_block+"), len(head), answer="".join(map(_block, spelling)))
        for spelling in dict.fromkeys((tuple(molecules), tuple(along(molecules, product))))
    ]


def _block(smiles: str) -> str:
    return f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}"


def balance_scores(reaction: Reaction) -> Scores:
    """Return the scores of the atom counts of both sides: ``balanced`` and ``atom_economy``.

    Raises
    ------
    MoleculeError
        If RDKit rejects a molecule.
    """
    from logos_cli.chemistry.atom_balance import balance

    atoms = balance(reaction.reactants, reaction.product)
    reason = atoms.reason
    if reason is None and set(components([reaction.product])) <= set(components(reaction.reactants)):
        reason = "the product is itself among the reactants"
    balanced: Score = {"value": reason is None, "better": "higher"}
    economy: Score = {"value": atoms.economy_percent, "unit": "%", "better": "higher"}
    if reason is not None:
        balanced["reason"] = economy["reason"] = reason
        economy["value"] = None
    return {"balanced": balanced, "atom_economy": economy}


def check_product(product: str) -> None:
    """Refuse a product that is not one molecule.

    Raises
    ------
    MoleculeError
        If RDKit rejects it, or if it is several molecules.
    """
    from logos_cli.chemistry.smiles import parse_smiles
    from logos_cli.formats.reaction_entries import split_components

    parse_smiles(product)
    parts = split_components(product)
    if len(parts) > 1:
        raise MoleculeError(
            f"the product is {len(parts)} molecules: {product}",
            hint=f"give one product at a time; {max(parts, key=len)} is the largest",
        )
