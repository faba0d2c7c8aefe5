"""Marks of square and bipyramidal atoms: only where the electron pairs allow them."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from rdkit.Geometry import Point3D

from logos_cli.chemistry.geometry_marks import drop_impossible_marks
from logos_cli.chemistry.mol2.build import read_mol2block
from logos_cli.chemistry.molblock import read_molblock
from tests.unit.chemistry.test_mol2 import mol2

SEE_SAW = [(1.6, 0.0, 0.05), (-1.6, 0.05, 0.0), (0.3, 1.5, 0.0), (0.2, -0.6, 1.4)]
SQUARE = [(2.0, 0.0, 0.05), (-2.0, 0.05, 0.0), (0.0, 2.0, 0.0), (0.05, -2.0, 0.0)]


def bent(smiles: str, places: list[tuple[float, float, float]]) -> Chem.Mol:
    """Return a molecule whose first atom has its four neighbours at the places, and the others beyond them."""
    molecule = Chem.MolFromSmiles(smiles)
    conformer = Chem.Conformer(molecule.GetNumAtoms())
    conformer.Set3D(True)
    near = [atom.GetIdx() for atom in molecule.GetAtomWithIdx(0).GetNeighbors()]
    for index, xyz in zip(near, places, strict=True):
        conformer.SetAtomPosition(index, Point3D(*xyz))
        for other in molecule.GetAtomWithIdx(index).GetNeighbors():
            if other.GetIdx():
                conformer.SetAtomPosition(other.GetIdx(), Point3D(xyz[0] * 1.9, xyz[1] * 1.9 + 0.2, xyz[2] * 1.9))
    molecule.AddConformer(conformer)
    return molecule


@pytest.mark.parametrize(
    "smiles", ["P(=O)([O-])([O-])OC", "S(=O)(=O)([O-])OC", "[Si](F)(Cl)(Br)OC", "[B-](F)(Cl)(O)OC"]
)
@pytest.mark.parametrize("places", [SEE_SAW, SQUARE], ids=["see-saw", "square"])
def test_atoms_with_four_pairs_are_tetrahedral_whatever_their_angles(
    smiles: str, places: list[tuple[float, float, float]]
) -> None:
    molecule = bent(smiles, places)
    written = Chem.MolToSmiles(read_molblock(Chem.MolToMolBlock(molecule))[0])
    assert not any(mark in written for mark in ("@TB", "@SP", "@OH"))
    assert Chem.CanonSmiles(written.replace("@", "")) == Chem.CanonSmiles(smiles)


def test_mol2_too() -> None:
    text = mol2("C.3 O.3 P.3 O.2 O.co2 O.co2 H H H", "1-2 2-3 3=4 3-5 3-6 1-7 1-8 1-9", "5:-1 6:-1").split("\n")
    places = {2: SEE_SAW[0], 4: SEE_SAW[2], 5: SEE_SAW[3], 6: SEE_SAW[1], 1: (2.9, 0.3, 0.3)}
    for atom, xyz in places.items():
        text[6 + atom] = text[6 + atom].replace("0.0 0.0 0.0", " ".join(map(str, xyz)))
    assert Chem.MolToSmiles(read_mol2block("\n".join(text))[0]) == "COP(=O)([O-])[O-]"


@pytest.mark.parametrize("smiles", ["[Pt](<-N)(<-N)(Cl)Cl", "S(F)(F)(Cl)Br"])
def test_metals_and_atoms_with_a_further_pair_keep_theirs(smiles: str) -> None:
    molecule = bent(smiles, SQUARE if "Pt" in smiles else SEE_SAW)
    Chem.AssignStereochemistryFrom3D(molecule)
    marked = Chem.MolToSmiles(molecule)
    assert "@" in marked
    drop_impossible_marks(molecule)
    assert Chem.MolToSmiles(molecule) == marked


@pytest.mark.parametrize("height", [0.0, 0.2, 0.6, -0.6])
def test_a_metal_whose_neighbours_are_in_one_ring_has_no_mark(height: float) -> None:
    """As the iron of a haem, in the plane of its nitrogens or on one of its sides; the molecule is the same."""
    ring = Chem.MolFromSmiles("[Fe]123N4C(F)N1C(Cl)N2C(Br)N3C4")
    conformer = Chem.Conformer(ring.GetNumAtoms())
    conformer.Set3D(True)
    inner = [
        (2.0, 0, 0),
        (1.6, 1.6, 0),
        (0, 2, 0),
        (-1.6, 1.6, 0),
        (-2, 0, 0),
        (-1.6, -1.6, 0),
        (0, -2, 0),
        (1.6, -1.6, 0),
    ]
    members = [atom.GetIdx() for atom in ring.GetAtoms() if atom.GetSymbol() in "NC"]
    for index, xyz in zip(members, inner, strict=True):
        conformer.SetAtomPosition(index, Point3D(*xyz))
        for far in ring.GetAtomWithIdx(index).GetNeighbors():
            if far.GetDegree() == 1:
                conformer.SetAtomPosition(far.GetIdx(), Point3D(xyz[0] * 1.7, xyz[1] * 1.7, 0.5))
    conformer.SetAtomPosition(0, Point3D(0, 0, height))
    ring.AddConformer(conformer)
    Chem.AssignStereochemistryFrom3D(ring)
    assert ring.GetAtomWithIdx(0).GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED
    assert "[Fe@" not in Chem.MolToSmiles(read_molblock(Chem.MolToMolBlock(ring))[0])


@pytest.mark.parametrize(
    ("smiles", "is_marked"),
    [
        ("CO[P@](=O)(O)OCC", False),
        ("CO[P@](=O)([O-])OCC", False),
        ("C[S@](=O)O", False),
        ("CO[P@](=S)(O)OCC", True),
        ("CO[P@](=O)([18OH])OCC", True),
        ("C[S@](=O)CC", True),
    ],
)
def test_phosphates_in_space_have_no_mark(smiles: str, is_marked: bool) -> None:
    """Two oxygens of which one has the proton or the charge are no different substituents."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(molecule, randomSeed=1) == 0
    assert ("@" in Chem.MolToSmiles(read_molblock(Chem.MolToMolBlock(molecule))[0])) == is_marked
