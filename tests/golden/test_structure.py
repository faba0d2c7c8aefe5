"""Structures from the PDB, in the formats and with the oddities that real files have."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from logos_cli import Record
from logos_cli.grammar import Form
from logos_cli.workflows.decode import decode
from logos_cli.workflows.encode import encode
from tests.bench import figures_complexes as figures

FORMATS = "complexes/formats"


def records(path: Path, **options: object) -> list[Record]:
    found = list(encode(str(path), **options))
    assert found
    return found


def ids(path: Path, **options: object) -> list[str]:
    return [record.id for record in records(path, **options) if record.status == "ok"]


def test_formats_of_one_entry_give_the_same_sentences(shared_data: Path):
    for name, suffixes in (
        ("1fbl", "pdb cif bcif"),
        ("2W83", "pdb cif bcif"),
        ("1o6u", "pdb cif"),
        ("1uwy", "pdb cif"),
    ):
        prefix = "p2rank_tricky_cases_" if name.startswith(("1o", "1u")) else "p2rank_"
        texts = [
            [record.text for record in records(shared_data / FORMATS / f"{prefix}{name}.{suffix}.gz")]
            for suffix in suffixes.split()
        ]
        assert all(each == texts[0] for each in texts), name
        assert all(text for text in texts[0])
    for name in ("1aki", "1dix", "1f2n", "1l2y", "1o1z", "2d0f", "3o5r", "5h73"):
        texts = [
            [record.text for record in records(shared_data / FORMATS / f"biotite_{name}.{suffix}.gz")]
            for suffix in ("pdb", "cif", "bcif")
        ]
        assert texts[0] == texts[1] == texts[2], name


def test_plain_and_zst_are_the_same(shared_data: Path):
    root = shared_data / FORMATS
    for suffix in ("cif", "pdb"):
        one, other = (records(root / f"p2rank_1fbl.{suffix}.{ending}") for ending in ("gz", "zst"))
        assert [record.text for record in one] == [record.text for record in other]


def test_sites_are_those_of_biopython(shared_data: Path):
    total, same, wrong = figures.figure_sites(shared_data, limit=25)
    assert total > 25
    assert same == total, wrong


def test_residue_map_has_author_and_label_numbers(shared_data: Path):
    record = records(shared_data / "complexes/posebusters_raw_mmcif/5sd5.cif.gz", ligand="HWI")[0]
    mapped = record.source["residues"][0]
    assert mapped["chain"] == mapped["label_chain"] == "A"
    assert mapped["numbers"][:3] == [-6, -5, -4]
    assert mapped["label_numbers"][:3] == [14, 15, 16]
    assert record.source["entry"] == "5SD5"
    assert record.source["ligand"]["label_chain"] == "C"
    by_label = records(shared_data / "complexes/posebusters_raw_mmcif/5sd5.cif.gz", ligand="C:.", numbering="label")
    assert by_label[0].text == record.text


def test_full_sequence_from_entity_poly_seq(shared_data: Path):
    path = shared_data / "complexes/posebusters_raw_mmcif/5sd5.cif.gz"
    observed, full = (records(path, ligand="HWI", sequence=name)[0] for name in ("observed", "full"))
    one, other = decode(observed).chains[0], decode(full).chains[0]
    assert one.sequence in other.sequence
    assert len(other.sequence) > len(one.sequence)
    assert [one.sequence[place] for place in one.site] == [other.sequence[place] for place in other.site]
    numbers = full.source["residues"][0]["numbers"]
    assert len(numbers) == len(other.sequence)
    assert None in numbers


def test_full_sequence_from_seqres_is_that_of_the_mmcif(shared_data: Path):
    root = shared_data / FORMATS
    for name in ("biotite_1o1z", "biotite_5h73", "p2rank_1fbl"):
        texts = [
            [record.text for record in records(root / f"{name}.{suffix}.gz", sequence="full")]
            for suffix in ("pdb", "cif")
        ]
        assert texts[0] == texts[1], name


def test_nmr_models(shared_data: Path):
    path = shared_data / FORMATS / "biotite_1l2y.cif.gz"
    assert records(path, model=1)[0].text == records(path, model=38)[0].text
    assert "38 models" in records(path)[0].source["notes"][0]
    wrong = records(path, model=39)[0]
    assert wrong.status == "error"
    assert "38" in str(wrong.reason)


def test_peptides_glycans_covalent_ligands_and_metals(shared_data: Path):
    formats, plip = shared_data / FORMATS, shared_data / "complexes/plip"
    assert ids(formats / "fpocket_1QNH.cif.gz") == ["1qnh:C:DAL-MLE-MLE-…:201", "1qnh:D:DAL-MLE-MLE-…:201"]
    cyclosporin = records(formats / "fpocket_1QNH.cif.gz")[0]
    assert cyclosporin.source["ligand"]["peptide"]
    assert "%" in cyclosporin.text or cyclosporin.text.count("1") > 1
    assert ids(formats / "p2rank_liganated_1nlu.pdb.gz") == ["1nlu:B:IVA-PHI-TYB:1", "1nlu:C:IVA-PHI-TYB:1"]
    maltotriose = records(formats / "biotite_2d0f.cif.gz")
    assert [len(record.source["ligand"]["residues"]) for record in maltotriose] == [5, 3]
    covalent = records(plip / "1ay8.pdb.gz")[0].source["ligand"]
    assert covalent["covalent"] == ["LYS A:258"]
    assert ids(plip / "1eve.pdb.gz") == ["1eve:A:E20:2001"]
    assert records(plip / "1rmd.pdb.gz", ligand="ZN")[0].text.endswith("[Zn+2]<MoleculeE>")
    haem = records(plip / "2q8q.pdb.gz")[0]
    assert "[Fe]" in haem.text
    [definition] = records(formats / "gemmi_HEM.cif.gz")
    others = [record for record in records(plip / "4cum.pdb.gz") if ":HEM:" in record.id]
    molecule = definition.text.removeprefix("<MoleculeS>")
    assert others
    assert all(record.text.endswith(f"<MoleculeS>{molecule}") for record in [haem, *others])


def test_peptides_beside_a_given_ligand_are_noted(shared_data: Path, tmp_path: Path):
    """A peptide of 11 residues is a ligand of its own: a molecule between it and the protein reports that."""
    structure = shared_data / FORMATS / "fpocket_1QNH.cif.gz"
    model = gemmi.read_structure(str(structure))[0]
    protein, peptide = (
        np.array([atom.pos.tolist() for residue in model[name] for atom in residue]) for name in ("A", "C")
    )
    distances = np.linalg.norm(protein[:, None] - peptide[None], axis=2)
    row, column = np.unravel_index(distances.argmin(), distances.shape)
    x, y, z = (protein[row] + peptide[column]) / 2
    ligand = tmp_path / "methane.sdf"
    ligand.write_text(
        f"methane\n{'':20}3D\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n"
        f"{x:10.4f}{y:10.4f}{z:10.4f} C   0  0  0  0  0  0  0  0  0  0  0  0\nM  END\n$$$$\n"
    )
    [beside] = records(structure, ligand=str(ligand))
    assert any(
        "of the peptide" in note and "--chain A --chain C takes it in" in note for note in beside.source["notes"]
    )
    [within] = records(structure, ligand=str(ligand), chains=("A", "C"))
    assert within.source["chains"] == ["A", "C"]


def test_nucleic_acids_are_no_protein(shared_data: Path):
    root = shared_data / FORMATS
    failed = records(root / "biotite_4gxy.cif.gz")[0]
    assert failed.status == "error"
    assert "nucleic acid" in str(failed.reason)
    found = records(root / "biotite_4gxy.cif.gz", form=Form.MOLECULE)
    assert all(record.kind == "molecule" for record in found)


def test_a_docked_pose_brings_its_place(shared_data: Path):
    folder = shared_data / "complexes/crossdocked_test"
    checked = 0
    for receptor in sorted(folder.glob("*/*_rec.pdb.gz"))[:5]:
        for pose in sorted(receptor.parent.glob("*.sdf.gz")):
            if pose.name.startswith(receptor.name[:6]):
                record = records(receptor, ligand=str(pose))[0]
                assert record.status == "ok", record.reason
                assert record.source["ligand"]["origin"] == "file"
                assert figures.site_of(record)
                checked += 1
    assert checked >= 3


def test_files_that_are_no_structures_say_why(shared_data: Path):
    for name in (
        "fpocket_1UYD_wrote.cif.gz",
        "gemmi_pdb1gdr.ent.gz",
        "gemmi_5moo_header.pdb.gz",
        "gemmi_eol-test.cif.gz",
    ):
        found = records(shared_data / FORMATS / name)
        assert [record.status for record in found] == ["error"]
        assert found[0].reason


@pytest.mark.parametrize("name", ["gemmi_HEM.cif.gz", "gemmi_HEN.cif.gz", "gemmi_SO3.cif.gz"])
def test_component_definitions_are_molecules(shared_data: Path, name: str):
    found = records(shared_data / FORMATS / name)
    assert [record.kind for record in found] == ["molecule"]


def test_ligands_are_the_molecules_that_were_supplied(shared_data: Path):
    found = figures.figure_ligands(shared_data, "mmcif")
    assert found["total"] > 50
    assert found["tautomers"] / found["total"] >= 0.98
    assert found["stereo"] / found["total"] >= 0.93
    assert found["identical"] / found["total"] >= 0.85
