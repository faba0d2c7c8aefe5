"""Building blocks written the one way that sentences use, and the bond orders behind it."""

from __future__ import annotations

import random

import pytest
from rdkit import Chem

from logos_cli.chemistry.bond_orders import Skeleton, perceive, skeleton_of
from logos_cli.errors import MoleculeError
from logos_cli.objects.base import to_text
from logos_cli.objects.material import Material, material_from_blocks

BDC = "O=C([O-])c1ccc(C(=O)[O-])cc1"


def test_blocks_are_canonical_and_sorted_by_mass() -> None:
    material = material_from_blocks(
        ["[Zn][O]([Zn])([Zn])[Zn]", "[Cu][Cu]"], ["[O-]C(=O)c1ccc(cc1)C(=O)[O-]", "n1ccncc1", "c1cnccn1"]
    )
    assert material == Material("[Cu][Cu].[Zn][O]([Zn])([Zn])[Zn]", ("c1cnccn1", "c1cnccn1", BDC))
    assert material.distinct() == Material("[Cu][Cu].[Zn][O]([Zn])([Zn])[Zn]", ("c1cnccn1", BDC))
    assert material_from_blocks(material.metal.split("."), material.linkers) == material
    assert to_text(material).count("c1cnccn1") == 2


def test_dots_part_nodes() -> None:
    assert material_from_blocks(["[Zn].[Cu]"], [BDC]) == material_from_blocks(["[Cu]", "[Zn]"], [BDC])


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Cl[Zn]", "[Cl][Zn]"),
        ("O[Al][O]([Al])[Al]", "[OH][Al][O]([Al])[Al]"),
        ("[Co][OH2][Co]", "[Co][OH2][Co]"),
        ("[O][U][O]", "[O][U][O]"),
    ],
)
def test_nodes_keep_mofid_conventions(written: str, canonical: str) -> None:
    assert material_from_blocks([written], [BDC]).metal == canonical


def test_symmetric_node_has_one_smiles() -> None:
    zr6 = "[O]12[Zr]34[OH]5[Zr]62[OH]2[Zr]71[OH]4[Zr]14[O]3[Zr]35[O]6[Zr]2([O]71)[OH]43"
    molecule = Chem.MolFromSmiles(zr6, sanitize=False)
    expected = material_from_blocks([zr6], [BDC]).metal
    rng = random.Random(1)
    for _ in range(20):
        order = list(range(molecule.GetNumAtoms()))
        rng.shuffle(order)
        written = Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False)
        assert material_from_blocks([written], [BDC]).metal == expected


@pytest.mark.parametrize(("nodes", "linkers"), [([], [BDC]), (["[Zn"], [BDC]), (["[Zn]"], ["c1ccc"]), (["[Zn]"], [""])])
def test_unreadable_blocks_raise(nodes: list[str], linkers: list[str]) -> None:
    with pytest.raises(MoleculeError):
        material_from_blocks(nodes, linkers)


MOFID_ARTEFACTS = {
    "CC1=NC=C[N]1": "Cc1ncc[n-]1",
    "C1=N[CH]C=N1": "c1c[n-]cn1",
    "[N]1=CN=NC=1": "c1nnc[n-]1",
    "[C]#N": "[C-]#N",
    "[O]": "[O-2]",
    "[OH]": "[OH-]",
    "[N][N][N]": "[N-]=[N+]=[N-]",
    "[O]S(=O)(=O)[O]": "O=S(=O)([O-])[O-]",
    "[O]P(=O)([O])[O]": "O=P([O-])([O-])[O-]",
    "[S]C#N": "N#C[S-]",
    "N#C[N]C#N": "N#C[N-]C#N",
    "[O-][C]=O": "O=C[O-]",
    "[O-]C(=O)c1cc([O])c(cc1[O])C(=O)[O-]": "O=C([O-])c1cc([O-])c(C(=O)[O-])cc1[O-]",
    "[O-]C(=O)[C]=[C]C(=O)[O-]": "O=C([O-])C=CC(=O)[O-]",
    "[O-]C(=O)C1=[C][C]=C([C]=[C]1)C(=O)[O-]": BDC,
    "[N]1N=NN=C1c1ccc(cc1)C1=NN=N[N]1": "c1cc(-c2nnn[n-]2)ccc1-c1nn[n-]n1",
    "n1ccc(cc1)C1=NC(=[N]=C([N]1)c1ccncc1)c1ccncc1": "c1cc(-c2nc(-c3ccncc3)nc(-c3ccncc3)n2)ccn1",
}


