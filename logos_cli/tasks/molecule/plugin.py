"""Small molecules, without a prompt or from the beginning of a SMILES."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import MoleculeError, UsageError
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.molecule import Molecule
from logos_cli.tasks.base import SAMPLES, Collector, PromptInfo, PromptSentence, Task, TaskOption
from logos_cli.tasks.ranking import TOP_SAMPLES, RankingCollector

_SCAFFOLD = TaskOption(
    "scaffold",
    str,
    "A SMILES to grow, instead of a prompt: {X} or [*:1] marks a growth point, {X:3,15} one of 3 to 15 characters.",
    metavar="SMILES",
)


class MoleculeTask(Task):
    """Continues a SMILES."""

    name = "molecule"
    help = "A molecule, or the rest of its SMILES."
    prompts = "the beginning of a SMILES, or a file of them"
    examples = (
        "logos generate molecule -n 100 -o molecules.smi",
        "logos generate molecule 'O=C(Nc1ccccc1)' -n 20 --constrain chemistry",
        "logos generate molecule --scaffold 'c1ccncc1{X:3,20}' -n 20 --constrain chemistry",
        "logos generate molecule --until valid=500 --time 55m -o molecules.smi",
    )
    options = (_SCAFFOLD, TOP_SAMPLES, SAMPLES)
    collects = "molecules"
    restrictions = ("template",)
    form = Form.MOLECULE
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def __init__(self, **chosen: object) -> None:
        super().__init__(**chosen)
        self._template: str | None = None
        self._grammar = ""

    @property
    def restricting_option(self) -> str | None:
        """``--scaffold``, which fixes a part of the molecule."""
        return "--scaffold" if self.chosen["scaffold"] is not None else None

    def check(self) -> None:
        """Parse the scaffold."""
        scaffold = self.chosen["scaffold"]
        if scaffold is None:
            return
        from logos_cli.tasks.molecule.scaffold import scaffold_grammar, scaffold_query, scaffold_template

        self._template = scaffold_template(scaffold)
        self._grammar = scaffold_grammar(self._template)
        scaffold_query(self._template)

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return the collector that ranks molecules, with ``top``."""
        top = self.chosen["top"]
        return None if top is None or self.chosen["samples"] else RankingCollector(prompt, top)

    def from_nothing(self) -> PromptSentence:
        """Return the opening tag, or the scaffold up to its first growth point."""
        if self._template is None:
            return self.from_beginning(Kind.MOLECULE.start)
        fixed = self._template.partition("{")[0]
        return PromptSentence(Kind.MOLECULE.start + fixed, self._grammar, end=Kind.MOLECULE.end).check()

    def from_object(self, item: ScienceObject, _level: int | None = None) -> PromptSentence:
        """Continue the whole SMILES of a molecule."""
        if not isinstance(item, Molecule):
            raise self.refuse(item)
        return self.from_payload(item.smiles)

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue an open molecule block."""
        if text != Kind.MOLECULE.start and self._template is not None:
            raise UsageError("--scaffold and a prompt exclude each other", hint="the scaffold is the prompt")
        return PromptSentence(text, grammar("molecule"), end=Kind.MOLECULE.end)

    def from_payload(self, text: str) -> PromptSentence:
        """Continue the beginning of a SMILES."""
        return self.from_beginning(Kind.MOLECULE.start + text)

    def judge(self, sentence: Sentence) -> str:
        """Return the canonical SMILES, which RDKit must accept and which must contain the scaffold if there is one."""
        from logos_cli.chemistry.smiles import canonical_smiles

        smiles = canonical_smiles(sentence.left[0].payload)
        if self._template is not None:
            from logos_cli.tasks.molecule.scaffold import contains_scaffold

            if not contains_scaffold(smiles, self._template):
                raise MoleculeError(f"{smiles} does not contain the scaffold {self._template}")
        return smiles


PLUGIN = MoleculeTask()
