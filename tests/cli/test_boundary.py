"""Where the program meets the shell: exit codes, signals, closed and full outputs, messages."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import ExitCode, MissingError

GOOD = ">a\nMKTAYIAKQR\n>b\nACDEFGHIKL\n"
MIXED = ">a\nMKTAYIAKQR\n>b\nAC1DE\n"
BAD = ">a\nMK1\n"
N_MANY = 200_000

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full or /proc")


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "seqs.fasta"
    path.write_text(GOOD)
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many sequences that the program is still at work when it is interrupted."""
    path = tmp_path_factory.mktemp("many") / "many.fasta"
    path.write_text("".join(f">p{number}\nMKTAYIAKQR\n" for number in range(N_MANY)))
    return path


def _clean(stderr: str) -> bool:
    return "Traceback" not in stderr and "Exception ignored" not in stderr and "internal error" not in stderr


# -- exit codes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"), [(GOOD, ExitCode.OK), (MIXED, ExitCode.PARTIAL), (BAD, ExitCode.USAGE), ("", ExitCode.USAGE)]
)
def test_the_exit_code_says_how_many_records_failed(logos: Any, content: str, code: ExitCode) -> None:
    done = logos("encode", "-", stdin=content, code=code)
    assert _clean(done.stderr)
    accounting = done.stderr.splitlines()[-1]
    total, *parts = map(int, re.findall(r"\d+", accounting))
    assert total == sum(parts) == len(done.stdout.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["encode", "--nonsense"],
        ["encode", "--level", "9", "-"],
        ["encode", "--level", "two", "-"],
        ["encode", "--cutoff", "-1", "-"],
        ["encode", "--as", "protien", "-"],
        ["encode", "-f", "nonsense", "-"],
        ["encode", "-o", "out.nonsense", "-"],
        ["encode", "nowhere.pdb"],
        ["encode", "@nowhere.txt"],
        ["decode", "--to", "nonsense", "-"],
        ["decode", "-"],
        ["grammar", "nonsense"],
        ["grammar", "show", "nonsense"],
        ["grammar", "check", "--as", "nonsense", "-"],
        ["grammar", "check", "nowhere.txt"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_used_as_given(logos: Any, arguments: list[str]) -> None:
    done = logos(*arguments, stdin=GOOD, code=ExitCode.USAGE)
    assert _clean(done.stderr)
    assert 1 <= len(done.stderr.splitlines()) <= 5
    assert re.search(r"^error: ", done.stderr, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["encode", "-h"], ["grammar", "--help"]])
def test_help_and_version(logos: Any, arguments: list[str]) -> None:
    done = logos(*arguments, code=ExitCode.OK)
    assert "logos" in done.stdout
    assert done.stderr == ""


def test_without_a_command_the_help(logos: Any) -> None:
    done = logos(code=ExitCode.USAGE)
    assert "encode" in done.stdout + done.stderr


def test_a_missing_model_is_code_4(logos: Any, fasta: Path) -> None:
    done = logos("encode", fasta, "-f", "ids", "--model", "no/such-model")
    assert done.returncode in (ExitCode.MISSING, ExitCode.USAGE)
    assert _clean(done.stderr)
    assert "no/such-model" in done.stderr


# -- messages ------------------------------------------------------------------------------------------------


def test_a_message_names_file_record_place_and_remedy(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "seqs.fasta").write_text(MIXED)
    done = logos("encode", "seqs.fasta", code=ExitCode.PARTIAL)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    for part in ("seqs.fasta", "b:", "line 4", "column 3", "'1' is not a residue", "("):
        assert part in line


def test_a_near_miss_is_suggested(logos: Any) -> None:
    assert "did you mean protein" in logos("encode", "--as", "protien", "-").stderr
    assert "protein, antibody" in logos("encode", "--as", "zzz", "-").stderr


def test_quiet_says_errors_only(logos: Any, fasta: Path) -> None:
    assert logos("encode", "-q", fasta, code=0).stderr == ""
    done = logos("encode", "-q", "-", stdin=MIXED, code=ExitCode.PARTIAL)
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error"]


def test_no_colour_outside_a_terminal(logos: Any) -> None:
    for env in ({}, {"NO_COLOR": "1"}, {"TERM": "xterm-256color"}):
        done = logos("encode", "-", stdin=MIXED, env=env)
        assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "shown"),
    [
        ([], {}, False),
        (["--traceback"], {}, True),
        ([], {"LOGOS_TRACEBACK": "1"}, True),
        ([], {"LOGOS_TRACEBACK": "0"}, False),
        ([], {"LOGOS_TRACEBACK": ""}, False),
    ],
)
def test_a_traceback_only_when_asked_for(logos: Any, arguments: list[str], env: dict[str, str], shown: bool) -> None:
    done = logos("encode", "--as", "nonsense", *arguments, "-", stdin=GOOD, env=env, code=ExitCode.USAGE)
    assert ("Traceback" in done.stderr) == shown
    assert "error: unknown form 'nonsense'" in done.stderr


