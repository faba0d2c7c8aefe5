"""Opening files: compression, damage, odd encodings."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from logos_cli.errors import ExitCode, InputError
from logos_cli.formats.detect import detect
from logos_cli.io import input as input_module
from logos_cli.io.input import Input
from logos_cli.io.reopen import reopen

CONTENT = b"".join(b">seq%d\n%s\n" % (index, b"MKVLAA" * (index % 50 + 1)) for index in range(4_000))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def read(path: str) -> bytes:
    with Input(path) as source:
        return source.read()


@pytest.mark.parametrize("suffix", PACKERS)
def test_compressed_content_is_recognised_whatever_the_name(tmp_path: Path, suffix: str) -> None:
    source = Input(write(tmp_path / "misnamed.txt", PACKERS[suffix](CONTENT)))
    assert source.head == CONTENT[: 1 << 16]
    assert source.read() == CONTENT


@pytest.mark.parametrize("suffix", PACKERS)
def test_several_members_are_one_content(tmp_path: Path, suffix: str) -> None:
    packed = PACKERS[suffix](CONTENT) + PACKERS[suffix](b">last\nMK\n")
    assert b"".join(Input(write(tmp_path / "a", packed)).lines()) == CONTENT + b">last\nMK\n"


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_truncated_compressed_data_are_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    packed = PACKERS[suffix](CONTENT)
    path = write(tmp_path / f"cut.fasta{suffix}", packed[: max(24, int(len(packed) * share))])
    with pytest.raises(InputError, match=r"cut off|damaged") as caught:
        read(path)
    assert caught.value.source == path
    assert caught.value.hint == "copy or download the file again"
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("suffix", PACKERS)
def test_corrupt_compressed_data_are_an_error(tmp_path: Path, suffix: str) -> None:
    packed = bytearray(PACKERS[suffix](CONTENT))
    middle = len(packed) // 2
    packed[middle : middle + 40] = bytes(40)
    with pytest.raises(InputError, match=r"damaged|cut off"):
        read(write(tmp_path / f"bad{suffix}", bytes(packed)))


def test_lines_before_the_damage_are_read(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(1 << 20).hex("\n").encode())[:600_000]
    with Input(write(tmp_path / "cut.gz", packed)) as source:
        lines = source.lines()
        assert next(lines)
        with pytest.raises(InputError, match="cut off"):
            list(lines)


@pytest.mark.parametrize(
    ("magic", "what"),
    [
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x1f\x9drest", "compress"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"\x04\x22\x4d\x18x", "lz4"),
    ],
)
def test_other_packers_are_named_with_the_remedy(tmp_path: Path, magic: bytes, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        Input(write(tmp_path / "packed", magic))
    assert caught.value.hint


def test_a_tar_archive_is_named(tmp_path: Path) -> None:
    import tarfile

    inner = tmp_path / "a.fasta"
    inner.write_bytes(b">a\nMK\n")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(inner, "a.fasta")
    with pytest.raises(InputError, match="tar archive"):
        Input(str(tmp_path / "a.tar.gz"))


@pytest.mark.parametrize(
    "suffix", [each if each in (".gz", ".zst") else pytest.param(each, marks=pytest.mark.slow) for each in PACKERS]
)
def test_a_decompression_bomb_does_not_fill_the_memory(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setenv("LOGOS_MAX_LINE_MIB", "1")
    path = write(tmp_path / f"bomb{suffix}", PACKERS[suffix](bytes(96 << 20)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Input(path) as source, pytest.raises(InputError, match="line 1 is longer"):
        list(source.lines())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 << 10


def test_missing_directory_and_null_names() -> None:
    for path, message in (("/no/such/file", "no such file"), ("/", "is a directory"), ("a\0b", "cannot be opened")):
        with pytest.raises(InputError, match=message):
            Input(path)


def test_an_unreadable_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "secret.fasta", b">a\nMK\n")
    Path(path).chmod(0)
    if os.geteuid() == 0:  # root reads everything: let the system refuse instead

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="may not be read") as caught:
        Input(path)
    assert "ls -l" in (caught.value.hint or "")


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        detect(Input(write(tmp_path / "empty.fasta", b"")))
    with pytest.raises(InputError, match="empty"):
        detect(Input(write(tmp_path / "empty.fasta.gz", gzip.compress(b""))))


def test_binary_noise(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 40
    with pytest.raises(InputError, match="binary data of no known format"):
        detect(Input(write(tmp_path / "noise.pdb", noise)))


def test_a_huge_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "long.txt", b"short\n" + b"A" * (2 << 20))
    monkeypatch.setenv("LOGOS_MAX_LINE_MIB", "1")
    with Input(path) as source:
        lines = source.lines()
        assert next(lines) == b"short\n"
        with pytest.raises(InputError, match="line 2 is longer than 1 MiB") as caught:
            next(lines)
    assert caught.value.hint == "set LOGOS_MAX_LINE_MIB to allow more"
    monkeypatch.setenv("LOGOS_MAX_LINE_MIB", "3")
    with Input(path) as source:
        assert len(list(source.lines())[1]) == 2 << 20


def test_content_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_MAX_CONTENT_MIB", "1")
    assert len(read(write(tmp_path / "a", b"A" * (1 << 20)))) == 1 << 20
    path = write(tmp_path / "b", b"A" * ((1 << 20) + 1))
    with pytest.raises(InputError, match=r"larger than 1 MiB") as caught:
        read(path)
    assert "LOGOS_MAX_CONTENT_MIB" in (caught.value.hint or "")


def test_byte_order_marks_and_line_ends(tmp_path: Path) -> None:
    assert list(Input(write(tmp_path / "a", b"\xef\xbb\xbf>a\r\nMK\r\n")).text_lines()) == [">a", "MK"]
    assert list(Input(write(tmp_path / "b", b">a\rMK\rLL")).text_lines()) == [">a", "MK", "LL"]
    with pytest.raises(InputError, match="UTF-16"):
        Input(write(tmp_path / "c", ">a\nMK\n".encode("utf-16")))


def test_standard_input() -> None:
    stream = io.BytesIO(gzip.compress(b">a\nMK\n"))
    source = Input("-", stream)
    assert (source.name, source.stem, source.sha256, source.provenance) == (
        "<stdin>",
        "stdin",
        None,
        {"path": "<stdin>"},
    )
    assert source.read() == b">a\nMK\n"
    source.close()
    assert not stream.closed


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(InputError, match="closed"):
        Input("-", closed)
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="closed"):
        Input("-")


def test_records_of_a_pipe_are_handed_on_as_they_come() -> None:
    """A reader behind `generate` must not wait for 64 KiB."""
    out, into = os.pipe()
    seen = threading.Event()

    def feed() -> None:
        with os.fdopen(into, "wb", 0) as pipe:
            pipe.write(b'{"text": "first"}\n')
            seen.wait(10)
            pipe.write(b'{"text": "second"}\n')

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(out, "rb") as stream:
        lines = Input("-", stream).lines()
        assert next(lines) == b'{"text": "first"}\n'
        seen.set()
        assert next(lines) == b'{"text": "second"}\n'
    thread.join()


def test_hash_and_names(tmp_path: Path) -> None:
    import hashlib

    packed = gzip.compress(b">a\nMK\n")
    source = Input(write(tmp_path / "My.seqs.fasta.gz", packed))
    assert source.sha256 == hashlib.sha256(packed).hexdigest()
    assert source.stem == "My.seqs"


def test_a_pipe_is_not_hashed(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=lambda: fifo.write_bytes(b">a\nMK\n"))
    thread.start()
    source = Input(str(fifo))
    assert source.read() == b">a\nMK\n"
    assert source.sha256 is None
    thread.join()
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_pipe_without_a_writer_is_waited_for_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_module, "_REPORT_AFTER_S", 0.01)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write() -> None:
        while "waiting" not in caplog.text:
            time.sleep(0.01)
        fifo.write_bytes(b">a\nMK\n")

    thread = threading.Thread(target=write)
    thread.start()
    assert Input(str(fifo)).read() == b">a\nMK\n"
    thread.join()
    assert caplog.messages == [f"{fifo} is a pipe: waiting for a program that writes to it"]


def test_the_structure_of_a_record_is_not_read_from_a_pipe_again(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.pdb"
    os.mkfifo(fifo)
    with pytest.raises(InputError, match="is a pipe"):
        reopen({"path": str(fifo)})
