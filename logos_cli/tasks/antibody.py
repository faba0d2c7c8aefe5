"""Antibody chains, from nothing, from their first residues, or a light chain for a heavy one."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.protein import Protein
from logos_cli.tasks.base import OpenSentence, Task


class AntibodyTask(Task):
    """Continues the last chain of a prompt; a heavy chain and an opening tag ask for the light one."""

    name = "antibody"
    help = "An antibody chain, or the light chain for a heavy one."
    details = "A sequence is continued; a whole heavy chain and an opening tag ask for the light one."
    prompts = "the first residues: a sequence or a FASTA file"
    examples = (
        "logos generate antibody heavy.fasta -n 8",
        'logos generate antibody --template "EVQLVESGGGLVQPGGSLRLSCAAS{X:5,30}WGQGTLVTVSS" -n 20',
    )
    restrictions = ("template", "edit")
    read_options = ("chains", "column")
    form = Form.ANTIBODY
    reads_as = Form.ANTIBODY
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def from_nothing(self) -> OpenSentence:
        """Return the opening tag."""
        return self.from_beginning(Kind.ANTIBODY.start)

    def from_object(self, item: ScienceObject, level: int | None = None) -> OpenSentence:  # noqa: ARG002
        """Take the last chain as the beginning of a longer one, a chain before it as it is."""
        if isinstance(item, Protein):
            item = Antibody((item.sequence,))
        if not isinstance(item, Antibody):
            raise self.refuse(item)
        *whole, last = item.chains
        before = "".join(f"{Kind.ANTIBODY.start}{chain}{Kind.ANTIBODY.end}" for chain in whole)
        return self.from_beginning(before + Kind.ANTIBODY.start + last)

    def from_beginning(self, text: str) -> OpenSentence:
        """Take a block that is open, or after a whole block another one that is."""
        n_chains = text.count(Kind.ANTIBODY.start)
        return OpenSentence(
            text, grammar(" ".join(["antibody_block"] * max(1, n_chains))), end=Kind.ANTIBODY.end
        )

    def from_payload(self, text: str) -> OpenSentence:
        """Take residues."""
        return self.from_beginning(Kind.ANTIBODY.start + text)

    def judge(self, sentence: Sentence) -> str:
        """Return the chains; every sequence of residue letters is valid."""
        return "/".join(block.payload for block in sentence.left)


PLUGIN = AntibodyTask()
