"""Proteins, from nothing or from their first residues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import UsageError
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.protein import Protein
from logos_cli.tasks.base import SAMPLES, Collector, PromptInfo, PromptSentence, Task, TaskOption
from logos_cli.tasks.ranking import TOP_SAMPLES, RankingCollector

if TYPE_CHECKING:
    from logos_cli.tasks.design.oracle import Oracle

_ORACLE = TaskOption(
    "oracle",
    str,
    "Rank by fitness: what predict() of the model in this file says, or the numbers that this command writes, one a "
    "line, for the sequences that it reads. A model file is code, and loading it runs it: trust its source.",
    metavar="MODEL.joblib|COMMAND",
)
_ORACLE_INPUT = TaskOption(
    "oracle_input",
    str,
    "What the oracle is given; auto: one-hot rows if the model has 20 features a residue, else "
    "sequences, to a command one a line.",
    default="auto",
    choices=("auto", "one-hot", "sequence", "fasta"),
)


class ProteinTask(Task):
    """Continues a sequence to the C terminus."""

    name = "protein"
    help = "A protein, or the rest of its sequence."
    details = (
        "A sequence is continued. With --edit, variants of a wild type are ranked, each once, by the log-likelihood of "
        "the whole sequence, or by --oracle; records tell mutations and log-likelihood ratio."
    )
    prompts = "the first residues: a sequence or a FASTA file"
    examples = (
        "logos generate protein seq.fasta -n 8",
        "logos generate protein --edit wild_type.fasta --max-mutations 3 --positions 10-20,45 -n 50",
        "logos generate protein --edit wild_type.fasta -n 200 --oracle fitness.joblib --top 20 -o variants.csv",
        "logos generate protein MKTAYIAKQR --until unique=100 -o proteins.fasta",
    )
    options = (TOP_SAMPLES, _ORACLE, _ORACLE_INPUT, SAMPLES)
    collects = "proteins"
    restrictions = ("template", "edit")
    read_options = ("chains", "column")
    form = Form.PROTEIN
    reads_as = Form.PROTEIN
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def __init__(self, **chosen: Any) -> None:
        super().__init__(**chosen)
        self._oracle: Oracle | None = None

    def check(self) -> None:
        """Find the oracle; it is not asked yet."""
        oracle, given = self.chosen["oracle"], self.chosen["oracle_input"]
        if oracle is None:
            if given != "auto":
                raise UsageError("--oracle-input is that of an oracle", hint="give --oracle too")
            return
        if self.chosen["samples"]:
            raise UsageError("--oracle ranks, and --samples ranks nothing", hint="give one of them")
        from logos_cli.tasks.design.oracle import open_oracle

        self._oracle = open_oracle(oracle, given)

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return what ranks the variants of a wild type, or proteins if that is asked for."""
        if self.chosen["samples"]:
            return None
        from logos_cli.tasks.design.variants import EditCollector, FitnessCollector

        top = self.chosen["top"]
        if prompt.sentence.wild_type is not None:
            return EditCollector(prompt, Kind.PROTEIN, top, self._oracle)
        if self._oracle is not None:
            return FitnessCollector(prompt, top, self._oracle)
        return RankingCollector(prompt, top) if top is not None else None

    def from_nothing(self) -> PromptSentence:
        """Return the opening tag."""
        return self.from_beginning(Kind.PROTEIN.start)

    def from_object(self, item: ScienceObject, level: int | None = None) -> PromptSentence:  # noqa: ARG002
        """Take the whole sequence of a protein as the beginning of a longer one."""
        if not isinstance(item, Protein):
            raise self.refuse(item)
        return self.from_payload(item.sequence)

    def from_beginning(self, text: str) -> PromptSentence:
        """Take an open protein block."""
        return PromptSentence(text, grammar("protein"), end=Kind.PROTEIN.end)

    def from_payload(self, text: str) -> PromptSentence:
        """Take residues."""
        return self.from_beginning(Kind.PROTEIN.start + text)

    def judge(self, sentence: Sentence) -> str:
        """Return the sequence; every sequence of residue letters is valid."""
        return sentence.left[0].payload


PLUGIN = ProteinTask()
