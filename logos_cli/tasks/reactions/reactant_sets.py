"""Reactions in both directions: prompts, canonical answers, and what is known of a proposed set of reactants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logos_cli.errors import LogosError, MoleculeError
from logos_cli.grammar import Form, emit, parse
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.reaction import Reaction
from logos_cli.tasks.base import PromptInfo, PromptSentence, TaskOption
from logos_cli.tasks.ranking import RankedAnswer, RankingCollector

BALANCE = TaskOption(
    "balance",
    str,
    "Where the product has atoms that no reactant brings: say so in the record, or drop the proposal.",
    default="flag",
    choices=("flag", "drop"),
)
ATOM_ECONOMY = TaskOption(
    "atom_economy",
    float,
    "Drop proposals of less atom economy: mass of the product in percent of the mass of the reactants.",
    metavar="PERCENT",
    shown_default="none",
    least=0,
    most=100,
)
ROUND_TRIP = TaskOption(
    "round_trip",
    bool,
    "Let the same model predict the product of each proposal, and say whether it is the prompt.",
    default=False,
)


def components(smiles: Sequence[str]) -> tuple[str, ...]:
    """Return the molecules of one side, canonical and sorted; a salt counts as its ions.

    Raises
    ------
    MoleculeError
        If RDKit rejects one.
    """
    from logos_cli.chemistry.smiles import canonical_smiles

    return tuple(sorted(part for each in smiles for part in canonical_smiles(each).split(".")))


def after_reactants(reactants: Sequence[str]) -> PromptSentence:
    """Return the sentence that asks for the product of reactants."""
    blocks = "".join(f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}" for smiles in reactants)
    head = f"{blocks}{Operator.REACT}"
    return PromptSentence(f"{head}{Kind.MOLECULE.start}", grammar("molecule_block"), len(head), Kind.MOLECULE.end)


class ReactionCollector(RankingCollector):
    """Ranks the reactions of one prompt, written canonically, with what the counts of atoms say of each.

    Parameters
    ----------
    chosen : mapping
        Values of the task's options: ``top``, ``balance``, ``atom_economy`` and, of a retrosynthesis,
        ``round_trip``.
    """

    label = "reaction"

    def __init__(self, prompt: PromptInfo, chosen: dict[str, Any]) -> None:
        super().__init__(prompt, chosen["top"])
        self._drops = chosen["balance"] == "drop"
        self._least_economy: float | None = chosen["atom_economy"]
        self._round_trip = bool(chosen.get("round_trip"))
        self._asked: list[RankedAnswer] = []

    def ranked(self) -> list[RankedAnswer]:
        """Return the reactions that are kept, the best first, scored."""
        found = super().ranked()
        for candidate in found:
            if "balanced" not in candidate.scores:
                candidate.scores |= balance_scores(Reaction.from_sentence(candidate.sentence))
        return [candidate for candidate in found if self._keeps(candidate)]

    def _keeps(self, candidate: RankedAnswer) -> bool:
        if self._drops and not candidate.scores["balanced"]["value"]:
            return False
        economy = candidate.scores["atom_economy"]["value"]
        return self._least_economy is None or (economy is not None and economy >= self._least_economy)

    def written(self, candidate: RankedAnswer) -> str:
        """Return the reaction with its molecules canonical, what was asked for sorted."""
        reaction = Reaction.from_sentence(candidate.sentence)
        form = candidate.sentence.form
        answered = components([reaction.product] if form is Form.REACTION else reaction.reactants)
        made = (
            Reaction(reaction.reactants, ".".join(answered))
            if form is Form.REACTION
            else Reaction(answered, reaction.product)
        )
        return emit(made.to_sentence(form))

    def questions(self) -> Sequence[PromptSentence]:
        """Ask for the product of each proposal that is to be written."""
        if not self._round_trip:
            return ()
        self._asked = self.ranked()[: self.top]
        return [after_reactants(candidate.answer.split(".")) for candidate in self._asked]

    def answer(self, number: int, text: str, logp: float | None) -> None:  # noqa: ARG002
        """Compare the predicted product with the one that was asked about."""
        candidate = self._asked[number]
        wanted = components([Reaction.from_sentence(candidate.sentence).product])
        try:
            predicted = components([parse(text, Form.REACTION).right[0].payload])
        except LogosError as error:
            candidate.scores["round_trip"] = {
                "value": False,
                "better": "higher",
                "reason": f"no product is predicted: {error.message}",
            }
            return
        candidate.scores["round_trip"] = {
            "value": predicted == wanted,
            "better": "higher",
            "predicted": ".".join(predicted),
        }


def balance_scores(reaction: Reaction) -> dict[str, dict[str, Any]]:
    """Return what the atoms of both sides say: ``balanced`` and ``atom_economy``.

    Raises
    ------
    MoleculeError
        If RDKit rejects a molecule.
    """
    from logos_cli.chemistry.atom_balance import balance

    found = balance(reaction.reactants, reaction.product)
    reason = found.reason
    if reason is None and set(components([reaction.product])) <= set(components(reaction.reactants)):
        reason = "the product is itself among the reactants"
    balanced: dict[str, Any] = {"value": reason is None, "better": "higher"}
    economy: dict[str, Any] = {"value": found.economy_percent, "unit": "%", "better": "higher"}
    for score in (balanced, economy) if reason is not None else ():
        score["reason"] = reason
    if reason is not None:
        economy["value"] = None
    return {"balanced": balanced, "atom_economy": economy}


def check_product(product: str) -> None:
    """Refuse what is no product of one step: something else than one molecule.

    Raises
    ------
    MoleculeError
        If RDKit rejects it, or if it is several molecules, with what to do.
    """
    from logos_cli.chemistry.smiles import parse_smiles
    from logos_cli.formats.reaction_entries import split_components

    parse_smiles(product)
    parts = split_components(product)
    if len(parts) > 1:
        raise MoleculeError(
            f"the product is {len(parts)} molecules: {product}",
            hint=f"ask for one at a time; {max(parts, key=len)} is the largest",
        )
