"""Combine what is known of a protein's residues to ranked sites: the model's answers, or the pockets of its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from logos_cli.grammar import Form, Sentence, emit, parse
from logos_cli.grammar.spec import Operator
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record
from logos_cli.tasks.base import Collector, PromptInfo

if TYPE_CHECKING:
    from logos_cli.structure.residues.places import ResiduePlaces

_DIGITS = 4


class ResidueColumn(NamedTuple):
    """A number of each residue that a record reports.

    Attributes
    ----------
    name : str
        Its key.
    values : sequence of float
        One for each letter, chain after chain.
    """

    name: str
    values: Sequence[float]


class SiteCollector(Collector):
    """Ranks the sites of one protein by the probability of tags, or by the votes of samples."""

    def __init__(self, prompt: PromptInfo, chosen: Mapping[str, Any]) -> None:
        self._prompt = prompt
        self._chosen = chosen
        self._votes: list[list[int]] = []
        self._probabilities: Sequence[float] | None = None

    @cached_property
    def _chains(self) -> tuple[Protein, ...]:
        """The chains of the prompt, untagged."""
        head = self._prompt.sentence.text[: self._prompt.sentence.grammar_start].removesuffix(str(Operator.SEARCH))
        copies = parse(f"{head}{Operator.SEARCH}{head}", Form.SEARCH).right
        return tuple(Protein(block.payload) for block in copies)

    @cached_property
    def _lengths(self) -> list[int]:
        return [len(chain.sequence) for chain in self._chains]

    @cached_property
    def _places(self) -> ResiduePlaces | None:
        from logos_cli.structure.residues.places import residue_places

        return residue_places(self._prompt.source, self._lengths)

    def read(self, probabilities: Sequence[float], /) -> None:
        """Take the probability of a tag before each residue."""
        self._probabilities = probabilities

    def add(self, _record: Record, answer: str | None, sentence: Sentence | None) -> None:
        """Count the residues that a valid sample tags."""
        if answer is None or sentence is None:
            return
        first, tagged = 0, []
        for chain in Complex.from_sentence(sentence).chains:
            tagged += [first + place for place in chain.site]
            first += len(chain.sequence)
        self._votes.append(tagged)

    def results(self) -> Iterator[Record]:
        """Yield a record for each site."""
        from logos_cli.tasks.site.sites import rank_probable, rank_sites

        if self._probabilities is not None:
            sites = rank_probable(self._probabilities, self._chosen["residues"], self._places)
        else:
            sites = rank_sites(self._votes, sum(self._lengths), self._chosen["min_frequency"], self._places)
        alone = "co-occurrence" if self._probabilities is None else "none"
        for rank, site in enumerate(sites[: self._chosen["top"]], 1):
            centre = site.centre_angstrom
            yield self._record(
                rank,
                site.members,
                ResidueColumn("frequency", self._tag_shares()),
                {"score": site.score, "support": site.support},
                {
                    "clustered_by": alone if self._places is None else "space",
                    "centre_angstrom": None if centre is None else [round(x, 3) for x in centre],
                },
            )

    def _tag_shares(self) -> Sequence[float]:
        """Return the probability of a tag before each residue, or the share of the samples that have one."""
        from logos_cli.tasks.site.sites import frequencies

        if self._probabilities is not None:
            return self._probabilities
        shares: list[float] = frequencies(self._votes, sum(self._lengths)).tolist()
        return shares

    def _record(
        self,
        rank: int,
        members: tuple[int, ...],
        column: ResidueColumn,
        scores: Mapping[str, float],
        site: Mapping[str, object],
        *more: ResidueColumn,
    ) -> Record:
        """Return the record of a site; its writers read the first column under the key ``frequency``."""
        columns = [
            ResidueColumn(each.name, [round(value, _DIGITS) for value in each.values]) for each in (column, *more)
        ]
        return Record(
            f"{self._prompt.id}:site{rank}",
            Form.SEARCH,
            self._tagged(members),
            scores={
                "rank": {"value": rank, "better": "lower"},
                **{name: {"value": round(value, _DIGITS), "better": "higher"} for name, value in scores.items()},
            },
            extra={
                "site": {
                    **site,
                    "residues": self._members(members, columns),
                    "frequency": _split(columns[0].values, self._lengths),
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

    def _members(self, members: tuple[int, ...], columns: Sequence[ResidueColumn]) -> list[dict[str, Any]]:
        """Return the residues of the site, with their names in the file."""
        from logos_cli.structure.residues.map import ResidueMap

        names = ResidueMap(self._prompt.source, self._lengths)
        residues, first, wanted = [], 0, set(members)
        for number, chain in enumerate(self._chains):
            for place, letter in enumerate(chain.sequence):
                if first + place in wanted:
                    name = names.name((number, place))
                    residues.append(
                        {
                            "residue": None if name is None else str(name),
                            "letter": letter,
                            **{column.name: column.values[first + place] for column in columns},
                        }
                    )
            first += len(chain.sequence)
        return residues


class PocketCollector(SiteCollector):
    """Ranks the pockets that an engine finds in the structure; what the model reads or tags is a column beside them."""

    def results(self) -> Iterator[Record]:
        """Yield a record for each pocket.

        Raises
        ------
        StructureError
            If the engine cannot use the structure.
        LogosError
            If the file is gone, or has changed since it was read.
        """
        from logos_cli.pockets.letters import pockets_of

        found = pockets_of(self._prompt.source, self._lengths, self._chosen["pocket_engine"])
        more = [ResidueColumn("tag", self._tag_shares())] if self._probabilities is not None or self._votes else []
        for rank, (pocket, members) in enumerate(found.pockets[: self._chosen["top"]], 1):
            volume = pocket.volume_cubic_angstrom
            scores = {"score": pocket.score}
            if pocket.probability is not None:
                scores["probability"] = pocket.probability
            record = self._record(
                rank,
                members,
                ResidueColumn("score", found.scores),
                scores,
                {
                    "clustered_by": "space",
                    "centre_angstrom": [round(x, 3) for x in pocket.centre_angstrom],
                    "volume_cubic_angstrom": None if volume is None else round(volume, 1),
                },
                *more,
            )
            record.sample = {"method": "geometry", "engine": found.engine.name, "engine_version": found.engine.version}
            yield record


def _split(values: Sequence[float], lengths: list[int]) -> list[list[float]]:
    """Return the values of each chain."""
    chains, first = [], 0
    for length in lengths:
        chains.append(list(values[first : first + length]))
        first += length
    return chains
