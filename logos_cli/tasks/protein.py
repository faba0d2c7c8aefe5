"""Proteins, from nothing or from their first residues."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.protein import Protein
from logos_cli.tasks.base import OpenSentence, Task


class ProteinTask(Task):
    """Continues a sequence to the C terminus."""

    name = "protein"
    help = "A protein, or the rest of its sequence."
    prompts = "the first residues: a sequence or a FASTA file"
    examples = (
        "logos generate protein seq.fasta -n 8",
        "logos generate protein --edit wild_type.fasta --max-mutations 3 --positions 10-20,45 -n 50",
        "logos generate protein MKTAYIAKQR --until unique=100 -o proteins.fasta",
    )
    restrictions = ("template", "edit")
    read_options = ("chains", "column")
    form = Form.PROTEIN
    reads_as = Form.PROTEIN
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def from_nothing(self) -> OpenSentence:
        """Return the opening tag."""
        return self.from_beginning(Kind.PROTEIN.start)

    def from_object(self, item: ScienceObject, level: int | None = None) -> OpenSentence:  # noqa: ARG002
        """Take the whole sequence of a protein as the beginning of a longer one."""
        if not isinstance(item, Protein):
            raise self.refuse(item)
        return self.from_payload(item.sequence)

    def from_beginning(self, text: str) -> OpenSentence:
        """Take an open protein block."""
        return OpenSentence(text, grammar("protein"), end=Kind.PROTEIN.end)

    def from_payload(self, text: str) -> OpenSentence:
        """Take residues."""
        return self.from_beginning(Kind.PROTEIN.start + text)

    def judge(self, sentence: Sentence) -> str:
        """Return the sequence; every sequence of residue letters is valid."""
        return sentence.left[0].payload


PLUGIN = ProteinTask()
