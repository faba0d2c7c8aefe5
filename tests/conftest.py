"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# tests share the cores with each other; libraries read it when they are loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")
# tests start hundreds of processes, which compile the package once, whatever the caller's shell prefers
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

from tests.durations import unmarked
from tests.preloaded.workers import preloaded_workers

__all__ = ["preloaded_workers"]

# how long an example takes says more of what else the machine does than of the test
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

_CHECKOUT = Path(__file__).resolve().parent.parent
_SHARED = Path(os.environ.get("LOGOS_TEST_DATA", _CHECKOUT.parent / "shared" / "data"))
_NOT_FOUND = "real data not found at"
_NO_SLURM = "no Slurm here"
_NO_NAMESPACE = "no namespaces here"


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start: a shell ignores it for what it runs in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout under test."""
    return _CHECKOUT


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data that is not part of the repository (``LOGOS_TEST_DATA``)."""
    if not _SHARED.is_dir():
        pytest.skip(f"{_NOT_FOUND} {_SHARED}")
    return _SHARED


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep tests away from the user's configuration; the cache is shared by the session for speed."""
    for name in [name for name in os.environ if name.startswith("LOGOS_") and name != "LOGOS_FUZZ_SECONDS"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LOGOS_CACHE", str(tmp_path_factory.getbasetemp().parent / "logos-test-cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what did not run for want of the data, in whichever process it was skipped, and what takes too long."""
    for line in unmarked([*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]):
        terminalreporter.write_line(line, yellow=True)
    skipped = terminalreporter.stats.get("skipped", [])
    if unmet := [report for report in skipped if _NOT_FOUND in str(report.longrepr)]:
        terminalreporter.write_line(
            f"{len(unmet)} checks on real data DID NOT RUN: no folder {_SHARED} (set LOGOS_TEST_DATA)",
            red=True,
            bold=True,
        )
    if absent := [str(report.longrepr) for report in skipped if _NO_SLURM in str(report.longrepr)]:
        reason = absent[0].partition(_NO_SLURM)[2].strip("')")
        terminalreporter.write_line(
            f"{len(absent)} tests on Slurm did not run{reason}; the local executor ran the same shards", red=True
        )
    if any(_NO_NAMESPACE in str(report.longrepr) for report in skipped):
        terminalreporter.write_line("nodes without a network were not tested: unshare is not permitted here", red=True)
