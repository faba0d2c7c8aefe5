"""The progress bar on a terminal, and what an interruption reports."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from logos_cli.cli.interruption import report_interruption
from logos_cli.cli.progress import Bar, _counts
from logos_cli.io.output import open_output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, None, None, None, "samples"), ""),
        ((3, None, 2.0, None, "samples"), "3 samples, 2/s"),
        ((12, 40, 3.14159, 8.9, "samples"), "12/40 samples, 3.14/s, 0:09 left"),
        ((1, 40, 0.25, 3700.0, ""), "1/40, 4 s each, 1:01:40 left"),
    ],
)
def test_counts(arguments: tuple[float, float | None, float | None, float | None, str], text: str) -> None:
    assert _counts(*arguments) == text


def test_a_bar_shows_phases_counts_and_fits_a_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with Bar(console, "loading a-model", unit="samples") as bar:
        bar.update(5, 10, "sampling ligand")
        time.sleep(0.25)
        with bar.paused():
            stream.write("RECORD\n")
    shown = stream.getvalue()
    assert "sampling ligand" in shown
    assert "5/10 samples" in shown
    assert "RECORD" in shown


def test_a_bar_without_a_terminal_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar(None, "x") as bar:
        bar.update(1, 2)
        bar.advance()
        with bar.paused():
            pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_nothing_is_silent_on_a_terminal(logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path) -> None:
    """A run into a file, of which the first record comes late, shows what it does."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [*logos_argv, "generate", "molecule", "--backend", "fake", "-n", "1000000", "-o", "out.jsonl"],
        cwd=tmp_path,
        env={**logos_env, "TERM": "xterm", "COLUMNS": "80"},
        stderr=other,
    )
    os.close(other)
    shown = b""
    deadline = time.monotonic() + 120
    part = tmp_path / "out.jsonl.part"  # its first records stay in the buffer for a while
    while not (b"samples" in shown and part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        shown += os.read(main, 4096)
    process.send_signal(signal.SIGINT)
    try:
        while chunk := os.read(main, 4096):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    process.wait(timeout=60)
    assert b"sampling molecule" in shown
    assert b"/1,000,000 samples" in shown
    assert b"out.jsonl.part holds" in shown


@pytest.mark.parametrize(
    ("command", "shown"),
    [("encode", b"encoding"), ("decode", b"decoding"), ("score", b"computing the figures of the set")],
)
def test_bulk_commands_show_what_they_do(
    logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path, command: str, shown: bytes
) -> None:
    (tmp_path / "x.smi").write_text("".join(f"{'C' * (n % 9 + 1)}O m{n}\n" for n in range(500)))
    main, other = pty.openpty()
    process = subprocess.Popen(
        [*logos_argv, command, "x.smi", "-o", "out.smi" if command == "decode" else "out.jsonl"],
        cwd=tmp_path,
        env={**logos_env, "TERM": "xterm", "COLUMNS": "80"},
        stderr=other,
    )
    os.close(other)
    found = b""
    with suppress(OSError):  # the other end is closed
        while chunk := os.read(main, 4096):
            found += chunk
    assert process.wait(timeout=60) == 0
    assert shown in found
    assert b"500" in found


def test_an_interruption_before_the_first_record_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt), open_output(str(path)):
        raise KeyboardInterrupt
    report_interruption("interrupted")
    assert capsys.readouterr().err == f"interrupted before the first record: {path} was not written\n"
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt), open_output(str(path)) as stream:
        stream.write("{}\n{}\n")
        raise KeyboardInterrupt
    report_interruption("interrupted")
    assert f"{path}.part holds 2 finished records" in capsys.readouterr().err
    report_interruption("interrupted")
    assert "nothing is left to go on with" in capsys.readouterr().err
