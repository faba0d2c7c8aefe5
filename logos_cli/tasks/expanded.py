"""Transformations: a site with its residues written as molecules."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import GrammarError, Span
from logos_cli.grammar import Form, Sentence, emit, parse
from logos_cli.grammar.constrain import expanded_site_grammar
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import blocks
from logos_cli.tasks.base import PromptSentence, Task


class ExpandedTask(Task):
    """Completes a transformation: the same site with the SMILES of each tagged residue in place of its letter."""

    name = "expanded"
    help = "A binding site with its residues written as SMILES."
    details = (
        "The model writes the expanded form of a site. There is one right answer: sampling is greedy unless "
        "--temperature is given, and a sample with the SMILES of another residue is invalid. "
        "`logos encode --as transformation` writes the right answer itself."
    )
    prompts = "a site: a structure with a ligand, or a protein with tagged residues"
    examples = (
        "logos generate expanded complex.pdb",
        "logos generate site protein.pdb --top 1 -q | logos generate expanded -",
    )
    read_options = ("ligand", "cutoff_angstrom", "chains", "model", "column")
    form = Form.TRANSFORMATION
    reads_as = Form.SITE
    compared = False
    preset = Sampling(temperature=0.0, max_new_tokens=4096)

    def from_object(self, item: ScienceObject, _level: int | None = None) -> PromptSentence:
        """Use the tagged chains of a site or complex, without its ligand."""
        if not isinstance(item, Complex):
            raise self.refuse(item)
        site = emit(item.to_sentence(Form.SITE))
        return self.from_beginning(f"{site}{Operator.TRANS}{Kind.PROTEIN.start}")

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue a site, with or without the operator and the beginning of the expanded site."""
        head, _, _ = text.partition(Operator.TRANS)
        site = Complex.from_sentence(parse(head, Form.SITE))
        grammar_start = len(head) + len(Operator.TRANS)
        if len(text) <= grammar_start:
            text = f"{head}{Operator.TRANS}{Kind.PROTEIN.start}"
        return PromptSentence(
            text, expanded_site_grammar(blocks(site.chains, 2)), grammar_start, Kind.PROTEIN.end, len(site.chains)
        )

    def from_payload(self, text: str) -> PromptSentence:
        """Refuse residues without a site."""
        raise GrammarError(
            f"{self.name} takes no bare sequence: it does not mark the residues of the site",
            text=text,
            span=Span(0, len(text)),
            hint=f"give {self.prompts}",
        )

    def judge(self, sentence: Sentence) -> str:
        """Return the expanded site, which must match the site before the operator residue by residue."""
        from_sentence(sentence)
        return emit(Sentence(Form.EXPANDED, sentence.right), check=False)


PLUGIN = ExpandedTask()
