"""Designed antibodies: ranked by likelihood, and numbered again, so that a loop is where it was designed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from logos_cli.grammar import Sentence
from logos_cli.grammar.constrain import free_spans
from logos_cli.grammar.spec import Kind
from logos_cli.records import Scores
from logos_cli.tasks.base import PromptInfo, PromptSentence
from logos_cli.tasks.design.anchors import check_anchors
from logos_cli.tasks.design.cdr import Design
from logos_cli.tasks.design.variants import VariantCollector
from logos_cli.tasks.ranking import RankedAnswer, RankingCollector, likelihood_order

if TYPE_CHECKING:
    from logos_cli.objects.antibody_numbering import VariableDomain

RENUMBERED = "numbered otherwise than designed"
"""What the account of a run counts."""

_AT_A_TIME = 32
"""Designs that are numbered together."""

_LEAST_RESIDUES = 90
"""A shorter chain is a part of a variable domain, which has no numbers of its own."""

Numbered = Sequence["tuple[VariableDomain, ...] | str"]
"""The variable domains of each chain, or the reason why it has none."""


@dataclass(frozen=True, slots=True)
class TemplatePrompt(PromptSentence):
    """The prompt of an antibody chain that follows a template."""

    template: str = ""

    def check_answer(self, sentence: Sentence, /) -> None:
        """Refuse a free part that repeats the residues beside it."""
        chain = sentence.left[-1].payload
        check_anchors(chain, free_spans(Kind.ANTIBODY, self.template, chain))


class DesignCollector(VariantCollector):
    """Ranks designs of the loops of an antibody."""

    label = "design"

    def __init__(self, prompt: PromptInfo, design: Design, top: int | None) -> None:
        super().__init__(prompt, design.chains, Kind.ANTIBODY, top, design.first_chain)
        self._design = design

    def ranked(self) -> list[RankedAnswer]:
        """Return the designs, the likeliest first, with the residues of their loops."""
        ranked = super().ranked()
        for candidate in ranked:
            loops = self._design.loops_of(self.chains(candidate)) or {}
            cdrs: Scores = {f"cdr_{name.lower()}": {"value": residues} for name, residues in loops.items()}
            candidate.scores = {**cdrs, **candidate.scores}
        return ranked

    def accepted(self) -> Iterator[RankedAnswer]:
        """Yield the designs whose loops have the numbers of loops, numbered some at a time."""
        for candidate, chains, numbered in _renumbered(self.ranked(), self.chains, self._design.scheme):
            if self._design.misplaced(chains, numbered) is None:
                yield candidate
            else:
                self.refuse(candidate, RENUMBERED)


class TemplateCollector(RankingCollector):
    """Ranks chains that follow a template by the likelihood of everything after the first free residue."""

    label = "design"

    def order(self, candidate: RankedAnswer) -> tuple[object, ...]:
        """Return the sort key: the likeliest first."""
        return likelihood_order(candidate)

    def accepted(self) -> Iterator[RankedAnswer]:
        """Yield the designs with their CDRs; a whole domain that does not number is refused."""
        ranked = self.ranked()
        parts = [candidate for candidate in ranked if len(_last(candidate)[0]) < _LEAST_RESIDUES]
        if len(parts) == len(ranked) or find_spec("anarcii") is None:
            yield from ranked
            return
        for candidate, _, numbered in _renumbered(ranked, _last, "imgt"):
            domains = numbered[0]
            if isinstance(domains, str):
                self.refuse(candidate, RENUMBERED)
                continue
            for domain in domains:
                for name, (start, end) in domain.cdrs.items():
                    short = name.removeprefix("CDR-").lower()
                    candidate.scores[f"cdr_{short}"] = {"value": domain.sequence[start:end]}
            yield candidate


def _last(candidate: RankedAnswer) -> tuple[str, ...]:
    """Return the designed chain, after those that are context."""
    return (candidate.sentence.left[-1].payload,)


def _renumbered(
    candidates: Sequence[RankedAnswer], chains_of: Callable[[RankedAnswer], tuple[str, ...]], scheme: str
) -> Iterator[tuple[RankedAnswer, tuple[str, ...], Numbered]]:
    """Yield designs with their chains and numbers, numbered together as the results are wanted."""
    from logos_cli.objects.antibody_numbering import number_domains

    for begin in range(0, len(candidates), _AT_A_TIME):
        group = candidates[begin : begin + _AT_A_TIME]
        chains = [chains_of(candidate) for candidate in group]
        numbers = iter(number_domains([chain for each in chains for chain in each], scheme))
        for candidate, own in zip(group, chains, strict=True):
            yield candidate, own, [next(numbers) for _ in own]
