"""Job arrays on a real Slurm: what is cancelled, requeued or out of time goes on, and merges to the same bytes."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.in_process import run_here
from tests.cluster.slurm import ENDED, Cluster

_RINGS = ("c1ccc2[nH]ccc2c1", "C1CCNCC1", "c1ccncc1", "C1CCOCC1", "c1ccsc1")


def library(path: Path, n: int) -> None:
    """Write molecules that take some time to score, and one that is none."""
    lines = [f"{'C' * (number % 9 + 1)}{_RINGS[number % 5]} mol{number}" for number in range(n)]
    path.write_text("\n".join([*lines, "CC( bad"]) + "\n")


def do(command: str, folder: Path, env: dict[str, str]) -> str:
    """Run a command line, and return what it prints."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def undisturbed(command: str, folder: Path, env: dict[str, str]) -> bytes:
    """Return the records that one process writes."""
    code, records, errors = run_here([*command.split(), "-f", "jsonl", "-q"], b"", env, folder)
    assert code in (0, 3), errors
    return records


def plan(command: str, n_shards: int, folder: Path, env: dict[str, str], walltime: str = "10m") -> None:
    """Let ``logos plan`` write the scripts of a run into ``jobs``."""
    do(f"logos plan --walltime {walltime} --tried 150 --shards {n_shards} -o jobs -- {command} -o run/", folder, env)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 90) -> None:
    """Wait for something."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited in vain: {what}"
        time.sleep(0.05)


class Task:
    """A task of an array that scores into ``run``."""

    def __init__(self, cluster: Cluster, folder: Path, job: str, number: int, n_shards: int) -> None:
        self.name = f"{job}_{number}"
        self.log = folder / "jobs" / "log" / f"{self.name}.txt"
        self._cluster = cluster
        self._files = folder / "run" / "results" / f"{number}-of-{n_shards}"

    @property
    def n_bytes(self) -> int:
        """Bytes of its records."""
        path = Path(f"{self._files}.jsonl")
        return path.stat().st_size if path.exists() else 0

    @property
    def pid(self) -> int:
        """Process of the program."""
        return int(json.loads(Path(f"{self._files}.state.json").read_text())["pid"])

    def has_records(self) -> bool:
        """Whether it has written some."""
        return self.n_bytes > 0 and Path(f"{self._files}.state.json").exists()

    @property
    def state(self) -> str:
        """What Slurm calls its state."""
        return next(iter(self._cluster.states(self.name).values()))

    def restarts(self) -> int:
        """Return how often Slurm began it again."""
        found = re.search(r"Restarts=(\d+)", self._cluster.do("scontrol", "show", "job", "-o", self.name))
        return int(found[1]) if found else 0


def pends(pid: int, number: signal.Signals) -> bool:
    """Whether a signal waits for a stopped process."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = re.findall(r"^(?:SigPnd|ShdPnd):\s*(\w+)", status, re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def submit(folder: Path, env: dict[str, str]) -> tuple[str, str]:
    """Submit what ``logos plan`` wrote, as it is; return the jobs of the array and of the merge."""
    (merge,) = re.findall(r"\b(\d+)$", do("sh jobs/submit.sh", folder, env), re.MULTILINE)
    found = do(f"scontrol show job -o {merge}", folder, env)
    return re.findall(r"Dependency=afterok:(\d+)", found)[0], merge


def logs_of(folder: Path) -> str:
    """Return what all jobs printed."""
    return "\n".join(f"{path.name}\n{path.read_text()}" for path in sorted((folder / "jobs" / "log").iterdir()))


