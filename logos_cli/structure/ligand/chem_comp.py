"""Read the chemical components that a CIF file defines itself (``_chem_comp_atom``, ``_chem_comp_bond``)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property

import gemmi

from logos_cli.structure.ligand.dictionary import Atom, Bond, Component, component

_ORDERS = {
    "sing": 1,
    "single": 1,
    "doub": 2,
    "double": 2,
    "trip": 3,
    "triple": 3,
    "quad": 4,
    "arom": 5,
    "aromatic": 5,
    "delo": 5,
    "deloc": 5,
}
AROMATIC = 5
"""Order of a bond that the file calls aromatic or delocalised, without double bonds."""

_CHARGES = {
    5: {3: 0, 4: -1},
    6: {4: 0},
    7: {2: -1, 3: 0, 4: 1},
    8: {1: -1, 2: 0, 3: 1},
    9: {0: -1, 1: 0},
    14: {4: 0},
    15: {3: 0, 4: 1, 5: 0},
    16: {1: -1, 2: 0, 3: 1, 4: 0, 6: 0},
    17: {0: -1, 1: 0},
    34: {1: -1, 2: 0, 3: 1, 4: 0},
    35: {0: -1, 1: 0},
    53: {0: -1, 1: 0},
}
"""Formal charge by atomic number and sum of bond orders, where these determine it."""


_RawBond = tuple[int, int, int, str]
"""Rows of two atoms, bond order, stereo."""


class ChemComps:
    """The components of one CIF block, each read at the first access."""

    def __init__(self, block: gemmi.cif.Block) -> None:
        self._block = block
        self._found: dict[str, Component | None] = {}

    def names(self) -> list[str]:
        """Return the components that have atoms, in file order."""
        return list(dict.fromkeys(map(_plain, self._atom_comps)))

    def get(self, name: str) -> Component | None:
        """Return a component with its bonds, or None if the block does not define them, or bonds of atoms that it lacks.

        Files of the PDB have no charges here: they follow from the bonds and hydrogens, or for metals and radicals from
        the dictionary's entry of the same name.
        """
        if name not in self._found:
            self._found[name] = self._read(name)
        return self._found[name]

    def _read(self, name: str) -> Component | None:
        rows = _rows(self._atom_comps, name)
        if not rows or "atom_id" not in self._atoms or "type_symbol" not in self._atoms:
            return None
        names = _column(self._atoms, "atom_id", rows)
        index = {atom: place for place, atom in enumerate(names)}
        bonds = self._component_bonds(name, index)
        if bonds is None or (not bonds and len(rows) > 1):
            return None
        found = _component(name, names, self._atoms, rows, bonds)
        return found if "charge" in self._atoms else _with_charges(found)

    def _component_bonds(self, name: str, index: dict[str, int]) -> list[_RawBond] | None:
        """Return the bonds of a component; None if one is that of an atom which the component lacks."""
        table = self._bonds
        rows = _rows(self._bond_comps, name)
        if not rows or "atom_id_1" not in table or "atom_id_2" not in table:
            return []
        orders = _column(table, "value_order" if "value_order" in table else "type", rows)
        ends = list(zip(_column(table, "atom_id_1", rows), _column(table, "atom_id_2", rows), strict=True))
        if not all(first in index and second in index for first, second in ends):
            return None
        stereo = _column(table, "pdbx_stereo_config", rows)
        return [
            (index[first], index[second], _ORDERS.get(order.lower(), 1), label)
            for (first, second), order, label in zip(ends, orders, stereo, strict=True)
        ]

    @cached_property
    def _atoms(self) -> dict[str, gemmi.cif.Column]:
        return _table(self._block, "_chem_comp_atom.")

    @cached_property
    def _bonds(self) -> dict[str, gemmi.cif.Column]:
        return _table(self._block, "_chem_comp_bond.")

    @cached_property
    def _atom_comps(self) -> list[str]:
        return self._owners(self._atoms, self._single)

    @cached_property
    def _bond_comps(self) -> list[str]:
        names = self.names()
        return self._owners(self._bonds, names[0] if len(names) == 1 else None)

    @property
    def _single(self) -> str | None:
        """The component that the block is about, if it is one."""
        ids = list(self._block.find_values("_chem_comp.id"))
        return ids[0] if len(ids) == 1 else None

    @staticmethod
    def _owners(table: dict[str, gemmi.cif.Column], single: str | None) -> list[str]:
        """Return the component of each row; a table without ``comp_id`` (AlphaFold 3) is that of the only component."""
        if (comps := table.get("comp_id")) is not None:
            return list(comps)
        return [] if single is None or not table else [single] * len(next(iter(table.values())))


def _table(block: gemmi.cif.Block, prefix: str) -> dict[str, gemmi.cif.Column]:
    """Return the columns of a category by their names without the prefix, without a copy."""
    names = block.get_mmcif_category_names()
    if prefix not in names:
        return {}
    tags = block.find_mmcif_category(prefix).tags
    return {tag.removeprefix(prefix): block.find_values(tag) for tag in tags}


def _rows(comps: list[str], name: str) -> list[int]:
    """Return the rows of one component."""
    written = {name, f"'{name}'", f'"{name}"'}
    return [row for row, value in enumerate(comps) if value in written]


def _column(table: dict[str, gemmi.cif.Column], tag: str, rows: list[int]) -> list[str]:
    """Return one column of some rows; ``?`` if the category has no such column."""
    values = table.get(tag)
    return ["?"] * len(rows) if values is None else [_plain(values[row]) for row in rows]


def _plain(value: str) -> str:
    return str(gemmi.cif.as_string(value)) if value[:1] in ("'", '"', ";") else value


@cache
def _number(symbol: str) -> int:
    return int(gemmi.Element(symbol.capitalize()).atomic_number)


def _component(
    name: str, names: list[str], table: dict[str, gemmi.cif.Column], rows: list[int], bonds: list[_RawBond]
) -> Component:
    numbers = [_number(symbol) for symbol in _column(table, "type_symbol", rows)]
    stereo = _column(table, "pdbx_stereo_config", rows)
    leaving = _column(table, "pdbx_leaving_atom_flag", rows)
    charges = _column(table, "charge", rows)
    hydrogens = [0] * len(rows)
    for first, second, _, _ in bonds:
        if numbers[first] == 1:
            hydrogens[second] += 1
        if numbers[second] == 1:
            hydrogens[first] += 1
    place: dict[int, int] = {}
    atoms: list[Atom] = []
    for index, number in enumerate(numbers):
        if number != 1:
            place[index] = len(atoms)
            atoms.append(
                Atom(
                    names[index],
                    number,
                    _charge(charges[index]),
                    hydrogens[index],
                    leaving[index] == "Y",
                    stereo[index],
                )
            )
    kept = tuple(
        Bond(place[first], place[second], order, label if label in ("E", "Z") else "N")
        for first, second, order, label in bonds
        if first in place and second in place
    )
    return Component(name, "", "", "", tuple(atoms), kept)


def _charge(text: str) -> int:
    try:
        return int(float(text))
    except ValueError:
        return 0


def _with_charges(found: Component) -> Component:
    valences = [float(atom.hydrogens) for atom in found.atoms]
    for bond in found.bonds:
        order = 1.5 if bond.order == AROMATIC else bond.order
        valences[bond.first] += order
        valences[bond.second] += order
    charges = [
        _CHARGES.get(atom.number, {}).get(round(valence)) for atom, valence in zip(found.atoms, valences, strict=True)
    ]
    if None in charges and (known := component(found.id)) is not None:
        mine = {atom.name: atom.charge for atom in known.atoms}
        charges = [mine.get(atom.name, 0) for atom in found.atoms]
    if not any(charges):
        return found
    atoms = tuple(
        atom._replace(charge=charge) if charge else atom for atom, charge in zip(found.atoms, charges, strict=True)
    )
    return replace(found, atoms=atoms)
