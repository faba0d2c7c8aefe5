"""One model of a structure: atoms as flat arrays, residues with roles, chains with sequences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.errors import StructureError
from logos_cli.structure.atoms import AtomTable
from logos_cli.structure.elements import repair_elements
from logos_cli.structure.residues import residue_names
from logos_cli.structure.residues.standard_names import check_standard_residues, standard_names
from logos_cli.structure.roles import assign_roles
from logos_cli.structure.types import NO_NUMBER, Chain, Residue, Residues, Role, StructureFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEUTERIUM = 119
_NEIGHBOURS_ANGSTROM = 2.5
"""Alpha carbons of neighbours are 2.9 Å apart or more."""
_BOND_ANGSTROM = (1.1, 1.8)
"""Limits of the usual distance of N and CA in a residue (1.46 Å)."""
_FEWEST_BONDS = 3
_SPREAD_ANGSTROM = 0.7


class StructureModel(AtomTable):
    """One model of a structure, with roles of residues, one conformer per residue, and chains.

    Attributes
    ----------
    heavy : ndarray of bool, shape (n_atoms,)
        Atoms other than hydrogen that belong to the chosen conformer.
    chains : list of Chain
        Protein chains in file order.
    """

    def __init__(self, file: StructureFile, name: str, number: int = 1) -> None:
        super().__init__(file, name, number)
        self.residues.standards = standard_names(self)
        if file.block is None or not self.elements.all():
            repair_elements(self)
        assign_roles(self)
        self._check_numbers()
        self.heavy = (self.elements != 1) & (self.elements != _DEUTERIUM)
        if self.altlocs.any():
            self._choose_conformers()
        self._drop_microheterogeneity()
        self._check_backbone()
        check_standard_residues(self, self.residues.with_role(Role.PROTEIN))
        self.chains = self._read_chains()

    def _check_numbers(self) -> None:
        """Refuse a chain with residues without numbers, as they cannot be distinguished."""
        table = self.residues
        numbers = np.array(table.numbers)
        missing = np.flatnonzero(
            (numbers == NO_NUMBER) & ((table.roles == Role.PROTEIN) | (table.roles == Role.NUCLEIC))
        )
        if len(missing):
            raise StructureError(
                f"residue {table[int(missing[0])].name} of a chain has no number",
                source=self.name,
                hint="auth_seq_id or label_seq_id must distinguish residues",
            )

    def _check_backbone(self) -> None:
        """Note residues of chains without a CA: lone atoms with a number of their own, or damaged residues.

        Raises
        ------
        StructureError
            If N and CA are not as far apart as a bond is: other units than Å, or coordinates that are none.
        """
        table = self.residues
        centres = self.atoms_called("CA")
        has_centre = np.zeros(len(table), dtype=bool)
        has_centre[np.searchsorted(table.first, centres, side="right") - 1] = True
        bonded = centres[np.isin(centres - 1, self.atoms_called("N"), assume_unique=True)]
        if (n := len(bonded)) >= _FEWEST_BONDS:
            lengths = np.sort(np.linalg.norm(self.positions[bonded] - self.positions[bonded - 1], axis=1))
            low, middle, high = lengths[[n // 10, n // 2, n - 1 - n // 10]].tolist()
            if not _BOND_ANGSTROM[0] <= middle <= _BOND_ANGSTROM[1] or high - low > _SPREAD_ANGSTROM:
                raise StructureError(
                    f"atoms N and CA of residues are {low:.2f} to {high:.2f} Å apart, not 1.46 Å",
                    source=self.name,
                    hint="coordinates must be those of a structure in space, in Å",
                )
        fragments = np.flatnonzero((table.roles == Role.PROTEIN) & ~has_centre).tolist()
        if fragments:
            named = ", ".join(str(table[index]) for index in fragments[:3])
            count = "1 residue has" if len(fragments) == 1 else f"{len(fragments)} residues have"
            self.notes.add(f"{count} no atom CA: {named}{' …' if len(fragments) > 3 else ''}")

    # -- conformers ------------------------------------------------------------------------------

    def _choose_conformers(self) -> None:
        """Keep one conformer per residue: the one with the highest total occupancy, or the first label on a tie."""
        labelled = np.flatnonzero(self.altlocs)
        owner = np.searchsorted(self.residues.first, labelled, side="right") - 1
        labels = self.altlocs[labelled]
        totals: dict[int, dict[int, float]] = {}
        for label, index, occupancy in zip(
            labels.tolist(), owner.tolist(), self.occupancies[labelled].tolist(), strict=True
        ):
            mine = totals.setdefault(index, {})
            mine[label] = mine.get(label, 0.0) + occupancy
        for index, mine in totals.items():
            self.residues.altlocs[index] = max(sorted(mine), key=lambda label: round(mine[label], 3))
        self.heavy[labelled[labels != self.residues.altlocs[owner]]] = False
        count = "1 residue has" if len(totals) == 1 else f"{len(totals)} residues have"
        self.notes.add(f"{count} alternative locations; the one with the highest occupancy is used")

    def _drop_microheterogeneity(self) -> None:
        """Keep one of the residues that share a number in a chain: the one with the highest occupancy, on a tie the first."""
        for rivals in self._rivals():
            totals = [round(self._occupancy(residue), 3) for residue in rivals]
            winner = rivals[totals.index(max(totals))]
            losers = [residue for residue in rivals if residue is not winner]
            for loser in losers:
                self.heavy[loser.first : loser.last] = False
                loser.set_role(Role.OTHER)
            together = _and([str(rivals[0]), *(residue.name for residue in rivals[1:])])
            verb = "is" if len(losers) == 1 else "are"
            self.notes.add(f"{together} share one place; {_and([loser.name for loser in losers])} {verb} left out")

    def _occupancy(self, residue: Residue) -> float:
        """Return the mean over the atoms of a residue of the occupancy, all conformers of an atom together."""
        n_atoms = len(set(self.atom_names[residue.first : residue.last]))
        return float(self.occupancies[residue.first : residue.last].sum()) / n_atoms

    def _rivals(self) -> list[list[Residue]]:
        """Return the residues of each place that several share, in file order."""
        table = self.residues
        numbers, protein = np.array(table.numbers), table.roles == Role.PROTEIN
        same = (numbers[1:] == numbers[:-1]) & protein[1:] & protein[:-1]
        groups: list[list[Residue]] = []
        for index in np.flatnonzero(same).tolist():
            one, other = table[index], table[index + 1]
            group = groups[-1] if groups and groups[-1][-1].index == index else [one]
            if (
                other.name not in {residue.name for residue in group}
                and one.chain == other.chain
                and one.insertion == other.insertion
                and one.label_chain == other.label_chain
                and one.label_number == other.label_number
                and self._share_place(group[0], other)
            ):
                if len(group) == 1:
                    groups.append(group)
                group.append(other)
        return groups

    def _share_place(self, one: Residue, other: Residue) -> bool:
        """Return whether two residues lie over each other: alternatives, not neighbours with one number."""
        for name in ("CA", "N", "C"):
            atoms = self.find_atom(one, name), self.find_atom(other, name)
            if atoms[0] is not None and atoms[1] is not None:
                apart = self.positions[atoms[0]] - self.positions[atoms[1]]
                return float(np.linalg.norm(apart)) < _NEIGHBOURS_ANGSTROM
        return True

    # -- chains ----------------------------------------------------------------------------------

    def _read_chains(self) -> list[Chain]:
        """Return the protein chains; residues of one entity and one author's name form one chain."""
        table = self.residues
        groups: dict[tuple[str, str], list[int]] = {}
        for index in table.with_role(Role.PROTEIN):
            groups.setdefault((table.chains[index], table.entities[index]), []).append(index)
        names = table.standards
        letters = {name: residue_names.letter(name) for name in {names[i] for g in groups.values() for i in g}}
        chains = []
        for (name, _), members in groups.items():
            for copy in _copies(table, members):
                sequence = "".join([letters[names[index]] for index in copy])
                chains.append(Chain(name, table.label_chains[copy[0]], copy, sequence))
        return chains

    @property
    def n_waters(self) -> int:
        """Number of water molecules."""
        return int((self.residues.roles == Role.WATER).sum())

    def atoms(self, indices: Iterable[int]) -> NDArray[np.intp]:
        """Return the heavy atoms of the chosen conformers of residues, given by index."""
        first, last = self.residues.first, self.residues.last
        spans = [np.arange(first[index], last[index]) for index in indices]
        found = spans[0] if len(spans) == 1 else np.concatenate([np.zeros(0, np.intp), *spans])
        kept: NDArray[np.intp] = found[self.heavy[found]]
        return kept

    def positions_of(self, indices: Iterable[int]) -> NDArray[np.float64]:
        """Return the positions (Å) of the heavy atoms of many residues."""
        chosen = np.zeros(len(self.residues), dtype=bool)
        chosen[list(indices)] = True
        mask = np.repeat(chosen, self.residues.last - self.residues.first) & self.heavy
        places: NDArray[np.float64] = self.positions[mask]
        return places


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _copies(table: Residues, members: list[int]) -> list[list[int]]:
    """Split residues by their label chain if label numbers are repeated, as they are copies of one chain."""
    numbers = [table.label_numbers[index] for index in members if table.label_numbers[index] is not None]
    if len(set(numbers)) == len(numbers):
        return [members]
    found: dict[str | None, list[int]] = {}
    for index in members:
        found.setdefault(table.label_chains[index], []).append(index)
    return list(found.values())
