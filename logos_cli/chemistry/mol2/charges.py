"""Infer the formal charges of a MOL2 record without them: from the valences, negative ones only with evidence.

An oxygen with one bond and no hydrogen may be an anion, or a hydrogen may be missing. The type O.co2, a neighbouring
cation, or partial charges with the same sum prove an anion; without any of these the molecule is refused.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from logos_cli.chemistry.bond_orders import STATES
from logos_cli.chemistry.mol2.parse import Mol2Record
from logos_cli.errors import MoleculeError

Charges = dict[int, int]

_CARBOXYLATE: Final = "O.co2"
_AMMONIUM: Final = "N.4"
_HALOGENS: Final = frozenset(("F", "Cl", "Br", "I"))
_DONORS: Final = frozenset(("C", "N", "O", "S", "P", "Se", "As")) | _HALOGENS
_IONS: Final = {"Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Cd": 2}
"""Charges of free metal ions that have only one."""
_VALENCES: Final = {
    "H": (1,),
    "B": (3,),
    "C": (4,),
    "N": (3, 5),
    "O": (2,),
    "Si": (4,),
    "Ge": (4,),
    **dict.fromkeys(("P", "As", "Sb"), (3, 5)),
    **dict.fromkeys(("S", "Se", "Te"), (2, 4, 6)),
    "F": (1,),
    **dict.fromkeys(("Cl", "Br", "I"), (1, 3, 5, 7)),
}
"""Valences of the neutral nonmetals; nitro groups and azides are often written with five for nitrogen."""
_CATIONS: Final = {("N", 4), ("P", 4), ("As", 4), ("O", 3), ("S", 3), ("Se", 3)}
_ANIONS: Final = {("O", 1), ("S", 1), ("Se", 1), ("N", 2), *((symbol, 0) for symbol in _HALOGENS)}
_CLOSED_ANIONS: Final = {("B", 4), ("P", 6), ("As", 6), ("Sb", 6)}
_WHOLE: Final = 0.12
"""Largest deviation of the sum of partial charges from a whole number; Gasteiger's of large molecules deviate most."""
_MOST_SHOWN: Final = 4


@dataclass(slots=True)
class Structure:
    """Atoms and bonds of a record.

    Attributes
    ----------
    elements : list of str
        Symbols, ``*`` for a dummy.
    pairs : list of (int, int)
        Bonded atoms.
    orders : list of int
        Bond orders 1 to 3; 0 for a delocalized bond without an order yet.
    lacks_hydrogens : bool
        Whether the file may leave out hydrogens.
    open : frozenset of int
        Atoms without their hydrogens in the file.
    """

    record: Mol2Record
    elements: list[str]
    pairs: list[tuple[int, int]]
    orders: list[int]
    lacks_hydrogens: bool = True
    open: frozenset[int] = field(init=False)
    partners: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.partners = [[] for _ in self.elements]
        for a, b in self.pairs:
            self.partners[a].append(b)
            self.partners[b].append(a)
        self.open = self._without_hydrogens() if self.lacks_hydrogens else frozenset()

    @staticmethod
    def is_organic(symbol: str) -> bool:
        """Return whether an element is a nonmetal with known valences."""
        return symbol in STATES

    def name(self, atom: int) -> str:
        """Return the name of an atom in the file."""
        return self.record.atoms[atom].name

    def kind(self, atom: int) -> str:
        """Return the SYBYL type of an atom."""
        return self.record.atoms[atom].kind

    def stated(self, atom: int) -> int | None:
        """Return the charge of an atom in the file; None if the file has no charges."""
        return None if self.record.charges is None else self.record.charges.get(atom, 0)

    def sums(self, delocalized: int = 0) -> Counter[int]:
        """Return the sum of each atom's bond orders."""
        found = Counter[int]()
        for (a, b), order in zip(self.pairs, self.orders, strict=True):
            for atom in (a, b):
                found[atom] += order or delocalized
        return found

    def is_beside_cation(self, atom: int, valence: int) -> bool:
        """Return whether an atom that lacks one bond ends a nitro group, N-oxide, azide, diazo group or isocyanide."""
        if len(self.partners[atom]) != 1 or (self.elements[atom], valence) not in {("O", 1), ("N", 2), ("C", 3)}:
            return False
        (other,) = self.partners[atom]
        return self.elements[other] == "N" and self.sums()[other] == 4

    def donor(self, a: int, b: int) -> int | None:
        """Return the atom that donates both electrons of a bond to a metal, as its other bonds fill its valence."""
        for atom, metal in ((a, b), (b, a)):
            symbol = self.elements[atom]
            if symbol not in _DONORS or self._is_nonmetal(metal) or atom in self.open:
                continue
            inside = sum(
                order
                for pair, order in zip(self.pairs, self.orders, strict=True)
                if atom in pair and self._is_nonmetal(sum(pair) - atom)
            )
            charge = self.stated(atom) or 0
            if inside - charge in _VALENCES[symbol]:
                return atom
        return None

    def _is_nonmetal(self, atom: int) -> bool:
        return self.elements[atom] == "*" or self.is_organic(self.elements[atom])

    def _without_hydrogens(self) -> frozenset[int]:
        """Return the atoms that may lack hydrogens: all if the file has none, else the carbons if none has any."""
        heavy = {i for i, symbol in enumerate(self.elements) if symbol != "H" and self.is_organic(symbol)}
        if "H" not in self.elements:
            return frozenset(i for i in heavy if self.elements[i] not in _HALOGENS and self.kind(i) != _CARBOXYLATE)
        carriers = {other for i, symbol in enumerate(self.elements) if symbol == "H" for other in self.partners[i]}
        carbons = {i for i in heavy if self.elements[i] == "C"}
        return frozenset(carbons) if carriers and not carriers & carbons else frozenset()


