"""Antibody chains: without a prompt, from their first residues, or a light chain for a heavy one."""

from __future__ import annotations

from importlib.util import find_spec

from logos_cli.engine.sampling import Sampling
from logos_cli.errors import MissingError, UsageError
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.protein import Protein
from logos_cli.tasks.base import SAMPLES, SWEEPS, Collector, PromptInfo, PromptSentence, Task, TaskOption
from logos_cli.tasks.design.cdr import DesignPrompt, Lengths, parse_lengths, parse_names, plan_design, read_light_chain
from logos_cli.tasks.ranking import TOP_SAMPLES, RankingCollector

_CDR = TaskOption("cdr", str, "Design these CDRs of the given antibody and keep the rest.", metavar="H3|H1,H2,L3")
_LENGTH = TaskOption(
    "length",
    str,
    "Number of residues of a designed CDR: 12, 8-20, or for each H1:8,H3:8-20.",
    metavar="8-20",
    shown_default="as in the given antibody",
)
_SCHEME = TaskOption(
    "scheme",
    str,
    "Numbering scheme that defines the CDRs.",
    default="imgt",
    choices=("imgt", "chothia", "kabat", "martin"),
)
_LIGHT = TaskOption(
    "light",
    str,
    "The light chain for every given heavy chain: a FASTA file with one sequence, or residues.",
    metavar="FILE|TEXT",
)


class AntibodyTask(Task):
    """Continues the last chain of a prompt; after a heavy chain and an opening tag, writes the light chain."""

    name = "antibody"
    help = "An antibody chain, or the light chain for a heavy one."
    details = (
        "The model continues a sequence; after a whole heavy chain and an opening tag it writes the light chain. "
        "With --cdr it designs CDRs: ANARCII locates them, and the framework stays. The model writes a loop from left to "
        "right, without knowing what follows; then each of its residues is drawn again, given the whole chain (Gibbs "
        "sampling, --sweeps). Each distinct design is ranked by the log-likelihood of everything after the first designed "
        "residue. "
        "Designs, and whole domains of a --template, are numbered again: a loop that repeats the residues beside it, or "
        "that is numbered otherwise than designed, is invalid."
    )
    prompts = "the first residues: a sequence or a FASTA file"
    examples = (
        "logos generate antibody heavy.fasta -n 8",
        "logos generate antibody --cdr H3 heavy.fasta --length 8-20 -n 100 --top 20 -o designs.csv",
        "logos generate antibody --cdr H1,H2,H3 heavy.fasta --light light.fasta --scheme chothia -n 50",
        'logos generate antibody --template "EVQLVESGGGLVQPGGSLRLSCAAS{X:8}MSWVRQAPGKGLEWVS" -n 20',
    )
    options = (_CDR, _LENGTH, SWEEPS, _SCHEME, _LIGHT, TOP_SAMPLES, SAMPLES)
    collects = "antibodies"
    restrictions = ("template", "edit")
    read_options = ("chains", "model", "column")
    form = Form.ANTIBODY
    reads_as = Form.ANTIBODY
    preset = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05)

    def __init__(self, **chosen: object) -> None:
        super().__init__(**chosen)
        self._names: tuple[str, ...] = ()
        self._lengths: Lengths = {}
        self._light: tuple[str, ...] = ()

    @property
    def restricting_option(self) -> str | None:
        """``--cdr``, which fixes the framework."""
        return "--cdr" if self.chosen["cdr"] is not None else None

    @property
    def question(self) -> str:
        """``antibody --cdr`` for a design."""
        return self.name if self.restricting_option is None else f"{self.name} {self.restricting_option}"

    def check(self) -> None:
        """Parse the CDRs and lengths, and read the light chain."""
        if self.chosen["cdr"] is None:
            for name in ("length", "light", "scheme"):
                if name in self.changed:
                    raise UsageError(f"--{name} needs --cdr", hint="name the CDRs to design with --cdr")
            return
        self._names = parse_names(self.chosen["cdr"])
        self._lengths = parse_lengths(self.chosen["length"], self._names)
        if self.chosen["light"] is not None:
            self._light = (read_light_chain(self.chosen["light"]),)
        if find_spec("anarcii") is None:
            from logos_cli.objects.antibody_numbering import INSTALL

            raise MissingError("numbering antibodies needs ANARCII", hint=INSTALL)

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return the collector that ranks designs, edits or chains of a template; with ``top``, one that ranks all."""
        if self.chosen["samples"]:
            return None
        from logos_cli.tasks.design.loops import DesignCollector, TemplateCollector, TemplatePrompt
        from logos_cli.tasks.design.variants import EditCollector

        top = self.chosen["top"]
        if isinstance(prompt.sentence, DesignPrompt):
            return DesignCollector(prompt, prompt.sentence.design, top)
        if isinstance(prompt.sentence, TemplatePrompt):
            return TemplateCollector(prompt, top)
        if (wild_type := prompt.sentence.wild_type) is not None:
            return EditCollector(prompt, wild_type, Kind.ANTIBODY, top)
        return RankingCollector(prompt, top) if top is not None else None

    def from_nothing(self) -> PromptSentence:
        """Return the opening tag."""
        return self.from_beginning(Kind.ANTIBODY.start)

    def from_object(self, item: ScienceObject, _level: int | None = None) -> PromptSentence:
        """Continue the last chain; a chain before it is context."""
        if isinstance(item, Protein):
            item = Antibody((item.sequence,))
        if not isinstance(item, Antibody):
            raise self.refuse(item)
        if self._names:
            chains = (*item.chains, *self._light)
            design = plan_design(chains, self._names, self.chosen["scheme"], self._lengths)
            return DesignPrompt.of(design, self.chosen["sweeps"] or 0)
        *whole, last = item.chains
        before = "".join(f"{Kind.ANTIBODY.start}{chain}{Kind.ANTIBODY.end}" for chain in whole)
        return self.from_beginning(before + Kind.ANTIBODY.start + last)

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue an open block, alone or after a whole block."""
        if self._names:
            raise UsageError("a design needs an antibody", hint=f"give {self.prompts}, with whole chains")
        n_chains = text.count(Kind.ANTIBODY.start)
        return PromptSentence(text, grammar(" ".join(["antibody_block"] * max(1, n_chains))), end=Kind.ANTIBODY.end)

    def from_payload(self, text: str) -> PromptSentence:
        """Continue residues; a design takes whole chains separated by a colon."""
        if self._names:
            return self.from_object(Antibody(tuple(text.split(":"))))
        return self.from_beginning(Kind.ANTIBODY.start + text)

    def reference_key(self, item: ScienceObject) -> str:
        """Return the chains of an antibody, or the one chain of a FASTA entry, which is read as a protein."""
        return super().reference_key(Antibody((item.sequence,)) if isinstance(item, Protein) else item)

    def judge(self, sentence: Sentence) -> str:
        """Return the chains; every sequence of residue letters is valid."""
        return "/".join(block.payload for block in sentence.left)


PLUGIN = AntibodyTask()
