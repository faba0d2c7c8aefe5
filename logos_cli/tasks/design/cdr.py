"""CDR design: the free residues of an antibody, and the grammar of its designs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from logos_cli.engine.redraw import Redraw
from logos_cli.errors import InputError, UsageError
from logos_cli.grammar import Form, Sentence
from logos_cli.grammar.constrain import block_templates_grammar, inner_parts_pattern
from logos_cli.grammar.spec import Kind
from logos_cli.io import places
from logos_cli.objects.antibody import Antibody
from logos_cli.tasks.base import PromptSentence
from logos_cli.tasks.design.anchors import check_anchors

if TYPE_CHECKING:
    from logos_cli.objects.antibody_numbering import VariableDomain

NAMES = ("H1", "H2", "H3", "L1", "L2", "L3")

Lengths = Mapping[str, tuple[int, int]]
"""Shortest and longest length by the name of a CDR."""

_LENGTH = re.compile(r"(?:(?P<name>[A-Za-z0-9-]+):)?(?P<least>[0-9]+)(?:-(?P<most>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class Loop:
    """One CDR to design.

    Attributes
    ----------
    name : str
        Such as ``H3``.
    chain : int
        Index of its chain, from 0.
    start, end : int
        Half-open range in that chain, from 0.
    least, most : int
        Shortest and longest length of the design.
    """

    name: str
    chain: int
    start: int
    end: int
    least: int
    most: int


class LoopPlace(NamedTuple):
    """Where a loop is: the number of its chain, and a half-open range in it, from 0."""

    chain: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Design:
    """An antibody with free loops.

    Attributes
    ----------
    chains : tuple of str
        The given antibody, the heavy chain first.
    loops : tuple of Loop
        The free loops, in the order of the sentence.
    scheme : str
        The numbering scheme that defines the loops.
    """

    chains: tuple[str, ...]
    loops: tuple[Loop, ...]
    scheme: str

    @property
    def first_chain(self) -> int:
        """The chain with the first free loop; chains before it are context."""
        return self.loops[0].chain

    @property
    def beginning(self) -> str:
        """The text that the model reads: everything before the first free residue."""
        first = self.loops[0]
        whole = "".join(_block(chain) for chain in self.chains[: first.chain])
        return whole + Kind.ANTIBODY.start + self.chains[first.chain][: first.start]

    @property
    def grammar(self) -> str:
        """The grammar of the blocks from the first free loop's on."""
        texts = [self._template(number) for number in range(self.first_chain, len(self.chains))]
        return block_templates_grammar([(Kind.ANTIBODY, text) for text in texts])

    @property
    def pattern(self) -> str:
        """A regular expression of what :attr:`grammar` describes; its groups are the loops."""
        texts = [self._template(number) for number in range(self.first_chain, len(self.chains))]
        return inner_parts_pattern([(Kind.ANTIBODY, text) for text in texts])

    @property
    def grammar_start(self) -> int:
        """Where the block of the first free loop begins in :attr:`beginning`."""
        return sum(len(_block(chain)) for chain in self.chains[: self.first_chain])

    @property
    def sentence(self) -> str:
        """The sentence of the given antibody."""
        return "".join(map(_block, self.chains))

    def _template(self, number: int) -> str:
        return "".join(
            piece if isinstance(piece, str) else f"{{X:{piece.least},{piece.most}}}" for piece in self._pieces(number)
        )

    def _pieces(self, number: int) -> list[str | Loop]:
        """Return fixed residues and free loops of a chain, in turn."""
        pieces: list[str | Loop] = []
        chain, place = self.chains[number], 0
        for loop in self.loops:
            if loop.chain == number:
                pieces += [chain[place : loop.start], loop]
                place = loop.end
        return [piece for piece in (*pieces, chain[place:]) if piece != ""]

    def places_of(self, chains: Sequence[str]) -> dict[str, LoopPlace] | None:
        """Return where the free loops are in a designed antibody; None if it is not a design of this one."""
        places: dict[str, LoopPlace] = {}
        if len(chains) != len(self.chains):
            return None
        for number, chain in enumerate(chains):
            pattern = "".join(
                piece if isinstance(piece, str) else f"(?P<{piece.name}>[A-Z]{{{piece.least},{piece.most}}})"
                for piece in self._pieces(number)
            )
            match = re.fullmatch(pattern, chain)
            if match is None:
                return None
            places |= {name: LoopPlace(number, *match.span(name)) for name in match.groupdict()}
        return places

    def loops_of(self, chains: Sequence[str]) -> dict[str, str] | None:
        """Return the residues of the free loops in a designed antibody; None if it is not a design of this one."""
        places = self.places_of(chains)
        return None if places is None else {name: chains[n][start:end] for name, (n, start, end) in places.items()}

    def check_design(self, chains: Sequence[str]) -> None:
        """Refuse a design with a new loop that repeats the residues beside it.

        Raises
        ------
        AnswerError
            With the loop.
        """
        places = self.places_of(chains) or {}
        for loop in self.loops if places else ():
            number, start, end = places[loop.name]
            if chains[number][start:end] != self.chains[loop.chain][loop.start : loop.end]:
                check_anchors(chains[number], [(start, end)])

    def misplaced(self, chains: Sequence[str], numbered: Sequence[Sequence[VariableDomain] | str]) -> str | None:
        """Return why a design does not number as it was designed; None if it does.

        Parameters
        ----------
        numbered : sequence
            The variable domains of each chain, or the reason why it has none.
        """
        for name, place in (self.places_of(chains) or {}).items():
            domains = numbered[place.chain]
            if isinstance(domains, str):
                return f"it does not number as an antibody: {domains}"
            span = next((domain.cdrs.get(f"CDR-{name}") for domain in domains if domain.locus == name[0]), None)
            if span is None:
                return f"its CDR-{name} has no numbers"
            if span != (place.start, place.end):
                return f"renumbered, its CDR-{name} is residues {span[0] + 1} to {span[1]}, not {place.start + 1} to {place.end}"
        return None


