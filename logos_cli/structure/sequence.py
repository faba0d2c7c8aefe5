"""Observed and deposited sequences of chains, with the map from letters to residues of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import gemmi

from logos_cli.records.parts import ChainResidues
from logos_cli.structure.model import StructureModel
from logos_cli.structure.residues import residue_names
from logos_cli.structure.types import Chain, Residues

_STANDARD = frozenset(residue_names.STANDARD)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MappedChain:
    """A sequence and its residues.

    ``members`` has the index of a residue for each letter, or None for a letter of the deposited sequence without
    coordinates. ``names`` has the residue names, letter by letter.
    """

    table: Residues
    chain: Chain
    sequence: str
    members: Sequence[int | None]
    names: Sequence[str]

    def places(self) -> dict[int, int]:
        """Return the zero-based position in the sequence of each residue index."""
        return {index: place for place, index in enumerate(self.members) if index is not None}

    def to_json(self) -> ChainResidues:
        """Return the residue map of a record: see ``docs/reference/formats/structures.md``."""
        table = self.table
        found: ChainResidues = {"chain": self.chain.name}
        if self.chain.label is not None:
            found["label_chain"] = self.chain.label
        found["numbers"] = self._column(table.numbers)
        insertions = self._column(table.insertions)
        if any(insertions):
            found["insertion"] = {str(place): code for place, code in enumerate(insertions) if code}
        labels = self._column(table.label_numbers)
        if any(label is not None for label in labels):
            found["label_numbers"] = labels
        if unusual := set(self.names) - _STANDARD:
            found["names"] = {str(place): name for place, name in enumerate(self.names) if name in unusual}
        return found

    def _column(self, values: Sequence[T]) -> list[T | None]:
        return [None if index is None else values[index] for index in self.members]


def observed(model: StructureModel, chain: Chain) -> MappedChain:
    """Return the sequence of the residues with coordinates."""
    names = [model.residues.names[index] for index in chain.members]
    return MappedChain(model.residues, chain, chain.sequence, chain.members, names)


def full(model: StructureModel, chain: Chain) -> MappedChain:
    """Return the deposited sequence (entity_poly_seq, SEQRES); the observed one if the file has none.

    mmCIF has the position of each residue; in a PDB file the observed residues are aligned to SEQRES.
    """
    deposited = deposited_names(model, chain)
    if not deposited:
        model.notes.add(f"the file has no full sequence of chain {chain.name}; the observed one is used")
        return observed(model, chain)
    table = model.residues
    places = _label_places(table, chain, deposited) or _aligned_places(table, chain, deposited)
    if places is None:
        model.notes.add(f"the full sequence of chain {chain.name} does not fit its residues; the observed one is used")
        return observed(model, chain)
    members: list[int | None] = [None] * len(deposited)
    names, standards = list(deposited), list(deposited)
    for index, place in zip(chain.members, places, strict=True):
        members[place] = index
        names[place], standards[place] = table.names[index], table.standards[index]
    return MappedChain(table, chain, "".join(map(residue_names.letter, standards)), members, names)


def deposited_names(model: StructureModel, chain: Chain) -> list[str]:
    """Return the residue names of the deposited sequence; empty if the file has none."""
    for entity in model.structure.entities:
        if entity.entity_type is not gemmi.EntityType.Polymer:
            continue
        mine = chain.label in entity.subchains if chain.label is not None else entity.name == chain.name
        if mine:
            return [gemmi.Entity.first_mon(item) for item in entity.full_sequence]
    return []


def _label_places(table: Residues, chain: Chain, deposited: list[str]) -> list[int] | None:
    numbers = [table.label_numbers[index] for index in chain.members]
    places = [-1 if number is None else number - 1 for number in numbers]
    if any(not 0 <= place < len(deposited) for place in places) or len(set(places)) < len(places):
        return None
    return places


def _aligned_places(table: Residues, chain: Chain, deposited: list[str]) -> list[int] | None:
    """Align observed to deposited names; gaps are cheap where the numbers of the observed chain jump."""
    names = [table.standards[index] for index in chain.members]
    if len(names) > len(deposited):
        return None
    scoring = gemmi.AlignmentScoring()
    numbers = [table.numbers[index] for index in chain.members]
    jumps = [0 if later - earlier != 1 else scoring.gapo for earlier, later in pairwise(numbers)]
    result = gemmi.align_string_sequences(deposited, names, [0, *jumps, 0], scoring)
    places: list[int] = []
    query = 0
    for length, kind in _cigar(result.cigar_str()):
        if kind == "M":
            places.extend(range(query, query + length))
        elif kind == "D":
            return None
        if kind in "MI":
            query += length
    mismatches = sum(deposited[place] != name for place, name in zip(places, names, strict=False))
    return places if len(places) == len(names) and mismatches * 5 <= len(names) else None


def _cigar(text: str) -> list[tuple[int, str]]:
    found, number = [], ""
    for character in text:
        if character.isdigit():
            number += character
        else:
            found.append((int(number), character))
            number = ""
    return found
