"""Proteins, without a prompt or from their first residues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import UsageError
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.protein import Protein
from logos_cli.tasks.base import SAMPLES, SWEEPS, Collector, PromptInfo, PromptSentence, Task, TaskOption
from logos_cli.tasks.ranking import TOP_SAMPLES, RankingCollector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from logos_cli.tasks.design.oracle import Oracle

_ORACLE = TaskOption(
    "oracle",
    str,
    "Rank by fitness, predicted by the oracle that `logos train --assay` wrote to this folder, by predict() of the model "
    "in this file, or by this command, which reads sequences and writes one number a line. A file needs --trust-pickle.",
    metavar="DIR|MODEL.joblib|COMMAND",
)
_ACQUIRE = TaskOption(
    "acquire",
    int,
    "With --edit and the folder of an adapted model as --oracle: write K diverse variants to measure next (GP-BUCB).",
    metavar="K",
    shown_default="rank by fitness",
    least=1,
)
_ACQUISITION = TaskOption(
    "acquisition",
    str,
    "Choose them by the upper confidence bound (two standard deviations) or the expected improvement.",
    default="ucb",
    choices=("ucb", "ei"),
)
_ORACLE_INPUT = TaskOption(
    "oracle_input",
    str,
    "Input of the oracle; auto: one-hot rows if the model has 20 features a residue, else sequences, for a command "
    "one a line.",
    default="auto",
    choices=("auto", "one-hot", "sequence", "fasta"),
)
_TRUST = TaskOption(
    "trust_pickle",
    bool,
    "Load the model file of --oracle although it is a pickle: loading it runs the code that its author put in.",
    default=False,
)


class ProteinTask(Task):
    """Continues a sequence to the C terminus."""

    name = "protein"
    help = "A protein, or the rest of its sequence."
    details = (
        "The model continues a sequence. With --edit, each distinct variant of a wild type is ranked by the "
        "log-likelihood of the whole sequence, or by --oracle; records report mutations and log-likelihood ratio."
    )
    prompts = "the first residues: a sequence or a FASTA file"
    examples = (
        "logos generate protein seq.fasta -n 8",
        "logos generate protein --edit wild_type.fasta --max-mutations 3 --positions 10-20,45 -n 50",
        "logos generate protein --edit wt.fasta -n 200 --oracle fitness.joblib --trust-pickle --top 20",
        "logos generate protein --edit wt.fasta -n 500 --model my-model --oracle my-model --acquire 24",
        "logos generate protein MKTAYIAKQR --until unique=100 -o proteins.fasta",
    )
    options = (TOP_SAMPLES, SWEEPS, _ORACLE, _ORACLE_INPUT, _TRUST, _ACQUIRE, _ACQUISITION, SAMPLES)
    collects = "proteins"
    restrictions = ("template", "edit")
    read_options = ("chains", "model", "column")
    form = Form.PROTEIN
    reads_as = Form.PROTEIN
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def __init__(self, **chosen: object) -> None:
        super().__init__(**chosen)
        self._oracle: Oracle | None = None

    def check(self) -> None:
        """Open the oracle; it predicts nothing yet."""
        oracle, oracle_input = self.chosen["oracle"], self.chosen["oracle_input"]
        if self.chosen["acquire"] is None and self.chosen["acquisition"] != "ucb":
            raise UsageError("--acquisition needs --acquire", hint="give the number of variants with --acquire")
        if oracle is None:
            if self.chosen["acquire"] is not None:
                raise UsageError("--acquire needs --oracle", hint="give the folder of a model of logos train --assay")
            if self.chosen["trust_pickle"]:
                raise UsageError("--trust-pickle needs --oracle", hint="give --oracle too")
            if oracle_input != "auto":
                raise UsageError("--oracle-input needs --oracle", hint="give --oracle too")
            return
        if self.chosen["samples"]:
            raise UsageError(
                "--oracle and --samples exclude each other: --samples ranks nothing", hint="give one of them"
            )
        from logos_cli.tasks.design.surrogate import Surrogate, open_any_oracle

        self._oracle = open_any_oracle(oracle, oracle_input, trust_pickle=bool(self.chosen["trust_pickle"]))
        if self.chosen["acquire"] is not None and not isinstance(self._oracle, Surrogate):
            raise UsageError(
                "--acquire needs an oracle with uncertainty", hint="the folder of a model of logos train --assay"
            )

    def profile(self) -> NDArray[np.float64]:
        """Return the frequencies of residues in the table of the oracle."""
        from logos_cli.tasks.design.surrogate import Surrogate

        if not isinstance(self._oracle, Surrogate):
            raise UsageError("--guide oracle needs --oracle", hint="give the folder of a model of logos train --assay")
        found = self._oracle.arrays.get("profile")
        if found is None:
            raise UsageError("the oracle holds no frequencies", source=self._oracle.name, hint="train it again")
        return found

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return the collector that ranks variants, or proteins by an oracle; with ``top``, one that ranks proteins."""
        if self.chosen["samples"]:
            return None
        from logos_cli.tasks.design.variants import EditCollector, FitnessCollector

        top = self.chosen["top"]
        if (wild_type := prompt.sentence.wild_type) is not None:
            n, how = self.chosen["acquire"], self.chosen["acquisition"]
            batch = None if n is None else (n, how)
            return EditCollector(prompt, wild_type, Kind.PROTEIN, top, self._oracle, batch)
        if self.chosen["acquire"] is not None:
            raise UsageError("--acquire needs --edit", hint="give the wild type with --edit")
        if self._oracle is not None:
            return FitnessCollector(prompt, top, self._oracle)
        return RankingCollector(prompt, top) if top is not None else None

    def from_nothing(self) -> PromptSentence:
        """Return the opening tag."""
        return self.from_beginning(Kind.PROTEIN.start)

    def from_object(self, item: ScienceObject, _level: int | None = None) -> PromptSentence:
        """Continue the whole sequence of a protein."""
        if not isinstance(item, Protein):
            raise self.refuse(item)
        return self.from_payload(item.sequence)

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue an open protein block."""
        return PromptSentence(text, grammar("protein"), end=Kind.PROTEIN.end)

    def from_payload(self, text: str) -> PromptSentence:
        """Continue residues."""
        return self.from_beginning(Kind.PROTEIN.start + text)

    def judge(self, sentence: Sentence) -> str:
        """Return the sequence; every sequence of residue letters is valid."""
        return sentence.left[0].payload


PLUGIN = ProteinTask()
