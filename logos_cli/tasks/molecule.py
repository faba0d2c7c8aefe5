"""Small molecules, from nothing or from the beginning of a SMILES."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.molecule import Molecule
from logos_cli.tasks.base import OpenSentence, Task


class MoleculeTask(Task):
    """Continues a SMILES."""

    name = "molecule"
    help = "A molecule, or the rest of its SMILES."
    prompts = "the beginning of a SMILES, or a file of such"
    examples = (
        "logos generate molecule -n 100 -o molecules.smi",
        "logos generate molecule 'O=C(Nc1ccccc1)' -n 20 --constrain chemistry",
        "logos generate molecule --until valid=500 --time 55m -o molecules.smi",
    )
    restrictions = ("template",)
    form = Form.MOLECULE
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def from_nothing(self) -> OpenSentence:
        """Return the opening tag."""
        return self.from_beginning(Kind.MOLECULE.start)

    def from_object(self, item: ScienceObject, level: int | None = None) -> OpenSentence:  # noqa: ARG002
        """Take the whole SMILES of a molecule as the beginning of a longer one."""
        if not isinstance(item, Molecule):
            raise self.refuse(item)
        return self.from_payload(item.smiles)

    def from_beginning(self, text: str) -> OpenSentence:
        """Take an open molecule block."""
        return OpenSentence(text, grammar("molecule"), end=Kind.MOLECULE.end)

    def from_payload(self, text: str) -> OpenSentence:
        """Take the beginning of a SMILES."""
        return self.from_beginning(Kind.MOLECULE.start + text)

    def judge(self, sentence: Sentence) -> str:
        """Return the canonical SMILES; valid is what RDKit accepts."""
        from logos_cli.formats._smiles import canonical_smiles

        return canonical_smiles(sentence.left[0].payload)


PLUGIN = MoleculeTask()
