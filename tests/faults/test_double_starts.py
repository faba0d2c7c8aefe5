"""Two processes on one output, and links in the way: the second process is refused, and nothing else is written."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Logos


@contextmanager
def writing(
    argv: list[str], env: dict[str, str], folder: Path, output: str, *more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command that writes an output until its standard input ends."""
    command = [*argv, "encode", "-", "-o", output, *more]
    with subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"CCO first\n" * 2000)
        process.stdin.flush()
        while not list(folder.rglob("*.lock")):
            time.sleep(0.02)
            assert process.poll() is None
        yield process
        process.kill()


@pytest.mark.parametrize("output", ["out.jsonl", "out.jsonl.gz", "run/"])
def test_the_second_of_two_processes_is_refused_at_once_and_the_first_is_whole(
    logos: Logos, logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path, output: str
) -> None:
    (tmp_path / "x.smi").write_text("CCN second\n")
    with writing(logos_argv, logos_env, tmp_path, output) as first:
        more = ("--force", "--resume") if output == "run/" else ("--overwrite",)
        refused = logos("encode", "x.smi", "-o", output, *more, code=2).stderr
        assert f"another process ({first.pid} on " in refused
        assert "since 2" in refused
        first.communicate()
        assert first.returncode == 0
    texts = logos("encode", output, "-f", "text", code=0).stdout.splitlines()
    assert texts == ["<MoleculeS>CCO<MoleculeE>"] * 2000
    assert not list(tmp_path.glob("*.lock"))


def test_the_lock_and_the_part_of_a_killed_process_keep_nobody_out(
    logos: Logos, logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path
) -> None:
    with writing(logos_argv, logos_env, tmp_path, "out.jsonl") as first:
        while not (tmp_path / "out.jsonl.part").exists():
            time.sleep(0.02)
            assert first.poll() is None
        first.kill()
        first.wait()
    assert (tmp_path / "out.jsonl.lock").exists()
    (tmp_path / "x.smi").write_text("CCN second\n")
    logos("encode", "x.smi", "-o", "out.jsonl", code=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "x.smi"]
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 1


def test_an_output_that_another_process_has_finished_meanwhile_is_not_replaced(
    logos: Logos, logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path
) -> None:
    with writing(logos_argv, logos_env, tmp_path, "out.jsonl") as first:
        first.communicate()
    (tmp_path / "x.smi").write_text("CCN second\n")
    assert "the output exists" in logos("encode", "x.smi", "-o", "out.jsonl", code=2).stderr


@pytest.mark.parametrize(
    "name", ["out.jsonl.part", "out.jsonl.gz.part", "out.jsonl.lock", "run/results/1-of-1.jsonl.lock"]
)
def test_a_link_under_a_temporary_name_is_not_followed(logos: Logos, tmp_path: Path, name: str) -> None:
    (tmp_path / "precious").write_text("precious\n")
    (tmp_path / "x.smi").write_text("CCN second\n")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).symlink_to(tmp_path / "precious")
    output = "run/" if name.startswith("run") else name.removesuffix(".part").removesuffix(".lock")
    done = logos("encode", "x.smi", "-o", output)
    assert done.returncode == 0 or "symbolic link" in done.stderr
    assert (tmp_path / "precious").read_text() == "precious\n"
