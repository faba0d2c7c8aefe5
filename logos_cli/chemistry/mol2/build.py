"""Build the molecule of a MOL2 record: bond orders and formal charges from SYBYL types and bond types."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Geometry import Point3D

from logos_cli.chemistry.geometry_marks import drop_impossible_marks
from logos_cli.chemistry.lengths import odd_lengths
from logos_cli.chemistry.mol2.charges import Charges, Structure, infer_charges
from logos_cli.chemistry.mol2.delocalized import place_double_bonds, site
from logos_cli.chemistry.mol2.parse import Mol2Record, parse_mol2
from logos_cli.chemistry.rare_stereo import unread_cumulenes
from logos_cli.errors import MoleculeError

_HINT: Final = "check its hydrogens and bond types, or convert the file to SDF"
_SUBTYPES: Final = {
    "C": "3 2 1 ar cat",
    "N": "3 2 1 ar am pl3 4",
    "O": "3 2 co2 spc t3p",
    "S": "3 2 o o2",
    "P": "3",
    "H": "spc t3p",
    "Co": "oh",
    "Cr": "th oh",
    "Ru": "oh",
    "Ti": "th oh",
}
"""Suffixes of an element in the types of SYBYL, in lower case."""
_ORDERS: Final = {"1": 1, "am": 1, "2": 2, "3": 3, "ar": 0}
_BOND_TYPES: Final = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
_FLAT_ANGSTROM: Final = 0.1
_MOST_SHOWN: Final = 6
_SELDOM_CATIONS: Final = frozenset(("P", "S", "As", "Se"))


def read_mol2block(text: str, first_line: int = 1) -> tuple[Chem.Mol, list[str]]:
    """Return the molecule of a MOL2 record, sanitized and without explicit hydrogens, and notes.

    Formal charges in the record (section UNITY_ATOM_ATTR, as Open Babel writes it) are kept. If there are none, they
    follow from the valences (:mod:`~logos_cli.chemistry.mol2.charges`). The format requires every hydrogen. If a record
    has none at all, or none on carbon, they are added by valence.

    Parameters
    ----------
    text : str
        The record, from its line ``@<TRIPOS>MOLECULE`` on.
    first_line : int
        Number of that line in the file, for messages.

    Raises
    ------
    MoleculeError
        If the record breaks the format, or its valences do not add up to a molecule without radicals.
    """
    record = parse_mol2(text, first_line)
    if not record.atoms:
        raise MoleculeError("the molecule has no atoms")
    notes: list[str] = []
    elements = [_element(atom.kind, atom.name, notes) for atom in record.atoms]
    orders = [_order(kind) for _, _, kind in record.bonds if kind != "nc"]
    pairs = [(a, b) for a, b, kind in record.bonds if kind != "nc"]
    molecule = _closed(record, elements, pairs, orders) if "H" not in elements else None
    if molecule is None:
        structure = Structure(record, elements, pairs, orders)
        if structure.open:
            which = "no hydrogens" if "H" not in elements else "no hydrogens on carbon"
            notes.append(f"the file has {which}; added by valence")
        molecule = _molecule(structure)
    _set_stereo(molecule, record)
    with rdBase.BlockLogs():
        return Chem.RemoveHs(molecule), [*notes, *odd_lengths(molecule), *unread_cumulenes(molecule)]


def _closed(
    record: Mol2Record, elements: list[str], pairs: list[tuple[int, int]], orders: list[int]
) -> Chem.Mol | None:
    """Return the molecule of a record without hydrogens if it really has none; None if it would have radicals."""
    try:
        molecule = _molecule(Structure(record, elements, pairs, list(orders), lacks_hydrogens=False))
    except MoleculeError:
        return None
    onium = any(atom.GetFormalCharge() > 0 and atom.GetSymbol() in _SELDOM_CATIONS for atom in molecule.GetAtoms())
    return None if onium and record.charges is None else molecule


def _molecule(structure: Structure) -> Chem.Mol:
    charges = _place_delocalized(structure)
    if structure.record.charges is None:
        charges = infer_charges(structure, charges)
    molecule = _assemble(structure, structure.record.charges or charges)
    _check_radicals(molecule, structure.record)
    if structure.open:
        _check_aromatic(molecule, structure.record)
    return molecule


def _check_aromatic(molecule: Chem.Mol, record: Mol2Record) -> None:
    """Refuse rings of aromatic bonds that are not aromatic with the hydrogens added by valence."""
    for a, b, kind in record.bonds:
        bond = molecule.GetBondBetweenAtoms(a, b)
        if kind == "ar" and bond.IsInRing() and not bond.GetIsAromatic():
            raise MoleculeError(
                f"the hydrogens of the aromatic ring of atom {record.atoms[a].name} are not in the file and are not "
                "certain",
                hint="add hydrogens before the molecule is written",
            )


def _element(kind: str, name: str, notes: list[str]) -> str:
    """Return the element of a SYBYL type; ``*`` for a dummy."""
    symbol, _, subtype = kind.partition(".")
    if symbol == "Du":
        if _DUMMY not in notes:
            notes.append(_DUMMY)
        return "*"
    letters = symbol.capitalize()
    known = letters in _symbols() and (not subtype or subtype.lower() in _SUBTYPES.get(letters, "").split())
    if not known or not symbol[0].isupper():
        raise MoleculeError(
            f"atom {name} has the type {kind!r}, which is none of SYBYL's",
            hint="types of force fields leave the element open: write the types of SYBYL (antechamber -at sybyl)",
        )
    return letters


_DUMMY: Final = "dummy atoms (Du) are written *"


@cache
def _symbols() -> frozenset[str]:
    table = Chem.GetPeriodicTable()
    return frozenset(table.GetElementSymbol(number) for number in range(1, 119))


def _order(kind: str) -> int:
    order = _ORDERS.get(kind)
    if order is None:
        raise MoleculeError(
            f"the order of a bond is unknown (type {kind!r})", hint="write the molecule with its bond orders"
        )
    return order


def _place_delocalized(structure: Structure) -> Charges:
    """Make the delocalized bonds single or double; return the charges of their atoms."""
    neighbours: dict[int, list[int]] = {}
    for (a, b), order in zip(structure.pairs, structure.orders, strict=True):
        if not order:
            neighbours.setdefault(a, []).append(b)
            neighbours.setdefault(b, []).append(a)
    charges: Charges = {}
    placed: dict[frozenset[int], int] = {}
    sums = structure.sums(delocalized=1)
    for group in _connected(neighbours):
        place = {atom: n for n, atom in enumerate(group)}
        bonds = tuple(sorted((place[a], place[b]) for a in group for b in neighbours[a] if place[a] < place[b]))
        sites = tuple(
            site(structure.elements[i], structure.kind(i), sums[i], structure.stated(i), is_open=i in structure.open)
            for i in group
        )
        found = place_double_bonds(sites, bonds)
        if found is None:
            names = ", ".join(structure.name(i) for i in group[:_MOST_SHOWN])
            more = ", …" if len(group) > _MOST_SHOWN else ""
            raise MoleculeError(
                f"no bond orders and charges satisfy the delocalized bonds of atoms {names}{more}", hint=_HINT
            )
        placed |= {frozenset((group[a], group[b])): order for (a, b), order in zip(bonds, found[0], strict=True)}
        charges |= dict(zip(group, found[1], strict=True))
    structure.orders = [
        order or placed[frozenset(pair)] for pair, order in zip(structure.pairs, structure.orders, strict=True)
    ]
    return charges


def _connected(neighbours: dict[int, list[int]]) -> list[list[int]]:
    """Return the connected groups of atoms, each in ascending order."""
    groups, seen = [], set[int]()
    for start in sorted(neighbours):
        if start in seen:
            continue
        group, front = {start}, [start]
        while front:
            for other in neighbours[front.pop()]:
                if other not in group:
                    group.add(other)
                    front.append(other)
        seen |= group
        groups.append(sorted(group))
    return groups


def _assemble(structure: Structure, charges: Charges) -> Chem.Mol:
    molecule = Chem.RWMol()
    for i, symbol in enumerate(structure.elements):
        atom = Chem.Atom(symbol)
        atom.SetFormalCharge(charges.get(i, 0))
        atom.SetNoImplicit(i not in structure.open)
        molecule.AddAtom(atom)
    for (a, b), order in zip(structure.pairs, structure.orders, strict=True):
        donor = structure.donor(a, b)
        if donor is None:
            molecule.AddBond(a, b, _BOND_TYPES[order])
        else:
            molecule.AddBond(donor, a + b - donor, Chem.BondType.DATIVE)
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(molecule)
        except ValueError as error:
            raise MoleculeError(f"RDKit rejects the molecule: {error}", hint=_HINT) from error
    return molecule


def _check_radicals(molecule: Chem.Mol, record: Mol2Record) -> None:
    """Refuse radicals, which the format does not have: a hydrogen or a charge is missing."""
    for atom, line in zip(molecule.GetAtoms(), record.atoms, strict=True):
        if not atom.GetNumRadicalElectrons():
            continue
        if Structure.is_organic(atom.GetSymbol()):
            n_bonds = round(sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds()))
            raise MoleculeError(
                f"atom {line.name} ({line.kind}) has {n_bonds} bonds and no charge: a radical",
                hint="a hydrogen or a formal charge (UNITY_ATOM_ATTR) is missing",
            )
        atom.SetNumRadicalElectrons(0)  # of a metal without a charge in the file


def _set_stereo(molecule: Chem.Mol, record: Mol2Record) -> None:
    """Assign stereo from three-dimensional coordinates, or only that of double bonds from flat ones."""
    xyz = np.array([atom.xyz for atom in record.atoms])
    extent = np.ptp(xyz, axis=0)
    if not extent.any():
        return
    conformer = Chem.Conformer(len(xyz))
    for i, (x, y, z) in enumerate(xyz.tolist()):
        conformer.SetAtomPosition(i, Point3D(x, y, z))
    is_flat = float(extent[2]) < _FLAT_ANGSTROM
    conformer.Set3D(not is_flat)
    molecule.AddConformer(conformer)
    if is_flat:
        Chem.DetectBondStereochemistry(molecule)
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)
    else:
        Chem.AssignStereochemistryFrom3D(molecule)
        drop_impossible_marks(molecule)
