"""What score, generate, dock and explain take: the same objects as encode, and nothing that is unknown."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pandas as pd
import pytest
from Bio.Align import MultipleSeqAlignment
from Bio.Seq import MutableSeq, Seq
from Bio.SeqRecord import SeqRecord
from pymatgen.core import Molecule as PymatgenMolecule
from rdkit import Chem
from rdkit.Chem import AllChem

from logos_cli import encode, explain, generate, score
from logos_cli.docking.options import DockOptions
from logos_cli.errors import UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.in_memory import structure_input
from logos_cli.grammar import Form
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Record, Status
from logos_cli.workflows.dock.docking import Docking
from logos_cli.workflows.dock.ligands import iter_candidates
from logos_cli.workflows.inputs import listed

_PROTEIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
_FUNCTIONS: dict[str, Callable[[Any], Iterator[object]]] = {"encode": encode, "score": score, "explain": explain}


def _molecule_with_pose() -> Chem.Mol:
    molecule = Chem.AddHs(Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O"))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    molecule.SetProp("_Name", "aspirin")
    return molecule


@pytest.mark.parametrize("function", _FUNCTIONS)
@pytest.mark.parametrize(
    "value",
    [
        {"a": "CCO"},
        b"CCO",
        [3.5],
        [["CCO"]],
        io.StringIO("CCO\n"),
        MultipleSeqAlignment([SeqRecord(Seq("MK"))]),
        PymatgenMolecule("CO", [[0, 0, 0], [0, 0, 1.1]]),
        gemmi.Model(1),
        np.zeros((2, 2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_unknown_object_is_refused_and_not_taken_apart(function: str, value: object) -> None:
    name = type(value[0] if isinstance(value, list) else value).__name__
    with pytest.raises(TypeError, match=f"of type .*{name} cannot be read"):
        list(_FUNCTIONS[function](value))


@pytest.mark.parametrize("function", _FUNCTIONS)
@pytest.mark.parametrize("value", ["CCO", ["CCO"], ("data/molecules",), np.array(["C/C=C/C"])])
def test_a_bare_text_without_a_form_is_refused(function: str, value: object) -> None:
    with pytest.raises(UsageError, match=r"there is no file .* needs its form") as caught:
        list(_FUNCTIONS[function](value))
    assert 'form="molecule"' in str(caught.value.hint)


def test_text_that_is_not_of_its_form_is_refused() -> None:
    with pytest.raises(UsageError, match="no sequence of one-letter codes"):
        list(encode("mkta", form="protein"))
    with pytest.raises(UsageError, match="unknown form 'molecul'"):
        list(score("CCO", form="molecul"))


def test_collections_of_every_kind_are_walked_through() -> None:
    molecule = Chem.MolFromSmiles("CCO")
    for several in ([molecule], (molecule,), iter([molecule]), {1: molecule}.values(), np.array([molecule], object)):
        assert list(listed(several, None)) == [molecule]
    assert list(listed(pd.Index(["CCO"]), Form.MOLECULE)) == ["CCO"]
    assert list(listed(pd.Series(["CCO"]).unique(), Form.MOLECULE)) == ["CCO"]
    record = Record("a", "molecule", "<MoleculeS>CCO<MoleculeE>")
    assert list(listed(record, None, records=True)) == [record]
    with pytest.raises(TypeError, match="Record"):
        listed(record, None)


def test_score_takes_objects_texts_and_files(tmp_path: Path) -> None:
    path = tmp_path / "x.smi"
    path.write_text("CN methylamine\n")
    other = tmp_path / "y.smi"
    other.write_text("CS methanethiol\n")
    given = [Chem.MolFromSmiles("CCO"), "c1ccccc1", str(path), other, Molecule("CO")]
    scored = list(score(given, form="molecule", metrics="mw"))
    assert [round(record.scores["mw"]["value"], 2) for record in scored] == [46.07, 78.11, 31.06, 48.11, 32.04]
    frame = pd.DataFrame({"structure of it": ["CCO"]})
    (record,) = score(frame, column="structure of it", metrics="mw")
    assert record.scores["mw"]["value"] == scored[0].scores["mw"]["value"]


@pytest.mark.parametrize("sequence", [Seq(_PROTEIN), MutableSeq(_PROTEIN), SeqRecord(Seq(_PROTEIN))])
def test_a_sequence_is_one_record(sequence: object) -> None:
    (record,) = score(sequence, metrics="none")
    assert (record.status, record.text) == (Status.OK, f"<ProteinS>{_PROTEIN}<ProteinE>")


def test_explain_takes_objects_and_texts() -> None:
    first, second = explain([Chem.MolFromSmiles("CCO"), "CCO"], form="molecule")
    assert first.figures() == second.figures()


def _generated(task: str, prompts: object, **options: object) -> list[Record]:
    return list(generate(task, prompts, backend="fake", max_new_tokens=5, n_samples=1, **options))


def test_generate_takes_objects(checkout: Path) -> None:
    (record,) = _generated("protein", SeqRecord(Seq("MKTAY"), id="P1"), constrain="off")
    assert record.text.startswith("<ProteinS>MKTAY")
    assert record.id == "P1#0001"
    made = _generated("molecule", [Chem.MolFromSmiles("CCO"), "CCN"], constrain="off")
    assert [each.text[:14] for each in made] == ["<MoleculeS>CCO", "<MoleculeS>CCN"]
    series = pd.Series(["CC", None], index=["a", "b"])
    good, bad = _generated("molecule", series, constrain="off")
    assert (good.id, bad.id, bad.status) == ("a#0001", "b", Status.ERROR)
    assert "is not text" in str(bad.reason)
    path = checkout / "examples" / "complex.cif"
    (wanted,) = _generated("ligand", path, constrain="off")
    (record,) = _generated("ligand", gemmi.read_structure(str(path)), constrain="off")
    n_characters = wanted.sample["n_prompt_characters"]
    assert record.text[:n_characters] == wanted.text[:n_characters]
    assert n_characters > 50


@pytest.mark.parametrize("value", [3.5, {"a": "MK"}, [3.5], b"MK", MultipleSeqAlignment([SeqRecord(Seq("MK"))])])
def test_generate_refuses_unknown_objects(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be read"):
        _generated("protein", value)


def test_an_only_object_that_cannot_be_used_is_the_fault_of_the_run() -> None:
    with pytest.raises(Exception, match="no atoms"):
        _generated("molecule", Chem.Mol())


def test_dock_takes_objects_and_texts() -> None:
    options = DockOptions(read=ReadOptions(form=Form.MOLECULE))
    given = [Chem.MolFromSmiles("CCO"), "CN", Molecule("CO"), pd.DataFrame({"smiles": ["CS"]}), Chem.Mol()]
    *good, bad = iter_candidates(given, options)
    assert [candidate.smiles for candidate in good] == ["CCO", "CN", "CO", "CS"]
    assert "no atoms" in str(bad.error)
    (protein,) = iter_candidates([SeqRecord(Seq(_PROTEIN))], DockOptions())
    assert "a protein is no ligand" in str(protein.error)


def test_poses_of_rdkit_molecules_count_where_poses_do() -> None:
    molecule = _molecule_with_pose()
    options = DockOptions(mode="score")
    (candidate,) = iter_candidates([molecule], options)
    assert candidate.error is None
    assert candidate.record.id == "aspirin"
    again = Chem.MolFromMolBlock(str(candidate.molblock))
    wanted = molecule.GetConformer().GetPositions()[: again.GetNumAtoms()]
    assert np.allclose(again.GetConformer().GetPositions(), wanted, atol=1e-3)
    (candidate,) = iter_candidates([Chem.MolFromSmiles("CCO")], options)
    assert "no coordinates" in str(candidate.error)


def test_a_receptor_may_be_a_structure_in_memory(checkout: Path) -> None:
    path = checkout / "examples" / "complex.cif"
    options = DockOptions(engine="vina")
    of_file = Docking(path, options)
    of_object = Docking(structure_input(gemmi.read_structure(str(path))), options)
    assert of_object.site.place.box == of_file.site.place.box
    with pytest.raises(TypeError, match="cannot be read"):
        structure_input(Chem.MolFromSmiles("CCO"))
