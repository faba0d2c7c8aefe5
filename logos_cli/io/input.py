"""Open files, plain or compressed, and standard input, with their first bytes at hand for sniffing."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, cast

from logos_cli import limits
from logos_cli.errors import InputError
from logos_cli.io import places
from logos_cli.io.compression import decompress
from logos_cli.io.names import stem_of
from logos_cli.records import Source

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

HEAD = 1 << 16
_PIECE = 1 << 20

_REPORT_AFTER_S = 1.0
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Input:
    """One file, or standard input, decompressed.

    The UTF-8 byte order mark is dropped, and in a text whose lines end in a bare CR (classic Mac OS) the CRs
    become LFs, so that readers need not handle either.

    Parameters
    ----------
    path : str
        A file, or ``-`` for standard input.
    stdin : binary stream, optional
        What to read for ``-``; the process's own standard input if absent.

    Attributes
    ----------
    name : str
        The path as given, or ``<stdin>``.
    head : bytes
        The first 64 KiB of the decompressed content. From a pipe that carries sentences or records it may be
        less: whole lines pass on as they arrive.

    Raises
    ------
    InputError
        If the file cannot be opened, or its beginning cannot be decompressed.
    """

    def __init__(self, path: str, stdin: IO[bytes] | None = None) -> None:
        self.name = "<stdin>" if path == "-" else path
        self.path = None if path == "-" else Path(path)
        self._raw = self._open(stdin)
        try:
            self._stream, self.head = self._begin(self._raw)
        except InputError:
            self.close()
            raise

    @property
    def stem(self) -> str:
        """The file's name without folder and endings, for naming entries that have no name of their own."""
        if self.path is None:
            return "stdin"
        return stem_of(self.path)

    def _open(self, stdin: IO[bytes] | None) -> io.BufferedReader:
        """Open the file or standard input, without decompression."""
        if self.path is None:
            raw: IO[bytes] | None = stdin
            if raw is None:
                raw = getattr(sys.stdin, "buffer", None)
            if raw is None or raw.closed:
                raise InputError("standard input is closed", source=self.name, hint="name a file, or pipe data in")
        else:
            raw = self._open_file(self.path)
        return io.BufferedReader(cast("io.RawIOBase", _Forward(raw)), HEAD)

    def _open_file(self, path: Path) -> IO[bytes]:
        try:
            if path.is_dir():
                os.scandir(path).close()  # one that may not be listed is reported as such
                raise InputError("is a directory", source=self.name, hint="name the files in it")
            with _Waiting(self.name) if places.is_named_pipe(path) else nullcontext():
                return path.open("rb")
        except FileNotFoundError as error:
            raise InputError("there is no such file", source=self.name, hint="check the path") from error
        except PermissionError as error:
            raise InputError(
                "may not be read", source=self.name, hint=f"check its permissions: ls -l {self.name}"
            ) from error
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            raise InputError(f"cannot be opened: {reason_of(error)}", source=self.name) from error

    def _begin(self, raw: io.BufferedReader) -> tuple[io.BufferedReader, bytes]:
        """Return the decompressed content and its first bytes."""
        with self._reading():
            stream = decompress(raw, self.name)
            head = _first_bytes(stream)
        if head.startswith(_UTF16):
            raise InputError(
                "the text is in UTF-16", source=self.name, hint="save it as UTF-8, e.g. iconv -f UTF-16 -t UTF-8"
            )
        content = head.removeprefix(b"\xef\xbb\xbf")
        bare_cr = b"\r" in content and b"\n" not in content and b"\0" not in content
        if bare_cr:
            content = content.replace(b"\r", b"\n")
        rejoined = _Rejoined(content, stream, bare_cr=bare_cr)
        return io.BufferedReader(rejoined, HEAD), content

    def _reading(self) -> _Reading:
        return _Reading(self.name)

    @cached_property
    def sha256(self) -> str | None:
        """SHA-256 of the file on disk; None for standard input, pipes and devices."""
        if self.path is None:
            return None
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                return None
            with self.path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"cannot be read: {reason_of(error)}", source=self.name) from error

    @cached_property
    def provenance(self) -> Source:
        """Path and SHA-256, as every record of this input carries them; copy before adding to it."""
        provenance: Source = {"path": self.name}
        if self.sha256 is not None:
            provenance["sha256"] = self.sha256
        return provenance

    def read(self) -> bytes:
        """Return the whole content, or what is left of it.

        Raises
        ------
        InputError
            If it is damaged, or larger than it may be (:data:`logos_cli.limits.CONTENT`).
        """
        largest = limits.CONTENT.n_bytes
        with self._reading():
            content = io.BytesIO()
            while piece := self._stream.read(_PIECE):  # a read of the largest size would reserve it all
                if content.tell() + len(piece) > largest:
                    raise InputError(
                        f"the content is larger than {limits.CONTENT.text}",
                        source=self.name,
                        hint=f"split the file, or {limits.CONTENT.hint}",
                    )
                content.write(piece)
        return content.getvalue()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines with their ends, in constant memory.

        Raises
        ------
        InputError
            If the content is damaged, or a line is longer than it may be (:data:`logos_cli.limits.LINE`).
        """
        readline = self._stream.readline
        number, longest = 0, limits.LINE.n_bytes
        with self._reading():
            while line := readline(longest):
                number += 1
                if len(line) >= longest:
                    raise InputError(
                        f"line {number} is longer than {limits.LINE.text}", source=self.name, hint=limits.LINE.hint
                    )
                yield line

    def text_lines(self) -> Iterator[str]:
        """Yield the lines as text without their ends; bytes that are not UTF-8 become U+FFFD."""
        for line in self.lines():
            yield line.rstrip(b"\r\n").decode("utf-8", "replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self.path is not None:
            self._raw.close()


class MemoryInput(Input):
    """Bytes in memory, read as a file.

    Parameters
    ----------
    name : str
        Name of the content, for errors and provenance.
    """

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__("-", io.BytesIO(content))
        self.name = name

    @property
    def stem(self) -> str:
        """The name."""
        return self.name

    @cached_property
    def provenance(self) -> Source:
        """The name of the content as ``object``."""
        return {"object": self.name}


class _Waiting:
    """Reports that a named pipe is waited for, if no other program opens it within a second."""

    def __init__(self, name: str) -> None:
        self._timer = threading.Timer(_REPORT_AFTER_S, self._report)
        self._timer.daemon = True
        self._name = name

    def _report(self) -> None:
        import logging

        logging.getLogger("logos_cli.input").warning(
            "%s is a pipe: waiting for a program that writes to it", self._name
        )

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


class _Reading:
    """Turns the exceptions of reading into an :class:`InputError`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EOFError):
            raise InputError(
                f"the compressed data are cut off: {error}", source=self.name, hint="copy or download the file again"
            ) from error
        if isinstance(error, (OSError, ValueError)):
            raise InputError(f"cannot be read: {reason_of(error)}", source=self.name) from error