# -- outputs -------------------------------------------------------------------------------------------------


def test_an_output_is_complete_or_not_there(logos: Any, fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = logos("encode", fasta, "-o", out, code=0)
    assert done.stdout == ""
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "seqs.fasta"]


def test_an_existing_output_is_kept(logos: Any, fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    out.write_text("precious")
    done = logos("encode", fasta, "-o", out, code=ExitCode.USAGE)
    assert str(out) in done.stderr
    assert "--overwrite" in done.stderr
    assert out.read_text() == "precious"
    logos("encode", fasta, "-o", out, "--overwrite", code=0)
    assert out.read_text() == "<ProteinS>MKTAYIAKQR<ProteinE>\n<ProteinS>ACDEFGHIKL<ProteinE>\n"


def test_a_failed_run_does_not_replace_the_output(logos: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.fasta"
    out.write_text("precious")
    logos("decode", "-", "--to", "nonsense", "-o", out, "--overwrite", stdin="", code=ExitCode.USAGE)
    assert out.read_text() == "precious"


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_outputs_are_read_again(logos: Any, fasta: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out.jsonl{suffix}"
    logos("encode", fasta, "-o", out, code=0)
    assert out.read_bytes()[:4] in (b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd")
    again = logos("encode", out, "-f", "text", code=0)
    assert again.stdout == "<ProteinS>MKTAYIAKQR<ProteinE>\n<ProteinS>ACDEFGHIKL<ProteinE>\n"


def test_the_same_input_gives_the_same_bytes(logos: Any, fasta: Path, tmp_path: Path) -> None:
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        logos("encode", fasta, "-o", tmp_path / name, code=0)
        time.sleep(1.1)  # a time stamp would differ
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("nowhere/out.jsonl", "does not exist"),
        (".", "is a directory with other files"),
        pytest.param("/proc/out.jsonl", "cannot be written", marks=linux),
        pytest.param("/dev/full", "no space is left", marks=linux),
    ],
)
def test_outputs_that_cannot_be_written(logos: Any, fasta: Path, output: str, message: str) -> None:
    done = logos("encode", fasta, "-o", output, "-f", "jsonl")
    assert done.returncode in (ExitCode.FAILED, ExitCode.USAGE)
    assert _clean(done.stderr)
    assert message in done.stderr
    assert output in done.stderr
    assert "hint: " in done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission(logos: Any, fasta: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = logos("encode", fasta, "-o", closed / "out.jsonl", code=ExitCode.FAILED)
    assert "not writable" in done.stderr


@linux
def test_a_full_disk_under_stdout(logos_argv: list[str], logos_env: dict[str, str], fasta: Path) -> None:
    with Path("/dev/full").open("w") as full:
        for arguments in (["encode", str(fasta)], ["grammar", "show"], ["--help"]):
            done = subprocess.run(
                [*logos_argv, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=logos_env, check=False
            )
            assert done.returncode == ExitCode.FAILED, arguments
            assert _clean(done.stderr)
            assert "no space is left on the device" in done.stderr


@linux
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_full_disk_under_a_file(
    logos_argv: list[str], logos_env: dict[str, str], many: Path, tmp_path: Path, suffix: str
) -> None:
    """A limit on the size of files stands for the full disk; the operating system says EFBIG instead."""
    import resource

    out = tmp_path / f"out.{suffix}"
    limit = 100_000 if suffix == "jsonl" else 20_000
    done = subprocess.run(
        [*logos_argv, "encode", str(many), "-o", str(out)],
        capture_output=True,
        text=True,
        env=logos_env,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == ExitCode.FAILED
    assert _clean(done.stderr)
    assert not out.exists(), "an incomplete output never has the final name"
    assert Path(f"{out}.part").stat().st_size <= limit


# -- streams -------------------------------------------------------------------------------------------------


def _shell(command: str, logos_argv: list[str], env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    program = " ".join(logos_argv)
    return subprocess.run(
        ["bash", "-c", command.replace("logos ", f"{program} ")],
        capture_output=True,
        text=True,
        env=env,
        cwd=cwd,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "encode {many}",
        "encode {many} -f text",
        "decode {many} --to fasta",
        "grammar show",
        "encode --help",
        "score --explain",
    ],
)
def test_a_closed_pipe_ends_quietly(
    logos_argv: list[str], logos_env: dict[str, str], many: Path, tmp_path: Path, arguments: str
) -> None:
    command = f"logos {arguments.format(many=many)} | head -1; exit ${{PIPESTATUS[0]}}"
    done = _shell(command, logos_argv, logos_env, tmp_path)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert done.returncode == ExitCode.OK


def test_closed_standard_streams(logos_argv: list[str], logos_env: dict[str, str], fasta: Path) -> None:
    def run(command: str) -> subprocess.CompletedProcess[str]:
        return _shell(command, logos_argv, logos_env, fasta.parent)

    done = run("logos encode seqs.fasta >&-")
    assert done.returncode == ExitCode.FAILED, "data for nobody are no success"
    assert "standard output is closed" in done.stderr
    done = run("logos encode seqs.fasta -o out.txt >&- 2>&- <&-")
    assert done.returncode == ExitCode.OK
    assert (fasta.parent / "out.txt").read_text().count("<ProteinS>") == 2
    done = run("logos encode <&-")
    assert done.returncode == ExitCode.USAGE
    assert "no input" in done.stderr
    assert _clean(done.stderr)


def test_an_empty_stdin_is_an_empty_file(logos: Any) -> None:
    done = logos("encode", stdin=None, code=ExitCode.USAGE)
    assert "<stdin>: the file is empty" in done.stderr
    done = logos("encode", stdin="\n \n", code=ExitCode.USAGE)
    assert "<stdin>: the file has only blank lines" in done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX")
def test_a_home_that_cannot_be_written(logos: Any, fasta: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    done = logos("encode", fasta, env={"HOME": str(home), "LOGOS_CACHE": "/proc/none"}, code=0)
    assert len(done.stdout.splitlines()) == 2


# -- signals -------------------------------------------------------------------------------------------------


@pytest.fixture
def running(preloaded_argv: list[str], logos_env: dict[str, str], many: Path, tmp_path: Path) -> Iterator[Any]:
    """Start ``logos encode many.fasta -o OUTPUT`` and wait until it writes."""
    started: list[subprocess.Popen[str]] = []

    def start(output: str, *arguments: str) -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [*preloaded_argv, "encode", str(many), "-o", output, *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=logos_env,
            cwd=tmp_path,
            start_new_session=True,
        )
        started.append(process)
        part = tmp_path / f"{output}.part"
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process.poll() is None, "too fast to be interrupted: raise N_MANY"
        return process, part

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, ExitCode.INTERRUPTED, "interrupted"), (signal.SIGTERM, ExitCode.TERMINATED, "terminated")],
)
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_signal_keeps_finished_records(
    running: Any, number: signal.Signals, code: ExitCode, word: str, suffix: str
) -> None:
    process, part = running(f"out.{suffix}")
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert _clean(stderr)
    assert not part.with_name(f"out.{suffix}").exists()
    ids = [json.loads(line)["id"] for line in _text(part).splitlines()]
    kept = (
        f"{len(ids):,} finished records" if suffix == "jsonl" else f"what was finished ({part.stat().st_size:,} bytes)"
    )
    assert stderr.splitlines() == [
        f"{word}; out.{suffix}.part holds {kept}",
        "hint: a run that can go on has a directory: give -o DIR/ instead of a file, and later --resume",
    ]
    assert 0 < len(ids) < N_MANY
    assert ids == [f"p{number}" for number in range(len(ids))], "whole records, none lost between"


def _text(path: Path) -> str:
    if path.name.endswith(".gz.part"):
        return gzip.decompress(path.read_bytes()).decode()
    if path.name.endswith(".zst.part"):
        import zstandard

        with zstandard.open(path, "rt", encoding="utf-8") as stream:
            return str(stream.read())
    return path.read_text()


def _wait_for_handlers(pid: int) -> None:
    """Wait until a process catches SIGTERM, which it does before all else; where that cannot be seen, two seconds."""
    state = Path(f"/proc/{pid}/status")
    if not state.exists():
        time.sleep(2)
        return
    while not int(state.read_text().partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1:
        time.sleep(0.05)
    time.sleep(0.7)  # and has loaded what it needs


def test_a_signal_while_waiting_for_input(logos_argv: list[str], logos_env: dict[str, str]) -> None:
    for number, code in ((signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)):
        process = subprocess.Popen(
            [*logos_argv, "encode", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=logos_env,
            start_new_session=True,
        )
        _wait_for_handlers(process.pid)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == code
        assert _clean(stderr)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_signal_in_a_finalizer_is_not_lost(number: signal.Signals, code: ExitCode, checkout: Path) -> None:
    """What its handler raises there cannot leave it."""
    program = f"""
import signal, sys, time
from logos_cli.cli.boundary import run
from logos_cli.cli.signals import install_signal_handlers

class Freed:
    def __del__(self):
        signal.raise_signal({int(number)})
        time.sleep(0)

def work():
    Freed()
    time.sleep(60)

install_signal_handlers()
sys.exit(run(work))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=dict(os.environ) | {"PYTHONPATH": str(checkout)},
    )
    assert done.returncode == code, done.stderr
    assert _clean(done.stderr)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), pytest.param(signal.SIGTERM, ExitCode.TERMINATED, marks=pytest.mark.slow)],
)
def test_a_signal_that_a_library_swallows_is_not_lost_and_cleaning_up_is_not_disturbed(
    number: signal.Signals, code: ExitCode, checkout: Path
) -> None:
    program = f"""
import contextlib, signal, sys, time
from logos_cli.cli import signals
from logos_cli.cli.boundary import run
signals._CHECK_AFTER_S = 0.5

def clean():
    with contextlib.suppress(ValueError):
        raise ValueError  # another exception that is handled meanwhile
    time.sleep(2)
    print("clean")

def work():
    with contextlib.ExitStack() as stack:
        stack.callback(clean)
        try:
            signal.raise_signal({int(number)})
            time.sleep(0)
        except BaseException:
            pass  # as around the import of an optional library
        time.sleep(60)

signals.install_signal_handlers()
sys.exit(run(work))
"""
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=dict(os.environ) | {"PYTHONPATH": str(checkout)},
    )
    assert (done.returncode, done.stdout) == (code, "clean\n"), done.stderr
    assert time.monotonic() - begin < 40


def test_an_interruption_within_a_text_that_is_evaluated_is_one_like_others(checkout: Path, tmp_path: Path) -> None:
    """Data classes evaluate texts while modules are imported; ``python -m`` would die of SIGINT."""
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, sys, importlib.abc\n"
        "class Interrupter(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'logos_cli.workflows.encode':\n"
        "            exec('signal.raise_signal(signal.SIGINT); 1')\n"
        "sys.meta_path.insert(0, Interrupter())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "logos_cli", "encode", "-"],
        input="CCO\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ) | {"PYTHONPATH": f"{tmp_path}:{checkout}"},
    )
    assert (done.returncode, done.stdout) == (ExitCode.INTERRUPTED, ""), done.stderr
    assert _clean(done.stderr)


def test_a_second_interruption_ends_what_nobody_reads(checkout: Path) -> None:
    """The rest of the output waits for its reader, who does not come."""
    program = """
import signal, sys
from logos_cli.cli.boundary import run
from logos_cli.cli.signals import install_signal_handlers

def work():
    sys.stdout.write("x" * 5_000)
    signal.raise_signal(signal.SIGINT)

install_signal_handlers()
sys.exit(run(work))
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pipesize=4096,
        env=dict(os.environ) | {"PYTHONPATH": str(checkout), "PYTHONUNBUFFERED": ""},
    ) as process:
        wchan = Path(f"/proc/{process.pid}/wchan")
        until = time.monotonic() + 30
        while wchan.exists() and "pipe_write" not in wchan.read_text() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0 if wchan.exists() else 2)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert _clean(process.stderr.read())
        assert process.wait(30) == ExitCode.INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_waits_for_a_pipe_says_so_and_can_be_ended(
    tmp_path: Path, checkout: Path, number: signal.Signals
) -> None:
    os.mkfifo(tmp_path / "library.smi")
    with subprocess.Popen(
        [sys.executable, "-m", "logos_cli", "encode", "library.smi"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ) | {"PYTHONPATH": str(checkout)},
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "warning: library.smi is a pipe: waiting for a program that writes to it\n"
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
        assert _clean(process.stderr.read())


# -- the boundary itself -------------------------------------------------------------------------------------


def test_an_unforeseen_error_asks_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    from logos_cli.cli.boundary import run

    def fail() -> None:
        raise ZeroDivisionError("division by zero")

    assert run(fail) is ExitCode.FAILED
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: internal error: ZeroDivisionError: division by zero\nhint: ")
    assert "Traceback" not in stderr


def _missing(reason: str) -> MissingError:
    error = MissingError("docking needs vina", hint="pip install vina")
    error.__cause__ = ImportError(reason)
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), ExitCode.OUT_OF_MEMORY),
        (ImportError("libRDKit.so.1: failed to map segment from shared object"), ExitCode.OUT_OF_MEMORY),
        (_missing("libvina.so: failed to map segment from shared object"), ExitCode.OUT_OF_MEMORY),
        (_missing("No module named 'vina'"), MissingError("").exit_code),
        (ImportError("libRDKit.so.1: cannot open shared object file: No such file or directory"), ExitCode.FAILED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (BrokenPipeError(), ExitCode.OK),
        (OSError(5, "Input/output error", "disk"), ExitCode.FAILED),
    ],
)
def test_what_python_raises_becomes_an_exit_code(
    error: BaseException, code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logos_cli.cli import boundary

    def fail() -> None:
        raise error

    monkeypatch.setattr(boundary, "_abandon_stdout", lambda: None)
    assert boundary.run(fail) is code


def test_every_error_class_is_shown_with_place_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    from logos_cli import errors
    from logos_cli.cli.boundary import run

    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.LogosError)]
    assert len(classes) >= 10
    for cls in classes:
        if cls is errors.GrammarError:
            continue

        def fail(cls: type[errors.LogosError] = cls) -> None:
            raise cls("what", hint="remedy", source="file:3")

        assert run(fail) is cls.exit_code
        assert capsys.readouterr().err == "error: file:3: what\nhint: remedy\n"
