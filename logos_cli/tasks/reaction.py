"""Reactions forward: the product of given reactants."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.reaction import Reaction
from logos_cli.tasks._reaction_smiles import sides
from logos_cli.tasks.base import OpenSentence, Task


class ReactionTask(Task):
    """Predicts a product; without a prompt it makes up the reactants too."""

    name = "reaction"
    help = "The product of a reaction, from its reactants."
    prompts = "the reactants: SMILES parted by dots, reaction SMILES, or a file of such"
    examples = (
        "logos generate reaction 'CCO.CC(=O)O' -n 5",
        "logos generate reaction reactants.smi -n 5 -o products.csv",
    )
    form = Form.REACTION
    preset = Sampling(temperature=0.7, top_p=0.95, repetition_penalty=1.05)

    def from_nothing(self) -> OpenSentence:
        """Return the opening tag of the first reactant."""
        return self.from_beginning(Kind.MOLECULE.start)

    def from_object(self, item: ScienceObject, level: int | None = None) -> OpenSentence:  # noqa: ARG002
        """Take the reactants of a reaction, or the parts of a molecule's SMILES."""
        if isinstance(item, Reaction):
            return self._after(item.reactants)
        if isinstance(item, Molecule):
            return self._after(tuple(item.smiles.split(".")))
        raise self.refuse(item)

    def _after(self, reactants: tuple[str, ...]) -> OpenSentence:
        blocks = "".join(f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}" for smiles in reactants)
        return self.from_beginning(f"{blocks}{Operator.REACT}{Kind.MOLECULE.start}")

    def from_beginning(self, text: str) -> OpenSentence:
        """Take reactants as far as they go; what stands before the product block is context."""
        head, operator, _ = text.rpartition(Operator.REACT)
        if not operator:
            return OpenSentence(text, grammar("reaction"))
        return OpenSentence(text, grammar("molecule_block"), len(head) + len(operator), Kind.MOLECULE.end)

    def from_payload(self, text: str) -> OpenSentence:
        """Take reactants parted by dots, or a reaction SMILES, whose product is left out."""
        reaction = sides(text)
        return self._after(tuple((reaction[0] if reaction else text).split(".")))

    def judge(self, sentence: Sentence) -> str:
        """Return the canonical product; valid is what RDKit accepts, reactants included."""
        from logos_cli.formats._smiles import canonical_smiles

        for block in sentence.left:
            canonical_smiles(block.payload)
        return canonical_smiles(sentence.right[0].payload)


PLUGIN = ReactionTask()
