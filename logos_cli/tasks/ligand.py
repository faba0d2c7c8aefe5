"""Ligands for a pocket."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import UsageError
from logos_cli.grammar import Form, Sentence, emit, parse
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein, blocks
from logos_cli.tasks.base import OpenSentence, Task, TaskOption

_ANY_LIGAND = f"{Kind.MOLECULE.start}C{Kind.MOLECULE.end}"


class LigandTask(Task):
    """Designs a molecule for the site of a protein."""

    name = "ligand"
    help = "A ligand for a binding site."
    prompts = "a pocket: a structure with a ligand, a site, or a protein"
    examples = ("logos generate ligand --pocket complex.pdb -n 100",)
    prompt_spellings = ("--pocket",)
    restrictions = ("template",)
    read_options = ("ligand", "cutoff_angstrom", "chains", "column")
    form = Form.COMPLEX
    reads_as = Form.COMPLEX
    options = (
        TaskOption(
            "level", int, "Pocket: 1 plain protein, 2 site residues tagged, 3 tagged and expanded.",
            least=1, most=3, metavar="1|2|3", shown_default="2, or what the prompt has",
        ),
    )  # fmt: skip
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def from_object(self, item: ScienceObject, level: int | None = None) -> OpenSentence:
        """Take the chains of a complex or a site, at level 2 by default; its ligand is left out."""
        if isinstance(item, Protein):
            item = Complex((item,))
        if not isinstance(item, Complex):
            raise self.refuse(item)
        tagged = any(chain.site for chain in item.chains)
        level = self.chosen["level"] or level or (2 if tagged else 1)
        if level > 1 and not tagged:
            raise UsageError(
                f"level {level} tags the residues of a site, and the prompt has none",
                hint="find one first with `logos generate site`, or use --level 1",
            )
        form = {1: Form.PROTEIN, 2: Form.SITE, 3: Form.EXPANDED}[level]
        pocket = emit(Sentence(form, blocks(item.chains, level)), check=False)
        return self.from_beginning(pocket + Kind.MOLECULE.start)

    def from_beginning(self, text: str) -> OpenSentence:
        """Take whole chains, and after them a molecule block as far as it goes."""
        head, tag, rest = text.partition(Kind.MOLECULE.start)
        if head and not head.endswith(Kind.PROTEIN.end):
            parse(head)
        parse(head + _ANY_LIGAND, Form.COMPLEX)
        return OpenSentence(
            head + Kind.MOLECULE.start + (rest if tag else ""),
            grammar("molecule_block"),
            given_from=len(head),
            end=Kind.MOLECULE.end,
        )

    def from_text(self, text: str, level: int | None = None) -> OpenSentence:
        """Return the beginning for any text; bare residues have no site, and so no level but 1."""
        if not text.startswith("<"):
            return self.from_object(Protein(text), level).checked()
        return Task.from_text(self, text, level)

    def from_payload(self, text: str) -> OpenSentence:
        """Take residues: a protein without a known site (level 1)."""
        return self.from_object(Protein(text))

    def judge(self, sentence: Sentence) -> str:
        """Return the ligand's canonical SMILES; valid is what RDKit accepts."""
        from logos_cli.formats._smiles import canonical_smiles

        return canonical_smiles(sentence.left[-1].payload)


PLUGIN = LigandTask()
