"""Ligands for a binding site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import UsageError
from logos_cli.grammar import Form, Sentence, emit, parse
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein, blocks
from logos_cli.records import Source
from logos_cli.structure.distances import CONTACT_ANGSTROM
from logos_cli.tasks.base import PromptSentence, Task, TaskOption
from logos_cli.tasks.ligand.given_site import PREDICTED, site_entries, tag_pocket, tag_residues

if TYPE_CHECKING:
    from logos_cli.formats.base import Entry, ReadOptions

_ANY_LIGAND = f"{Kind.MOLECULE.start}C{Kind.MOLECULE.end}"


class LigandTask(Task):
    """Designs a molecule for the site of a protein."""

    name = "ligand"
    help = "A ligand for a binding site."
    prompts = "a binding site: a structure with a ligand, a site, or a protein"
    details = (
        "The binding site is that of a structure's ligand, the residues that --site names, the best pocket of the "
        "structure (--site predicted), or a site that `logos generate site` wrote. At level 2 the model reads the tagged "
        "residues of the site, at level 3 their SMILES."
    )
    examples = (
        "logos generate ligand --pocket complex.pdb -n 100 -o ligands.sdf",
        "logos generate ligand --pocket complex.pdb -n 100 --dock -o poses.sdf",
        "logos generate ligand --pocket protein.pdb --site A:45,A:47-52 -n 100",
        "logos generate ligand --pocket protein.pdb --site predicted -n 100",
        "logos generate site protein.pdb --top 1 -q | logos generate ligand --prompt - --until unique=100",
    )
    prompt_spellings = ("--pocket",)
    docks = True
    restrictions = ("template",)
    read_options = ("ligand", "cutoff_angstrom", "chains", "model", "column")
    next_step = "keep them with -o ligands.jsonl; then: logos dock -r STRUCTURE ligands.jsonl"
    form = Form.COMPLEX
    reads_as = Form.COMPLEX
    options = (
        TaskOption(
            "site",
            str,
            "Residues of the binding site, by their numbers in the file; in a sequence, counted from 1. `predicted` is the best "
            "pocket of the structure.",
            metavar="A:45,A:47-52|predicted",
            shown_default="the residues around the structure's ligand",
        ),
        TaskOption(
            "level",
            int,
            "Binding site: 1 plain protein, 2 site residues tagged, 3 tagged and expanded.",
            least=1,
            most=3,
            metavar="1|2|3",
            shown_default="2, or that of the prompt",
        ),
    )
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def __init__(self, **chosen: object) -> None:
        super().__init__(**chosen)
        if self.chosen["site"] is not None:
            self.reads_as = Form.PROTEIN  # whatever ligands the structure holds

    def check_reading(self, options: ReadOptions) -> None:
        """Refuse to look for the site of a ligand where ``site`` names the residues."""
        named = (("--ligand", options.ligand is not None), ("--cutoff", options.cutoff_angstrom != CONTACT_ANGSTROM))
        stray = [flag for flag, is_given in named if is_given]
        if stray and self.chosen["site"] is not None:
            raise UsageError(
                f"--site names the residues of the pocket, and {' and '.join(stray)} would find them around a ligand",
                hint="leave one of them out",
            )

    def entries(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Return the joined chains of a structure with the residues of ``site`` tagged."""
        site = self.chosen["site"]
        return entries if site is None else site_entries(entries, site)

    def from_object(self, item: ScienceObject, level: int | None = None) -> PromptSentence:
        """Use the chains of a complex or a site without its ligand, at level 2 by default."""
        if isinstance(item, Protein):
            item = Complex((item,))
        if not isinstance(item, Complex):
            raise self.refuse(item)
        is_tagged = any(chain.site for chain in item.chains)
        level = self.chosen["level"] or (level if self.chosen["site"] is None else None) or (2 if is_tagged else 1)
        if level > 1 and not is_tagged:
            raise UsageError(
                f"level {level} tags the residues of a site, and the prompt has none",
                hint="predict a site with `logos generate site`, name its residues with --site, or use --level 1",
            )
        form = {1: Form.PROTEIN, 2: Form.SITE, 3: Form.EXPANDED}[level]
        pocket = emit(Sentence(form, blocks(item.chains, level)), check=False)
        return self.from_beginning(pocket + Kind.MOLECULE.start)

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue whole chains, with or without the beginning of a molecule block."""
        head, tag, rest = text.partition(Kind.MOLECULE.start)
        if head and not head.endswith(Kind.PROTEIN.end):
            parse(head)
        parse(head + _ANY_LIGAND, Form.COMPLEX)
        return PromptSentence(
            head + Kind.MOLECULE.start + (rest if tag else ""),
            grammar("molecule_block"),
            grammar_start=len(head),
            end=Kind.MOLECULE.end,
        )

    def from_text(self, text: str, level: int | None = None, source: Source | None = None) -> PromptSentence:
        """Return the sentence that begins with a text; without ``site``, bare residues are at level 1."""
        site = self.chosen["site"]
        if site is None and text.startswith("<"):
            return Task.from_text(self, text, level)
        item = from_sentence(parse(text)) if text.startswith("<") else Protein(text)
        if site is not None:
            item = tag_pocket(item, source or {}) if site == PREDICTED else tag_residues(item, source or {}, site)
        return self.from_object(item, level).check()

    def from_payload(self, text: str) -> PromptSentence:
        """Use residues as a protein without a known site (level 1)."""
        return self.from_object(Protein(text))

    def reference_key(self, item: ScienceObject) -> str:
        """Return the canonical SMILES of a molecule, or of a complex's ligand."""
        from logos_cli.chemistry.smiles import canonical_smiles

        if isinstance(item, Molecule):
            return canonical_smiles(item.smiles)
        return super().reference_key(item)

    def judge(self, sentence: Sentence) -> str:
        """Return the canonical SMILES of the ligand, which RDKit must accept."""
        from logos_cli.chemistry.smiles import canonical_smiles

        return canonical_smiles(sentence.left[-1].payload)


PLUGIN = LigandTask()
