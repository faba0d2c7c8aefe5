"""Write the SMILES of a ligand from its parts: bond orders by definition, stereo by coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem
from rdkit.Chem import rdCIPLabeler
from rdkit.Geometry import Point3D

from logos_cli.chemistry.geometry_marks import PSEUDO_CHIRAL, TETRAHEDRAL, is_pseudo_chiral, is_within_one_ring
from logos_cli.structure.ligand.build import NON_METALS, Builder, Fragment, Link, Position, sanitize
from logos_cli.structure.ligand.dictionary import Component

_FEWEST_CHIRAL = 4
_LARGEST_RIGID_RING = 7
"""In a ring of so many atoms, a double bond has only one geometry."""


@dataclass(slots=True)
class Drawing:
    """The SMILES of a ligand, its number of heavy atoms, and the metals whose geometry it does not have."""

    smiles: str
    n_atoms: int
    metals: tuple[str, ...] = ()


def draw(parts: Sequence[Fragment], links: Iterable[Link] = ()) -> Drawing:
    """Return the canonical isomeric SMILES of linked components.

    A bond between two parts replaces a hydrogen at each end, or a leaving group without coordinates. Other atoms
    without coordinates stay: the sentence has the molecule, not its model. Stereo comes from the coordinates, or from
    the definition if a neighbour has none.

    Raises
    ------
    MoleculeError
        If RDKit does not accept the definition.
    """
    links = tuple(links)
    if len(parts) == 1 and not links and (drawing := _draw_whole(parts[0])) is not None:
        return drawing
    builder = Builder(parts, links)
    molecule = builder.molecule()
    sanitize(molecule, " ".join(part.component.id for part in parts))
    _set_stereo(builder, molecule)
    metals: list[str] = []
    if not builder.numbers.isdisjoint(PSEUDO_CHIRAL) or not NON_METALS.issuperset(builder.numbers):
        metals = drop_stereo(molecule)
    return Drawing(str(Chem.MolToSmiles(molecule)), molecule.GetNumAtoms(), tuple(metals))


def _draw_whole(part: Fragment) -> Drawing | None:
    """Draw a component with coordinates of all atoms, from a cached molecule; return None for any other."""
    atoms = part.component.atoms
    positions = [part.positions.get(atom.name) for atom in atoms]
    placed = [position for position in positions if position is not None]
    if len(placed) < max(_FEWEST_CHIRAL, len(positions)):
        return None
    template, has_marks = _flat(part.component)
    molecule = Chem.Mol(template)
    set_conformer(molecule, placed)
    Chem.AssignStereochemistryFrom3D(molecule)
    metals = drop_stereo(molecule) if has_marks else []
    return Drawing(str(Chem.MolToSmiles(molecule)), len(placed), tuple(metals))


@lru_cache(maxsize=512)
def _flat(definition: Component) -> tuple[Chem.Mol, bool]:
    """Return a component without stereo, and whether it may get marks that :func:`drop_stereo` removes."""
    builder = Builder((Fragment(definition, {}),), ())
    molecule = builder.molecule()
    sanitize(molecule, definition.id)
    has_marks = not builder.numbers.isdisjoint(PSEUDO_CHIRAL) or not NON_METALS.issuperset(builder.numbers)
    return Chem.Mol(molecule), has_marks


def molecule_of(definition: Component) -> Chem.Mol:
    """Return the molecule of one component, with the stereo of its definition.

    Raises
    ------
    MoleculeError
        If RDKit does not accept the definition.
    """
    builder = Builder((Fragment(definition, {}),), ())
    molecule = builder.molecule()
    sanitize(molecule, definition.id)
    _set_stereo(builder, molecule)
    return molecule


def to_smiles(molecule: Chem.Mol) -> str:
    """Return the canonical isomeric SMILES without meaningless stereo marks (:func:`drop_stereo`)."""
    drop_stereo(molecule)
    smiles: str = Chem.MolToSmiles(molecule)
    return smiles


def drop_stereo(molecule: Chem.Mol) -> list[str]:
    """Remove marks of metals (geometry, or within a ring), of P or S with two terminal oxygens, and of chelate rings.

    Phosphates differ only by the position of a proton or charge, which no crystal structure shows. A double bond in a
    small ring with a metal (haem) has only one geometry; RDKit counts no dative bonds in rings, and marks it.

    Returns
    -------
    list of str
        The metals with a geometry of their own that is left out, by element.
    """
    metals = []
    for atom in molecule.GetAtoms():
        tag = atom.GetChiralTag()
        if tag == Chem.ChiralType.CHI_UNSPECIFIED:
            continue
        is_metal = atom.GetAtomicNum() not in NON_METALS
        is_in_ring = is_metal and is_within_one_ring(atom)
        if tag not in TETRAHEDRAL and is_metal and not is_in_ring:
            metals.append(str(atom.GetSymbol()))
        if tag not in TETRAHEDRAL or is_pseudo_chiral(atom) or is_in_ring:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for bond in molecule.GetBonds():
        if bond.GetStereo() > Chem.BondStereo.STEREOANY and _is_in_chelate_ring(bond):
            bond.SetStereo(Chem.BondStereo.STEREONONE)
    return metals


def _is_in_chelate_ring(bond: Chem.Bond) -> bool:
    """Return whether a bond is in a ring of at most :data:`_LARGEST_RIGID_RING` atoms, one of them a metal."""
    molecule, goal = bond.GetOwningMol(), bond.GetEndAtomIdx()
    start = bond.GetBeginAtomIdx()
    reached = {(start, False)}  # atoms, and whether a metal is on the way to them
    before = {start}
    for step in range(_LARGEST_RIGID_RING - 1):
        following = set()
        for index, has_metal in reached:
            for near in molecule.GetAtomWithIdx(index).GetNeighbors():
                there = near.GetIdx()
                if there in before or (step == 0 and there == goal):
                    continue
                following.add((there, has_metal or near.GetAtomicNum() not in NON_METALS))
        if (goal, True) in following:
            return True
        reached = {each for each in following if each[0] != goal}
        before |= {index for index, _ in reached}
    return False


def _set_stereo(builder: Builder, molecule: Chem.RWMol) -> None:
    """Set stereo from the coordinates, and from the definition where atoms have none."""
    placed = [position is not None for position in builder.positions]
    if not any(placed) or len(placed) < _FEWEST_CHIRAL:
        _stereo_from_labels(molecule, dict(enumerate(builder.stereo)), builder.bond_stereo)
        return
    # atoms without coordinates get distinct ones; the stereo at them is set below
    nowhere = [(1e3 + 7.0 * row, 3.0 * row, -1.5 * row) for row in range(len(placed))]
    set_conformer(molecule, [each or away for each, away in zip(builder.positions, nowhere, strict=True)])
    Chem.AssignStereochemistryFrom3D(molecule)
    if all(placed):
        return
    atoms = {}
    for atom in molecule.GetAtoms():
        near = [neighbour.GetIdx() for neighbour in atom.GetNeighbors()]
        if not all(placed[index] for index in (atom.GetIdx(), *near)):
            atoms[atom.GetIdx()] = builder.stereo[atom.GetIdx()]
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    bonds = {}
    for bond in molecule.GetBonds():
        ends = (bond.GetBeginAtom(), bond.GetEndAtom())
        near = [neighbour.GetIdx() for end in ends for neighbour in end.GetNeighbors()]
        if not all(placed[index] for index in near):
            bond.SetStereo(Chem.BondStereo.STEREONONE)
            key = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
            bonds[key] = builder.bond_stereo.get(key) or builder.bond_stereo.get(key[::-1], "N")
    _stereo_from_labels(molecule, atoms, bonds)


def set_conformer(molecule: Chem.Mol, positions: Sequence[Position]) -> None:
    """Set the only conformer of a molecule (Å)."""
    conformer = Chem.Conformer(len(positions))
    for index, position in enumerate(positions):
        conformer.SetAtomPosition(index, Point3D(*position))
    conformer.Set3D(True)
    molecule.RemoveAllConformers()
    molecule.AddConformer(conformer)


def _stereo_from_labels(molecule: Chem.RWMol, atoms: Mapping[int, str], bonds: Mapping[tuple[int, int], str]) -> None:
    """Set the stereo of CIP labels (R, S, E, Z), by trial, as labels depend on each other."""
    wanted = {index: label for index, label in atoms.items() if label in ("R", "S")}
    double = {}
    for (first, second), label in bonds.items():
        bond = molecule.GetBondBetweenAtoms(first, second)
        if label in ("E", "Z") and bond.GetBondType() == Chem.BondType.DOUBLE and not bond.GetIsAromatic():
            double[bond.GetIdx()] = label
            _set_cis(bond)
    if not wanted and not double:
        return
    for index in wanted:
        molecule.GetAtomWithIdx(index).SetChiralTag(Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
    for _ in range(4):
        if not _flip_wrong(molecule, wanted, double):
            break
    Chem.SetDoubleBondNeighborDirections(molecule)
    Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)


def _set_cis(bond: Chem.Bond) -> None:
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    near = [
        [a.GetIdx() for a in end.GetNeighbors() if a.GetIdx() != other.GetIdx()]
        for end, other in zip(ends, ends[::-1], strict=True)
    ]
    if all(near):
        bond.SetStereoAtoms(near[0][0], near[1][0])
        bond.SetStereo(Chem.BondStereo.STEREOCIS)


def _flip_wrong(molecule: Chem.RWMol, atoms: Mapping[int, str], bonds: Mapping[int, str]) -> bool:
    for index in atoms:
        molecule.GetAtomWithIdx(index).ClearProp("_CIPCode")
    for index in bonds:
        molecule.GetBondWithIdx(index).ClearProp("_CIPCode")
    try:
        rdCIPLabeler.AssignCIPLabels(molecule)
    except RuntimeError:  # some cages have no exact labels; the older rules label most of them
        Chem.AssignStereochemistry(molecule, cleanIt=False, force=True)
    flipped = False
    for index, label in atoms.items():
        atom = molecule.GetAtomWithIdx(index)
        if atom.HasProp("_CIPCode") and atom.GetProp("_CIPCode").upper() != label:
            atom.InvertChirality()
            flipped = True
    for index, label in bonds.items():
        bond = molecule.GetBondWithIdx(index)
        if bond.HasProp("_CIPCode") and bond.GetProp("_CIPCode").upper() != label:
            cis = bond.GetStereo() == Chem.BondStereo.STEREOCIS
            bond.SetStereo(Chem.BondStereo.STEREOTRANS if cis else Chem.BondStereo.STEREOCIS)
            flipped = True
    return flipped
