"""Sequences of chains, observed or deposited, with the map from letters to residues of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gemmi

from logos_cli.formats import _residues
from logos_cli.formats._structure_model import Model
from logos_cli.formats._structure_types import Chain, Residue


@dataclass(frozen=True, slots=True)
class Mapped:
    """A sequence and its residues.

    ``residues`` has one item a letter, None where the deposited sequence has no coordinates; ``names`` are the
    residue names, letter by letter.
    """

    chain: Chain
    sequence: str
    residues: tuple[Residue | None, ...]
    names: tuple[str, ...]

    def places(self) -> dict[int, int]:
        """Return residue index -> zero-based place in the sequence."""
        return {residue.index: place for place, residue in enumerate(self.residues) if residue is not None}

    def to_json(self) -> dict[str, Any]:
        """Return the residue map of a record: see ``docs/formats/structures.md``."""
        found: dict[str, Any] = {"chain": self.chain.name}
        if self.chain.label is not None:
            found["label_chain"] = self.chain.label
        found["numbers"] = [None if residue is None else residue.number for residue in self.residues]
        insertion = {
            str(place): residue.insertion
            for place, residue in enumerate(self.residues)
            if residue is not None and residue.insertion
        }
        if insertion:
            found["insertion"] = insertion
        labels = [None if residue is None else residue.label_number for residue in self.residues]
        if any(label is not None for label in labels):
            found["label_numbers"] = labels
        names = {
            str(place): name for place, name in enumerate(self.names) if _residues.STANDARD.get(name) is None
        }
        if names:
            found["names"] = names
        return found


def observed(chain: Chain) -> Mapped:
    """Return the residues that have coordinates."""
    return Mapped(
        chain, chain.sequence, tuple(chain.residues), tuple(residue.name for residue in chain.residues)
    )


def full(model: Model, chain: Chain) -> Mapped:
    """Return the deposited sequence (entity_poly_seq, SEQRES); the observed one if the file has none.

    mmCIF says which residue is which; in a PDB file the observed residues are aligned to SEQRES.
    """
    deposited = deposited_names(model, chain)
    if not deposited:
        model.notes.add(f"the file has no full sequence of chain {chain.name}; the observed one is used")
        return observed(chain)
    places = _label_places(chain, deposited) or _aligned_places(chain, deposited)
    if places is None:
        model.notes.add(
            f"the full sequence of chain {chain.name} does not fit its residues; the observed one is used"
        )
        return observed(chain)
    residues: list[Residue | None] = [None] * len(deposited)
    names = list(deposited)
    for residue, place in zip(chain.residues, places, strict=True):
        residues[place] = residue
        names[place] = residue.name
    return Mapped(chain, "".join(map(_residues.letter, names)), tuple(residues), tuple(names))


def deposited_names(model: Model, chain: Chain) -> list[str]:
    """Return the residue names of the deposited sequence, empty if the file has none."""
    for entity in model.structure.entities:
        if entity.entity_type is not gemmi.EntityType.Polymer:
            continue
        mine = chain.label in entity.subchains if chain.label is not None else entity.name == chain.name
        if mine:
            return [gemmi.Entity.first_mon(item) for item in entity.full_sequence]
    return []


def _label_places(chain: Chain, deposited: list[str]) -> list[int] | None:
    places = [
        residue.label_number - 1 if residue.label_number is not None else -1 for residue in chain.residues
    ]
    if any(not 0 <= place < len(deposited) for place in places) or len(set(places)) < len(places):
        return None
    return places


def _aligned_places(chain: Chain, deposited: list[str]) -> list[int] | None:
    """Align observed to deposited names; gaps in the observed chain are cheap where its numbers jump."""
    names = [residue.name for residue in chain.residues]
    if len(names) > len(deposited):
        return None
    scoring = gemmi.AlignmentScoring()
    jumps = [
        0 if later.number - earlier.number != 1 else scoring.gapo
        for earlier, later in zip(chain.residues, chain.residues[1:], strict=False)
    ]
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
