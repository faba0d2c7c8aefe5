"""One process at a time; a lock that nobody holds any more keeps nobody out."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from logos_cli.processes.lock import LockedError, locked

_HOLD = """
import sys, time
from pathlib import Path
from logos_cli.processes.lock import locked
with locked(Path(sys.argv[1]), "waiting"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def _holder(path: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _HOLD, path, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("name", ["", "file.jsonl"])
def test_the_message_names_who_is_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with _holder(path, 30) as process:
        with pytest.raises(LockedError) as caught, locked(path, "building"):
            pass
        process.kill()
    expected = f"another process ({process.pid} on {socket.gethostname()}, since {time.strftime('%Y-')}"
    assert caught.value.message.startswith(expected)
    assert caught.value.message.endswith(") is building here")
    assert caught.value.source == str(path)
    with locked(path, "building"):  # what the killed process left counts for nothing
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_its_process_though_a_copy_of_it_goes_on(tmp_path: Path) -> None:
    code = _HOLD.replace(
        "    print(", "    copy = os.fork()\n    if not copy: time.sleep(30)\n    print(copy, end=' ')\n    print("
    )
    arguments = [sys.executable, "-c", f"import os\n{code}", tmp_path, "30"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        copy = int(process.stdout.readline().split()[0])
        with pytest.raises(LockedError), locked(tmp_path, "building"):
            pass
        process.kill()
        process.wait()
        try:
            with locked(tmp_path, "building", wait=True):  # the copy may not have run yet
                os.kill(copy, 0)  # it is still there
        finally:
            os.kill(copy, signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_can_be_waited_for(tmp_path: Path) -> None:
    with _holder(tmp_path, 1), locked(tmp_path, "building", wait=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_exception_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path, "building"):
        raise ZeroDivisionError
    with locked(tmp_path, "building"), pytest.raises(LockedError), locked(tmp_path, "building"):
        pass


@pytest.mark.parametrize(
    ("host", "pid", "is_free"),
    [(None, None, True), ("here", -1, True), ("here", 1, False), ("elsewhere", 1, False), ("here", 0, True)],
    ids=["nobody", "this process", "another", "another machine's", "one that has ended"],
)
def test_without_locks_of_the_file_system_the_holder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str | None, pid: int | None, is_free: bool
) -> None:
    def flock(stream: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    if host is not None:
        if pid == -1:
            pid = os.getpid()
        if pid == 0:
            with subprocess.Popen([sys.executable, "-c", ""]) as process:
                pid = process.pid
        holder = {"host": socket.gethostname() if host == "here" else host, "pid": pid, "since": "2026-01-01 00:00:00"}
        (tmp_path / ".lock").write_text(json.dumps(holder))
    if is_free:
        with locked(tmp_path, "building"):
            assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
        return
    message = r"another process \(1 on .*, since 2026-01-01 00:00:00\) is building here"
    with pytest.raises(LockedError, match=message), locked(tmp_path, "building"):
        pass
