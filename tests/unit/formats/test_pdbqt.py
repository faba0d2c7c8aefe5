"""PDBQT as receptor, as ligand, and as Vina writes it; PQR."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdkit import Chem

from logos_cli.errors import InputError, LogosError
from logos_cli.structure.ligand.user_molecule import UserMolecule, read_given
from logos_cli.structure.pdbqt import element_of
from tests.structures import AMIDE, ligand_lines, notes, one, pdb, peptide_lines, read

PEPTIDE = peptide_lines()
LIGAND = ligand_lines()
GOOD = pdb(PEPTIDE, ["TER"], LIGAND)
TOLUENE = ligand_lines("Cc1ccccc1", "MBN", names=["C", "C1", "C2", "C3", "C4", "C5", "C6"])
"""A component of the dictionary with its names."""

_TYPES = {"C": "C", "N": "NA", "O": "OA", "S": "SA", "CL": "Cl", "H": "HD"}


def as_pdbqt(line: str) -> str:
    """An atom with a charge, and a type in columns 78 and 79."""
    return f"{line[:66]}     0.100 {_TYPES[line[76:78].strip()]:<2}"


def ligand_pdbqt(*, smiles: str | None = AMIDE, shift: float = 5.0) -> str:
    """The ligand as Meeko writes it: its SMILES, a tree, atoms in another order than the SMILES has."""
    lines = ligand_lines(shift=shift)
    order = [*range(1, len(lines)), 0]
    remarks = []
    if smiles is not None:
        pairs = " ".join(f"{row + 1} {serial}" for serial, row in enumerate(order, 1))
        remarks = [f"REMARK SMILES {smiles}", f"REMARK SMILES IDX {pairs}"]
    atoms = [f"{as_pdbqt(lines[row])[:6]}{serial:5d}{as_pdbqt(lines[row])[11:]}" for serial, row in enumerate(order, 1)]
    return "\n".join([*remarks, "ROOT", *atoms, "ENDROOT", "TORSDOF 4"]) + "\n"


def vina_output(**choices: object) -> str:
    models = [
        f"MODEL {number}\nREMARK VINA RESULT:      -5.0      0.000      0.000\n"
        f"{ligand_pdbqt(shift=shift, **choices)}ENDMDL\n"  # type: ignore[arg-type]
        for number, shift in ((1, 5.0), (2, -6.0))
    ]
    return "".join(models)


def test_a_receptor_is_read_as_what_it_is():
    entry = one(pdb([as_pdbqt(line) for line in [*PEPTIDE, *TOLUENE]]))
    assert entry.item == one(pdb(PEPTIDE, TOLUENE)).item
    assert entry.item.ligand == "Cc1ccccc1"
    assert entry.source["format"] == "pdbqt"
    assert entry.source["ligand"]["origin"] == "ccd"


def test_bonds_of_a_ligand_are_not_guessed():
    text = pdb([as_pdbqt(line) for line in [*PEPTIDE, *LIGAND]])
    [entry] = read(text)
    assert "PDBQT has no bonds" in str(entry.error)
    assert "--ligand FILE.sdf" in str(entry.error.hint)
    assert one(text, ligand=AMIDE).item == one(GOOD).item


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("A", "C"),
        ("NA", "N"),
        ("Na", "Na"),
        ("OA", "O"),
        ("HD", "H"),
        ("Cl", "Cl"),
        ("CL", "Cl"),
        ("SA", "S"),
        ("Br", "Br"),
        ("Zn", "Zn"),
        ("CG0", "C"),
        ("Si", "Si"),
        ("XX", None),
        ("", None),
    ],
)
def test_elements_of_atom_types(kind: str, element: str | None):
    assert element_of(kind) == element


def test_a_type_that_is_none_is_refused_with_its_line():
    lines = [as_pdbqt(line) for line in PEPTIDE]
    lines[5] = f"{lines[5][:77]}Qx"
    with pytest.raises(InputError, match="no atom type") as caught:
        read(pdb(lines))
    assert str(caught.value.source).endswith(":6")


def test_columns_are_checked_as_in_pdb():
    lines = [as_pdbqt(line) for line in PEPTIDE]
    lines[5] = f"{lines[5][:30]}{lines[5][31:77]} {lines[5][77:]}"
    with pytest.raises(InputError, match="coordinate") as caught:
        read(pdb(lines))
    assert str(caught.value.source).endswith(":6")


def test_a_ligand_is_the_molecule_of_its_remark():
    assert one(ligand_pdbqt()).item.smiles == AMIDE
    entries = read(vina_output())
    assert [entry.item.smiles for entry in entries] == [AMIDE, AMIDE]
    assert [entry.source["model"] for entry in entries] == [1, 2]
    assert len({entry.id for entry in entries}) == 2


def test_a_ligand_without_the_remark_is_refused_by_name():
    for entry in (*read(ligand_pdbqt(smiles=None)), *read(vina_output(smiles=None))):
        assert "PDBQT" in str(entry.error)
        assert "SDF" in str(entry.error)


@pytest.mark.parametrize("smiles", ["O=C(NCCO)c1ccc(F)cc1", "O=C(NCCO)c1ccccc1", "OCCNC(=O)c1ccc(Cl)cc1"])
def test_a_remark_of_other_atoms_is_refused(smiles: str):
    [entry] = read(ligand_pdbqt(smiles=smiles))
    assert entry.error is not None


def test_poses_of_vina_bring_their_place_and_their_bonds(tmp_path: Path):
    path = tmp_path / "out.pdbqt"
    path.write_text(vina_output())
    given = read_given(str(path))
    assert all(isinstance(each, UserMolecule) for each in given)
    entries = read(pdb(PEPTIDE), ligand=str(path))
    assert [entry.item.ligand for entry in entries] == [AMIDE, AMIDE]
    assert entries[0].item.chains == one(GOOD).item.chains
    assert entries[0].item.chains != entries[1].item.chains
    path.write_text(vina_output(smiles=None))
    assert all(isinstance(each, LogosError) and "PDBQT" in each.message for each in read_given(str(path)))


def test_side_chains_in_the_output_are_no_ligands():
    text = ligand_pdbqt() + "BEGIN_RES LYS A 109\n" + ligand_pdbqt(smiles=None, shift=9.0) + "END_RES LYS A 109\n"
    assert one(text.replace("TORSDOF 4\nEND_RES", "END_RES")).item.smiles == AMIDE


def test_glue_of_opened_rings_is_no_atom():
    glue = ligand_pdbqt().replace("ENDROOT", f"{as_pdbqt(LIGAND[0])[:77]}G0\nENDROOT")
    assert one(glue).item.smiles == AMIDE


# -- PQR --------------------------------------------------------------------------------------------------


def _columns(line: str) -> str:
    return f"{line[:54]}{-0.3:8.4f}{1.824:7.4f}"


def _words(line: str) -> str:
    chain, number = line[21], line[22:26].strip()
    xyz = " ".join(line[at : at + 8].strip() for at in (30, 38, 46))
    return f"{line[:6].strip()} 1 {line[12:16].strip()} {line[17:20].strip()} {chain} {number} {xyz} -0.3000 1.8240"


@pytest.mark.parametrize("write", [_columns, _words, lambda line: _words(line).replace(" A ", " ").replace(" L ", " ")])
def test_pqr_is_read_by_columns_and_by_words(write: object):
    text = "\n".join(map(write, [*PEPTIDE, *TOLUENE])) + "\nTER\nEND\n"  # type: ignore[call-overload]
    entry = one(text)
    assert entry.item == one(pdb(PEPTIDE, TOLUENE)).item
    assert entry.source["format"] == "pqr"
    assert "read off the atom names" in notes(entry)


def test_pqr_has_no_bonds_either():
    [entry] = read("\n".join(map(_columns, [*PEPTIDE, *LIGAND])))
    assert "PQR has no bonds" in str(entry.error)


def test_a_damaged_line_of_pqr_is_refused_with_its_number():
    lines = [_words(line) for line in PEPTIDE]
    lines[30] = lines[30].replace(" A ", " A A ")
    with pytest.raises(InputError, match="no atom of PQR") as caught:
        read("\n".join(lines))
    assert str(caught.value.source).endswith(":31")


def test_a_pdb_file_without_elements_is_no_pqr():
    assert one(pdb([line[:66] for line in PEPTIDE])).source["format"] == "pdb"


def test_smiles_are_those_of_rdkit():
    assert Chem.CanonSmiles(AMIDE) == AMIDE
