"""Opening files: plain, .gz, .zst, and standard input, with the beginning in hand for sniffing."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, cast

from logos_cli.errors import InputError

HEAD = 1 << 16
MAX_LINE = 1 << 26
"""Lines longer than this (64 MiB) are refused: no format of ours has them."""


class Input:
    """One file, or standard input, decompressed.

    Parameters
    ----------
    path : str
        A file, or ``-`` for standard input.

    Attributes
    ----------
    name : str
        The path as given, or ``<stdin>``.
    head : bytes
        The first 64 KiB of the decompressed content.
    """

    def __init__(self, path: str, stdin: IO[bytes] | None = None) -> None:
        self.name = "<stdin>" if path == "-" else path
        self.path = None if path == "-" else Path(path)
        self._stream = self._open(stdin)
        try:
            self.head = self._stream.peek(HEAD)[:HEAD]
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            raise self._broken(error) from error

    def _open(self, stdin: IO[bytes] | None) -> io.BufferedReader:
        if self.path is None:
            raw: IO[bytes] = stdin if stdin is not None else sys.stdin.buffer
        else:
            try:
                raw = self.path.open("rb")
            except OSError as error:
                raise InputError(f"cannot be read: {error.strerror}", source=self.name) from error
        stream = io.BufferedReader(cast("io.RawIOBase", raw), HEAD)
        magic = stream.peek(4)[:4]
        if magic.startswith(b"\x1f\x8b"):
            return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=stream)), HEAD)
        if magic == b"\x28\xb5\x2f\xfd":
            import zstandard

            reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
            return io.BufferedReader(cast("io.RawIOBase", reader), HEAD)
        return stream

    def _broken(self, error: Exception) -> InputError:
        return InputError(
            f"the compressed data are damaged or cut off: {error}", source=self.name, hint="copy or download the file again"
        )

    @cached_property
    def sha256(self) -> str | None:
        """SHA-256 of the file as it lies on disk; None for standard input."""
        if self.path is None:
            return None
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def read(self) -> bytes:
        """Return the whole (rest of the) content."""
        try:
            return self._stream.read()
        except (OSError, EOFError) as error:
            raise self._broken(error) from error

    def lines(self) -> Iterator[bytes]:
        """Yield the lines with their ends, in constant memory."""
        try:
            while line := self._stream.readline(MAX_LINE):
                if len(line) >= MAX_LINE:
                    raise InputError(f"a line is longer than {MAX_LINE >> 20} MiB", source=self.name)
                yield line
        except (OSError, EOFError) as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self.path is not None:
            self._stream.close()
