"""Reactions forward: the product of given reactants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import UsageError
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.reaction import Reaction
from logos_cli.tasks.base import SAMPLES, Collector, PromptInfo, PromptSentence, Task
from logos_cli.tasks.ranking import TOP
from logos_cli.tasks.reactions.reactant_sets import (
    ATOM_ECONOMY,
    BALANCE,
    DIRECTIONS,
    ProductCollector,
    after_reactants,
    check_change,
    components,
)
from logos_cli.tasks.reactions.reaction_smiles import sides


class ReactionTask(Task):
    """Predicts a product; without a prompt also the reactants."""

    name = "reaction"
    help = "The product of a reaction, from its reactants."
    details = (
        "A beam search finds the likeliest products; they are ranked by the likelihood of the reaction in both directions. With "
        "-n, samples become distinct products, ranked by frequency and then by likelihood. SMILES are canonical, and each record "
        "reports whether the reactants have all atoms of the product."
    )
    prompts = "the reactants: SMILES separated by dots, a reaction SMILES, or a file of them"
    examples = (
        "logos generate reaction 'CCO.CC(=O)O'",
        "logos generate reaction reactants.smi --top 3 -o products.csv",
    )
    options = (TOP, BALANCE, ATOM_ECONOMY, DIRECTIONS, SAMPLES)
    n_samples = 10
    beam = 10
    collects = "products"
    form = Form.REACTION
    preset = Sampling(temperature=0.7, top_p=0.95, repetition_penalty=1.05)

    def for_samples(self) -> Self:
        """Return the task itself; samples are ranked by frequency, which has no second direction."""
        if self.chosen["directions"] == "both":
            raise UsageError(
                "--directions both ranks the answers of a beam search",
                hint="leave out what asks for samples, such as -n",
            )
        return self

    def from_nothing(self) -> PromptSentence:
        """Return the opening tag of the first reactant."""
        return self.from_beginning(Kind.MOLECULE.start)

    def from_object(self, item: ScienceObject, _level: int | None = None) -> PromptSentence:
        """Use the reactants of a reaction, or the components of a molecule's SMILES."""
        if isinstance(item, Reaction):
            return self._after(item.reactants)
        if isinstance(item, Molecule):
            return self._after(item.smiles.split("."))
        raise self.refuse(item)

    def _after(self, reactants: Sequence[str]) -> PromptSentence:
        components(reactants)  # raises if RDKit rejects one: no answer could be valid
        return after_reactants(reactants)

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue the beginning of a reaction; the text before the product block is context."""
        head, operator, _ = text.rpartition(Operator.REACT)
        if not operator:
            return PromptSentence(text, grammar("reaction"))
        return PromptSentence(text, grammar("molecule_block"), len(head) + len(operator), Kind.MOLECULE.end)

    def from_payload(self, text: str) -> PromptSentence:
        """Use reactants separated by dots, or those of a reaction SMILES."""
        reaction = sides(text)
        return self._after((reaction[0] if reaction else text).split("."))

    def judge(self, sentence: Sentence) -> str:
        """Return the canonical product; RDKit must accept it and the reactants, of which it is none."""
        reactants = components([block.payload for block in sentence.left])
        product = components([sentence.right[0].payload])
        check_change(reactants, product, "answered with a reactant")
        return ".".join(product)

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return the collector that ranks products; None if the model also writes the reactants."""
        has_reactants = Operator.REACT in prompt.sentence.text
        return ProductCollector(prompt, self.chosen) if has_reactants and not self.chosen["samples"] else None


PLUGIN = ReactionTask()
