"""One model of a structure as flat arrays: residues with their roles, chains with their sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.errors import StructureError
from logos_cli.formats import _residues
from logos_cli.formats._structure_elements import repair_elements
from logos_cli.formats._structure_read import Loaded, checked_positions
from logos_cli.formats._structure_roles import assign_roles
from logos_cli.formats._structure_types import Chain, Notes, Residue, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEUTERIUM = 119
_HETERO = ord("H")
_NO_ICODE = (0, 32)


class Model:
    """One model of a loaded structure.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 3)
        Å.
    heavy : ndarray of bool, shape (n_atoms,)
        Atoms that are no hydrogen and belong to the chosen conformer (:meth:`_choose_conformers`).
    residues : list of Residue
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

    def _read_residues(self) -> list[Residue]:
        sizes = [len(residue) for chain in self.model for residue in chain]
        ends = np.cumsum(sizes)
        firsts = (ends - sizes).tolist()
        flat = self._flat
        labelled = self.loaded.kind != "pdb"
        polymers = {
            entity.name
            for entity in self.structure.entities
            if entity.entity_type is gemmi.EntityType.Polymer
        }
        columns = zip(
            _texts(flat.chain_ids, firsts), _texts(flat.residue_names, firsts), np.array(flat.resnums)[firsts].tolist(),
            np.array(flat.icodes)[firsts].tolist(), _texts(flat.subchains, firsts), _texts(flat.entity_ids, firsts),
            np.array(flat.het_flags)[firsts].tolist(), firsts, ends.tolist(), strict=True,
        )  # fmt: skip
        found = [
            Residue(
                index, chain, name, number, "" if icode in _NO_ICODE else chr(icode),
                (subchain or None) if labelled else None, None, hetero == _HETERO, first, last,
                entity=entity if labelled and entity in polymers else "", subchain=subchain,
            )
            for index, (chain, name, number, icode, subchain, entity, hetero, first, last) in enumerate(columns)
        ]  # fmt: skip
        if polymers and labelled:
            numbers = [residue.label_seq for chain in self.model for residue in chain]
            for residue, label in zip(found, numbers, strict=True):
                residue.label_number = label
        return found

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
        names: list[bytes] = _fixed_width(self._flat.atom_names).tolist()
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
        return next(
            (atom for atom in range(residue.first, residue.last) if self.atom_name(atom) == name), None
        )

    # -- conformers ------------------------------------------------------------------------------

    def _choose_conformers(self) -> None:
        """Keep one conformer a residue: the one with the highest total occupancy, the first label on a tie."""
        labelled = np.flatnonzero(self.altlocs)
        owner = np.searchsorted([residue.first for residue in self.residues], labelled, side="right") - 1
        totals: dict[int, dict[int, float]] = {}
        for atom, index in zip(labelled.tolist(), owner.tolist(), strict=True):
            label = int(self.altlocs[atom])
            mine = totals.setdefault(index, {})
            mine[label] = mine.get(label, 0.0) + float(self.occupancies[atom])
        for index, mine in totals.items():
            residue = self.residues[index]
            residue.altloc = max(sorted(mine), key=lambda label: round(mine[label], 3))
        chosen = np.array([residue.altloc for residue in self.residues], dtype=np.int8)
        keep = self.altlocs[labelled] == chosen[owner]
        self.heavy[labelled[~keep]] = False
        self.notes.add(
            f"{len(totals)} residues have alternative locations; the one with the highest occupancy is used"
        )

    def _drop_microheterogeneity(self) -> None:
        """Keep one of the residues that share a place in a chain: the one with the highest occupancy."""
        for one, other in self._rivals():
            totals = [float(self.occupancies[item.first : item.last].mean()) for item in (one, other)]
            loser = one if round(totals[1], 3) > round(totals[0], 3) else other
            self.heavy[loser.first : loser.last] = False
            loser.role = Role.OTHER
            self.notes.add(f"{one} and {other.name} share one place; {loser.name} is left out")

    def _rivals(self) -> Iterator[tuple[Residue, Residue]]:
        for one, other in zip(self.residues, self.residues[1:], strict=False):
            if (
                one.number == other.number
                and one.name != other.name
                and one.chain == other.chain
                and one.insertion == other.insertion
                and one.role is Role.PROTEIN is other.role
                and one.subchain == other.subchain
                and one.label_number == other.label_number
            ):
                yield one, other

    # -- chains ----------------------------------------------------------------------------------

    def _read_chains(self) -> list[Chain]:
        """Return the protein chains; residues of one entity under one author's name are one chain."""
        groups: dict[tuple[str, str], list[Residue]] = {}
        for residue in self.residues:
            if residue.role is Role.PROTEIN:
                groups.setdefault((residue.chain, residue.entity), []).append(residue)
        chains = []
        for (name, _), members in groups.items():
            for copy in _copies(members):
                sequence = "".join([_residues.letter(residue.name) for residue in copy])
                chains.append(Chain(name, copy[0].label_chain, copy, sequence))
        return chains

    @cached_property
    def n_waters(self) -> int:
        """Number of water molecules."""
        return sum(1 for residue in self.residues if residue.role is Role.WATER)

    def atoms(self, residues: Iterable[Residue]) -> NDArray[np.intp]:
        """Return the heavy atoms of the chosen conformers of residues."""
        members = [atom for residue in residues for atom in range(residue.first, residue.last)]
        found = np.array(members, dtype=np.intp)
        kept: NDArray[np.intp] = found[self.heavy[found]]
        return kept


def _copies(members: list[Residue]) -> list[list[Residue]]:
    """Split residues by their label chain if label numbers come twice: then they are copies of one chain."""
    numbers = [residue.label_number for residue in members if residue.label_number is not None]
    if len(set(numbers)) == len(numbers):
        return [members]
    found: dict[str | None, list[Residue]] = {}
    for residue in members:
        found.setdefault(residue.label_chain, []).append(residue)
    return list(found.values())


def _fixed_width(texts: object) -> NDArray[np.bytes_]:
    """View gemmi's zero-padded characters, shape (n, 8), as n byte strings."""
    array = np.ascontiguousarray(np.array(texts))
    viewed: NDArray[np.bytes_] = array.view(f"S{array.shape[1]}").reshape(-1)
    return viewed


def _texts(texts: object, rows: list[int]) -> list[str]:
    values = _fixed_width(texts)[rows].tolist()
    decoded = {value: value.decode("utf-8", "replace") for value in set(values)}
    return [decoded[value] for value in values]
