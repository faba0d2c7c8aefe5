"""Decompression by content: gzip, Zstandard, xz and bzip2; an error names other packers and the way to unpack."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

from logos_cli.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIXES = (".gz", ".zst", ".xz", ".bz2")
"""File name endings that come after a format's own ending."""

_BLOCK = 1 << 16

_UNPACK = {
    b"PK\x03\x04": ("a ZIP archive", "unzip it first"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "7z x"),
    b"\x1f\x9d": ("compressed by compress (.Z)", "gunzip it first; gzip reads .Z"),
    b"\x04\x22\x4d\x18": ("compressed by lz4", "lz4 -d it first"),
    b"Rar!": ("a RAR archive", "unrar it first"),
}

_ZIP_NAME = 30
"""Where the name of the first file stands in a ZIP archive."""
_OFFICE = (b"[Content_Types].xml", b"docProps/", b"_rels/", b"xl/")
"""Names at the beginning of a workbook, which is a ZIP archive that is read as it is."""


def decompress(stream: io.BufferedReader, name: str) -> io.BufferedReader:
    """Return the content of a stream, decompressed if its first bytes are those of a compressed file.

    Raises
    ------
    InputError
        If it is a tar archive, or packed in a way that logos does not read; the hint is the way to unpack it.
    """
    magic = stream.peek(512)[:512]
    for prefix, (what, remedy) in _UNPACK.items():
        if magic.startswith(prefix) and not any(magic.startswith(office, _ZIP_NAME) for office in _OFFICE):
            raise InputError(f"is {what}", source=name, hint=remedy)
    for prefix, engine in _ENGINES.items():
        if magic.startswith(prefix):
            inner: io.BufferedReader = io.BufferedReader(_Decompressed(stream, engine, name), _BLOCK)
            _refuse_tar(inner.peek(512), name)
            return inner
    _refuse_tar(magic, name)
    return stream


def _refuse_tar(head: bytes, name: str) -> None:
    if head[257:262] == b"ustar":
        raise InputError("is a tar archive", source=name, hint="unpack it first: tar xf")


class _Decompressor(Protocol):
    """One compressed member, as :mod:`bz2`, :mod:`lzma` and :mod:`zlib` read it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Decompressed(io.RawIOBase):
    """A stream of one or several compressed members, strict about the end of each.

    ``engine`` returns an object with ``decompress``, ``eof`` and ``unused_data``, as :mod:`bz2`, :mod:`lzma`
    and :mod:`zlib` have them.
    """

    def __init__(self, stream: IO[bytes], engine: Callable[[], _Decompressor], name: str) -> None:
        self._stream = stream
        self._engine = engine
        self._name = name
        self._member = engine()
        self._pending = b""
        self._read = getattr(stream, "read1", stream.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._pending:
            if not self._advance():
                return 0
        view = memoryview(buffer)
        size = min(len(view), len(self._pending))
        view[:size] = self._pending[:size]
        self._pending = self._pending[size:]
        return size

    def _advance(self) -> bool:
        """Decompress one more block; return False at the end of the last member."""
        rest = b""
        if self._member.eof:
            rest = self._member.unused_data.lstrip(b"\0")  # tapes and some tools pad with zeros
            rest = rest or self._read(_BLOCK).lstrip(b"\0")
            if not rest:
                return False
            self._member = self._engine()
        # output is bounded per call, so that a small file cannot fill the memory
        more = _has_more(self._member)
        block = rest or (b"" if more else self._read(_BLOCK))
        if not block and not more:
            raise InputError(
                "the compressed data are cut off", source=self._name, hint="copy or download the file again"
            )
        errors = _engine_errors()
        try:
            self._pending = self._member.decompress(block, _BLOCK)
        except errors as error:
            raise InputError(
                f"the compressed data are damaged: {error}", source=self._name, hint="copy or download the file again"
            ) from error
        return True


def _has_more(member: _Decompressor) -> bool:
    """Whether a decompressor can return more without further input."""
    return not getattr(member, "needs_input", True)


def _engine_errors() -> tuple[type[Exception], ...]:
    from lzma import LZMAError

    return (OSError, ValueError, EOFError, zlib.error, LZMAError, *_zstd_errors)


_zstd_errors: list[type[Exception]] = []


class _Gzip:
    """One gzip member with the interface of :class:`bz2.BZ2Decompressor`."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, block: bytes, limit: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + block, limit)


class _Zstandard:
    """One Zstandard frame with the interface of :class:`bz2.BZ2Decompressor`.

    The library cannot bound the output of one call, and four bytes may stand for 128 KiB. The frame is therefore
    fed in small slices, whatever the limit.
    """

    _SLICE = 1 << 9

    def __init__(self) -> None:
        import zstandard

        if zstandard.ZstdError not in _zstd_errors:
            _zstd_errors.append(zstandard.ZstdError)
        self._inner = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data + self._waiting

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    def decompress(self, block: bytes, _limit: int) -> bytes:
        block = self._waiting + block
        self._waiting = block[self._SLICE :]
        return self._inner.decompress(block[: self._SLICE])


def _xz() -> _Decompressor:
    from lzma import LZMADecompressor

    return LZMADecompressor()


def _bzip2() -> _Decompressor:
    from bz2 import BZ2Decompressor

    return BZ2Decompressor()


_ENGINES: dict[bytes, Callable[[], _Decompressor]] = {
    b"\x1f\x8b": _Gzip,
    b"\x28\xb5\x2f\xfd": _Zstandard,
    b"\xfd7zXZ\0": _xz,
    b"BZh": _bzip2,
}
