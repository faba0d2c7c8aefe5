"""One model of a structure as flat arrays: residues with their roles, chains with their sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.errors import StructureError
from logos_cli.structure import residue_names
from logos_cli.structure.elements import repair_elements
from logos_cli.structure.read import Loaded, checked_positions
from logos_cli.structure.roles import assign_roles
from logos_cli.structure.types import Chain, Notes, Residue, Residues, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEUTERIUM = 119
_HETERO = ord("H")


class Model:
    """One model of a loaded structure.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 3)
        Å.
    heavy : ndarray of bool, shape (n_atoms,)
        Atoms that are no hydrogen and belong to the chosen conformer (:meth:`_choose_conformers`).
    residues : Residues
    chains : list of Chain
        Protein chains in file order.
    """

    def __init__(self, loaded: Loaded, name: str, number: int = 1) -> None:
        self.name = name
        self.loaded = loaded
        self.notes = Notes(list(loaded.notes))
        self.structure = loaded.structure
        self.number = number
        self._keep_model(number)
        self.model = self.structure[0]
        flat = gemmi.FlatStructure(self.structure)
        self.positions = checked_positions(flat, name)
        self.elements: NDArray[np.uint8] = np.array(flat.elements)
        self.altlocs: NDArray[np.int8] = np.array(flat.altlocs)
        self._flat = flat
        self.residues = self._read_residues()
        if loaded.kind == "pdb":
            repair_elements(self)
        assign_roles(self)
        self.heavy = (self.elements != 1) & (self.elements != _DEUTERIUM)
        if self.altlocs.any():
            self._choose_conformers()
        self._drop_microheterogeneity()
        self.chains = self._read_chains()

    # -- reading ---------------------------------------------------------------------------------

    def _keep_model(self, number: int) -> None:
        n_models = len(self.structure)
        if not 1 <= number <= n_models:
            raise StructureError(
                f"there is no model {number}",
                source=self.name,
                hint=f"the file has {n_models} (--model 1 to {n_models})",
            )
        if n_models > 1:
            self.notes.add(f"the file has {n_models} models; this is model {number}")
            for index in range(n_models - 1, -1, -1):
                if index != number - 1:
                    del self.structure[index]

    def _read_residues(self) -> Residues:
        sizes = np.array([len(residue) for chain in self.model for residue in chain], dtype=np.intp)
        last = np.cumsum(sizes)
        first = last - sizes
        flat = self._flat
        labelled = self.loaded.kind != "pdb"
        n_residues = len(sizes)
        polymers = {entity.name for entity in self.structure.entities if entity.entity_type is gemmi.EntityType.Polymer}
        nothing: list[None] = [None] * n_residues
        return Residues(
            names=_texts(flat.residue_names, first),
            chains=_texts(flat.chain_ids, first),
            numbers=np.array(flat.resnums)[first].tolist(),
            insertions=[chr(code).strip("\0 ") for code in np.array(flat.icodes)[first].tolist()],
            label_chains=[name or None for name in _texts(flat.subchains, first)] if labelled else list(nothing),
            label_numbers=[residue.label_seq for chain in self.model for residue in chain]
            if labelled and polymers
            else list(nothing),
            entities=[name if name in polymers else "" for name in _texts(flat.entity_ids, first)]
            if labelled and polymers
            else [""] * n_residues,
            hetero=(np.array(flat.het_flags)[first] == _HETERO).tolist(),
            first=first,
            last=last,
            roles=np.zeros(n_residues, np.int8),
            altlocs=np.zeros(n_residues, np.int8),
        )

    def gemmi_atom(self, residue: Residue, atom: int) -> gemmi.Atom:
        """Return gemmi's atom of a flat index."""
        index = residue.index
        for chain in self.model:
            if index < len(chain):
                return chain[index][atom - residue.first]
            index -= len(chain)
        raise IndexError(atom)

    @cached_property
    def name_letters(self) -> NDArray[np.uint8]:
        """First letter (ASCII) of each atom's name, leading digits skipped."""
        names = np.array(self._flat.atom_names).view(np.uint8)
        digit = (names[:, 0] >= ord("0")) & (names[:, 0] <= ord("9"))
        letters: NDArray[np.uint8] = np.where(digit, names[:, 1], names[:, 0])
        return letters

    @cached_property
    def _names(self) -> list[bytes]:
        names: list[bytes] = _fixed_width(np.asarray(self._flat.atom_names)).tolist()
        return names

    def atom_name(self, atom: int) -> str:
        """Return the name of an atom of the flat arrays."""
        return self._names[atom].decode("utf-8", "replace")

    @cached_property
    def occupancies(self) -> NDArray[np.float32]:
        """Occupancy of each atom."""
        return np.array(self._flat.occ)

    def find_atom(self, residue: Residue, name: str) -> int | None:
        """Return the first atom of a residue with this name."""
        return next((atom for atom in range(residue.first, residue.last) if self.atom_name(atom) == name), None)

    # -- conformers ------------------------------------------------------------------------------

    def _choose_conformers(self) -> None:
        """Keep one conformer a residue: the one with the highest total occupancy, the first label on a tie."""
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
        """Keep one of the residues that share a place in a chain: the one with the highest occupancy."""
        for one, other in self._rivals():
            totals = [float(self.occupancies[item.first : item.last].mean()) for item in (one, other)]
            loser = one if round(totals[1], 3) > round(totals[0], 3) else other
            self.heavy[loser.first : loser.last] = False
            loser.set_role(Role.OTHER)
            self.notes.add(f"{one} and {other.name} share one place; {loser.name} is left out")

    def _rivals(self) -> Iterator[tuple[Residue, Residue]]:
        table = self.residues
        numbers, protein = np.array(table.numbers), table.roles == Role.PROTEIN
        same = (numbers[1:] == numbers[:-1]) & protein[1:] & protein[:-1]
        for index in np.flatnonzero(same).tolist():
            one, other = table[index], table[index + 1]
            if (
                one.name != other.name
                and one.chain == other.chain
                and one.insertion == other.insertion
                and one.label_chain == other.label_chain
                and one.label_number == other.label_number
            ):
                yield one, other

    # -- chains ----------------------------------------------------------------------------------

    def _read_chains(self) -> list[Chain]:
        """Return the protein chains; residues of one entity under one author's name are one chain."""
        table = self.residues
        groups: dict[tuple[str, str], list[int]] = {}
        for index in table.with_role(Role.PROTEIN):
            groups.setdefault((table.chains[index], table.entities[index]), []).append(index)
        letters = {name: residue_names.letter(name) for name in {table.names[i] for g in groups.values() for i in g}}
        chains = []
        for (name, _), members in groups.items():
            for copy in _copies(table, members):
                sequence = "".join([letters[table.names[index]] for index in copy])
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


def _copies(table: Residues, members: list[int]) -> list[list[int]]:
    """Split residues by their label chain if label numbers come twice: then they are copies of one chain."""
    numbers = [table.label_numbers[index] for index in members if table.label_numbers[index] is not None]
    if len(set(numbers)) == len(numbers):
        return [members]
    found: dict[str | None, list[int]] = {}
    for index in members:
        found.setdefault(table.label_chains[index], []).append(index)
    return list(found.values())


def _fixed_width(texts: NDArray[np.int8]) -> NDArray[np.bytes_]:
    """View gemmi's zero-padded characters, shape (n, 8), as n byte strings."""
    array = np.ascontiguousarray(texts)
    viewed: NDArray[np.bytes_] = array.view(f"S{array.shape[1]}").reshape(-1)
    return viewed


def _texts(texts: object, rows: NDArray[np.intp]) -> list[str]:
    values: list[bytes] = _fixed_width(np.asarray(texts)[rows]).tolist()
    decoded = {value: value.decode("utf-8", "replace") for value in set(values)}
    return [decoded[value] for value in values]
