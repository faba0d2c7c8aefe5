"""Make the index of chemical components from the dictionary's BinaryCIF file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.errors import FormatError
from logos_cli.structure.binarycif import Column, Strings, categories, columns, unpack

if TYPE_CHECKING:
    from numpy.typing import NDArray

ComponentRow = tuple[str, str, str, str, str, bytes, bytes]

_ORDERS = {"SING": 1, "DOUB": 2, "TRIP": 3, "QUAD": 4}
_WANTED = {
    "chem_comp": ("id", "type", "mon_nstd_parent_comp_id", "one_letter_code"),
    "chem_comp_atom": ("comp_id", "atom_id", "type_symbol", "charge", "pdbx_leaving_atom_flag", "pdbx_stereo_config"),
    "chem_comp_bond": ("comp_id", "atom_id_1", "atom_id_2", "value_order", "pdbx_stereo_config"),
}
_ATOM_TYPE = np.dtype([("number", "u1"), ("charge", "i1"), ("hydrogens", "u1"), ("leaving", "u1"), ("stereo", "S1")])
_BOND_TYPE = np.dtype([("first", "<u2"), ("second", "<u2"), ("order", "u1"), ("stereo", "S1")])


def rows(path: Path) -> Iterator[ComponentRow]:
    """Yield (id, type, parent, letter, atom names, atoms, bonds) for each component with a heavy atom."""
    block = unpack(path.read_bytes())[0]
    tables = {name: columns(category, _WANTED[name]) for name, category in categories(block, _WANTED)}
    if set(tables) != set(_WANTED):
        raise FormatError("the Chemical Component Dictionary lacks its atoms or bonds", source=str(path))
    comp, atom, bond = (tables[name] for name in _WANTED)
    ids = _text(comp, "id").to_list()
    order = {name: index for index, name in enumerate(ids)}
    atoms = _Atoms(atom, order)
    starts, bonds = _bonds(bond, order, atoms)
    names = _text(atom, "atom_id")
    heavy_names = [names.values[index] for index in names.indices[atoms.heavy].tolist()]
    types, parents, letters = (_text(comp, name).to_list() for name in _WANTED["chem_comp"][1:])
    for index, name in enumerate(ids):
        first, last = atoms.starts[index : index + 2]
        if first == last:
            continue
        yield (
            name,
            types[index].upper(),
            _known(parents[index]),
            _known(letters[index]),
            " ".join(heavy_names[first:last]),
            atoms.records[first:last].tobytes(),
            bonds[starts[index] : starts[index + 1]].tobytes(),
        )


def _known(value: str) -> str:
    return "" if value in ("?", ".") else value


def _text(table: dict[str, Column], name: str) -> Strings:
    column = table[name]
    if not isinstance(column, Strings):
        raise FormatError(f"column {name} of the Chemical Component Dictionary is not text")
    return column


def _mapped(column: Strings, table: dict[str, int], default: int = 0) -> NDArray[np.int64]:
    """Return a number for each value, by a table of the distinct values."""
    codes = np.array([*(table.get(value, default) for value in column.values), default], dtype=np.int64)
    return codes[column.indices]


class _Atoms:
    """The atom table, sorted by component, in the order of the component table."""

    def __init__(self, table: dict[str, Column], order: dict[str, int]) -> None:
        import gemmi

        symbols = _text(table, "type_symbol")
        numbers = {value: gemmi.Element(value.capitalize()).atomic_number for value in symbols.values}
        self.number = _mapped(symbols, numbers)
        owner = _mapped(_text(table, "comp_id"), order, -1)
        names = _text(table, "atom_id")
        self.name_code = {name: code for code, name in enumerate(names.values)}
        self.key = owner * len(names.values) + names.indices
        self.by_key = np.argsort(self.key, kind="stable")
        self.heavy = np.flatnonzero((self.number > 1) & (owner >= 0))
        self.heavy = self.heavy[np.argsort(owner[self.heavy], kind="stable")]
        self.starts = np.searchsorted(owner[self.heavy], np.arange(len(order) + 1))
        self.rank = np.full(len(owner), -1)
        self.rank[self.heavy] = np.arange(len(self.heavy)) - self.starts[owner[self.heavy]]
        self.records = np.zeros(len(self.heavy), _ATOM_TYPE)
        self.records["number"] = self.number[self.heavy]
        self.records["charge"] = np.asarray(table["charge"])[self.heavy]
        leaving, stereo = _text(table, "pdbx_leaving_atom_flag"), _text(table, "pdbx_stereo_config")
        self.records["leaving"] = _mapped(leaving, {"Y": 1})[self.heavy]
        self.records["stereo"] = np.array([*stereo.values, "N"], "S1")[stereo.indices[self.heavy]]
        self.slot = np.full(len(owner), -1)
        self.slot[self.heavy] = np.arange(len(self.heavy))

    def rows(self, owner: NDArray[np.int64], name: Strings) -> NDArray[np.int64]:
        """Return the atom row of each (component, atom name) of the bond table, or -1."""
        key = owner * len(self.name_code) + _mapped(name, self.name_code, -1)
        found = np.searchsorted(self.key, key, sorter=self.by_key)
        found = self.by_key[np.minimum(found, len(self.key) - 1)]
        return np.where(self.key[found] == key, found, -1)


def _bonds(
    table: dict[str, Column], order: dict[str, int], atoms: _Atoms
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """Return the bonds between heavy atoms, and the first of each component; also count the hydrogens of atoms."""
    owner = _mapped(_text(table, "comp_id"), order, -1)
    first = atoms.rows(owner, _text(table, "atom_id_1"))
    second = atoms.rows(owner, _text(table, "atom_id_2"))
    known = (first >= 0) & (second >= 0) & (owner >= 0)
    for one, other in ((first, second), (second, first)):
        to_hydrogen = known & (atoms.number[one] > 1) & (atoms.number[other] == 1)
        np.add.at(atoms.records["hydrogens"], atoms.slot[one[to_hydrogen]], 1)
    kept = np.flatnonzero(known & (atoms.number[first] > 1) & (atoms.number[second] > 1))
    kept = kept[np.argsort(owner[kept], kind="stable")]
    records = np.zeros(len(kept), _BOND_TYPE)
    records["first"], records["second"] = atoms.rank[first[kept]], atoms.rank[second[kept]]
    records["order"] = _mapped(_text(table, "value_order"), _ORDERS, 1)[kept]
    stereo = _text(table, "pdbx_stereo_config")
    records["stereo"] = np.array([*stereo.values, "N"], "S1")[stereo.indices[kept]]
    return np.searchsorted(owner[kept], np.arange(len(order) + 1)), records
