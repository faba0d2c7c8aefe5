"""Whether a component's definition is that of the atoms at hand: names prove nothing, distances and elements do."""

from __future__ import annotations

import pytest
from rdkit import Chem

from logos_cli.errors import InputError
from logos_cli.structure.ligand import fit
from logos_cli.structure.ligand.dictionary import component
from tests import receptors
from tests.structures import AMIDE, atom_line, ligand_lines, notes, one, pdb, peptide_lines, read

PEPTIDE = peptide_lines()
IBUPROFEN = "CC(C)Cc1ccc([C@H](C)C(=O)O)cc1"


def with_ligand(*ligands: list[str]) -> str:
    return pdb(PEPTIDE, ["TER"], *ligands)


@pytest.mark.parametrize("name", sorted(fit.GENERIC))
@pytest.mark.parametrize("smiles", [IBUPROFEN, "N=C(N)c1ccccc1", AMIDE, "O=C(NCCO)c1ccc(Br)cc1"])
def test_names_that_programs_give_to_any_ligand(name: str, smiles: str):
    entry = one(with_ligand(ligand_lines(smiles, name)), ligand="L:1")
    assert entry.item.ligand == Chem.CanonSmiles(smiles)
    assert entry.source["ligand"]["origin"] == "perceived"


@pytest.mark.parametrize("name", ["ATP", "STI", "HEM", "NAG", "BEN", "TYR", "GLC", "BNZ"])
def test_names_of_known_components_on_other_molecules(name: str):
    entry = one(with_ligand(ligand_lines(IBUPROFEN, name)), ligand="L:1")
    assert entry.item.ligand == IBUPROFEN


def named_as(name: str, smiles: str) -> list[str]:
    """The molecule of a component with the component's own atom names."""
    known = component(name)
    assert known is not None
    molecule = Chem.MolFromSmiles(smiles)
    plain = Chem.RWMol()
    for atom in known.atoms:
        plain.AddAtom(Chem.Atom(atom.number))
    for bond in known.bonds:
        plain.AddBond(bond.first, bond.second, Chem.BondType.SINGLE)
    query = Chem.RWMol(molecule)
    for bond in query.GetBonds():
        bond.SetBondType(Chem.BondType.SINGLE)
        bond.SetIsAromatic(False)
    for atom in query.GetAtoms():
        atom.SetIsAromatic(False)
        atom.SetFormalCharge(0)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(0)
    match = plain.GetSubstructMatch(query)
    assert len(match) == molecule.GetNumAtoms()
    return [known.atoms[place].name for place in match]


ATP = "Nc1ncnc2c1ncn2[C@@H]1O[C@H](COP(=O)(O)OP(=O)(O)OP(=O)(O)O)[C@@H](O)[C@H]1O"


def test_a_component_that_fits_gives_its_bonds():
    entry = one(with_ligand(ligand_lines(ATP, "ATP", names=named_as("ATP", ATP))), ligand="ATP")
    assert entry.source["ligand"]["origin"] == "ccd"
    assert Chem.CanonSmiles(entry.item.ligand) == Chem.CanonSmiles(ATP)


@pytest.mark.parametrize(
    "gone", [("PG", "O1G", "O2G", "O3G"), ("O3B", "PG", "O1G", "O2G", "O3G"), ("N6",), ("O2'", "C2'")]
)
def test_a_component_that_is_modelled_in_part_stays_whole(gone: tuple[str, ...]):
    lines = [line for line in ligand_lines(ATP, "ATP", names=named_as("ATP", ATP)) if line[12:16].strip() not in gone]
    entry = one(with_ligand(lines), ligand="ATP")
    assert Chem.CanonSmiles(entry.item.ligand) == Chem.CanonSmiles(ATP)
    atoms = "1 heavy atom has" if len(gone) == 1 else f"{len(gone)} heavy atoms have"
    assert f"{atoms} no coordinates" in notes(entry)


