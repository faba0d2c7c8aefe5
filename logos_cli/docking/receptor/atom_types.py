"""Atom types of a receptor: by Meeko's templates for standard residues, by its typer for the rest.

Meeko infers the bonds of a PDB file from distances. A badly placed hydrogen then makes a carbon with five bonds, or a
bridge between two residues, and no template fits (ARG 270 of 6z1c). So Meeko gets the bonds here. It would request
unknown residues from the network, so it gets none of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import gemmi
import numpy as np
from rdkit import Chem, rdBase
from rdkit.Geometry import Point3D

from logos_cli.chemistry.protonation import protonate
from logos_cli.docking import libraries
from logos_cli.docking.receptor.repair import Built, Repaired
from logos_cli.docking.vina_types import RECEPTOR_TYPES
from logos_cli.errors import LogosError, StructureError, UsageError
from logos_cli.structure.ligand import build, chemistry
from logos_cli.structure.ligand.smiles import LigandSmilesResolver
from logos_cli.structure.ligands import Ligand
from logos_cli.structure.model import StructureModel
from logos_cli.structure.types import Residue

if TYPE_CHECKING:
    from meeko import Monomer, ResidueChemTemplates
    from numpy.typing import NDArray

_SINGLE_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(slots=True)
class TypedAtom:
    """An atom with its type for Vina."""

    residue: Residue
    residue_name: str
    name: str
    number: int
    position: tuple[float, float, float]
    type: str
    charge: float = 0.0


@dataclass(slots=True)
class Typed:
    """The rigid atoms, the flexible atoms, and the latter as Vina's PDBQT."""

    atoms: list[TypedAtom]
    flexible: list[TypedAtom] = field(default_factory=list)
    flexible_pdbqt: str = ""


# -- standard residues ---------------------------------------------------------------------------------


def type_standard(repaired: Repaired, flexible: Sequence[str], source: str) -> Typed:
    """Type the complete residues by Meeko's templates.

    Parameters
    ----------
    flexible : sequence of str
        Chain and number of residues with flexible side chains: ``A:45``.

    Raises
    ------
    UsageError
        If a flexible residue does not exist, or its side chain has no rotatable bond.
    StructureError
        If a residue fits no template.
    """
    meeko = libraries.load("meeko")
    keys = _keys(repaired)
    templates = meeko.ResidueChemTemplates.create_from_defaults()
    unknown = sorted({built.name for built in repaired.residues} - _template_names(templates))
    if unknown:  # Meeko would request them from the network
        raise StructureError(f"there is no template for {', '.join(unknown)}", source=source)
    mols = {key: (_raw(built), built.name) for key, built in zip(keys, repaired.residues, strict=True)}
    bonds: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for first, row, second, column in repaired.links:
        bonds.setdefault((keys[first], keys[second]), []).append((row, column))
    prepare = meeko.MoleculePreparation(charge_model="zero")
    with rdBase.BlockLogs():
        try:
            polymer = meeko.Polymer(mols, bonds, templates, prepare, blunt_ends=_blunt_ends(repaired, keys))
        except (RuntimeError, ValueError, KeyError) as error:
            raise StructureError(
                f"the receptor's residues fit no template: {str(error).splitlines()[0]}", source=source
            ) from error
    places = dict(zip(keys, repaired.residues, strict=True))
    if bad := polymer.get_ignored_monomers():
        names = ", ".join(str(places[key].residue) for key in list(bad)[:5])
        raise StructureError(
            f"no template fits {names}{' …' if len(bad) > 5 else ''}",
            source=source,
            hint="look at its atoms and bonds; --drop leaves a residue out",
        )
    for key in _flexible_keys(repaired, keys, flexible, source):
        polymer.flexibilize_sidechain(key, prepare)
    try:
        flex = meeko.PDBQTWriterLegacy.write_from_polymer(polymer)[1]
    except RuntimeError as error:
        raise UsageError(f"a side chain cannot be flexible: {error}", source=source) from error
    typed = Typed([], [], "".join(flex.values()))
    for key in keys:
        _add(typed, polymer.monomers[key], places[key])
    return typed


def _blunt_ends(repaired: Repaired, keys: Sequence[str]) -> list[tuple[str, int]]:
    """Return the open ends of residues with one charged end and no neighbour at the other, as (key, atom).

    Meeko finds such ends only in residues inside a chain. It has no template for a residue that stands alone at the end
    of a chain, behind a loop without coordinates.
    """
    linked = {(first, row) for first, row, _, _ in repaired.links}
    linked |= {(second, row) for _, _, second, row in repaired.links}
    found: list[tuple[str, int]] = []
    for number, (key, built) in enumerate(zip(keys, repaired.residues, strict=True)):
        names = built.names
        charged = "C" if "OXT" in names else "N" if "H3" in names else None
        other = {"C": "N", "N": "C"}.get(charged or "")
        if other in names and (number, names.index(other)) not in linked:
            found.append((key, names.index(other)))
    return found