@pytest.mark.parametrize("written", MOFID_ARTEFACTS)
def test_radicals_of_mofid_become_ions(written: str) -> None:
    expected = Chem.CanonSmiles(MOFID_ARTEFACTS[written])
    assert material_from_blocks(["[Zn]"], [written]).linkers == (expected,)


KNOWN = [
    BDC,
    "c1ccccc1",
    "O=C([O-])c1cc([N+](=O)[O-])cc(C(=O)[O-])c1",
    "[O-][n+]1ccc(-c2cc[n+]([O-])cc2)cc1",
    "O=c1cccc[nH]1",
    "C[n+]1ccc(-c2cc[n+](C)cc2)cc1",
    "O=C1c2ccccc2C(=O)c2ccccc21",
    "O=C1NC(=O)c2ccc3c4c(ccc1c24)C(=O)NC3=O",
    "O=C([O-])C#CC(=O)[O-]",
    "O=C1C(=O)C([O-])=C1[O-]",
    "O=C([O-])c1cccc(S(=O)(=O)[O-])c1",
    "C[N+](C)(C)C",
    "CS(C)=O",
    "N#CC(C#N)=C1C=CC(=C(C#N)C#N)C=C1",
    "F[P-](F)(F)(F)(F)F",
    "F[B-](F)(F)F",
    "F[Si-2](F)(F)(F)(F)F",
    "O=[N+]([O-])[O-]",
    "[O-][Cl+3]([O-])([O-])[O-]",
    "CC(=O)C=C(C)[O-]",
    "Nc1ncnc2nc[n-]c12",
    "O=C([O-])c1ccc(N=Nc2ccc(C(=O)[O-])cc2)cc1",
    "OB(O)c1ccccc1",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "[I-]",
    "O",
    "N",
    "[NH4+]",
    "c1ccc2ccccc2c1",
    "c1ccc2sccc2c1",
    "CC#N",
    "C1=Cc2cc3ccc(cc4nc(cc5ccc(cc1n2)[nH]5)C=C4)[nH]3",
]


@pytest.mark.parametrize("smiles", KNOWN)
def test_orders_and_charges_follow_from_connections(smiles: str) -> None:
    molecule = Chem.MolFromSmiles(smiles)
    assert perceive(skeleton_of(molecule)) == Chem.MolToSmiles(molecule)


@pytest.mark.parametrize("smiles", KNOWN[:12])
def test_order_of_the_atoms_does_not_matter(smiles: str) -> None:
    molecule = Chem.MolFromSmiles(smiles)
    rng = random.Random(3)
    order = list(range(molecule.GetNumAtoms()))
    rng.shuffle(order)
    assert perceive(skeleton_of(Chem.RenumberAtoms(molecule, order))) == Chem.MolToSmiles(molecule)


def test_hydrogens_are_added_only_when_allowed() -> None:
    ring = Skeleton(("C",) * 6, (0, 1, 1, 1, 1, 1), tuple((i, (i + 1) % 6) for i in range(6)))
    assert perceive(ring) == "[c-]1ccccc1"
    assert perceive(ring, add_hydrogens=True) == "c1ccccc1"


@pytest.mark.parametrize(
    "skeleton",
    [
        Skeleton(("C",), (5,), ()),
        Skeleton(("Xe", "C"), (0, 3), ((0, 1),)),
        Skeleton(("C", "F", "C"), (3, 0, 3), ((0, 1), (1, 2))),
    ],
)
def test_impossible_valences_raise(skeleton: Skeleton) -> None:
    with pytest.raises(MoleculeError):
        perceive(skeleton)
