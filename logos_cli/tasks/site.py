"""Binding sites: which residues of a protein line one."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.grammar import Form, Sentence, parse
from logos_cli.grammar.constrain import copied_site
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.tasks.base import OpenSentence, Task


class SiteTask(Task):
    """Answers a search: the same protein, the residues of one site tagged."""

    name = "site"
    help = "A binding site of a protein: the same sequence with the residues of the site tagged."
    prompts = "a protein: a sequence, a FASTA file or a structure"
    examples = ("logos generate site protein.pdb -n 40",)
    read_options = ("chains", "column")
    form = Form.SEARCH
    # each chain once, whatever ligands the structure shows
    reads_as = Form.PROTEIN
    preset = Sampling(temperature=1.2, top_p=0.95)

    def from_object(self, item: ScienceObject, level: int | None = None) -> OpenSentence:  # noqa: ARG002
        """Take the chains of a protein or a complex; tags that they may have are left out."""
        if isinstance(item, Protein):
            return self._search((item.sequence,))
        if isinstance(item, Complex):
            return self._search(tuple(chain.sequence for chain in item.chains))
        raise self.refuse(item)

    def _search(self, chains: tuple[str, ...]) -> OpenSentence:
        blocks = "".join(f"{Kind.PROTEIN.start}{chain}{Kind.PROTEIN.end}" for chain in chains)
        return self.from_beginning(f"{blocks}{Operator.SEARCH}{Kind.PROTEIN.start}")

    def from_beginning(self, text: str) -> OpenSentence:
        """Take whole chains, and after the operator the answer as far as it goes."""
        head, _, _ = text.partition(Operator.SEARCH)
        if not head.endswith(Kind.PROTEIN.end):
            parse(head)
        # several chains alone are no sentence yet: with the operator and any answer they are one
        searched = parse(f"{head}{Operator.SEARCH}{head}", Form.SEARCH)
        chains = tuple(block.payload for block in searched.left)
        given_from = len(head) + len(Operator.SEARCH)
        if len(text) <= given_from:
            text = f"{head}{Operator.SEARCH}{Kind.PROTEIN.start}"
        return OpenSentence(text, copied_site(chains), given_from, Kind.PROTEIN.end, len(chains))

    def from_payload(self, text: str) -> OpenSentence:
        """Take residues."""
        return self._search((text,))

    def judge(self, sentence: Sentence) -> str:
        """Return the tagged residues; the answer must repeat the protein exactly."""
        found = from_sentence(sentence)
        assert isinstance(found, Complex)
        return "/".join(" ".join(map(str, chain.site)) for chain in found.chains)


PLUGIN = SiteTask()
