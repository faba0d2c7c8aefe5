"""Choose the chains of a structure for its entries, and map their sequences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from logos_cli.structure import sequence as sequences
from logos_cli.structure.model import StructureModel
from logos_cli.structure.sequence import MappedChain
from logos_cli.structure.types import Chain


class EntryChains:
    """The chosen chains, each with its sequence once an entry needs it.

    Parameters
    ----------
    model : StructureModel
    chains : sequence of Chain
    sequence : {"observed", "full"}
        Residues with coordinates, or the deposited sequence.

    Attributes
    ----------
    members : frozenset of int
        Indices of their residues.
    """

    def __init__(self, model: StructureModel, chains: Sequence[Chain], sequence: str) -> None:
        self.members = frozenset(index for chain in chains for index in chain.members)
        self._model = model
        self._chains = chains
        self._map = sequences.full if sequence == "full" else sequences.observed
        self._mapped: dict[int, MappedChain] = {}

    def __len__(self) -> int:
        return len(self._chains)

    def __iter__(self) -> Iterator[MappedChain]:
        return (self._sequence(number) for number in range(len(self._chains)))

    def lining(self, residues: Collection[int]) -> list[MappedChain]:
        """Return the chains that have at least one of these residues."""
        wanted = frozenset(residues)
        return [
            self._sequence(number) for number, chain in enumerate(self._chains) if not wanted.isdisjoint(chain.members)
        ]

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Positions of their heavy atoms in angstrom."""
        return self._model.positions_of(self.members)

    def _sequence(self, number: int) -> MappedChain:
        if number not in self._mapped:
            self._mapped[number] = self._map(self._model, self._chains[number])
        return self._mapped[number]