def _block(chain: str) -> str:
    return f"{Kind.ANTIBODY.start}{chain}{Kind.ANTIBODY.end}"


def parse_names(text: str) -> tuple[str, ...]:
    """Return the CDRs of a list such as ``H1,H3``.

    ``CDR-H3``, ``CDRH3`` and ``h3`` are H3; ``H`` and ``L`` are all three CDRs of a chain.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    names: dict[str, None] = {}
    for word in text.split(","):
        name = _name(word)
        matching = [cdr for cdr in NAMES if name in (cdr, cdr[0])]
        if not matching:
            raise UsageError(f"there is no CDR {word.strip()!r}", hint=f"choose among {', '.join(NAMES)}")
        names |= dict.fromkeys(matching)
    return tuple(names)


def _name(word: str) -> str:
    return re.sub(r"^CDR[-_ ]?", "", word.strip().upper())


def parse_lengths(text: str | None, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return the lengths in ``8-20``, ``12``, or ``H1:8,H3:8-20``, by the names of CDRs.

    Raises
    ------
    UsageError
        If the text is not such a list, or names a CDR that is not designed.
    """
    lengths: dict[str, tuple[int, int]] = {}
    for word in text.split(",") if text is not None else ():
        match = _LENGTH.fullmatch(word.strip())
        if match is None:
            raise UsageError(f"{word.strip()!r} is not the length of a CDR", hint="write 12, 8-20, or H1:8,H3:8-20")
        least = int(match["least"])
        most = int(match["most"] or least)
        if not 1 <= least <= most <= _LONGEST:
            raise UsageError(f"lengths run from the smaller to the larger, from 1 to {_LONGEST}: {word.strip()}")
        name = None if match["name"] is None else _name(match["name"])
        if name is not None and name not in names:
            raise UsageError(f"a length is given for {name}, which is not designed", hint="add it to --cdr")
        lengths |= dict.fromkeys(names if name is None else (name,), (least, most))
    return lengths


_LONGEST = 100
"""Residues; the longest known CDRs, of cattle, have about 70."""


