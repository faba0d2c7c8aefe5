"""Objects of other libraries and bare text: the same sentences as the files that they came from."""

from __future__ import annotations

from pathlib import Path

import ase
import biotite.structure.io.pdbx as pdbx
import gemmi
import numpy as np
import pandas as pd
import pytest
from Bio.PDB.MMCIFParser import MMCIFParser
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from rdkit import Chem
from rdkit.Chem import rdChemReactions

from logos_cli import encode
from logos_cli.errors import UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.in_memory import entries_of, text_entries
from logos_cli.grammar import Form
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import to_text
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from tests.crystals import cif, grid

_PROTEIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"


def test_rdkit_molecules() -> None:
    """With hydrogens or without, named, empty, unsanitized and wrong."""
    molecule = Chem.MolFromSmiles("C(C)O")
    assert [entry.item for entry in entries_of(molecule, ReadOptions())] == [Molecule("CCO")]
    named = Chem.AddHs(molecule)
    named.SetProp("_Name", "ethanol")
    (entry,) = entries_of(named, ReadOptions())
    assert (entry.id, entry.item) == ("ethanol", Molecule("CCO"))
    (entry,) = entries_of(Chem.RWMol(molecule), ReadOptions())
    assert entry.item == Molecule("CCO")
    (entry,) = entries_of(Chem.Mol(), ReadOptions())
    assert "no atoms" in str(entry.error)
    (entry,) = entries_of(Chem.MolFromSmiles("C(C)(C)(C)(C)C", sanitize=False), ReadOptions())
    assert entry.item is None
    assert "valence" in str(entry.error)


def test_rdkit_reactions() -> None:
    reaction = rdChemReactions.ReactionFromSmarts("CC(=O)O.OCC>>CC(=O)OCC", useSmiles=True)
    (entry,) = entries_of(reaction, ReadOptions(), "esterification")
    assert isinstance(entry.item, Reaction)
    assert entry.id == "esterification"
    assert {Chem.CanonSmiles(one) for one in entry.item.reactants} == {"CC(=O)O", "CCO"}


def test_sequences_of_biopython() -> None:
    (entry,) = entries_of(Seq(_PROTEIN), ReadOptions())
    assert entry.item == Protein(_PROTEIN)
    record = SeqRecord(Seq(_PROTEIN), id="P1", description="a test")
    (entry,) = entries_of(record, ReadOptions(form=Form.ANTIBODY))
    assert (entry.id, entry.item, entry.source["description"]) == ("P1", Antibody((_PROTEIN,)), "a test")
    (entry,) = entries_of(Seq("ATGAAAACCGCGTATATTGCGAAACAGCGTCAG"), ReadOptions())
    assert "nucleotide" in str(entry.error)


def test_structures_give_the_sentence_of_their_file(checkout: Path) -> None:
    path = checkout / "examples" / "complex.cif"
    (wanted,) = encode(path)
    structures = (
        gemmi.read_structure(str(path)),
        MMCIFParser(QUIET=True).get_structure("complex", str(path)),
        pdbx.get_structure(pdbx.CIFFile.read(path), model=1, include_bonds=True),
    )
    for structure in structures:
        (entry,) = entries_of(structure, ReadOptions())
        assert entry.item is not None, entry.error
        assert to_text(entry.item, Form.COMPLEX) == wanted.text, type(structure)


def test_crystals_of_pymatgen_and_ase_are_read_as_their_file(tmp_path: Path) -> None:
    path = tmp_path / "framework.cif"
    path.write_text(cif(grid()))
    (wanted,) = encode(path)
    assert wanted.kind == "material", wanted.reason
    structure = Structure.from_file(path)
    for crystal in (structure, AseAtomsAdaptor.get_atoms(structure)):
        (entry,) = entries_of(crystal, ReadOptions(), "framework")
        assert entry.item is not None, entry.error
        assert (entry.id, to_text(entry.item)) == ("framework", wanted.text)
    (entry,) = entries_of(Structure(np.eye(3) * 4, ["Na"], [[0, 0, 0]]), ReadOptions())
    assert entry.error is not None
    with pytest.raises(UsageError, match="not periodic"):
        list(entries_of(ase.Atoms("CO", [[0, 0, 0], [0, 0, 1.1]]), ReadOptions()))


def test_frames_and_series() -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "smiles": ["CCO", "C1CC"]})
    good, bad = entries_of(frame, ReadOptions())
    assert (good.id, good.item) == ("a", Molecule("CCO"))
    assert bad.error is not None
    series = pd.Series(["CCO", None], index=["x", "y"])
    good, bad = entries_of(series, ReadOptions(form=Form.MOLECULE))
    assert (good.id, good.item) == ("x", Molecule("CCO"))
    assert "is not text" in str(bad.error)


def test_bare_text_needs_its_form() -> None:
    (entry,) = text_entries("CCO", ReadOptions(form=Form.MOLECULE))
    assert entry.item == Molecule("CCO")
    (entry,) = text_entries(_PROTEIN, ReadOptions(form=Form.PROTEIN))
    assert entry.item == Protein(_PROTEIN)
    (entry,) = text_entries("<ProteinS>MK<ProteinE>", ReadOptions())
    assert entry.item == Protein("MK")
    with pytest.raises(UsageError) as caught:
        list(text_entries("CCO", ReadOptions()))
    assert 'form="molecule"' in str(caught.value.hint)


def test_encode_takes_objects_texts_and_paths_in_one_list(checkout: Path) -> None:
    records = list(
        encode([Chem.MolFromSmiles("CCO"), checkout / "examples" / "molecules.smi", "c1ccccc1", "CN"], form="molecule")
    )
    assert [record.text for record in (records[0], *records[-2:])] == [
        "<MoleculeS>CCO<MoleculeE>",
        "<MoleculeS>c1ccccc1<MoleculeE>",
        "<MoleculeS>CN<MoleculeE>",
    ]
    assert [record.id for record in (records[0], *records[-2:])] == ["object:1", "object:2", "object:3"]
    assert len(records) > 5
    (record,) = encode(SeqRecord(Seq(_PROTEIN), id="P1"))
    assert (record.id, record.status) == ("P1", "ok")


@pytest.mark.parametrize("name", ["missing.smi", "dir/missing.fasta", "missing.fasta.gz"])
@pytest.mark.parametrize("form", ["molecule", "protein"])
def test_a_path_that_does_not_exist_is_no_text(name: str, form: str) -> None:
    (record,) = encode(name, form=form)
    assert record.status == "error"
    assert "no such file" in str(record.reason)


@pytest.mark.parametrize("value", [object(), 3.5, {"a": 1}, b"CCO", [3.5], None])
def test_encode_refuses_an_unknown_type(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be read"):
        list(encode(value))


@pytest.mark.parametrize("value", [object(), 3.5, {"a": 1}, b"CCO"])
def test_an_unknown_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be read"):
        list(entries_of(value, ReadOptions()))