def _template_names(templates: ResidueChemTemplates) -> set[str]:
    return set(templates.residue_templates) | set(templates.ambiguous)


def _keys(repaired: Repaired) -> list[str]:
    """Return a name ``chain:number`` for each residue that is unique and fits PDBQT's columns."""
    letters: dict[str, str] = {}
    keys: list[str] = []
    taken: set[str] = set()
    for built in repaired.residues:
        residue = built.residue
        name = residue.chain or " "
        if name not in letters:
            free = [letter for letter in _SINGLE_LETTERS if letter not in letters.values()]
            letters[name] = name if name in free else (free or ["_"])[0]
        number = residue.number if -999 <= residue.number <= 9999 else residue.number % 10000
        key = f"{letters[name]}:{number}{residue.insertion}"
        while key in taken:  # a number that occurs twice, or a chain beyond the letters
            number = (number + 1) % 10000
            key = f"{letters[name]}:{number}"
        taken.add(key)
        keys.append(key)
    return keys


def _raw(built: Built) -> Chem.Mol:
    """Return the residue for Meeko's matching: elements, single bonds, positions."""
    molecule = Chem.RWMol()
    conformer = Chem.Conformer(len(built.names))
    for row, (number, xyz) in enumerate(zip(built.numbers, built.positions.tolist(), strict=True)):
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
        conformer.SetAtomPosition(row, Point3D(*xyz))
    for one, other in built.bonds:
        molecule.AddBond(one, other, Chem.BondType.SINGLE)
    molecule.AddConformer(conformer)
    molecule.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(molecule)
    return molecule.GetMol()


def _flexible_keys(repaired: Repaired, keys: Sequence[str], flexible: Sequence[str], source: str) -> Iterable[str]:
    for wanted in flexible:
        chain, _, number = wanted.rpartition(":")
        found = [
            key
            for key, built in zip(keys, repaired.residues, strict=True)
            if built.residue.chain == chain and built.residue.number_text == number
        ]
        if not found:
            raise UsageError(
                f"there is no residue {wanted!r} to make flexible",
                source=source,
                hint="--flex takes chain and number of residues of the protein: A:45,A:102",
            )
        name = next(built.name for key, built in zip(keys, repaired.residues, strict=True) if key == found[0])
        if name in ("GLY", "ALA", "PRO", "HOH"):
            raise UsageError(
                f"{name} {wanted} has no side chain that moves", source=source, hint="leave it out of --flex"
            )
        yield found[0]


def _add(typed: Typed, monomer: Monomer, built: Built) -> None:
    for index, atom in enumerate(monomer.molsetup.atoms):
        if atom.is_ignore:
            continue
        x, y, z = (float(value) for value in atom.coord)
        number = int(atom.atomic_num)
        made = TypedAtom(built.residue, built.name, atom.pdbinfo.name, number, (x, y, z), atom.atom_type)
        (typed.flexible if monomer.is_flexres_atom[index] else typed.atoms).append(made)


# -- everything else -----------------------------------------------------------------------------------


def type_extra(model: StructureModel, ligand: Ligand, ph: float) -> tuple[list[TypedAtom], list[str]]:
    """Type a metal, a cofactor or a modified residue, by the bonds of its definition.

    Returns
    -------
    atoms : list of TypedAtom
        Heavy atoms, and the hydrogens on N, O and S.
    notes : list of str
    """
    metals = [atom for atom in ligand.atoms.tolist() if gemmi.Element(int(model.elements[atom])).is_metal]
    notes: list[str] = []
    found = [_by_element(model, ligand, atom, notes) for atom in metals]
    rest = [atom for atom in ligand.atoms.tolist() if atom not in metals]
    if not rest:
        return found, notes
    try:
        return found + _by_bonds(model, ligand, rest, ph), notes
    except LogosError as error:
        notes.append(f"{ligand}: hydrogens are not known ({error.message}); typed by element")
    return found + [_by_element(model, ligand, atom, notes) for atom in rest], notes


def _by_element(model: StructureModel, ligand: Ligand, atom: int, notes: list[str]) -> TypedAtom:
    number = int(model.elements[atom])
    symbol = gemmi.Element(number).name
    kind = {"N": "NA", "O": "OA", "S": "SA", "Se": "S"}.get(symbol, symbol)
    if kind not in RECEPTOR_TYPES:
        kind = "Zn" if gemmi.Element(number).is_metal else "C"
        notes.append(f"{ligand}: Vina has no {symbol}; it counts as {'a metal' if kind == 'Zn' else 'carbon'}")
    residue = next(each for each in ligand.residues if each.first <= atom < each.last)
    x, y, z = (float(value) for value in model.positions[atom])
    return TypedAtom(residue, residue.name, model.atom_name(atom), number, (x, y, z), kind)


