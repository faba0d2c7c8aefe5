"""Metal-organic frameworks, without a prompt or with a given metal node."""

from __future__ import annotations

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import MoleculeError
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Score, Scores
from logos_cli.tasks.base import SAMPLES, Collector, PromptInfo, PromptSentence, Task
from logos_cli.tasks.ranking import TOP_SAMPLES, RankedAnswer, RankingCollector


class MaterialTask(Task):
    """Designs linkers, and the metal node too unless it is given."""

    name = "material"
    help = "A metal-organic framework: metal node and linkers."
    details = (
        "Without a prompt, whole frameworks; with a metal node, linkers for it. A framework is valid if its node "
        "contains a metal and RDKit accepts its linkers. Each record reports its MOFkey, without a topology."
    )
    prompts = "the SMILES of a metal node, or a framework, whose node is used"
    examples = (
        "logos generate material -n 20",
        "logos generate material '[O-2].[Zn+2]' -n 20",
        "logos generate material -n 1000 --top 50 -o frameworks.csv",
    )
    options = (TOP_SAMPLES, SAMPLES)
    collects = "frameworks"
    next_step = "keep them with -o frameworks.jsonl; then: logos score frameworks.jsonl"
    form = Form.MATERIAL
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def from_nothing(self) -> PromptSentence:
        """Return the opening tag."""
        return self.from_beginning(Kind.MATERIAL.start)

    def from_object(self, item: ScienceObject, _level: int | None = None) -> PromptSentence:
        """Use the metal node of a framework, or a molecule as the node."""
        if isinstance(item, Material):
            return self.from_payload(item.metal)
        if isinstance(item, Molecule):
            return self.from_payload(item.smiles)
        raise self.refuse(item)

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue an open material block."""
        return PromptSentence(text, grammar("material"), end=Kind.MATERIAL.end)

    def from_payload(self, text: str) -> PromptSentence:
        """Use the SMILES of a metal node."""
        from logos_cli.tasks.material.frameworks import check_node

        beginning = f"{Kind.MATERIAL.start}{Kind.METAL.start}{text}{Kind.METAL.end}"
        sentence = self.from_beginning(beginning).check()
        check_node(text)
        return sentence

    def judge(self, sentence: Sentence) -> str:
        """Return nodes and linkers, canonical and sorted; the node must contain a metal, RDKit accept the linkers."""
        from logos_cli.tasks.material.frameworks import check_framework

        material = Material.from_sentence(sentence)
        check_framework(material.metal, material.linkers)
        canonical = material_from_blocks([material.metal], material.linkers)
        return "/".join((canonical.metal, *canonical.linkers))

    def scores(self, sentence: Sentence) -> Scores:
        """Return the MOFkey of the framework."""
        from logos_cli.tasks.material.frameworks import framework_key

        material = Material.from_sentence(sentence)
        try:
            key: Score = {"value": framework_key(material.metal, material.linkers)}
        except MoleculeError as error:
            key = {"value": None, "reason": error.message}
        return {"mofkey": key}

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return the collector that ranks frameworks, with ``top``."""
        top = self.chosen["top"]
        return None if top is None or self.chosen["samples"] else _Frameworks(prompt, top)


class _Frameworks(RankingCollector):
    """Ranks frameworks and writes their blocks canonical and sorted."""

    label = "framework"

    def output_text(self, candidate: RankedAnswer) -> str:
        """Return the canonical sentence."""
        material = Material.from_sentence(candidate.sentence)
        return to_text(material_from_blocks([material.metal], material.linkers))


PLUGIN = MaterialTask()
