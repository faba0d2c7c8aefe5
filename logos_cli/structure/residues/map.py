"""Map the residues of a sentence to the author's names in their file: ``A:52A`` is residue 52A of chain A."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from logos_cli.errors import InputError, UsageError
from logos_cli.records import Source
from logos_cli.records.parts import ChainResidues, residues_of

_PART = re.compile(
    r"\s*(?:(?P<chain>[^\s:,]*):)?(?P<first>-?[0-9]+)(?P<first_code>[A-Za-z]?)"
    r"(?:\s*-\s*(?P<last>-?[0-9]+)(?P<last_code>[A-Za-z]?))?\s*"
)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ResidueName:
    """A residue by the author's chain, number and insertion code."""

    chain: str
    number: int
    insertion: str = ""

    @property
    def number_text(self) -> str:
        """The number with the insertion code."""
        return f"{self.number}{self.insertion}"

    def __str__(self) -> str:
        return f"{self.chain}:{self.number_text}" if self.chain else self.number_text


Place = tuple[int, int]
"""Number of a chain in a sentence, and position in its sequence, both from 0."""


class ResidueMap:
    """The residue of the file for each letter of a sentence.

    Parameters
    ----------
    source : mapping
        Source of the record; without ``residues``, letters are counted from 1 and chains are A, B, C …
    lengths : sequence of int
        Letters of each chain.

    Attributes
    ----------
    is_known : bool
        Whether the source has the residues.

    Raises
    ------
    InputError
        If the source and the sentence have different chains.
    """

    def __init__(self, source: Source, lengths: Sequence[int]) -> None:
        maps = residues_of(source)
        self.is_known = bool(maps)
        if maps:
            if [len(each.get("numbers", ())) for each in maps] != list(lengths):
                raise InputError("the sentence and its structure have different chains")
            self._names = [_names_of(each) for each in maps]
        else:
            single = len(lengths) == 1
            self._names = [
                [ResidueName("" if single else _letter(chain), number + 1) for number in range(length)]
                for chain, length in enumerate(lengths)
            ]

    def name(self, place: Place) -> ResidueName | None:
        """Return the residue at a place, or None if the file has no coordinates for the letter."""
        return self._names[place[0]][place[1]]

    def select(self, text: str) -> list[list[int]]:
        """Return the positions (ascending, from 0) in each chain of ``A:45,A:47-52``.

        A range has the residues between its ends in the file, insertion codes included. A part without a chain
        belongs to the chain before it, or to the only one.

        Raises
        ------
        UsageError
            If the text is no such list, or names residues that do not exist.
        """
        found: list[set[int]] = [set() for _ in self._names]
        absent: list[ResidueName] = []
        chain = self._only_chain()
        for part in text.split(","):
            match = _PART.fullmatch(part)
            if match is None:
                raise UsageError(
                    f"{part.strip()!r} names no residues",
                    hint="write them as A:45,A:47-52, with insertion codes: A:52A",
                )
            chain = chain if match["chain"] is None else match["chain"]
            if chain is None:
                raise UsageError(f"{part.strip()!r} names no chain", hint=f"the chains are {', '.join(self._chains())}")
            self._add(match, chain, found, absent)
        if absent:
            listed = ", ".join(map(str, absent[:_SHOWN])) + (" …" if len(absent) > _SHOWN else "")
            raise UsageError(f"there is no residue {listed}", hint=self._extent())
        return [sorted(positions) for positions in found]

    def _add(self, match: re.Match[str], chain: str, found: list[set[int]], absent: list[ResidueName]) -> None:
        first = ResidueName(chain, int(match["first"]), match["first_code"].upper())
        last = first
        if match["last"] is not None:
            last = ResidueName(chain, int(match["last"]), match["last_code"].upper())
        for number, names in enumerate(self._names):
            if first in names and last in names:
                begin, end = names.index(first), names.index(last)
                if begin > end:
                    raise UsageError(f"{match[0].strip()!r} runs backward", hint="give the smaller number first")
                present = {each.number for each in names[begin : end + 1] if each is not None}
                absent += [
                    ResidueName(chain, gap) for gap in range(first.number, last.number + 1) if gap not in present
                ]
                found[number].update(range(begin, end + 1))
                return
        known = {each for names in self._names for each in names}
        absent += [end for end in dict.fromkeys((first, last)) if end not in known]

    def _chains(self) -> list[str]:
        return list(dict.fromkeys(each.chain for names in self._names for each in names if each is not None))

    def _only_chain(self) -> str | None:
        chains = self._chains()
        return chains[0] if len(chains) == 1 else None

    def _extent(self) -> str:
        """Return the first and last residue of each chain, for a hint."""
        parts = []
        for chain in self._chains():
            names = [each for row in self._names for each in row if each is not None and each.chain == chain]
            label = f"chain {chain}" if chain else "the sequence"
            parts.append(f"{label} runs from {names[0].number_text} to {names[-1].number_text}")
        return "; ".join(parts)


def _names_of(chain: ChainResidues) -> list[ResidueName | None]:
    name, codes = str(chain.get("chain", "")), chain.get("insertion", {})
    return [
        None if number is None else ResidueName(name, int(number), str(codes.get(str(place), "")))
        for place, number in enumerate(chain["numbers"])
    ]


def _letter(chain: int) -> str:
    return chr(ord("A") + chain) if chain < 26 else str(chain + 1)
