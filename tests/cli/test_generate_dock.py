"""``logos generate ligand --dock``: what the pipe into ``logos dock`` gives, in one process."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import gemmi
import pytest
from rdkit import Chem

from tests import receptors

for _library in ("meeko", "openmm", "pdbfixer", "vina"):
    pytest.importorskip(_library)

FAST = ("--exhaustiveness", "1", "--cpu", "1", "--num-modes", "2")
LIGANDS = ("CCO", "CCN", "CC(C", "Cc1ccccc1")


@pytest.fixture
def logos(logos_process: Any) -> Any:
    """The program in processes that have loaded no torch and no OpenMM, so that workers are copies of them."""
    return logos_process


@pytest.fixture
def pocket(logos: Any, tmp_path: Path) -> Path:
    """A complex, and beside it what the scripted model says of its pocket."""
    path = tmp_path / "complex.pdb"
    path.write_text(receptors.with_ligand())
    _script(logos, path)
    return path


_SENTENCES: dict[tuple[bytes, tuple[str, ...]], list[str]] = {}
"""What ``logos encode`` writes of a structure: the same in each test."""


def _script(logos: Any, path: Path, *options: str) -> None:
    key = path.read_bytes(), options
    if key not in _SENTENCES:
        _SENTENCES[key] = logos("encode", path, *options, "-f", "text", code=0).stdout.splitlines()
    sentences = _SENTENCES[key]
    heads = [sentence.split("<MoleculeS>")[0] for sentence in sentences]
    lines = [f"{head}<MoleculeS>{smiles}<MoleculeE>" for head in heads for smiles in LIGANDS]
    path.with_name("script.txt").write_text("\n".join(lines) + "\n")


def _generate(pocket: Path, *options: str) -> tuple[str, ...]:
    model = ("--backend", "fake", "--model", str(pocket.with_name("script.txt")), "--top-p", "1")
    return ("generate", "ligand", *model, *options)


def _records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_process_gives_what_the_pipe_gives(logos: Any, pocket: Path) -> None:
    command = _generate(pocket, "-p", str(pocket), "-n", "4")
    piped = logos("dock", "-r", pocket, "-", *FAST, stdin=logos(*command).stdout, code=0)
    done = logos(*command, "--dock", *FAST, code=0)
    records = _records(done.stdout)
    assert records == _records(piped.stdout)
    assert {record["status"] for record in records} == {"ok", "invalid"}
    good = [record for record in records if record["status"] == "ok"]
    assert all(record["scores"]["vina"]["value"] < 0 and record["scores"]["vina_efficiency"] for record in good)
    assert all("in_site" in record["docking"]["site"] for record in good)
    n_bad = len(records) - len(good)
    assert f"4 requested → {len(good)} docked ({n_bad} not valid" in done.stderr
    assert "4 requested → 4 well-formed" in done.stderr


@pytest.mark.slow
def test_all_poses_go_to_an_sdf(logos: Any, pocket: Path) -> None:
    logos(*_generate(pocket, "-p", str(pocket), "-n", "3"), "--dock", "-o", "poses.sdf", *FAST, code=0)
    poses = list(Chem.SDMolSupplier(str(pocket.with_name("poses.sdf"))))
    assert poses
    assert all(float(pose.GetProp("vina")) < 0 for pose in poses)
    again = logos(*_generate(pocket, "-p", str(pocket)), "--dock", "-o", "poses.sdf", *FAST, code=2)
    assert "--overwrite" in again.stderr


@pytest.mark.slow
def test_ligands_of_two_pockets_go_each_to_its_own(logos: Any, tmp_path: Path) -> None:
    path = tmp_path / "two.pdb"
    path.write_text(receptors.with_two_ligands())
    _script(logos, path)
    logos(*_generate(path, "-p", str(path), "-n", "2"), "--dock", "-o", "run", *FAST, code=0)
    folder = tmp_path / "run"
    assert {each.name for each in folder.iterdir()} == {
        "docking.json",
        "results",
        "run.json",
        "receptor-1.cif",
        "receptor-1.pdbqt",
        "receptor-2.cif",
        "receptor-2.pdbqt",
    }
    run = json.loads((folder / "docking.json").read_text())
    assert [site["box"]["origin"] for site in run["sites"]] == ["MBN A:301", "MBN A:401"]
    for record in _records((folder / "results" / "1-of-1.jsonl").read_text()):
        if record["status"] == "ok":
            ligand = record["source"]["ligand"]
            assert record["docking"]["box"]["origin"] == f"MBN {ligand['chain']}:{ligand['number']}"


@pytest.mark.slow
def test_without_a_ligand_the_given_site_says_where(logos: Any, tmp_path: Path) -> None:
    path = tmp_path / "apo.pdb"
    path.write_text(receptors.peptide())
    _script(logos, path, "--as", "protein")
    shown = logos(*_generate(path, "-p", str(path), "--site", "A:105,A:108"), "--dock", "--dry-run", *FAST, code=0)
    assert "engine" in shown.stdout
    done = logos(*_generate(path, "-p", str(path), "--site", "A:105,A:108", "--until", "valid=1"), "--dock", *FAST)
    docked = [record for record in _records(done.stdout) if record["status"] == "ok"]
    assert all(record["docking"]["box"]["origin"] == "site of the record" for record in docked)
    assert "the box is drawn around 2 residues" in done.stderr


def test_samples_of_a_model_of_an_ensemble_are_docked_into_that_model(logos: Any, tmp_path: Path) -> None:
    structure = gemmi.read_pdb_string(receptors.with_ligand())
    moved = structure[0].clone()
    moved.num = 2
    moved.transform_pos_and_adp(gemmi.Transform(gemmi.Mat33(), gemmi.Vec3(40, 0, 0)))
    structure.add_model(moved)
    path = tmp_path / "ensemble.pdb"
    path.write_text(structure.make_pdb_string())
    _script(logos, path, "--model-number", "2")
    command = _generate(path, "-p", str(path), "-n", "1", "--dock", "--dry-run", *FAST)
    boxes = [
        re.search(r"Å at (\S+), (\S+), (\S+)", logos(*command, *number, code=0).stdout)
        for number in ((), ("--model-number", "2"))
    ]
    assert boxes[0] is not None
    assert boxes[1] is not None
    first, second = ([float(value) for value in box.groups()] for box in boxes if box is not None)
    assert second == pytest.approx([first[0] + 40, *first[1:]], abs=0.11)


def test_another_receptor_is_taken_when_it_is_given(logos: Any, pocket: Path) -> None:
    given = logos(*_generate(pocket, "-p", "MKTAYIAKQR"), "--dock", "-r", pocket, "--dry-run", *FAST, code=0)
    assert f"receptor         {pocket}" in given.stdout
    assert "Å at" in given.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--exhaustiveness", "4"), "add --dock"),
        (("--dock", "-p", "MKTAYIAKQR"), "give --receptor"),
        (("--dock", "--autobox-ligand", "ATP"), "no ligand 'atp'"),
        (("--dock", "-o", "nowhere/poses.sdf"), "does not exist"),
        pytest.param(("--dock", "-f", "smi"), "no record format", marks=pytest.mark.slow),
        pytest.param(("--dock", "--center", "1,2"), "2 numbers", marks=pytest.mark.slow),
        pytest.param(("--dock", "-r", "nowhere.pdb"), "no such file", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_done_is_said_before_the_model_is_asked(
    logos: Any, pocket: Path, options: tuple[str, ...], words: str
) -> None:
    prompt = () if "-p" in options else ("-p", str(pocket))
    done = logos(*_generate(pocket, *prompt), *options, code=None)
    assert done.returncode in (1, 2)
    assert words in done.stderr.lower()
    assert "requested" not in done.stderr
