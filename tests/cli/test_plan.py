"""``logos plan``: what a run takes is measured, and its scripts do the run."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import ExitCode

SMILES = "".join(f"{'C' * (number % 11 + 1)}O mol{number}\n" for number in range(400)) + "CC( bad\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "library.smi").write_text(SMILES)
    return tmp_path / "library.smi"


@pytest.mark.slow
def test_the_scripts_of_a_plan_do_the_run(
    logos_process: Any, preloaded_argv: list[str], logos_env: dict[str, str], library: Path, tmp_path: Path
) -> None:
    command = ("score", "library.smi", "--metrics", "mw", "-o", "run/")
    done = logos_process("plan", "--walltime", "5m", "--shards", "2", "--json", "-o", "jobs", "--", *command, code=0)
    plan = json.loads(done.stdout)
    assert plan["n_entries"] == 401
    assert 20 < plan["n_tried"] <= 401
    assert plan["n_shards"] == 2
    assert 50_000_000 < plan["memory_bytes"] < 4_000_000_000
    assert plan["seconds_per_shard"] <= 300
    assert "submit.sh" in done.stderr
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "logos").write_text(f'#!/bin/sh\nexec {" ".join(preloaded_argv)} "$@"\n')
    (tmp_path / "bin" / "logos").chmod(0o755)
    environment = logos_env | {"PATH": f"{tmp_path / 'bin'}:{logos_env['PATH']}"}
    array = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": str(plan["n_shards"]), "SLURM_ARRAY_TASK_STEP": "1"}
    for number in range(1, plan["n_shards"] + 1):
        task = environment | array | {"SLURM_ARRAY_TASK_ID": str(number)}
        subprocess.run(["bash", "jobs/array.sh"], cwd=tmp_path, env=task, check=True, capture_output=True, timeout=300)
    merged = subprocess.run(
        ["bash", "jobs/merge.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert "complete: 401 entries: 400 ok, 1 failed" in merged.stdout, merged.stderr
    with gzip.open(tmp_path / "run.jsonl.gz", "rt") as stream:
        assert [json.loads(line)["id"] for line in stream] == [*(f"mol{number}" for number in range(400)), "bad"]


def test_a_run_that_does_not_fit_is_refused_with_the_reason(logos_process: Any, library: Path) -> None:
    # whatever the speed of the machine
    arguments = ("plan", "--walltime", "0s", "-o", "jobs", "--", "encode", "library.smi", "-o", "run/")
    done = logos_process(*arguments, code=ExitCode.FAILED)
    assert "the run does not fit: one record takes" in done.stderr
    assert not (library.parent / "jobs").exists()


@pytest.mark.parametrize("system", ["slurm", "pbs", "lsf"])
def test_every_system_gets_scripts_that_a_shell_understands(system: str, tmp_path: Path) -> None:
    from logos_cli.workflows.plan import RunPlan, scripts_of

    plan = RunPlan(("encode", "a b.smi", "-o", "run/"), "run/", 5430, 1000, 60, 0, 2.0, 0.5, 300.0, 10**9, 7)
    for name, text in scripts_of(plan, system).items():
        (tmp_path / name).write_text(text)
        subprocess.run(["bash", "-n", str(tmp_path / name)], check=True)
    array = (tmp_path / "array.sh").read_text()
    assert "logos encode 'a b.smi' -o run/ --shard auto --resume" in array
    wanted = {"slurm": "#SBATCH --time=01:30:30", "pbs": "#PBS -l walltime=01:30:30", "lsf": "#BSUB -W 01:30"}
    assert wanted[system] in array
    assert "1-7" in array
    assert "export LOGOS_SHARDS=7" in array
    assert ("requeue" in array) == (system != "pbs")


@pytest.mark.parametrize(
    ("walltime", "lead"), [("1m", "B:USR1@10"), ("10m", "B:USR1@60"), ("4h", "B:USR1@120"), ("40s", "B:USR1@10")]
)
def test_the_signal_leaves_time_for_work(walltime: str, lead: str) -> None:
    from logos_cli.cli.options.common import parse_time
    from logos_cli.workflows.plan import RunPlan, scripts_of

    plan = RunPlan(("encode", "a", "-o", "r/"), "r/", parse_time(walltime), 1000, 60, 0, 2.0, 0.5, 300.0, 10**9, 7)
    assert f"#SBATCH --signal={lead}\n" in scripts_of(plan, "slurm")["array.sh"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("train", "corpus", "-o", "x"), "train cannot be divided"),
        (("encode", "library.smi"), "no directory for its run"),
        (("encode", "library.smi", "-o", "run/", "--shard", "1/2"), "--shard is added to the command"),
        (("encode", "-", "-o", "run/"), "standard input cannot be divided"),
        (("encode", "nowhere.smi", "-o", "run/", "--as", "nothing"), "unknown form"),
    ],
)
def test_what_cannot_be_planned(logos: Any, library: Path, command: tuple[str, ...], message: str) -> None:
    assert message in logos("plan", "--", *command).stderr


@pytest.mark.slow
def test_a_corpus_is_planned_by_its_units(logos: Any, tmp_path: Path) -> None:
    content = "".join(f">{n}\n{'ACDEFGHIKLMNPQRSTVWY'[n % 20] * 60}\n" for n in range(18000))  # more than 1 MB: a unit
    for number in range(3):
        (tmp_path / f"p{number}.fasta").write_text(content)
    names = ("p0.fasta", "p1.fasta", "p2.fasta")
    done = logos("plan", "--shards", "2", "-o", "jobs", "--", "corpus", "build", *names, "-o", "corpus/", code=0)
    assert re.search(r"records +3 ", done.stdout)
    assert not (tmp_path / "corpus").exists()
    script = (tmp_path / "jobs" / "merge.sh").read_text()
    assert "logos runs verify corpus/build\nlogos corpus merge corpus/\n" in script


def test_a_benchmark_is_planned_by_its_cases(logos: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "uspto50k"
    folder.mkdir(parents=True)
    rows = "".join(f"CC(=O)OC{'C' * n},CC(=O)Cl.OC{'C' * n}\n" for n in range(3))
    (folder / "test.csv").write_text(f"product,reactants\n{rows}")
    bench = ("bench", "tasks", "--data", "data", "--task", "retrosynthesis", "-n", "1", "-o", "bench/")
    done = logos("plan", "--shards", "2", "-o", "jobs", "--", *bench, code=0)
    assert re.search(r"records +3 ", done.stdout)
    assert "logos bench tasks --data data" in (tmp_path / "jobs" / "array.sh").read_text()
    assert not (tmp_path / "bench").exists()
