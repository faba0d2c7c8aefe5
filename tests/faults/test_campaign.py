"""A short form of the campaign of faults (``make faults``): each once, with a command that has workers or one without."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults of the system are Linux's")

sys.path.insert(0, str(Path(__file__).parent))
import campaign

_SHORT = {
    "encode, file": ("SIGKILL", "SIGTERM", "EIO", "short writes", "clock jumps", "file size limit"),
    "encode, run": ("SIGKILL", "torn files", "ENOSPC", "clock jumps"),
}


@pytest.mark.parametrize("name", _SHORT)
def test_nothing_is_lost_doubled_or_torn(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "N_MOLECULES", 300)
    (subject,) = (each for each in campaign.SUBJECTS if each.name == name)
    faults = [each for each in _SHORT[name] if shutil.which("gcc") or each not in campaign._NEED_SHIM]
    found = campaign.campaign([subject], faults, 1, 7, tmp_path / "page.md")
    assert all(counts["tried"] == 1 for counts in found.values())
    bad = {key: dict(counts) for key, counts in found.items() if any(counts[each] for each in campaign._BAD)}
    assert not bad
    assert "| SIGKILL | 1 | 1 | 0 | 0 | 0 | 0 | 0 |" in (tmp_path / "page.md").read_text()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
def test_the_shim_makes_the_faults(tmp_path: Path) -> None:
    shim = campaign.compile_shim(tmp_path)
    program = "import time; open('x', 'wb', 0).write(b'0' * 100); print(time.time())"
    ends = {}
    for fault in ("enospc", "eio", "short", "clock"):
        env = campaign.environment() | {"LD_PRELOAD": str(shim), "LOGOS_FAULT": fault, "LOGOS_FAULT_AFTER": "0"}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        ends[fault] = done.stderr.strip().rpartition("\n")[2], (tmp_path / "x").stat().st_size
    assert ends["enospc"] == ("OSError: [Errno 28] No space left on device", 0)
    assert ends["eio"] == ("OSError: [Errno 5] Input/output error", 0)
    assert ends["short"][0] == ""
    assert 0 < ends["short"][1] < 100
    assert ends["clock"] == ("", 100)


def test_a_loss_is_counted(tmp_path: Path) -> None:
    subject = campaign.Subject("copy", ("encode", "x.smi", "-o", "out.jsonl"), "out.jsonl", ("--overwrite",))
    (tmp_path / "x.smi").write_text("CCO a\n")
    attempt = campaign.Attempt(subject, tmp_path, random.Random(0), 0.1, None)
    campaign.run_try(attempt, "SIGKILL", b"another\nresult\n")
    assert attempt.counts["lost"] == 2
    assert attempt.counts["doubled"] == 1
