"""Workers that the system kills: each is replaced, its record is tried once more, and the run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Logos

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

_N_FILES = 24
_N_MOLECULES = 3000


def workers_of(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *workers_of(int(child))]
    return found


@pytest.mark.parametrize(
    "command", [("encode", "--as", "search"), pytest.param(("score", "--metrics", "qed,sa"), marks=pytest.mark.slow)]
)
def test_a_killed_worker_loses_nothing(
    logos: Logos,
    checkout: Path,
    logos_argv: list[str],
    logos_env: dict[str, str],
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    names = ["x.smi"]
    (tmp_path / "x.smi").write_text("".join(f"{'C' * (n % 11 + 1)}Oc1ccccc1 m{n}\n" for n in range(_N_MOLECULES)))
    if command[0] == "encode":
        content = (checkout / "examples" / "complex.cif").read_bytes()
        names = [f"s{number}.cif" for number in range(_N_FILES)]
        for name in names:
            (tmp_path / name).write_bytes(content)
    plain = logos(*command, *names, "-f", "jsonl", code=0).stdout
    arguments = [*logos_argv, *command, *names, "-j", "2", "-o", "run/"]
    with subprocess.Popen(arguments, cwd=tmp_path, env=logos_env, stderr=subprocess.PIPE, text=True) as process:
        while len(workers := workers_of(process.pid)) < 3:  # the first one starts the others
            time.sleep(0.01)
            assert process.poll() is None
        os.kill(workers[-1], signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert logos("runs", "merge", "run", code=0).stdout == plain
    assert logos("runs", "verify", "run", code=0).stdout.startswith("run: complete: ")


def test_workers_end_with_their_parent(
    checkout: Path, logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path
) -> None:
    content = (checkout / "examples" / "complex.cif").read_bytes()
    for number in range(_N_FILES):
        (tmp_path / f"s{number}.cif").write_bytes(content)
    arguments = [*logos_argv, "encode", ".", "--as", "search", "-j", "2", "-o", "out.jsonl"]
    with subprocess.Popen(arguments, cwd=tmp_path, env=logos_env, stderr=subprocess.DEVNULL) as process:
        while len(workers := workers_of(process.pid)) < 3:
            time.sleep(0.05)
            assert process.poll() is None
        process.kill()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