def reason_of(error: Exception) -> str:
    """Return what an error of the system or of a library reports."""
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__


class _Forward(io.RawIOBase):
    """Reads from any binary stream."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        # `read1` returns what a pipe has; `read` of a buffered stream would wait for the whole block
        self._read = getattr(stream, "read1", stream.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            super().close()


class _Rejoined(io.RawIOBase):
    """The bytes read for sniffing, then the rest of the stream."""

    def __init__(self, head: bytes, rest: IO[bytes], *, bare_cr: bool) -> None:
        self._head = memoryview(head)
        self._rest = rest
        self._read = getattr(rest, "read1", rest.read)
        self._bare_cr = bare_cr

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        size = len(view)
        data: ReadableBuffer
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._read(size)
            if self._bare_cr:
                data = cast("bytes", data).replace(b"\r", b"\n")
        length = len(memoryview(data))
        view[:length] = data
        return length


def _first_bytes(stream: io.BufferedReader) -> bytes:
    """Read up to ``HEAD`` bytes; of sentences and records only the whole lines that have arrived."""
    head = b""
    while len(head) < HEAD:
        piece = stream.read1(HEAD - len(head))
        if not piece:
            break
        head += piece
        if head.startswith((b"{", b"<")) and b"\n" in head:
            break
    return head
