"""Binding sites of a protein: in one pass over its copy, or from many samples of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from logos_cli.engine.sampling import Sampling
from logos_cli.grammar import Form, Sentence, emit, parse
from logos_cli.grammar.constrain import tagged_copy_grammar
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record
from logos_cli.tasks.base import SAMPLES, Collector, PromptInfo, PromptSentence, Reading, Task, TaskOption

_DIGITS = 4


class SiteTask(Task):
    """Completes a search: the same protein with the residues of one site tagged."""

    name = "site"
    help = "The binding sites of a protein, ranked."
    details = (
        "The model reads the protein and its copy once: the likelier a tag before a residue, the higher the residue. "
        "The likeliest are clustered, in a structure by their positions. Each cluster is a site and becomes one "
        "record, which reports the residues by their numbers in the file, how probable a tag is, score, support and, in "
        "a structure, the centre. The same protein always has the same sites.\n\n"
        "With -n, that many samples copy the protein and tag the residues of a site instead, which takes minutes: "
        "residues that are tagged often enough are clustered, without a structure by co-occurrence in samples.\n\n"
        "-o sites.csv writes P2Rank's table of predictions, sites.pml and sites.cxc scripts for PyMOL and ChimeraX, "
        "sites.cif the structure with 100 x frequency as B-factors; -f p2rank-residues writes a table of all residues. "
        "`logos decode sites.jsonl --to …` writes them later."
    )
    prompts = "a protein: a sequence, a FASTA file or a structure"
    examples = (
        "logos generate site protein.pdb -o sites.csv",
        "logos generate site protein.fasta -n 40 -o sites.jsonl",
        "logos generate site protein.cif --top 1 -q | logos generate ligand --prompt - -n 100",
    )
    read_options = ("chains", "column")
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
        TaskOption("top", int, "Write the N best sites of each protein.", least=1, metavar="N", shown_default="all"),
        TaskOption(
            "min_frequency",
            float,
            "With -n: smallest share of the samples that tag a residue of a site.",
            default=0.1,
            least=0,
            most=1,
            metavar="SHARE",
        ),
        TaskOption(
            "residues",
            int,
            "Without -n: number of the likeliest residues, which are clustered.",
            default=20,
            least=1,
            metavar="N",
        ),
        SAMPLES,
    )

    def collector(self, prompt: PromptInfo) -> Collector | None:
        """Return the collector that ranks the sites of the samples."""
        if self.chosen["samples"]:
            return None
        return _Sites(prompt, self.chosen)

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

    def from_payload(self, text: str) -> PromptSentence:
        """Use residues as one chain."""
        return self._search((text,))

    def judge(self, sentence: Sentence) -> str:
        """Return the tagged residues; the completion must repeat the protein exactly."""
        chains = Complex.from_sentence(sentence).chains
        return "/".join(" ".join(map(str, chain.site)) for chain in chains)


class _Sites(Collector):
    """Ranks the sites of one protein by the probability of tags, or by the votes of samples."""

    def __init__(self, prompt: PromptInfo, chosen: Mapping[str, Any]) -> None:
        self._prompt = prompt
        self._chosen = chosen
        self._chains: tuple[Protein, ...] = ()
        self._votes: list[list[int]] = []
        self._probabilities: Sequence[float] | None = None

    def read(self, probabilities: Sequence[float], /) -> None:
        """Take the probability of a tag before each residue."""
        head = self._prompt.sentence.text[: self._prompt.sentence.grammar_start].removesuffix(str(Operator.SEARCH))
        copies = parse(f"{head}{Operator.SEARCH}{head}", Form.SEARCH).right
        self._chains = tuple(Protein(block.payload) for block in copies)
        self._probabilities = probabilities

    def add(self, _record: Record, answer: str | None, sentence: Sentence | None) -> None:
        """Count the residues that a valid sample tags."""
        if answer is None or sentence is None:
            return
        self._chains = Complex.from_sentence(sentence).chains
        first, tagged = 0, []
        for chain in self._chains:
            tagged += [first + place for place in chain.site]
            first += len(chain.sequence)
        self._votes.append(tagged)

    def results(self) -> Iterator[Record]:
        """Yield a record for each site."""
        if not self._chains:
            return
        from logos_cli.structure.residues.places import residue_places
        from logos_cli.tasks.site.sites import frequencies, rank_probable, rank_sites

        lengths = [len(chain.sequence) for chain in self._chains]
        places = residue_places(self._prompt.source, lengths)
        if self._probabilities is None:
            sites = rank_sites(self._votes, sum(lengths), self._chosen["min_frequency"], places)
            shares = frequencies(self._votes, sum(lengths)).tolist()
        else:
            sites = rank_probable(self._probabilities, self._chosen["residues"], places)
            shares = self._probabilities
        alone = "co-occurrence" if self._probabilities is None else "none"
        shares = [round(share, _DIGITS) for share in shares]
        for rank, site in enumerate(sites[: self._chosen["top"]], 1):
            centre = site.centre_angstrom
            yield Record(
                f"{self._prompt.id}:site{rank}",
                Form.SEARCH,
                self._tagged(site.members),
                scores={
                    "rank": {"value": rank, "better": "lower"},
                    "score": {"value": round(site.score, _DIGITS), "better": "higher"},
                    "support": {"value": round(site.support, _DIGITS), "better": "higher"},
                },
                extra={
                    "site": {
                        "clustered_by": alone if places is None else "space",
                        "centre_angstrom": None if centre is None else [round(x, 3) for x in centre],
                        "residues": self._members(site.members, shares),
                        "frequency": _split(shares, lengths),
                    }
                },
            )

    def _tagged(self, members: tuple[int, ...]) -> str:
        """Return the search with the residues of the site tagged; it can be the prompt for a ligand."""
        first, chains = 0, []
        for chain in self._chains:
            end = first + len(chain.sequence)
            site = tuple(index - first for index in members if first <= index < end)
            chains.append(Protein(chain.sequence, site))
            first = end
        return emit(Complex(tuple(chains)).to_sentence(Form.SEARCH))

    def _members(self, members: tuple[int, ...], shares: list[float]) -> list[dict[str, Any]]:
        """Return the residues of the site, with their names in the file."""
        from logos_cli.structure.residues.map import ResidueMap

        names = ResidueMap(self._prompt.source, [len(chain.sequence) for chain in self._chains])
        residues, first = [], 0
        for number, chain in enumerate(self._chains):
            for place, letter in enumerate(chain.sequence):
                if first + place in members:
                    name = names.name((number, place))
                    residues.append(
                        {
                            "residue": None if name is None else str(name),
                            "letter": letter,
                            "frequency": shares[first + place],
                        }
                    )
            first += len(chain.sequence)
        return residues


def _split(values: list[float], lengths: list[int]) -> list[list[float]]:
    """Return the values of each chain."""
    chains, first = [], 0
    for length in lengths:
        chains.append(values[first : first + length])
        first += length
    return chains


PLUGIN = SiteTask()
