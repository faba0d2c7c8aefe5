"""Read and append the records of a shard: plain, or as gzip members that state their lengths.

A compressed file has one member for each block of records. The header of a member states its length, and that of its
content, in a field that every gzip program skips: members are found without decompression, and a member that was cut off
by the end of a process is noticed and removed.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from bisect import bisect_right
from pathlib import Path
from typing import Final

from logos_cli.errors import FormatError

GZIP: Final = ".gz"
_LEVEL: Final = 6
_HEAD: Final = struct.Struct("<4sIBBHccHII")
"""Magic number, method and flags; time; two bytes without meaning here; length of the extra field; its name and length; the
lengths of the member and of its content."""
_MAGIC: Final = b"\x1f\x8b\x08\x04"
_TAIL: Final = struct.Struct("<II")


def compress(content: bytes) -> bytes:
    """Return a block of records as a gzip member; nothing for no content."""
    if not content:
        return b""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush()
    n_member = _HEAD.size + len(packed) + _TAIL.size
    head = _HEAD.pack(_MAGIC, 0, 0, 255, 12, b"L", b"G", 8, n_member, len(content))
    return b"".join((head, packed, _TAIL.pack(zlib.crc32(content), len(content))))


class ContentFile:
    """A file of a shard that is read in pieces; it stays open if there are not too many.

    Positions are those of the content, whether or not the file is compressed.

    Parameters
    ----------
    path : Path
        A file that ends in ``.gz`` is compressed; one that does not exist is empty.
    stays_open : bool
        Keep it open between two reads, which saves a request to a file server.

    Attributes
    ----------
    n_bytes : int
        Length of the content; a member that was cut off does not count.
    """

    def __init__(self, path: Path, *, stays_open: bool = False) -> None:
        self._path = path
        self._stays_open = stays_open
        self._descriptor: int | None = None
        self._is_compressed = path.suffix == GZIP
        size = path.stat().st_size if path.exists() else 0
        self._starts, self._places = array("Q", [0]), array("Q", [0])
        """Position in the content and in the file of each member, and their ends."""
        self._member = -1
        self._unpacked = b""
        if self._is_compressed:
            self._find_members(size)
        self.n_bytes = self._starts[-1] if self._is_compressed else size

    def _find_members(self, size: int) -> None:
        place = 0
        while place + _HEAD.size < size:
            magic, *_, n_member, n_content = _HEAD.unpack(self._read(place, _HEAD.size))
            if magic != _MAGIC:
                raise FormatError("the compressed records are damaged", source=str(self._path))
            place += n_member
            if place > size:
                break
            self._starts.append(self._starts[-1] + n_content)
            self._places.append(place)
        if not self._stays_open:
            self.close()

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes of a part of the content.

        Raises
        ------
        FormatError
            If a member is damaged.
        """
        if end <= start:
            return b""
        found = self._read_members(start, end) if self._is_compressed else self._read(start, end - start)
        if not self._stays_open:
            self.close()
        return found

    def _read_members(self, start: int, end: int) -> bytes:
        pieces = []
        for number in range(bisect_right(self._starts, start) - 1, len(self._starts) - 1):
            first = self._starts[number]
            if first >= end:
                break
            pieces.append(self._unpack(number)[max(0, start - first) : end - first])
        return b"".join(pieces)

    def _unpack(self, number: int) -> bytes:
        if number != self._member:
            place, next_place = self._places[number], self._places[number + 1]
            try:
                self._unpacked = zlib.decompress(self._read(place, next_place - place), 16 + zlib.MAX_WBITS)
            except zlib.error as error:
                raise FormatError("the compressed records are damaged", source=str(self._path)) from error
            self._member = number
        return self._unpacked

    def _read(self, place: int, n_bytes: int) -> bytes:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        pieces = []
        while n_bytes and (piece := os.pread(self._descriptor, n_bytes, place)):
            pieces.append(piece)
            place += len(piece)
            n_bytes -= len(piece)
        return b"".join(pieces)

    def cut(self, n_bytes: int) -> None:
        """Remove what follows a position of the content, and a member that was cut off.

        The rest of a member is written as a shorter one.
        """
        if not self._path.exists():
            return
        if not self._is_compressed:
            place, rest = min(n_bytes, self.n_bytes), b""
        else:
            number = bisect_right(self._starts, n_bytes) - 1
            place = self._places[number]
            rest = compress(self.read(self._starts[number], n_bytes))
        self.close()
        if self._path.stat().st_size > place:
            os.truncate(self._path, place)
        if rest:
            with self._path.open("ab") as stream:
                stream.write(rest)

    def close(self) -> None:
        """Close it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
