"""``logos submit``: workers of this machine and of a real Slurm, through Parsl."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import ExitCode, MissingError
from tests.cluster.slurm import Cluster
from tests.cluster.test_slurm import library, pends, undisturbed, wait_until

LOGOS = [sys.executable, "-m", "logos_cli"]
NOWHERE = {"HOME": "/proc/nobody", "XDG_CACHE_HOME": "/proc/nobody/cache"}


N = 8000


_expected: list[bytes] = []


def expected(folder: Path, env: dict[str, str]) -> bytes:
    """Return the records of one undisturbed process; they are the same in each test."""
    if not _expected:
        _expected.append(undisturbed("score library.smi", folder, env))
    return _expected[0]


def shards(run: Path) -> list[dict[str, Any]]:
    """Return what the workers returned."""
    return [json.loads(line) for line in (run / "submit" / "shards.jsonl").read_text().splitlines()]


def state(run: Path) -> dict[str, Any]:
    """Return the state of the submission."""
    path = run / "submit" / "state.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def merged(run: Path) -> bytes:
    """Return the merged results."""
    return gzip.decompress((run / "merged.jsonl.gz").read_bytes())


def log(run: Path) -> str:
    """Return what the process of the submission and its workers printed."""
    paths = [run / "submit" / "log.txt", *(run / "submit" / "workers").glob("*.txt")]
    return "\n".join(f"{path.name}\n{path.read_text()[-3000:]}" for path in paths if path.exists())


def running(run: Path, n: int) -> list[int]:
    """Return the processes of shards that have records and are not done."""
    found = []
    for number in range(1, n + 1):
        path = run / "results" / f"{number}-of-{n}.state.json"
        if path.exists():
            progress = json.loads(path.read_text())
            results = path.with_name(f"{number}-of-{n}.jsonl")
            if progress["state"] == "running" and results.stat().st_size:
                found.append(int(progress["pid"]))
    return found


@pytest.mark.slow
def test_shards_are_done_by_a_worker_and_merged(
    program: dict[str, str], preloaded_argv: list[str], tmp_path: Path
) -> None:
    library(tmp_path / "library.smi", 20)
    done = subprocess.run(
        [*preloaded_argv, "submit", "--workers", "1", "--shards", "2", "--", "encode", "library.smi", "-o", "run/"],
        cwd=tmp_path,
        env=program,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == ExitCode.PARTIAL, done.stderr + log(tmp_path / "run")
    assert "2 of 2 shards: 20 ok, 1 failed" in done.stderr
    assert sorted(each["shard"] for each in shards(tmp_path / "run")) == [1, 2]
    assert len(merged(tmp_path / "run").splitlines()) == 21


@pytest.mark.slow
def test_workers_load_the_model_once_and_have_a_device_and_cores_of_their_own(
    program: dict[str, str], tmp_path: Path
) -> None:
    command = "generate molecule -n 12 --max-new-tokens 12 --seed 5"
    nodes = ["--workers", "2", "--gpus", "2", "--cores", "2", "--shards", "6"]
    done = subprocess.run(
        [*LOGOS, "submit", *nodes, "--", *command.split(), "--device", "cpu", "-o", "run/"],
        cwd=tmp_path,
        env=program | NOWHERE,
        capture_output=True,
        text=True,
        timeout=280,
    )
    run = tmp_path / "run"
    assert done.returncode in (0, 3), done.stderr + log(run)
    found = shards(run)
    assert sorted(each["shard"] for each in found) == [1, 2, 3, 4, 5, 6]
    workers = defaultdict(list)
    for each in found:
        workers[each["worker"]].append(each)
    n_loaded = [each["n_models"] for each in found]
    assert max(n_loaded) == 1
    assert n_loaded.count(1) > len(workers)  # the next shards had it
    devices = [worker.rpartition(":")[2] for worker in workers]
    assert sorted(devices) == sorted(set(devices) & {"0", "1"})
    if len(os.sched_getaffinity(0)) >= 2:
        assert {each["n_cores"] for each in found} == {len(os.sched_getaffinity(0)) // 2}
    assert merged(run) == undisturbed(command, tmp_path, program)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "run"]


@pytest.mark.slow
def test_a_run_outlives_its_display_its_workers_and_its_cancellation(
    program: dict[str, str], preloaded_argv: list[str], tmp_path: Path
) -> None:
    library(tmp_path / "library.smi", N)
    run = tmp_path / "run"

    def submit(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*preloaded_argv, "submit", *words], cwd=tmp_path, env=program, capture_output=True, text=True, timeout=280
        )

    words = ("--workers", "2", "--shards", "4", "--", "score", "library.smi", "-o", "run/")
    with subprocess.Popen(
        [*LOGOS, "submit", *words], cwd=tmp_path, env=program, stderr=subprocess.PIPE, text=True
    ) as display:
        wait_until(lambda: running(run, 4), "records", 120)
        lost = running(run, 4)[0]
        os.kill(lost, signal.SIGSTOP)  # it waits for what this test does with it
        display.send_signal(signal.SIGINT)
        _, errors = display.communicate(timeout=60)
    assert display.returncode == 130
    assert "the run goes on; follow it with: logos submit --attach run" in errors
    twice = submit(*words)
    assert twice.returncode == ExitCode.USAGE
    assert "runs its shards" in twice.stderr
    os.kill(lost, signal.SIGKILL)
    wait_until(lambda: state(run)["n_again"] == 1, "the loss of a worker", 60)
    wait_until(lambda: set(running(run, 4)) - {lost}, "records of the next worker", 120)
    (last,) = list(set(running(run, 4)) - {lost})[:1]
    os.kill(last, signal.SIGSTOP)
    with subprocess.Popen(
        [*preloaded_argv, "submit", "--cancel", "run"], cwd=tmp_path, env=program, stderr=subprocess.PIPE, text=True
    ) as cancelling:
        wait_until(lambda: pends(last, signal.SIGUSR1), "the cancellation", 60)
        os.kill(last, signal.SIGCONT)
        _, errors = cancelling.communicate(timeout=60)
    assert cancelling.returncode == 0, errors + log(run)
    assert "stopped; finished records are kept, and the same command goes on" in errors
    assert 143 in {each["code"] for each in shards(run)}
    assert state(run)["n_done"] < 4
    assert "not submitted now" in submit("--cancel", "run").stderr
    assert "the run has 4 shards, not 3" in submit("--shards", "3", *words[4:]).stderr
    assert submit("--detach", *words).returncode == 0
    attached = submit("--attach", "run")
    assert attached.returncode == ExitCode.PARTIAL, attached.stderr + log(run)
    assert "4 of 4 shards: 8,000 ok, 1 failed" in attached.stderr
    assert merged(run) == expected(tmp_path, program)


@pytest.mark.cluster
def test_blocks_of_slurm_are_replaced(cluster: Cluster, program: dict[str, str], tmp_path: Path) -> None:
    library(tmp_path / "library.smi", N)
    env = program | {"SLURM_CONF": cluster.variables["SLURM_CONF"]}
    words = ["--executor", "slurm", "--nodes", "1", "--workers", "2", "--cores", "2", "--walltime", "10m"]
    words += ["--address", "127.0.0.1", "--shards", "4", "--detach"]
    submitted = subprocess.run(
        [*LOGOS, "submit", *words, "--", "score", "library.smi", "-o", "run/"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert submitted.returncode == 0, submitted.stderr
    run = tmp_path / "run"
    wait_until(lambda: running(run, 4), "records", 120)
    jobs = cluster.do("squeue", "-h", "-o", "%i %j").splitlines()
    (block,) = [line.split()[0] for line in jobs if "parsl" in line]
    cluster.do("scancel", block)
    attached = subprocess.run(
        [*LOGOS, "submit", "--attach", "run"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280
    )
    assert attached.returncode == ExitCode.PARTIAL, attached.stderr + log(run)
    assert merged(run) == expected(tmp_path, program)
    assert len([*(run / "submit" / "workers").iterdir()]) > 2  # of two blocks
    assert cluster.wait(block, 60) == {"": "CANCELLED"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "library.smi", "run"]


def test_an_absent_parsl_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from logos_cli.workflows.submit.executors import check_parsl

    check_parsl()
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "parsl" else found(name))
    with pytest.raises(MissingError) as caught:
        check_parsl()
    assert caught.value.hint == "pip install 'logos-cli[hpc]'"
