"""What does not change a result: cells of docs/reference/reproducibility.md that no other test shows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import receptors
from tests.cli.conftest import Logos

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