def plan_design(chains: Sequence[str], names: Sequence[str], scheme: str, lengths: Lengths) -> Design:
    """Return the design of some CDRs of an antibody.

    Parameters
    ----------
    chains : sequence of str
        One chain, or a heavy and a light one in any order; a single-chain Fv is one chain with both domains.
    names : sequence of str
        CDRs to design, of :data:`NAMES`.
    scheme : str
        ``imgt``, ``chothia``, ``kabat`` or ``martin``.
    lengths : mapping
        A CDR without an entry keeps its length.

    Raises
    ------
    InputError
        If a chain does not number as an antibody, with the reason, or has no such CDR.
    """
    from logos_cli.objects.antibody_numbering import domains_of

    numbered = [domains_of(chain, scheme) for chain in chains]
    loci = [domain.locus for domains in numbered for domain in domains]
    for locus, what in (("H", "heavy"), ("L", "light")):
        if loci.count(locus) > 1:
            raise InputError(
                f"there are {loci.count(locus)} {what} chains", hint="a pair is one heavy and one light chain"
            )
    numbered.sort(key=lambda domains: domains[0].locus)  # the sentence has the heavy chain first
    places = {domain.locus: (number, domain) for number, domains in enumerate(numbered) for domain in domains}
    loops: list[Loop] = []
    for name in names:
        if name[0] not in places:
            wanted, given = ("heavy", "light") if name[0] == "H" else ("light", "heavy")
            raise InputError(
                f"CDR {name} belongs to a {wanted} chain, and the antibody has only a {given} chain",
                hint=f"give the {wanted} chain too",
            )
        number, domain = places[name[0]]
        span = domain.cdrs.get(f"CDR-{name}")
        if span is None:
            raise InputError(
                f"CDR {name} is incomplete: the chain begins or ends in it", hint="give the whole variable domain"
            )
        least, most = lengths.get(name, (span[1] - span[0],) * 2)
        if not most:
            raise InputError(f"CDR {name} has no residues", hint="set the length of the design with --length")
        loops.append(Loop(name, number, *span, least, most))
    loops.sort(key=lambda loop: (loop.chain, loop.start))
    return Design(tuple(domains[0].sequence for domains in numbered), tuple(loops), scheme)


@dataclass(frozen=True, slots=True)
class DesignPrompt(PromptSentence):
    """The prompt of a design."""

    design: Design = field(kw_only=True)

    @classmethod
    def of(cls, design: Design, n_sweeps: int = 0) -> DesignPrompt:
        """Return the sentence up to the first free residue; the loops of a sample are drawn again ``n_sweeps`` times."""
        return cls(
            design.beginning,
            design.grammar,
            design.grammar_start,
            Kind.ANTIBODY.end,
            n_ends=len(design.chains) - design.first_chain,
            redraw=Redraw(design.pattern, n_sweeps) if n_sweeps else None,
            design=design,
        )

    def check_answer(self, sentence: Sentence, /) -> None:
        """Refuse a loop that repeats the residues beside it."""
        self.design.check_design([block.payload for block in sentence.left])


def read_light_chain(name: str) -> str:
    """Return the one chain of a file, or a text of residues itself.

    Raises
    ------
    LogosError
        If the file does not exist, cannot be read, or does not hold exactly one chain.
    """
    if name.isascii() and name.isalpha() and name.isupper() and not places.exists(name):
        return name
    from logos_cli.formats.base import ReadOptions
    from logos_cli.formats.detect import detect
    from logos_cli.io.input import Input

    with closing(Input(name)) as source:
        entries = list(detect(source).read(source, ReadOptions(form=Form.ANTIBODY)))
    for entry in entries:
        if entry.error is not None:
            raise entry.error
    chains = [chain for entry in entries if isinstance(entry.item, Antibody) for chain in entry.item.chains]
    if len(chains) != 1:
        raise InputError(
            f"the file holds {len(chains)} chains; --light takes one light chain for all heavy chains",
            source=name,
            hint="give pairs as one FASTA file: >ab1|heavy, then >ab1|light",
        )
    return chains[0]