def infer_charges(structure: Structure, placed: Charges) -> Charges:
    """Return the formal charges of all atoms.

    Parameters
    ----------
    structure : Structure
        The structure, with orders of all bonds.
    placed : dict
        Charges of the atoms of delocalized bonds.

    Raises
    ------
    MoleculeError
        If a negative charge has no evidence.
    """
    charges = dict(placed)
    doubtful = [
        i
        for i, q in placed.items()
        if q and structure.kind(i) != _CARBOXYLATE and (q < 0 or structure.elements[i] == "C")
    ]
    sums = structure.sums()
    for (a, b), order in zip(structure.pairs, structure.orders, strict=True):
        if (donor := structure.donor(a, b)) is not None:
            sums[donor] -= order
    for atom, symbol in enumerate(structure.elements):
        if atom in charges or symbol == "*":
            continue
        charge, is_sure = _charge(structure, atom, sums[atom])
        charges[atom] = charge
        if not is_sure:
            doubtful.append(atom)
    _check_evidence(structure, charges, doubtful)
    return charges


def _charge(structure: Structure, atom: int, valence: int) -> tuple[int, bool]:
    """Return the charge of one atom, and whether it is certain."""
    symbol, kind = structure.elements[atom], structure.kind(atom)
    state = (symbol, valence)
    if not structure.is_organic(symbol):
        return (0 if structure.partners[atom] else _IONS.get(symbol, 0)), True
    if state in _CATIONS:
        return 1, True
    if state in _CLOSED_ANIONS:
        return -1, True
    if atom in structure.open:
        return (1 if kind == _AMMONIUM else -1 if structure.is_beside_cation(atom, valence) else 0), True
    if state in _ANIONS:
        return -1, kind == _CARBOXYLATE
    if state == ("C", 3) and len(structure.partners[atom]) <= 1:
        return -1, False  # cyanide, isocyanide, carbon monoxide
    return 0, True


def _check_evidence(structure: Structure, charges: Charges, doubtful: list[int]) -> None:
    """Refuse negative charges without evidence."""
    alone = [
        i
        for i in doubtful
        if not any(charges.get(other, 0) > 0 for other in structure.partners[i])
        and not (structure.elements[i] in _HALOGENS and any(s in _IONS for s in structure.elements))
    ]
    if not alone:
        return
    partial = [atom.partial for atom in structure.record.atoms]
    total = sum(charges.values())
    known = [q for q in partial if q is not None]
    is_metal_open = any(
        not structure.partners[i] and not structure.is_organic(symbol) and symbol not in {"*", *_IONS}
        for i, symbol in enumerate(structure.elements)
    )
    if not is_metal_open and len(known) == len(partial) and any(known) and abs(sum(known) - total) <= _WHOLE:
        return
    names = ", ".join(f"{structure.name(i)} ({structure.kind(i)})" for i in alone[:_MOST_SHOWN])
    raise MoleculeError(
        f"atoms {names} have a free valence, and neither a formal charge nor partial charges that sum up to one: "
        "radicals, or hydrogens are missing",
        hint="add the hydrogens, or state the charges (UNITY_ATOM_ATTR)",
    )
