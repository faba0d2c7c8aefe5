"""Ligands: their charges, their salts, and what Vina cannot take."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from logos_cli.chemistry.protonation import protonate
from logos_cli.docking.defaults import PH
from logos_cli.errors import MoleculeError
from tests.receptors import ligand_block

meeko = pytest.importorskip("meeko")

from logos_cli.docking import ligand as preparing
from logos_cli.docking.ligand import LigandOptions


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("CC(=O)O", "CC(=O)[O-]"),
        ("CC(=O)[O-]", "CC(=O)[O-]"),
        ("CCN", "CC[NH3+]"),
        ("NCC(=O)O", "[NH3+]CC(=O)[O-]"),
        ("CN1CCN(C)CC1", "CN1CC[NH+](C)CC1"),  # the first proton lowers the second pKa
        ("NCCCCN", "[NH3+]CCCC[NH3+]"),
        ("CN(C)C=O", "CN(C)C=O"),
        ("Nc1ccccc1", "Nc1ccccc1"),
        ("Oc1ccccc1", "Oc1ccccc1"),
        ("CNC(=N)N", "CNC(N)=[NH2+]"),
        ("CC(=O)NC(=N)N", "CC(=O)NC(=N)N"),
        ("CC(=N)N", "CC(N)=[NH2+]"),
        ("COP(=O)(O)O", "COP(=O)([O-])[O-]"),
        ("COP(=O)(O)OC", "COP(=O)([O-])OC"),
        ("CS(=O)(=O)NC(C)=O", "CC(=O)[N-]S(C)(=O)=O"),
        ("CS(N)(=O)=O", "CS(N)(=O)=O"),
        ("c1nn[nH]n1", "c1nn[n-]n1"),
        ("c1c[nH]cn1", "c1c[nH]cn1"),
        ("C[N+](C)(C)C", "C[N+](C)(C)C"),
        ("O=[N+]([O-])c1ccccc1", "O=[N+]([O-])c1ccccc1"),
        ("N#CCN(C)C", "CN(C)CC#N"),
    ],
)
def test_dominant_state_at_ph_7_4(given: str, expected: str) -> None:
    state = protonate(Chem.MolFromSmiles(given), PH).molecule
    assert Chem.MolToSmiles(state) == Chem.MolToSmiles(Chem.MolFromSmiles(expected))
    again = protonate(state, PH).molecule
    assert Chem.MolToSmiles(again) == Chem.MolToSmiles(state)


def test_ph_decides() -> None:
    glycine = Chem.MolFromSmiles("NCC(=O)O")
    assert [Chem.GetFormalCharge(protonate(glycine, ph).molecule) for ph in (2, 7.4, 12)] == [1, 0, -1]
    phosphate = Chem.MolFromSmiles("COP(=O)(O)O")
    assert [Chem.GetFormalCharge(protonate(phosphate, ph).molecule) for ph in (1, 4, 8)] == [0, -1, -2]


def _prepare(smiles: str, **options: object) -> preparing.Prepared:
    chosen = LigandOptions(**options)  # type: ignore[arg-type]
    return preparing.prepare(preparing.read_ligand(smiles, None), "the ligand", chosen)


def test_salts_are_stripped_with_a_note() -> None:
    prepared = _prepare("[Na+].[Na+].CCCC(=O)[O-].O")
    assert Chem.MolToSmiles(Chem.RemoveHs(prepared.molecule)) == "CCCC(=O)[O-]"
    assert prepared.notes == ["stripped O, 2 [Na+]"]


def test_conformers_are_seeded() -> None:
    one, same, other = (_prepare("CCCCO", seed=seed).pdbqt for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_saturated_rings_have_other_shapes() -> None:
    """Both chairs of a substituted cyclohexane: the substituent is equatorial in one and axial in the other."""
    options = LigandOptions(ring_conformers=3)
    first = _prepare("CC1CCCCC1", ring_conformers=3)
    others = preparing.other_rings(first, "the ligand", options)
    assert others
    angles = []
    for each in (first, *others):
        ring = next(iter(each.molecule.GetRingInfo().AtomRings()))
        at = ring.index(1)
        four = (0, 1, ring[(at + 1) % 6], ring[(at + 2) % 6])
        angles.append(abs(rdMolTransforms.GetDihedralDeg(each.molecule.GetConformer(), *four)))
    assert max(angles) > 150
    assert min(angles) < 100
    again = preparing.other_rings(first, "the ligand", options)
    assert [each.pdbqt for each in again] == [each.pdbqt for each in others]
    assert preparing.other_rings(first, "the ligand", LigandOptions()) == []
    flat = _prepare("Cc1ccccc1", ring_conformers=3)
    assert preparing.other_rings(flat, "the ligand", options) == []


def test_ring_conformers_are_those_of_one_isomer() -> None:
    """An open stereocentre is that of the first conformer: cis and trans are different molecules."""
    found = []
    for smiles in ("CC1CCCC(O)C1", "C[C@H]1CCC[C@@H](O)C1"):
        first = _prepare(smiles, ring_conformers=5)
        shapes = [first, *preparing.other_rings(first, "the ligand", LigandOptions(ring_conformers=5))]
        isomers = set()
        for each in shapes:
            placed = Chem.Mol(each.molecule)
            Chem.AssignStereochemistryFrom3D(placed)
            isomers.add(Chem.MolToSmiles(Chem.RemoveHs(placed)))
        found.append((len(shapes), len(isomers), Chem.MolToSmiles(Chem.RemoveHs(shapes[-1].molecule))))
    assert all(n_shapes > 1 and n_isomers == 1 for n_shapes, n_isomers, _ in found)
    assert "@" not in found[0][2]
    assert found[1][2].count("@") > 1


def test_charges_stay_as_given_when_asked() -> None:
    assert Chem.GetFormalCharge(_prepare("CC(=O)O", ph=None).molecule) == 0
    assert Chem.GetFormalCharge(_prepare("CC(=O)O").molecule) == -1


@pytest.mark.parametrize(
    ("smiles", "words"),
    [
        ("OB(O)c1ccccc1", "atom 2 of the ligand is B"),
        ("C[Se]C", "is Se"),
        ("[Fe]", "is Fe"),
        ("*c1ccccc1", "attachment point"),
        ("C" * 200, "200 heavy atoms"),
        ("C" * 56, "bonds turn"),
    ],
)
def test_what_vina_cannot_take_is_named(smiles: str, words: str) -> None:
    with pytest.raises(MoleculeError, match=words.replace("(", r"\(")):
        _prepare(smiles)


def test_long_peptides_are_explained() -> None:
    with pytest.raises(MoleculeError) as caught:
        _prepare("N" + "CC(=O)N" * 45 + "C")
    assert "peptide" in str(caught.value.hint)


def test_bonds_that_turn_are_counted_before_a_conformer_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "embed", lambda *_: pytest.fail("a conformer was made"))
        with pytest.raises(MoleculeError, match=r"91 bonds turn") as caught:
            _prepare("N" + "[C@@H](CCCCN)C(=O)N" * 13 + "C")
        assert "peptide" in str(caught.value.hint)
        patch.setenv("LOGOS_MAX_DOCKED_ROTATABLE_BONDS", "6")
        with pytest.raises(MoleculeError, match=r"12 bonds turn"):
            _prepare("O=C1CCCCCCCCCCCCN1")
    assert _prepare("O=C1CCCCCCCCCCCCN1").n_torsions == 12


def test_macrocycles_are_opened_by_meeko() -> None:
    prepared = _prepare("O=C1CCCCCCCCCCCCN1")
    assert " G0" in prepared.pdbqt
    assert prepared.n_torsions > 5


def test_open_stereocentres_are_noted_and_enumerated() -> None:
    assert any("1 stereocentre is undefined" in note for note in _prepare("CC(O)C(=O)N(C)C").notes)
    isomers = preparing.stereoisomers(Chem.MolFromSmiles("CC(O)C(F)Cl"))
    assert len({Chem.MolToSmiles(each) for each in isomers}) == 4
    fixed = preparing.stereoisomers(Chem.MolFromSmiles("C[C@H](O)CC"))
    assert [Chem.MolToSmiles(each) for each in fixed] == [Chem.MolToSmiles(Chem.MolFromSmiles("C[C@H](O)CC"))]


def test_given_pose_is_kept() -> None:
    block = ligand_block()
    molecule = preparing.read_ligand("", block)
    prepared = preparing.prepare(molecule, "toluene", LigandOptions(placed=True))
    heavy = prepared.molecule.GetConformer().GetPositions()[: molecule.GetNumAtoms()]
    assert abs(heavy - molecule.GetConformer().GetPositions()).max() < 1e-6


@pytest.mark.parametrize(("flaw", "words"), [("flat", "two-dimensional"), ("zero", "at one point")])
def test_poses_that_are_none(flaw: str, words: str) -> None:
    molecule = preparing.read_ligand("", ligand_block(**{flaw: True}))
    with pytest.raises(MoleculeError, match=words):
        preparing.prepare(molecule, "toluene", LigandOptions(placed=True))
    with pytest.raises(MoleculeError, match="has no coordinates"):
        preparing.prepare(preparing.read_ligand("CCO", None), "ethanol", LigandOptions(placed=True))
