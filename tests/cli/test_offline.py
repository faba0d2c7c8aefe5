"""No connection is ever opened, and nothing needs to be written but the output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_WATCHED = """
import os, sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(2, f"CONNECTION {event} {args}".encode())
        os._exit(99)
sys.addaudithook(watch)
sys.argv[0] = "logos"
from logos_cli.cli.app import main
main()
"""

COMMANDS = {
    "encode a structure": ["encode", "examples/complex.cif", "-f", "text"],
    "encode molecules": ["encode", "examples/reactions.smi", "--canonical", "-f", "text"],
    "generate": ["generate", "molecule", "-n", "2", "--seed", "7", "-f", "text"],
    "generate for a pocket": ["generate", "ligand", "--prompt", "examples/complex.cif", "--max-new-tokens", "20"],
    "examine": ["doctor", "--json"],
}
QUICK = ("generate", "encode molecules")


@pytest.fixture
def nowhere() -> dict[str, str]:
    """Home and caches where not even root can write."""
    return {"HOME": "/proc/nobody", "LOGOS_CACHE": "/proc/nobody/cache", "HF_HOME": "/proc/nobody/hub"}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COMMANDS]
)
def test_no_connection_is_opened_and_no_home_is_needed(
    name: str, checkout: Path, logos_env: dict[str, str], nowhere: dict[str, str]
) -> None:
    # HF_HUB_OFFLINE is the tests' own setting: without it, too, nothing may be asked of the network
    env = {key: value for key, value in logos_env.items() if key != "HF_HUB_OFFLINE"} | nowhere
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *COMMANDS[name]],
        cwd=checkout,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert "CONNECTION" not in done.stderr, done.stderr
    assert done.returncode in (0, 3), done.stderr
    assert done.stdout.strip()


def test_the_libraries_leave_nothing_in_the_home_directory(
    checkout: Path, logos_env: dict[str, str], tmp_path: Path
) -> None:
    # ONNX Runtime 1.32 and later: an identifier of the device, and events for its makers, which it sends by its own code
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "LOGOS_CACHE": str(tmp_path / "logos")}
    command = [sys.executable, "-m", "logos_cli", "generate", "molecule", "--backend", "onnxruntime", "-q"]
    done = subprocess.run(
        command,
        cwd=checkout,
        env=logos_env | home,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert [each for each in tmp_path.rglob("*") if "onnx" in each.name or "Microsoft" in each.name] == []


def test_no_library_says_that_it_cannot_keep_its_identifier(
    checkout: Path, logos_env: dict[str, str], nowhere: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "logos_cli", "generate", "molecule", "--backend", "onnxruntime", "-q"]
    done = subprocess.run(
        command,
        cwd=checkout,
        env=logos_env | nowhere,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_watch_sees_a_connection() -> None:
    code = _WATCHED.split("sys.argv[0]")[0] + "import socket; socket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 99
    assert "CONNECTION" in done.stderr
