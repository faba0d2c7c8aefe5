"""A short form of the campaign of faults (``make faults``): each once, with a command that has workers and one without."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults of the system are Linux's")

from tests.faults import campaign, starts, subjects
from tests.faults.disturb import Attempt, compile_shim

_SHORT = "SIGKILL,SIGTERM,SIGINT,torn files,ENOSPC,EIO,short writes,clock jumps,file size limit"


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_torn(checkout: Path, tmp_path: Path) -> None:
    names = ("--commands", "encode, file", "--commands", "encode, run")
    command = [sys.executable, "-m", "tests.faults.campaign", "--times", "1", "--faults", _SHORT, *names]
    command += ["--journal", str(tmp_path / "journal.jsonl"), "--table", str(tmp_path / "page.md")]
    done = subprocess.run(command, cwd=checkout, env=starts.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = campaign.read_journal(tmp_path / "journal.jsonl")
    n_faults = len(_SHORT.split(",")) - (0 if shutil.which("gcc") else 4)
    assert len(found) == 2 * n_faults
    assert not any(campaign.is_bad(counts) for counts in found.values())
    assert "| SIGKILL | 2 | 2 | 0 | 0 | 0 | 0 | 0 |" in (tmp_path / "page.md").read_text()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
def test_the_shim_makes_the_faults(tmp_path: Path) -> None:
    shim = compile_shim(tmp_path)
    program = "import time; open('x', 'wb', 0).write(b'0' * 100); print(time.time())"
    ends = {}
    for fault in ("enospc", "eio", "short", "clock"):
        env = starts.environment() | {"LD_PRELOAD": str(shim), "LOGOS_FAULT": fault, "LOGOS_FAULT_AFTER": "0"}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        ends[fault] = done.stderr.strip().rpartition("\n")[2], (tmp_path / "x").stat().st_size
    assert ends["enospc"] == ("OSError: [Errno 28] No space left on device", 0)
    assert ends["eio"] == ("OSError: [Errno 5] Input/output error", 0)
    assert ends["short"][0] == ""
    assert 0 < ends["short"][1] < 100
    assert ends["clock"] == ("", 100)


def test_a_loss_is_counted(tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("CCO a\n")
    subject = subjects.Subject("copy", ("encode", "x.smi", "-o", "out.jsonl"), "out.jsonl", ("--overwrite",))
    attempt = Attempt(subject, tmp_path, random.Random(0), 0.1, None)
    campaign.run_try(attempt, "SIGKILL", b"another\nresult\n")
    assert attempt.counts["lost"] == 2
    assert attempt.counts["doubled"] == 1
