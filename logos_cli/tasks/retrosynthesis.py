"""Reactions backward: reactants that form a product in one step."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
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
    ROUND_TRIP,
    ReactantCollector,
    check_change,
    check_product,
    components,
)
from logos_cli.tasks.reactions.reaction_smiles import sides


class RetrosynthesisTask(Task):
    """Proposes reactants; without a prompt also the product."""

    name = "retrosynthesis"
    help = "The reactants of a reaction, from its product."
    details = (
        "A beam search finds the likeliest sets of reactants. With -n, samples become distinct sets, ranked by frequency and "
        "then by likelihood. SMILES are canonical, and each record reports whether the reactants have all atoms of the product."
    )
    prompts = "the product: a SMILES, a reaction SMILES, or a file of them"
    examples = (
        "logos generate retrosynthesis 'CC(=O)Nc1ccc(O)cc1' --round-trip",
        "logos generate retrosynthesis products.smi -n 32 --top 10 -o reactants.csv",
        "logos generate retrosynthesis 'CC(=O)Nc1ccc(O)cc1' --balance drop --top 6 -o proposals.svg",
    )
    options = (TOP, BALANCE, ATOM_ECONOMY, ROUND_TRIP, SAMPLES)
    n_samples = 32
    beam = 10
    collects = "sets of reactants"
    next_step = "keep them with -o reactants.csv, or draw them with -o reactants.svg"
    form = Form.RETROSYNTHESIS
    preset = Sampling(temperature=0.7, top_p=0.95, repetition_penalty=1.05)

    def from_nothing(self) -> PromptSentence:
        """Return the opening tag of the product."""
        return self.from_beginning(Kind.MOLECULE.start)

    def from_object(self, item: ScienceObject, _level: int | None = None) -> PromptSentence:
        """Use the product of a reaction, or a molecule."""
        if isinstance(item, Reaction):
            return self._before(item.product)
        if isinstance(item, Molecule):
            return self._before(item.smiles)
        raise self.refuse(item)

    def _before(self, product: str) -> PromptSentence:
        check_product(product)
        block = f"{Kind.MOLECULE.start}{product}{Kind.MOLECULE.end}"
        return self.from_beginning(f"{block}{Operator.REVERSE_REACT}{Kind.MOLECULE.start}")

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue the beginning of a retrosynthesis; the product is context."""
        head, operator, _ = text.rpartition(Operator.REVERSE_REACT)
        if not operator:
            return PromptSentence(text, grammar("retrosynthesis"))
        return PromptSentence(text, grammar("molecule_block+"), len(head) + len(operator))

    def from_payload(self, text: str) -> PromptSentence:
        """Use a product, or that of a reaction SMILES."""
        reaction = sides(text)
        return self._before(reaction[1] if reaction else text)

    def judge(self, sentence: Sentence) -> str:
        """Return the canonical reactants, sorted; RDKit must accept them and the product, which is none of them."""
        product = components([sentence.left[0].payload])
        reactants = components([block.payload for block in sentence.right])
        check_change(reactants, product, "answered with the product")
        return ".".join(reactants)

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return the collector that ranks sets of reactants; None if the model also writes the product."""
        has_product = Operator.REVERSE_REACT in prompt.sentence.text
        return ReactantCollector(prompt, self.chosen) if has_product and not self.chosen["samples"] else None


PLUGIN = RetrosynthesisTask()
