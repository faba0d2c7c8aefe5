"""Binding sites of a protein: by the shape of its structure, or by the model, in one pass or from many samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from logos_cli import registry
from logos_cli.engine.sampling import Sampling
from logos_cli.errors import InputError, MissingError, UsageError
from logos_cli.grammar import Form, Sentence, parse
from logos_cli.grammar.constrain import tagged_copy_grammar
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Source
from logos_cli.tasks.base import SAMPLES, Collector, PromptInfo, PromptSentence, Reading, Task, TaskOption
from logos_cli.tasks.joined import join_chains
from logos_cli.tasks.site.collectors import PocketCollector, SiteCollector

if TYPE_CHECKING:
    from logos_cli.formats.base import Entry
    from logos_cli.pockets.base import PocketEngine

GEOMETRY, MODEL, BOTH = "geometry", "model", "both"


_UNUSED: Mapping[str, tuple[str, ...]] = {
    GEOMETRY: ("min_frequency", "residues"),
    MODEL: ("pocket_engine",),
    BOTH: ("min_frequency", "residues"),
}
"""Options that a method does not use."""


class SiteTask(Task):
    """Completes a search: the same protein with the residues of one site tagged."""

    name = "site"
    help = "The binding sites of a protein, ranked."
    details = (
        "In a structure, an engine finds the pockets of the surface and ranks them, whatever ligands the file holds: each "
        "becomes one record, which reports the residues that line it by their numbers in the file, score, calibrated "
        "probability, centre and volume.\n\n"
        "Without a structure, or with --method model, the model reads the protein and its copy once: the likelier a tag "
        "before a residue, the higher the residue. The likeliest are clustered, in a structure by their positions. Each "
        "cluster is a site, with score and support. The same protein always has the same sites. With -n, that many samples "
        "copy the protein and tag the residues of a site instead, which takes minutes: residues that are tagged often "
        "enough are clustered, without a structure by co-occurrence in samples.\n\n"
        "With --method both, the engine ranks, and each residue has the probability of the model's tag as well.\n\n"
        "-o sites.csv writes P2Rank's table of predictions, sites.pml and sites.cxc scripts for PyMOL and ChimeraX, "
        "sites.cif the structure with 100 x the score of each residue as B-factors; -f p2rank-residues writes a table of "
        "all residues. `logos decode sites.jsonl --to …` writes them later."
    )
    prompts = "a protein: a sequence, a FASTA file or a structure"
    examples = (
        "logos generate site protein.pdb -o sites.csv",
        "logos generate site protein.fasta -n 40 -o sites.jsonl",
        "logos generate site protein.cif --pocket-engine fpocket -o sites.pml",
        "logos generate site protein.cif --top 1 -q | logos generate ligand --prompt - -n 100",
    )
    read_options = ("chains", "model", "column")
    next_step = "keep them with -o sites.jsonl; then: logos generate ligand --prompt sites.jsonl -n 100"
    form = Form.SEARCH
    # each chain once, whatever ligands the structure holds
    reads_as = Form.PROTEIN
    compared = False
    reads = True
    # the completion is as long as the protein and its tags
    preset = Sampling(temperature=1.2, top_p=0.95, max_new_tokens=4096)
    n_samples = 40
    collects = "sites"
    writers: ClassVar[Mapping[str, str]] = {".csv": "p2rank", ".cif": "cif-sites", ".mmcif": "cif-sites"}
    options = (
        TaskOption(
            "method",
            str,
            "What finds the sites: the shape of the structure, the model, or both.",
            choices=(GEOMETRY, MODEL, BOTH),
            shown_default="geometry in a structure, else model",
        ),
        TaskOption(
            "pocket_engine",
            str,
            "Engine that finds the pockets of a structure.",
            default="pocketnet",
            choices=registry.names("pockets"),
        ),
        TaskOption(
            "top",
            int,
            "Write the N best sites of each protein.",
            least=1,
            metavar="N",
            shown_default="all",
            of_results=True,
        ),
        TaskOption(
            "min_frequency",
            float,
            "With -n: smallest share of the samples that tag a residue of a site.",
            default=0.1,
            least=0,
            most=1,
            metavar="SHARE",
            of_results=True,
        ),
        TaskOption(
            "residues",
            int,
            "Without -n: number of the likeliest residues, which are clustered.",
            default=20,
            least=1,
            metavar="N",
            of_results=True,
        ),
        SAMPLES,
    )

    def check(self) -> None:
        """Refuse an engine that is not installed, and options that the method does not use."""
        if (method := self.chosen["method"]) is not None:
            stray = [each.flag for each in self.options if each.name in _UNUSED[method] and each.name in self.changed]
            if stray:
                raise UsageError(
                    f"--method {method} does not use {' and '.join(stray)}",
                    hint="leave it out, or choose another method",
                )
        engine: PocketEngine = registry.load("pockets", self.chosen["pocket_engine"])
        if self.chosen["method"] in (GEOMETRY, BOTH) and not engine.is_available:
            raise MissingError(f"--pocket-engine {engine.name} needs {engine.package}", hint=engine.install)

    def for_samples(self) -> Self:
        """Return the task with the model as its method; the others draw no samples."""
        if (method := self.chosen["method"]) in (GEOMETRY, BOTH):
            raise UsageError(f"--method {method} draws no samples", hint="leave out -n, or use --method model")
        return self.configure(**{**self.chosen, "method": MODEL})

    def is_computed(self, source: Source, /) -> bool:
        """Return whether the prompt is a structure and its pockets are the sites."""
        return self._by_shape(source) and self.chosen["method"] != BOTH

    def _by_shape(self, source: Source) -> bool:
        """Return whether an engine finds the sites of a prompt."""
        if self.chosen["method"] == MODEL or not source.get("residues"):
            return False
        engine: PocketEngine = registry.load("pockets", self.chosen["pocket_engine"])
        return engine.is_available

    def entries(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Join the chains of a structure: a pocket may lie between them."""
        if self.chosen["method"] == MODEL:
            return entries
        return map(self._checked, join_chains(entries))

    def _checked(self, entry: Entry) -> Entry:
        if entry.item is None or self.chosen["method"] is None or entry.source.get("residues"):
            return entry
        error = InputError(
            "a sequence has no shape", source=str(entry.source.get("path", entry.id)), hint="use --method model"
        )
        return replace(entry, item=None, error=error)

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return the collector that ranks the sites of the samples."""
        if self.chosen["samples"]:
            return None
        kind = PocketCollector if self._by_shape(prompt.source) else SiteCollector
        return kind(prompt, self.chosen)

    def reading(self, sentence: PromptSentence) -> Reading | None:
        """Return the protein with its untagged copy; None for a prompt that has tagged some residues already."""
        if len(sentence.text) != sentence.grammar_start + len(Kind.PROTEIN.start):
            return None
        head = sentence.text[: sentence.grammar_start]
        copy = head.removesuffix(str(Operator.SEARCH))
        text = head + copy
        spans = (block.span for block in parse(text, Form.SEARCH).right)
        places = [
            place
            for start, end in spans
            for place in range(start + len(Kind.PROTEIN.start), end - len(Kind.PROTEIN.end))
        ]
        return Reading(text, tuple(places), Kind.POCKET.start)

    def from_object(self, item: ScienceObject, _level: int | None = None) -> PromptSentence:
        """Use the chains of a protein or a complex without their tags."""
        if isinstance(item, Protein):
            return self._search((item.sequence,))
        if isinstance(item, Complex):
            return self._search(tuple(chain.sequence for chain in item.chains))
        raise self.refuse(item)

    def _search(self, chains: tuple[str, ...]) -> PromptSentence:
        blocks = "".join(f"{Kind.PROTEIN.start}{chain}{Kind.PROTEIN.end}" for chain in chains)
        return self.from_beginning(f"{blocks}{Operator.SEARCH}{Kind.PROTEIN.start}")

    def from_beginning(self, text: str) -> PromptSentence:
        """Continue whole chains, with or without the operator and the beginning of the tagged protein."""
        head, _, _ = text.partition(Operator.SEARCH)
        if not head.endswith(Kind.PROTEIN.end):
            parse(head)
        # several chains alone are not a sentence; with the operator and any completion they are
        searched = parse(f"{head}{Operator.SEARCH}{head}", Form.SEARCH)
        chains = tuple(block.payload for block in searched.left)
        grammar_start = len(head) + len(Operator.SEARCH)
        if len(text) <= grammar_start:
            text = f"{head}{Operator.SEARCH}{Kind.PROTEIN.start}"
        return PromptSentence(text, tagged_copy_grammar(chains), grammar_start, Kind.PROTEIN.end, len(chains))

    def from_text(self, text: str, level: int | None = None, source: Source | None = None) -> PromptSentence:
        """Return the sentence that begins with a text, if the method needs no structure or the text has one."""
        if self.chosen["method"] in (GEOMETRY, BOTH) and not (source or {}).get("residues"):
            raise UsageError("a sequence has no shape", hint="use --method model")
        return super().from_text(text, level, source)

    def from_payload(self, text: str) -> PromptSentence:
        """Use residues as one chain."""
        return self._search((text,))

    def judge(self, sentence: Sentence) -> str:
        """Return the tagged residues; the completion must repeat the protein exactly."""
        chains = Complex.from_sentence(sentence).chains
        return "/".join(" ".join(map(str, chain.site)) for chain in chains)


PLUGIN = SiteTask()