def _by_bonds(model: StructureModel, ligand: Ligand, atoms: Sequence[int], ph: float) -> list[TypedAtom]:
    """Type a group by the molecule of its components' definitions.

    Raises
    ------
    LogosError
        If a component is not known, or RDKit refuses the molecule.
    """
    molecule, owners = _molecule(model, ligand, set(atoms))
    molecule = protonate(molecule, ph).molecule
    full = Chem.AddHs(molecule, addCoords=True)
    typer = libraries.load("meeko").MoleculePreparation(charge_model="zero", rigid_macrocycles=True)
    found: list[TypedAtom] = []
    for part, mapping in _fragments(full):
        try:
            setup = typer(part)[0]
        except (RuntimeError, ValueError) as error:
            raise StructureError(str(error).splitlines()[0]) from error
        for row, atom in enumerate(setup.atoms[: part.GetNumAtoms()]):
            if atom.is_ignore:
                continue
            heavy = _heavy_of(full, mapping[row])
            residue, name = owners[heavy]
            x, y, z = (float(value) for value in atom.coord)
            number = int(atom.atomic_num)
            kind = "S" if atom.atom_type == "Se" else atom.atom_type
            if kind not in RECEPTOR_TYPES:
                kind = "C"
            label = name if number != 1 else f"H{name}"
            found.append(TypedAtom(residue, residue.name, label[:4], number, (x, y, z), kind))
    return found


def _heavy_of(molecule: Chem.Mol, index: int) -> int:
    atom = molecule.GetAtomWithIdx(index)
    return int(index if atom.GetAtomicNum() != 1 else atom.GetNeighbors()[0].GetIdx())


def _fragments(molecule: Chem.Mol) -> Iterable[tuple[Chem.Mol, Sequence[int]]]:
    mapping: list[tuple[int, ...]] = []
    parts = Chem.GetMolFrags(molecule, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=mapping)
    return zip(parts, mapping, strict=True)


def _molecule(
    model: StructureModel, ligand: Ligand, wanted: set[int]
) -> tuple[Chem.Mol, dict[int, tuple[Residue, str]]]:
    """Return the molecule of a group, without metals and unmodelled atoms, and the residue and name of each row."""
    resolver = LigandSmilesResolver(model)
    definitions = [resolver.definition(residue) for residue in ligand.residues]
    if any(each is None for each in definitions):
        raise StructureError("the component dictionary does not know it")
    parts, place, unlike = resolver.parts(ligand, [each[0] for each in definitions if each is not None])
    if unlike:
        raise StructureError(unlike)
    links = [build.Link(place[one], place[other]) for one, other in ligand.links]
    builder = build.Builder(parts, tuple(links))
    molecule = builder.molecule()
    owners: dict[int, tuple[Residue, str]] = {}
    rows = {(number, parts[number].component.atoms[row].name): at for (number, row), at in builder.index.items()}
    atom_of = {rows[end]: atom for atom, end in place.items() if end in rows}
    chemistry.set_conformer(molecule, [position or (0.0, 0.0, 0.0) for position in builder.positions])
    open_ends = _open_ends(model, ligand)
    gone = [row for row in range(molecule.GetNumAtoms()) if atom_of.get(row) not in wanted]
    for row, atom in atom_of.items():
        residue = next(each for each in ligand.residues if each.first <= atom < each.last)
        owners[row] = (residue, model.atom_name(atom))
        if atom in open_ends:
            here = molecule.GetAtomWithIdx(row)
            here.SetNumExplicitHs(max(0, here.GetNumExplicitHs() - 1))
            here.SetNoImplicit(True)
    kept = [row for row in range(molecule.GetNumAtoms()) if row not in set(gone)]
    for row in sorted(gone, reverse=True):
        molecule.RemoveAtom(row)
    for atom in molecule.GetAtoms():
        atom.SetNumRadicalElectrons(0)
    build.sanitize(molecule, ligand.title)
    for atom in molecule.GetAtoms():
        atom.SetNumRadicalElectrons(0)
    return molecule.GetMol(), {new: owners[old] for new, old in enumerate(kept)}


def _open_ends(model: StructureModel, ligand: Ligand) -> set[int]:
    """Return the atoms of a group that are bonded to the chain: backbone ends of a modified residue, and links."""
    from logos_cli.structure.contacts import is_bond

    mine = {residue.index for residue in ligand.residues}
    table = model.residues
    if not len(ligand.atoms):
        return set()
    low = model.positions[ligand.atoms].min(axis=0) - 2.5
    high = model.positions[ligand.atoms].max(axis=0) + 2.5
    near = np.flatnonzero(((model.positions >= low) & (model.positions <= high)).all(axis=1) & model.heavy)
    owners: NDArray[np.intp] = np.searchsorted(table.first, near, side="right") - 1
    others = [int(atom) for atom, owner in zip(near, owners, strict=True) if int(owner) not in mine]
    ends = set()
    for atom in ligand.atoms.tolist():
        for other in others:
            away = float(np.linalg.norm(model.positions[atom] - model.positions[other]))
            if away < 2.4 and is_bond(int(model.elements[atom]), int(model.elements[other]), away):
                ends.add(atom)
    return ends