@pytest.mark.cluster
def test_an_array_whose_tasks_are_cancelled_requeued_or_near_their_end(
    cluster: Cluster, program: dict[str, str], tmp_path: Path
) -> None:
    library(tmp_path / "library.smi", 600)
    command = "score library.smi"
    plan(command, 3, tmp_path, program)
    env = program | {"SLURM_CONF": cluster.variables["SLURM_CONF"]}
    # a minute is the least time of a job, and Slurm sends the signal up to half a minute earlier than told
    short = env | {"SBATCH_TIMELIMIT": "1", "SBATCH_SIGNAL": "B:USR1@15"}
    array, merge = submit(tmp_path, short)
    cancelled, requeued, late = (Task(cluster, tmp_path, array, number, 3) for number in (1, 2, 3))
    wait_until(late.has_records, "records of the late task")
    os.kill(late.pid, signal.SIGSTOP)  # as one that is slow: it needs no cores of others
    wait_until(cancelled.has_records, "records of the task to cancel")
    cluster.do("scancel", cancelled.name)
    wait_until(requeued.has_records, "records of the task to requeue")
    cluster.do("scontrol", "requeue", requeued.name)
    wait_until(lambda: pends(late.pid, signal.SIGUSR1), "the signal before the end of the job's time")
    os.kill(late.pid, signal.SIGCONT)
    states = cluster.wait(array, 120)
    logs = logs_of(tmp_path)
    assert states == {"1": "CANCELLED", "2": "COMPLETED", "3": "COMPLETED"}, logs
    assert (cancelled.restarts(), requeued.restarts() > 0, late.restarts() > 0) == (0, True, True), logs
    assert "hint: go on with: logos" in late.log.read_text()
    assert "records; going on" in late.log.read_text()
    assert cluster.wait(merge, 30) == {"": "CANCELLED"}, logs  # an array that lacks a part is not merged
    # the same scripts again do what lacks
    array, merge = submit(tmp_path, env)
    assert cluster.wait(merge, 120) == {"": "COMPLETED"}, logs_of(tmp_path)
    assert set(cluster.states(array).values()) == {"COMPLETED"}
    assert "complete: 601 entries: 600 ok, 1 failed" in logs_of(tmp_path)
    assert gzip.decompress((tmp_path / "run.jsonl.gz").read_bytes()) == undisturbed(command, tmp_path, program)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "jobs", "library.smi", "run", "run.jsonl.gz"]


@pytest.mark.cluster
def test_a_task_that_hangs_is_ended_by_its_time(cluster: Cluster, program: dict[str, str], tmp_path: Path) -> None:
    library(tmp_path / "library.smi", 600)
    plan("score library.smi", 2, tmp_path, program)
    env = program | {"SLURM_CONF": cluster.variables["SLURM_CONF"]}
    array, _ = submit(tmp_path, env | {"SBATCH_TIMELIMIT": "1", "SBATCH_SIGNAL": "B:USR1@10"})
    hanging = Task(cluster, tmp_path, array, 1, 2)
    wait_until(hanging.has_records, "records of the task that hangs")
    os.kill(hanging.pid, signal.SIGSTOP)
    assert cluster.wait(array, 240) == {"1": "TIMEOUT", "2": "COMPLETED"}, logs_of(tmp_path)
    # that task only
    again = do("sbatch --parsable --array=1 --output=jobs/log/again.txt jobs/array.sh", tmp_path, env).strip()
    assert cluster.wait(again, 120) == {"1": "COMPLETED"}, logs_of(tmp_path)
    do("sbatch --wait --output=jobs/log/merge.txt jobs/merge.sh", tmp_path, env)
    merged = gzip.decompress((tmp_path / "run.jsonl.gz").read_bytes())
    assert merged == undisturbed("score library.smi", tmp_path, program)


@pytest.mark.cluster
def test_twenty_tasks_and_ten_random_cancellations(cluster: Cluster, program: dict[str, str], tmp_path: Path) -> None:
    rng = random.Random(16)
    library(tmp_path / "library.smi", 5000)
    plan("score library.smi", 20, tmp_path, program)
    env = program | {"SLURM_CONF": cluster.variables["SLURM_CONF"]}
    began = time.monotonic()
    array, _ = submit(tmp_path, env)
    tasks = [Task(cluster, tmp_path, array, number, 20) for number in range(1, 21)]
    cut: list[int] = []
    for number in sorted(rng.sample(range(20), 10)):
        wait_until(lambda task=tasks[number]: task.has_records() or task.state in ENDED, "a task", 300)
        time.sleep(rng.random())
        cluster.do("scancel", tasks[number].name)
        cut.append(tasks[number].n_bytes)
    states = list(cluster.wait(array, 600).values())
    n_cancelled = states.count("CANCELLED")
    assert n_cancelled + states.count("COMPLETED") == 20
    array, merge = submit(tmp_path, env)
    assert cluster.wait(merge, 600) == {"": "COMPLETED"}, logs_of(tmp_path)
    merged = gzip.decompress((tmp_path / "run.jsonl.gz").read_bytes())
    seconds = time.monotonic() - began
    assert merged == undisturbed("score library.smi", tmp_path, program)
    print(
        f"20 tasks, 10 scancels ({n_cancelled} before their end, {sum(map(bool, cut))} with records): {seconds:.0f} s"
    )
    assert n_cancelled >= 5
