"""A Slurm cluster for the tests, and the program on its nodes."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import environment, preloaded_argv
from tests.cluster.slurm import Cluster, reason_against, started

NO_SLURM = "no Slurm here"

__all__ = ["NO_SLURM", "preloaded_argv"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of one node; tests that need it report its absence at the end of the run."""
    if (reason := reason_against()) is not None:
        pytest.skip(f"{NO_SLURM}: {reason}")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a socket's path must be short
    try:
        with started(folder) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def program(checkout: Path, tmp_path: Path) -> dict[str, str]:
    """Return the environment in which ``logos`` is the program of this checkout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "logos").write_text(f'#!/bin/sh\nexec {sys.executable} -m logos_cli "$@"\n')
    (folder / "logos").chmod(0o755)
    env = environment(checkout)
    return env | {"PATH": f"{folder}:{env['PATH']}:/usr/sbin:/sbin"}


@pytest.fixture
def preloaded(program: dict[str, str], preloaded_argv: list[str], tmp_path: Path) -> dict[str, str]:
    """Return that environment with a ``logos`` whose libraries are loaded already: for scripts that start it often."""
    (tmp_path / "bin" / "logos").write_text(f'#!/bin/sh\nexec {" ".join(preloaded_argv)} "$@"\n')
    return program