def test_a_component_whose_atoms_are_shuffled_is_not_believed():
    names = named_as("ATP", ATP)
    entry = one(with_ligand(ligand_lines(ATP, "ATP", names=[*names[3:], *names[:3]])), ligand="ATP")
    assert entry.source["ligand"]["origin"] == "perceived" or "matched by bonds" in notes(entry)
    assert Chem.CanonSmiles(entry.item.ligand, useChiral=False) == Chem.CanonSmiles(ATP, useChiral=False)


@pytest.mark.parametrize("residue", ["UNL", "LIG", "BNZ"])
def test_atoms_that_are_called_by_their_element_only(residue: str):
    names = [atom.GetSymbol() for atom in Chem.MolFromSmiles(IBUPROFEN).GetAtoms()]
    assert one(with_ligand(ligand_lines(IBUPROFEN, residue, names=names)), ligand="L:1").item.ligand == IBUPROFEN


# -- copies under one name --------------------------------------------------------------------------------


def test_copies_that_follow_each_other_under_one_number():
    copies = [ligand_lines(shift=shift) for shift in (5.0, -6.0)]
    entries = read(with_ligand(*copies))
    assert [entry.id for entry in entries] == ["stdin:L:LIG:1", "stdin:L:LIG:1_2"]
    assert [entry.item.ligand for entry in entries] == [AMIDE, AMIDE]
    assert entries[0].item.chains[0].site != entries[1].item.chains[0].site
    for lines, entry in zip(copies, entries, strict=True):
        assert one(with_ligand(lines)).item == entry.item
    assert "LIG L:1 stands for 2 molecules" in notes(entries[0])


def test_copies_of_which_one_lacks_atoms():
    entries = read(with_ligand(ligand_lines(), ligand_lines(shift=-6.0)[:-2]))
    assert len(entries) == 2
    assert entries[0].item.ligand == AMIDE


def test_copies_that_are_called_by_their_elements():
    names = [atom.GetSymbol() for atom in Chem.MolFromSmiles(AMIDE).GetAtoms()]
    entries = read(with_ligand(*(ligand_lines(names=names, shift=shift) for shift in (5.0, -6.0))))
    assert [entry.item.ligand for entry in entries] == [AMIDE, AMIDE]


def test_a_salt_is_one_residue():
    salt = [*ligand_lines(), *ligand_lines("Cl", names=["CL9"], shift=12.0)]
    assert one(with_ligand(salt)).item.ligand == f"Cl.{AMIDE}"


def test_copies_of_an_mmcif_file():
    import gemmi

    structure = gemmi.read_pdb_string(with_ligand(ligand_lines(), ligand_lines(shift=-6.0)))
    structure.setup_entities()
    text = structure.make_mmcif_document().as_string()
    assert [entry.item.ligand for entry in read(text)] == [AMIDE, AMIDE]


# -- files that bring no bonds ----------------------------------------------------------------------------


def test_a_structure_file_as_ligand_is_refused(tmp_path):
    path = tmp_path / "pose.pdb"
    path.write_text(pdb(ligand_lines()))
    with pytest.raises(InputError, match="has no bond orders"):
        read(pdb(PEPTIDE), ligand=str(path))
    with pytest.raises(InputError, match="no such file"):
        read(pdb(PEPTIDE), ligand=str(tmp_path / "absent.pdb"))


@pytest.mark.parametrize("is_cis", [True, False])
def test_the_geometry_of_a_metal_is_noted(is_cis: bool):
    x, y, z = (value + 6 for value in receptors.centre())
    places = [(2.0, 0, 0), (0, 2.0, 0), (-2.0, 0, 0), (0, -2.0, 0)]
    names = ["N1", "N2", "CL1", "CL2"] if is_cis else ["N1", "CL1", "N2", "CL2"]
    atoms = [
        ("PT1", "PT", (0.0, 0, 0)),
        *((name, name.rstrip("12"), at) for name, at in zip(names, places, strict=True)),
    ]
    lines = [atom_line(name, "CPT", "L", 1, (x + a, y + b, z + c), symbol) for name, symbol, (a, b, c) in atoms]
    entry = one(pdb(PEPTIDE, lines), ligand="CPT")
    assert "@" not in entry.source["ligand"]["smiles"]
    assert "not carried: the geometry of Pt in CPT L:1" in notes(entry)
