"""Stereo of metals and allenes: written as it is, or refused, by the geometry of the written coordinates."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDepictor

from logos_cli.chemistry.conformer import embed
from logos_cli.chemistry.inchi import inchi_of_smiles
from logos_cli.chemistry.molblock import read_molblock
from logos_cli.chemistry.rare_stereo import allene_marks, unread_cumulenes
from logos_cli.chemistry.selfies_text import selfies_of_smiles
from logos_cli.chemistry.smiles import checked_smiles
from logos_cli.errors import MoleculeError
from logos_cli.formats.base import WriteOptions
from logos_cli.records import Record
from logos_cli.workflows.decode import decode, writers

CIS, TRANS = "N[Pt@SP1](Cl)(Cl)N", "N[Pt@SP3](Cl)(Cl)N"
MARKED = [CIS, TRANS, "N[Co@OH5](N)(Cl)(Cl)(Br)Br", "F[P@TB5](Cl)(Br)(I)N", "S[As@TB1](F)(Cl)(Br)N"]
ALLENES = ["CC(F)=[C@]=C(F)C", "CC(F)=[C@@]=C(F)C", "CC(F)=[C@AL1]=C(F)C", "[C@](=C(F)C)=C(F)C", "CC(F)=[14C@:2]=C(F)C"]


def sdf(smiles: str, *, conformer: bool = False) -> str:
    stream = io.StringIO()
    sentence = f"<MoleculeS>{smiles}<MoleculeE>"
    options = WriteOptions(conformer=conformer)
    writers()["sdf"](stream, options).write(Record("x", "molecule", sentence), decode(sentence))
    return stream.getvalue()


@pytest.mark.parametrize("smiles", MARKED)
def test_a_plane_cannot_carry_the_geometry_of_a_metal(smiles: str) -> None:
    with pytest.raises(MoleculeError, match="would lack the geometry of") as caught:
        sdf(smiles)
    assert "--3d" in str(caught.value.hint)
    for write in (inchi_of_smiles, selfies_of_smiles):
        with pytest.raises(MoleculeError, match="would lack the geometry of"):
            write(smiles)


def angle(molecule: Chem.Mol, one: int, middle: int, other: int) -> float:
    """Return an angle in degrees."""
    xyz = molecule.GetConformer().GetPositions()
    a, b = xyz[one] - xyz[middle], xyz[other] - xyz[middle]
    return float(np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))


@pytest.mark.parametrize(("smiles", "apart"), [(CIS, 90), (TRANS, 180)])
def test_coordinates_in_space_are_those_of_cis_and_trans(smiles: str, apart: float) -> None:
    # the path through the neighbours is a U (first beside last) for @SP1, and a Z (first opposite last) for @SP3
    molecule = Chem.MolFromMolBlock(sdf(smiles, conformer=True).split("$$$$")[0])
    nitrogens = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetSymbol() == "N"]
    assert angle(molecule, nitrogens[0], 1, nitrogens[1]) == pytest.approx(apart, abs=25)


@pytest.mark.parametrize("number", range(1, 31, 3))
def test_the_hand_of_an_octahedral_atom_is_that_of_its_mark(number: int) -> None:
    molecule = Chem.MolFromSmiles(f"N[Co@OH{number}](O)(Cl)(F)(Br)I")
    for seed in range(3):
        full = embed(molecule, seed, "x")
        Chem.AssignStereochemistryFrom3D(full)
        assert full.GetAtomWithIdx(1).GetIntProp("_chiralPermutation") == number


@pytest.mark.parametrize(("mark", "sign"), [("OH1", -1), ("OH2", 1)])
def test_seen_from_the_first_neighbour_the_others_turn_as_opensmiles_says(mark: str, sign: int) -> None:
    # OH1: the first and the last neighbour are the axis, and the other four turn anticlockwise, seen from the first
    full = embed(Chem.MolFromSmiles(f"N[Co@{mark}](O)(Cl)(F)(Br)I"), 1, "x")
    xyz = full.GetConformer().GetPositions()
    axis = xyz[1] - xyz[0]  # the direction of view
    turn = np.cross(xyz[2] - xyz[1], xyz[3] - xyz[1]) @ axis
    assert np.sign(turn) == sign


def test_a_mark_that_no_coordinates_show_is_refused() -> None:
    with pytest.raises(MoleculeError, match=r"with the geometry of S 2 \(@TB\d+\) was found") as caught:
        sdf("F[S@TB1](F)(F)Cl", conformer=True)
    assert caught.value.hint == "write it --to smi"


@pytest.mark.parametrize("smiles", ["CC[C@H](F)O", "C/C=C/F", "F[Zn@](Cl)(Br)I", "C[S@](=O)CC"])
def test_other_stereo_is_written(smiles: str) -> None:
    molecule, _ = read_molblock(sdf(smiles).split("$$$$")[0])
    assert Chem.MolToSmiles(molecule) == Chem.CanonSmiles(smiles)


@pytest.mark.parametrize("smiles", ALLENES)
def test_the_stereo_of_an_allene_is_never_lost_without_a_word(smiles: str) -> None:
    assert len(allene_marks(smiles)) == 1
    for write in (sdf, inchi_of_smiles, selfies_of_smiles, lambda text: checked_smiles(text, canonical=True)):
        with pytest.raises(MoleculeError, match="would lack the stereo of the allene"):
            write(smiles)
    assert checked_smiles(smiles, canonical=False) == smiles


def test_other_marks_are_not_those_of_allenes() -> None:
    assert not allene_marks("C[C@](F)(O)C=C=C")
    assert not allene_marks("C[S@](=O)CC")
    assert sdf("CC(F)=C=C(F)C")


def wedged(value: int) -> str:
    """Return a mol block of 2,4-difluoropenta-2,3-diene whose first methyl has a bond with this stereo."""
    atoms = [
        (0.0, 0.0, "C"),
        (1.3, 0.0, "C"),
        (2.6, 0.0, "C"),
        (-0.7, 1.2, "C"),
        (-0.7, -1.2, "F"),
        (3.3, 1.2, "C"),
        (3.3, -1.2, "F"),
    ]
    bonds = [(1, 2, 2, 0), (2, 3, 2, 0), (1, 4, 1, value), (1, 5, 1, 0), (3, 6, 1, 0), (3, 7, 1, 0)]
    lines = [f"{x:10.4f}{y:10.4f}    0.0000 {symbol:<3} 0  0" for x, y, symbol in atoms]
    lines += [f"{a:3d}{b:3d}{order:3d}{stereo:3d}" for a, b, order, stereo in bonds]
    return "\n".join(
        ["", "", "", f"{len(atoms):3d}{len(bonds):3d}  0  0  0  0  0  0  0  0999 V2000", *lines, "M  END", ""]
    )


@pytest.mark.parametrize(("value", "is_noted"), [(0, False), (1, True), (6, True), (4, False)])
def test_a_drawn_hand_of_an_allene_is_noted(value: int, is_noted: bool) -> None:
    assert (read_molblock(wedged(value))[1] == ["not carried: the stereo of the allene at atom 2"]) == is_noted


@pytest.mark.parametrize(
    ("smiles", "note"),
    [
        ("CC(F)=C=C(F)C", "the allene at atom 4"),
        ("CC=C=CC", "the allene at atom 3"),
        ("CC=C=C=CC", "the cumulene from atom 2 to 5"),
        ("CC=C=C=C=CC", "the cumulene from atom 2 to 6"),
        ("CC(C)=C=C(F)C", ""),
        ("C=C=CC", ""),
        ("CC(C)=C=C=CC", ""),
        # nitrogen inverts: no stereo is lost
        ("CCN=C=NC", ""),
        ("CCN=C=NCCCN(C)C", ""),  # EDC
        ("C1CCCCC1N=C=NC1CCCCC1", ""),  # DCC
        ("CCN=C=C(F)C", ""),
        ("CCN=C=O", ""),
        ("CCN=C=S", ""),
        ("CC(F)=C=O", ""),
    ],
)
def test_a_cumulene_in_space_is_noted_if_it_has_stereo(smiles: str, note: str) -> None:
    notes = unread_cumulenes(embed(Chem.MolFromSmiles(smiles), 1, "x"))
    assert notes == ([f"not carried: the stereo of {note}"] if note else [])


@pytest.mark.parametrize("smiles", ["F/C=C=C=C/F", "F/C(Cl)=C=C=C(\\F)Cl", "C(/F)=C=[13C]=C/F", "C/C=C=C=C=C=C/C"])
def test_cis_and_trans_of_a_cumulene_are_never_lost_without_a_word(smiles: str) -> None:
    for write in (sdf, inchi_of_smiles, selfies_of_smiles, lambda text: checked_smiles(text, canonical=True)):
        with pytest.raises(MoleculeError, match="would lack the stereo of the cumulene from atom"):
            write(smiles)
    assert checked_smiles(smiles, canonical=False) == smiles


@pytest.mark.parametrize("smiles", ["C/N=C=N/C", "C/C=C/C=C=C=C", "FC=C=C=CF", "C/C=C/C", "C1#CC#CC#CC#C1"])
def test_other_marks_of_cis_and_trans_are_read(smiles: str) -> None:
    assert checked_smiles(smiles, canonical=True) == Chem.CanonSmiles(smiles)


def test_a_ring_of_cumulated_bonds_has_no_end() -> None:
    ring = Chem.MolFromSmiles("C1=C=C=C=C=C=C=C=C=C=C=C=1", sanitize=False)
    assert unread_cumulenes(ring) == []


@pytest.mark.parametrize(("flat", "is_noted"), [(True, True), (False, False)])
def test_cis_and_trans_of_a_drawn_cumulene_are_noted(flat: bool, is_noted: bool) -> None:
    molecule = Chem.MolFromSmiles("FC=C=C=CF")
    if flat:
        rdDepictor.Compute2DCoords(molecule)
    assert bool(unread_cumulenes(molecule)) == is_noted
