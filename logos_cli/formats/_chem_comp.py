"""Chemical components that a CIF file defines itself (``_chem_comp_atom``, ``_chem_comp_bond``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import gemmi

from logos_cli.formats._components import Atom, Bond, Component, component

_ORDERS = {
    "sing": 1, "single": 1, "doub": 2, "double": 2, "trip": 3, "triple": 3, "quad": 4, "arom": 5, "aromatic": 5,
    "delo": 5, "deloc": 5,
}  # fmt: skip
AROMATIC = 5
"""Order of a bond that the file calls aromatic or delocalised without saying where the double bonds are."""

_CHARGES = {
    5: {3: 0, 4: -1}, 6: {4: 0}, 7: {2: -1, 3: 0, 4: 1}, 8: {1: -1, 2: 0, 3: 1}, 9: {0: -1, 1: 0}, 14: {4: 0},
    15: {3: 0, 4: 1, 5: 0}, 16: {1: -1, 2: 0, 3: 1, 4: 0, 6: 0}, 17: {0: -1, 1: 0}, 34: {1: -1, 2: 0, 3: 1, 4: 0},
    35: {0: -1, 1: 0}, 53: {0: -1, 1: 0},
}  # fmt: skip
"""Formal charge by atomic number and sum of bond orders, where that settles it."""


class ChemComps:
    """The components of one CIF block, read when asked for."""

    def __init__(self, block: gemmi.cif.Block) -> None:
        self._block = block

    def names(self) -> list[str]:
        """Return the components that have atoms, in file order."""
        return list(dict.fromkeys(self._atoms.get("comp_id", ())))

    def get(self, name: str) -> Component | None:
        """Return a component with its bonds, or None if the block does not define them.

        The PDB's files give no charges here: they follow from the bonds and hydrogens, and where they do not
        (metals, radicals) from the dictionary's entry of the same name.
        """
        rows = _rows(self._atoms, name)
        if not rows:
            return None
        index = {row["atom_id"]: place for place, row in enumerate(rows)}
        bonds = [
            (
                index[row["atom_id_1"]],
                index[row["atom_id_2"]],
                self._order(row),
                row.get("pdbx_stereo_config", "N"),
            )
            for row in _rows(self._bonds, name)
            if row.get("atom_id_1") in index and row.get("atom_id_2") in index
        ]
        if not bonds and len(rows) > 1:
            return None
        found = _component(name, rows, bonds)
        if "charge" not in self._atoms:
            return _with_charges(found)
        return found

    @cached_property
    def _atoms(self) -> dict[str, Sequence[str]]:
        return _table(self._block, "_chem_comp_atom.")

    @cached_property
    def _bonds(self) -> dict[str, Sequence[str]]:
        return _table(self._block, "_chem_comp_bond.")

    @staticmethod
    def _order(row: dict[str, str]) -> int:
        return _ORDERS.get((row.get("value_order") or row.get("type") or "").lower(), 1)


def _table(block: gemmi.cif.Block, prefix: str) -> dict[str, Sequence[str]]:
    """Return the columns of a category by their names without the prefix."""
    loop = block.find_loop(f"{prefix}comp_id").get_loop()
    if loop is None:
        found = block.get_mmcif_category(prefix, raw=True)
        return {name: [str(value) for value in values] for name, values in found.items()}
    values, width = loop.values, loop.width()
    return {tag.removeprefix(prefix): values[place::width] for place, tag in enumerate(loop.tags)}


def _rows(table: dict[str, Sequence[str]], name: str) -> list[dict[str, str]]:
    ids = table.get("comp_id", ())
    return [
        {key: _plain(values[row]) for key, values in table.items()}
        for row in _positions(ids, name)
    ]  # fmt: skip


def _positions(ids: Sequence[str], name: str) -> Iterator[int]:
    for row, value in enumerate(ids):
        if value == name or (value[0] in "'\"" and _plain(value) == name):
            yield row


def _plain(value: str) -> str:
    return gemmi.cif.as_string(value) if value[:1] in "'\";" else value


def _component(
    name: str, rows: Sequence[dict[str, str]], bonds: Sequence[tuple[int, int, int, str]]
) -> Component:
    numbers = [gemmi.Element(row.get("type_symbol", "X").capitalize()).atomic_number for row in rows]
    hydrogens = [0] * len(rows)
    for first, second, _, _ in bonds:
        for one, other in ((first, second), (second, first)):
            if numbers[one] == 1:
                hydrogens[other] += 1
    place = {}
    atoms = []
    for index, row in enumerate(rows):
        if numbers[index] == 1:
            continue
        place[index] = len(atoms)
        charge = row.get("charge", "0").removeprefix("+")
        atoms.append(
            Atom(
                row["atom_id"], numbers[index], int(float(charge)) if charge not in "?." else 0, hydrogens[index],
                row.get("pdbx_leaving_atom_flag", "N") == "Y", row.get("pdbx_stereo_config", "N"),
            )
        )  # fmt: skip
    kept = tuple(
        Bond(place[first], place[second], order, stereo if stereo in ("E", "Z") else "N")
        for first, second, order, stereo in bonds
        if first in place and second in place
    )
    return Component(name, "", "", "", tuple(atoms), kept)


def _with_charges(found: Component) -> Component:
    valences = [float(atom.hydrogens) for atom in found.atoms]
    for bond in found.bonds:
        order = 1.5 if bond.order == AROMATIC else bond.order
        valences[bond.first] += order
        valences[bond.second] += order
    charges = [
        _CHARGES.get(atom.number, {}).get(round(valence))
        for atom, valence in zip(found.atoms, valences, strict=True)
    ]
    if None in charges and (known := component(found.id)) is not None:
        mine = {atom.name: atom.charge for atom in known.atoms}
        charges = [mine.get(atom.name, 0) for atom in found.atoms]
    atoms = tuple(
        replace(atom, charge=charge or 0) for atom, charge in zip(found.atoms, charges, strict=True)
    )
    return replace(found, atoms=atoms)
