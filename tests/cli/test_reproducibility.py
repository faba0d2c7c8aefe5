"""What does not change a result: cells of docs/reference/reproducibility.md that no other test shows."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import receptors
from tests.cli.conftest import Logos
from tests.cli.test_run_interruptions import tear
from tests.faults.subjects import TRAINING
from tests.faults.test_workers import workers_of
from tests.training_corpora import write_corpus

_SMILES = "CCO ethanol\nCCN amine\nc1ccccc1 benzene\nnonsense bad\n"
_ELSEWHERE = {"TZ": "Pacific/Auckland", "USER": "other", "LOGNAME": "other", "HOSTNAME": "other", "LANG": "C"}
_GENERATE = ("generate", "molecule", "-n", "6", "--max-new-tokens", "20", "-f", "jsonl", "--threads", "1")


def _records(argv: list[str], folder: Path, env: Mapping[str, str]) -> list[str]:
    """Run a command in a process of its own, and return its records."""
    folder.mkdir()
    (folder / "x.smi").write_text(_SMILES)
    done = subprocess.run(
        argv, cwd=folder, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode in (0, 3), done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("encode", "x.smi", "-f", "jsonl"), id="encode"),
        pytest.param(("score", "x.smi", "--metrics", "qed,sa", "-f", "jsonl"), id="score", marks=pytest.mark.slow),
        pytest.param(_GENERATE, id="generate", marks=pytest.mark.slow),
    ],
)
def test_folder_user_time_zone_and_home_change_no_record(
    logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    here = _records([*logos_argv, *command], tmp_path / "here", logos_env)
    env = logos_env | _ELSEWHERE | {"HOME": str(tmp_path / "home")}
    assert _records([*logos_argv, *command], tmp_path / "there", env) == here
    assert len(here) >= 4


@pytest.mark.parametrize(
    "command",
    [
        ("encode", "x.smi"),
        ("decode", "x.jsonl", "--to", "smi"),
        ("score", "x.smi", "--metrics", "qed,sa"),
        _GENERATE[:-4],
        pytest.param(("train", "built", "-c", "tiny.toml"), marks=pytest.mark.slow),
    ],
    ids=["encode", "decode", "score", "generate", "train"],
)
def test_the_same_command_again_gives_the_same_bytes(logos: Logos, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "x.smi").write_text(_SMILES)
    logos("encode", "x.smi", "-o", "x.jsonl", code=3)
    if command[0] == "train":
        (tmp_path / "tiny.toml").write_text(TRAINING)
        write_corpus(tmp_path / "built", longest=12)
    found = []
    for name in ("one", "two"):
        output = name if command[0] == "train" else f"{name}.jsonl" if command[0] != "decode" else f"{name}.smi"
        logos(*command, "-o", output)
        result = tmp_path / output / "model" / "model.safetensors" if command[0] == "train" else tmp_path / output
        found.append(result.read_bytes())
    assert len(found[0]) > 20
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("encode",), id="encode"),
        pytest.param(("score", "--metrics", "qed,sa"), id="score", marks=pytest.mark.slow),
    ],
)
def test_threads_change_no_record(
    logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    one, two = (
        _records(
            [*logos_argv, *command, "x.smi", "-f", "jsonl"],
            tmp_path / number,
            logos_env | {"OMP_NUM_THREADS": number, "LOGOS_THREADS": number},
        )
        for number in "12"
    )
    assert len(one) == 4
    assert one == two


@pytest.mark.parametrize("command", [("encode",), ("score", "--metrics", "qed,sa")], ids=["encode", "score"])
def test_the_order_of_inputs_changes_the_order_of_records_only(
    logos: Logos, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "a.smi").write_text("CCO ethanol\nCCN amine\n")
    (tmp_path / "b.smi").write_text("c1ccccc1 benzene\nnonsense bad\nCF fluoride\n")
    forward, back = (
        logos(*command, *names, "-f", "jsonl").stdout for names in (("a.smi", "b.smi"), ("b.smi", "a.smi"))
    )
    lines = forward.splitlines()
    assert len(lines) == 5
    assert back.splitlines() == lines[2:] + lines[:2]


def test_the_order_of_prompts_changes_the_order_of_samples_only(logos: Logos, tmp_path: Path) -> None:
    prompts = [">a\nMKTAYIAK\n", ">b\nMAAGLLVV\n", ">c\nEVQLVESG\n"]
    samples = []
    for name, order in (("one", prompts), ("two", prompts[::-1]), ("alone", prompts[1:2])):
        (tmp_path / f"{name}.fasta").write_text("".join(order))
        arguments = ("-n", "2", "--max-new-tokens", "20", "-f", "jsonl", "--threads", "1", "--seed", "4")
        lines = logos("generate", "protein", "--prompt", f"{name}.fasta", *arguments).stdout.splitlines()
        samples.append({record["id"]: (record["text"], record["sample"]) for record in map(json.loads, lines)})
    one, two, alone = samples
    assert [*one] == ["a#0001", "a#0002", "b#0001", "b#0002", "c#0001", "c#0002"]
    assert [*two] == ["c#0001", "c#0002", "b#0001", "b#0002", "a#0001", "a#0002"]
    assert one == two
    assert alone == {id: one[id] for id in ("b#0001", "b#0002")}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_killed_worker_and_torn_files_change_no_pose(
    logos_argv: list[str], logos_env: dict[str, str], logos: Logos, tmp_path: Path
) -> None:
    for library in ("meeko", "openmm", "pdbfixer", "vina"):
        pytest.importorskip(library)
    (tmp_path / "complex.pdb").write_text(receptors.with_ligand())
    (tmp_path / "few.smi").write_text("CCO ethanol\nCCN amine\nCO methanol\n")
    run = ("dock", "-r", "complex.pdb", "-l", "few.smi", "--exhaustiveness", "1", "--num-modes", "2")
    logos(*run, "--cpu", "1", "-o", "whole", code=0)

    def same() -> bool:
        for name in ("whole", "killed"):
            for ending in ("jsonl", "sdf"):
                logos("runs", "merge", name, "-o", f"{name}.{ending}", "--overwrite", code=0)
        return all(
            (tmp_path / f"killed.{ending}").read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
            for ending in ("jsonl", "sdf")
        )

    arguments = [*logos_argv, *run, "--cpu", "2", "-o", "killed"]
    with subprocess.Popen(arguments, cwd=tmp_path, env=logos_env, stderr=subprocess.PIPE, text=True) as process:
        while len(workers := workers_of(process.pid)) < 2:  # the first one starts the others
            time.sleep(0.01)
            assert process.poll() is None
        os.kill(workers[-1], signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert same()
    tear(tmp_path / "killed", random.Random(0))
    logos(*run, "--cpu", "1", "-o", "killed", "--resume", code=0)
    assert same()


@pytest.mark.slow
def test_cores_and_the_order_of_ligands_change_no_pose(logos: Logos, tmp_path: Path) -> None:
    for library in ("meeko", "openmm", "pdbfixer", "vina"):
        pytest.importorskip(library)
    (tmp_path / "complex.pdb").write_text(receptors.with_ligand())
    ligands = ["CCO ethanol", "OB(O)C boron", "CCN amine", "CO methanol"]
    run = ("dock", "-r", "complex.pdb", "--exhaustiveness", "1", "--num-modes", "2")
    for name, order, cpu in (("one", ligands, "1"), ("two", ligands[::-1], "2")):
        (tmp_path / f"{name}.smi").write_text("\n".join(order) + "\n")
        logos(*run, "-l", f"{name}.smi", "--cpu", cpu, "-o", name, code=3)
        for ending in ("jsonl", "sdf"):
            logos("runs", "merge", name, "-o", f"{name}.{ending}", code=0)
    texts = ((tmp_path / f"{name}.jsonl").read_text() for name in ("one", "two"))
    one, two = (sorted(map(_without_place, text.splitlines())) for text in texts)
    assert len(one) == 4
    assert one == two
    first, second = (sorted((tmp_path / f"{name}.sdf").read_text().split("$$$$\n")) for name in ("one", "two"))
    assert len(first) >= 4
    assert first == second


def _without_place(line: str) -> str:
    """Return a record without its place in the file of ligands, whose order differs."""
    record = json.loads(line)
    for name in ("path", "line", "record", "sha256"):
        record["source"].pop(name, None)
    return json.dumps(record)
