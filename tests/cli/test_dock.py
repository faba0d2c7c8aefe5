"""``logos dock`` as users call it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rdkit import Chem

from logos_cli.docking.defaults import ENGINES
from tests import receptors

for _library in ("meeko", "openmm", "pdbfixer", "vina"):
    pytest.importorskip(_library)

FAST = ("--exhaustiveness", "1", "--cpu", "1", "--num-modes", "2")


@pytest.fixture
def logos(logos_process: Any) -> Any:
    """The program in processes that have loaded no torch and no OpenMM, so that workers are copies of them."""
    return logos_process


@pytest.fixture
def receptor(tmp_path: Path) -> Path:
    path = tmp_path / "complex.pdb"
    path.write_text(receptors.with_ligand())
    return path


def _records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_engines_of_the_help_are_those_there_are() -> None:
    from logos_cli.docking.engines import engines

    assert ("auto", "vina", *engines.PROGRAMS) == ENGINES


def test_pipe_of_smiles_to_records(logos: Any, receptor: Path, checkout: Path) -> None:
    done = logos("dock", "-r", receptor, "-", *FAST, stdin="CCO ethanol\nOB(O)C boron\nCCN amine\n", code=3)
    records = _records(done.stdout)
    assert [record["id"] for record in records] == ["ethanol", "boron", "amine"]
    assert [record["status"] for record in records] == ["ok", "error", "ok"]
    assert records[0]["scores"]["vina"]["unit"] == "kcal/mol"
    assert records[1]["docking"]["text"] == "<MoleculeS>OB(O)C<MoleculeE>"
    assert "3 requested → 2 docked (1 failed)" in done.stderr
    assert "is B, which Vina does not know" in done.stderr
    assert "MBN A:301" in done.stderr
    schema = json.loads((checkout / "docs" / "reference" / "record.schema.json").read_text(encoding="utf-8"))
    for record in records:
        jsonschema.Draft202012Validator(schema).validate(record)


def test_compressed_sdf_holds_all_poses(logos: Any, receptor: Path, tmp_path: Path) -> None:
    (tmp_path / "ligands.smi").write_text("CCO ethanol\nCCN amine\n")
    logos("dock", "-r", receptor, "-l", tmp_path / "ligands.smi", "-o", tmp_path / "poses.sdf.gz", *FAST, code=0)
    with gzip.open(tmp_path / "poses.sdf.gz") as stream:
        poses = [pose for pose in Chem.ForwardSDMolSupplier(stream) if pose is not None]
    assert {pose.GetProp("_Name") for pose in poses} == {"ethanol", "amine"}
    best = [pose for pose in poses if pose.GetProp("rank") == "1"]
    assert len(best) == 2
    assert all(float(pose.GetProp("vina")) < 0 and pose.GetProp("contacts") for pose in best)


def test_directory_is_continued(logos: Any, receptor: Path, tmp_path: Path) -> None:
    library = tmp_path / "ligands.smi"
    library.write_text("CCO ethanol\nOB(O)C boron\n")
    run = ("dock", "-r", receptor, "-l", library, "-o", tmp_path / "run", *FAST)
    logos(*run, code=3)
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == {
        "docking.json",
        "receptor.cif",
        "receptor.pdbqt",
        "results",
        "run.json",
    }
    refused = logos(*run, code=2)
    assert "--resume" in refused.stderr
    poses = (folder / "results" / "1-of-1.sdf").read_text()
    with (folder / "results" / "1-of-1.sdf").open("a") as stream:
        stream.write("amine\n  half an entry")
    with (folder / "results" / "1-of-1.jsonl").open("a") as stream:
        stream.write('{"schema": 1, "id": "ami')
    library.write_text("CCO ethanol\nOB(O)C boron\nCCN amine\n")
    assert "inputs.sha256" in logos(*run, "--resume", code=2).stderr
    done = logos(*run, "--resume", "--force", code=0)
    assert "has 2 records; going on" in done.stderr
    assert "1 requested → 1 docked" in done.stderr
    records = _records(logos("runs", "merge", folder, code=0).stdout)
    assert [record["id"] for record in records] == ["ethanol", "boron", "amine"]
    logos("runs", "merge", folder, "-o", tmp_path / "poses.sdf", code=0)
    assert (tmp_path / "poses.sdf").read_text().startswith(poses)
    titles = [pose.GetProp("_Name") for pose in Chem.SDMolSupplier(str(tmp_path / "poses.sdf"))]
    assert set(titles) == {"ethanol", "amine"}
    assert titles == sorted(titles, key=["ethanol", "amine"].index)


@pytest.mark.slow
def test_shards_dock_what_one_process_docks(logos: Any, receptor: Path, tmp_path: Path) -> None:
    library = tmp_path / "ligands.smi"
    library.write_text("CCO ethanol\nCC(F)(Cl)O chiral\nOB(O)C boron\nCCN amine\n")
    run = ("dock", "-r", receptor, "-l", library, "--stereo", *FAST)
    logos(*run, "-o", tmp_path / "whole", code=3)
    for number in (2, 1):
        logos(*run, "-o", tmp_path / "parts", "--shard", f"{number}/2")
    for name in ("x.jsonl", "x.sdf"):
        logos("runs", "merge", tmp_path / "whole", "-o", f"whole-{name}", code=0)
        logos("runs", "merge", tmp_path / "parts", "-o", f"parts-{name}", code=0)
    whole = _records((tmp_path / "whole-x.jsonl").read_text())
    assert [record["id"] for record in whole] == ["ethanol", "chiral#1", "chiral#2", "boron", "amine"]
    assert (tmp_path / "parts-x.jsonl").read_bytes() == (tmp_path / "whole-x.jsonl").read_bytes()
    assert (tmp_path / "parts-x.sdf").read_bytes() == (tmp_path / "whole-x.sdf").read_bytes()
    assert "complete: 5 entries: 4 ok, 1 failed" in logos("runs", "verify", tmp_path / "parts", code=0).stdout


def test_report_of_new_and_of_saved_results(logos: Any, receptor: Path, tmp_path: Path) -> None:
    library = tmp_path / "ligands.smi"
    library.write_text("CCO ethanol\nCCN amine\n")
    report = tmp_path / "best.html"
    run = ("dock", "-r", receptor, "-l", library, "-o", tmp_path / "run", "--report", report, *FAST)
    logos(*run, "--report-top", "1", code=0)
    assert report.read_text().count('<article class="pose"') == 1
    done = logos(*run, "--resume", code=0)  # nothing is docked again
    assert "has 2 records; going on" in done.stderr
    page = report.read_text()
    assert page.count('<article class="pose"') == 2
    assert "ethanol" in page
    assert "amine" in page
    refused = logos("dock", "-r", receptor, "-l", library, "--report", report, *FAST, code=2)
    assert "exists" in refused.stderr
    assert "ending in .html" in logos("dock", "-r", receptor, "-", "--report", "x.pdf", stdin="C\n", code=2).stderr


def test_drawing_that_passes_for_a_pose(logos: Any, receptor: Path, tmp_path: Path) -> None:
    """The header says 3D; every z is 0."""
    (tmp_path / "flat.sdf").write_text(receptors.ligand_block(flat=True) + "$$$$\n")
    run = ("dock", "-r", receptor, *FAST, "-l", tmp_path / "flat.sdf")
    boxed = logos(*run, "--autobox-ligand", tmp_path / "flat.sdf", code=2)
    assert "two-dimensional" in boxed.stderr
    assert "two-dimensional" in logos(*run, "--score-only", code=2).stderr


@pytest.mark.slow
def test_bad_ligands_are_named(logos: Any, receptor: Path) -> None:
    peptide = Chem.MolToSmiles(Chem.MolFromSequence("K" * 9))
    given = f"C[Se]C selenide\n[Zn]C zinc\n{'C' * 160} large\n{peptide} peptide\nCCO good\n"
    done = logos("dock", "-r", receptor, "-", *FAST, stdin=given, code=3)
    reasons = {record["id"]: record.get("reason") or "" for record in _records(done.stdout)}
    assert "is Se, which Vina does not know" in reasons["selenide"]
    assert "is Zn, which Vina does not know" in reasons["zinc"]
    assert "160 heavy atoms" in reasons["large"]
    assert "it is a peptide" in reasons["peptide"]
    assert not reasons["good"]
    assert "5 requested → 1 docked (4 failed)" in done.stderr


def test_the_predicted_pocket_is_planned(logos: Any, receptor: Path) -> None:
    done = logos("dock", "-r", receptor, "-", "--autobox-pocket", "predicted", "--dry-run", stdin="CCO\n", code=0)
    assert "predicted site: A:" in done.stdout + done.stderr


def test_a_receptor_without_a_surface_is_refused_with_the_reason(logos: Any, receptor: Path) -> None:
    lines = receptor.read_text().splitlines()
    receptor.write_text("\n".join(line for line in lines if line[:4] == "ATOM" and line[12:16] == " CA ") + "\nEND\n")
    done = logos("dock", "-r", receptor, "-", "--autobox-pocket", "predicted", "--dry-run", stdin="CCO\n", code=2)
    assert "a trace of the chain has no surface" in done.stderr
    assert "--autobox-site" in done.stderr


@pytest.mark.slow
def test_box_around_the_predicted_pocket(logos: Any, receptor: Path) -> None:
    done = logos("dock", "-r", receptor, "-", *FAST, "--autobox-pocket", "predicted", stdin="CCO\n", code=0)
    (record,) = _records(done.stdout)
    assert record["docking"]["box"]["origin"] == "predicted site"
    assert "predicted site: A:" in done.stderr


@pytest.mark.slow
def test_whole_run_in_a_process_without_network(receptor: Path, checkout: Path) -> None:
    apart = ("unshare", "--map-root-user", "--net")
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], check=False).returncode:
        pytest.skip("no network namespaces here: docking was not run without a network")
    command = [*apart, sys.executable, "-m", "logos_cli", "dock", "-r", str(receptor), "-", *FAST]
    environment = dict(os.environ) | {"PYTHONPATH": str(checkout), "LOGOS_CACHE": str(receptor.parent / "cache")}
    done = subprocess.run(
        command, input="CCO\n", text=True, capture_output=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert _records(done.stdout)[0]["scores"]["vina"]["value"] < 0


def test_plan_shows_the_box(logos: Any, receptor: Path) -> None:
    done = logos("dock", "-r", receptor, "-", "--center", "1,2,3", "--size", "20", "--dry-run", stdin="CCO\n", code=0)
    assert "20 × 20 × 20 Å at 1.0, 2.0, 3.0" in done.stdout


@pytest.mark.parametrize(
    ("options", "stdin", "words"),
    [
        (("--center", "1,2"), "CCO\n", "2 numbers"),
        (("--center", "1,2,3", "--size", "0"), "CCO\n", "no volume"),
        (("--center", "900,0,0"), "CCO\n", "no atom of the receptor"),
        (("--autobox-ligand", "ATP"), "CCO\n", "no ligand 'ATP'"),
        (("--score-only", "--minimize"), "CCO\n", "exclude each other"),
        (("--engine", "autodock"), "CCO\n", "no docking engine"),
        (("--resume",), "CCO\n", "need the directory of a run"),
        (("--time-per-ligand", "soon"), "CCO\n", "is not a time"),
        ((), "", "empty"),
        (("--score-only",), "CCO\n", "no coordinates"),
    ],
)
def test_what_cannot_be_used_is_said(
    logos: Any, receptor: Path, options: tuple[str, ...], stdin: str, words: str
) -> None:
    done = logos("dock", "-r", receptor, "-", *FAST, *options, stdin=stdin, code=2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_receptor_that_is_none(logos: Any, tmp_path: Path) -> None:
    water = tmp_path / "water.pdb"
    water.write_text(receptors.hetatm(1, "O", "HOH", 1, (0.0, 0.0, 0.0), "O"))
    done = logos("dock", "-r", water, "--center", "0,0,0", "-", *FAST, stdin="CCO\n", code=2)
    assert "no protein chain" in done.stderr
