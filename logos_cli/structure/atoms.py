"""The atoms of one model of a structure as flat arrays, with a table of its residues."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.errors import StructureError
from logos_cli.structure.copies import split_copies
from logos_cli.structure.flat import checked_positions, flattened
from logos_cli.structure.listing import NOT_TOLD, hetero_residues, listed_residues
from logos_cli.structure.repeats import drop_repeats, has_repeats
from logos_cli.structure.residues import residue_names
from logos_cli.structure.types import Notes, Residue, Residues, StructureFile

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AtomTable:
    """The atoms and residues of one model; roles of residues are not yet known.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 3)
        Positions in Å.
    elements : ndarray of uint8, shape (n_atoms,)
        Atomic numbers; 119 is deuterium.
    residues : Residues
    """

    def __init__(self, file: StructureFile, name: str, number: int = 1) -> None:
        self.name = name
        self.file = file
        self.notes = Notes(list(file.notes))
        self.structure = file.structure
        self.number = number
        self._keep_model(number)
        self.model = self.structure[0]
        self._flatten()
        if has_repeats(self.positions) and (notes := drop_repeats(self.model)):
            self.structure.remove_empty_chains()
            self._flatten()
            for note in notes:
                self.notes.add(note)
        if doubled := self._doubled():
            if notes := split_copies(self.model, doubled):
                self._flatten()
            for note in notes:
                self.notes.add(note)

    def _flatten(self) -> None:
        flat, self._long_names = flattened(self.structure)
        self.positions = checked_positions(flat, self.name)
        self.elements: NDArray[np.uint8] = np.array(flat.elements)
        self.altlocs: NDArray[np.int8] = np.array(flat.altlocs)
        self._flat = flat
        self.__dict__.pop("atom_names", None)
        self.residues = self._read_residues()

    def _doubled(self) -> list[int]:
        """Return the residues, other than standard ones and water, with two atoms of one name."""
        table = self.residues
        usual = {name: name in residue_names.STANDARD or residue_names.is_water(name) for name in set(table.names)}
        sizes = (table.last - table.first).tolist()
        others = [index for index, name in enumerate(table.names) if sizes[index] > 1 and not usual[name]]
        if not others:
            return []
        names, altlocs = self.atom_names, self.altlocs.tolist()
        found = []
        for index in others:
            span = slice(int(table.first[index]), int(table.last[index]))
            if len(set(zip(names[span], altlocs[span], strict=True))) < sizes[index]:
                found.append(index)
        return found

    def _keep_model(self, number: int) -> None:
        n_models = len(self.structure)
        if not 1 <= number <= n_models:
            raise StructureError(
                f"there is no model {number}",
                source=self.name,
                hint=f"the file has models 1 to {n_models}; --model-number chooses one",
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
        labelled = self.file.block is not None
        n_residues = len(sizes)
        polymers = {entity.name for entity in self.structure.entities if entity.entity_type is gemmi.EntityType.Polymer}
        nothing: list[None] = [None] * n_residues
        names = self._texts(flat.residue_names, first)
        chains = self._texts(flat.chain_ids, first)
        label_chains: list[str | None] = (
            [name or None for name in self._texts(flat.subchains, first)] if labelled else list(nothing)
        )
        label_numbers: list[int | None] = (
            [residue.label_seq for chain in self.model for residue in chain] if labelled else list(nothing)
        )
        listed = listed_residues(label_numbers)
        hetero, is_told = hetero_residues(np.array(flat.het_flags)[first].tolist(), listed, label_chains, chains)
        if labelled and not is_told and not polymers:
            self.notes.add(NOT_TOLD)
        return Residues(
            names=names,
            chains=chains,
            numbers=np.array(flat.resnums)[first].tolist(),
            insertions=[chr(code).strip("\0 ") for code in np.array(flat.icodes)[first].tolist()],
            label_chains=label_chains,
            label_numbers=label_numbers if polymers else list(nothing),
            entities=[name if name in polymers else "" for name in self._texts(flat.entity_ids, first)]
            if labelled and polymers
            else self._parted_chains(),
            hetero=hetero,
            listed=listed,
            first=first,
            last=last,
            roles=np.zeros(n_residues, np.int8),
            altlocs=np.zeros(n_residues, np.int8),
            standards=names,
        )

    def _parted_chains(self) -> list[str]:
        """Return the number of each residue's chain if several chains have one name; else empty texts."""
        names = [chain.name for chain in self.model]
        if len(set(names)) == len(names):
            return [""] * sum(map(len, self.model))
        return [str(number) for number, chain in enumerate(self.model) for _ in chain]

    def gemmi_atom(self, residue: Residue, atom: int) -> gemmi.Atom:
        """Return gemmi's atom of a flat index."""
        index = residue.index
        for chain in self.model:
            if index < len(chain):
                return chain[index][atom - residue.first]
            index -= len(chain)
        raise IndexError(atom)

    def _texts(self, texts: object, rows: NDArray[np.intp]) -> list[str]:
        values: list[bytes] = _fixed_width(np.asarray(texts)[rows]).tolist()
        decoded = {value: value.decode("utf-8", "replace") for value in set(values)}
        if self._long_names:
            decoded = {value: self._long_names.get(text, text) for value, text in decoded.items()}
        return [decoded[value] for value in values]

    @cached_property
    def name_letters(self) -> NDArray[np.uint8]:
        """First letter (ASCII) of each atom's name, without leading digits."""
        names = np.array(self._flat.atom_names).view(np.uint8)
        digit = (names[:, 0] >= ord("0")) & (names[:, 0] <= ord("9"))
        letters: NDArray[np.uint8] = np.where(digit, names[:, 1], names[:, 0])
        return letters

    @cached_property
    def atom_names(self) -> list[bytes]:
        """Name of each atom; names of more than eight characters have a stand-in."""
        names: list[bytes] = _fixed_width(np.asarray(self._flat.atom_names)).tolist()
        return names

    @property
    def name_bytes(self) -> tuple[bytes, int]:
        """Names of all atoms in one text, padded to the same width, and the width."""
        names = np.ascontiguousarray(np.asarray(self._flat.atom_names))
        return names.tobytes(), names.shape[1]

    def atom_name(self, atom: int) -> str:
        """Return the name of an atom of the flat arrays."""
        name = self.atom_names[atom].decode("utf-8", "replace")
        return self._long_names.get(name, name)

    def atoms_called(self, name: str) -> NDArray[np.intp]:
        """Return the atoms with a name."""
        found: NDArray[np.intp] = np.flatnonzero(_fixed_width(np.asarray(self._flat.atom_names)) == name.encode())
        return found

    def residue_atom_names(self, residue: Residue) -> frozenset[str]:
        """Return the names of a residue's atoms."""
        return frozenset(map(self.atom_name, range(residue.first, residue.last)))

    @cached_property
    def occupancies(self) -> NDArray[np.float32]:
        """Occupancy of each atom."""
        return np.array(self._flat.occ)

    def find_atom(self, residue: Residue, name: str) -> int | None:
        """Return the first atom of a residue with this name."""
        return next((atom for atom in range(residue.first, residue.last) if self.atom_name(atom) == name), None)


def _fixed_width(texts: NDArray[np.int8]) -> NDArray[np.bytes_]:
    """View gemmi's zero-padded characters, shape (n, 8), as n byte strings."""
    array = np.ascontiguousarray(texts)
    viewed: NDArray[np.bytes_] = array.view(f"S{array.shape[1]}").reshape(-1)
    return viewed
