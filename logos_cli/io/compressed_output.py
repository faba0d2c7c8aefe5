"""Compressed output that a signal does not spoil."""

from __future__ import annotations

import contextlib
import gzip
import io
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

_GZIP_LEVEL = 6  # of gzip's 1 to 9; 9 takes three times as long for 2 % less


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    waiting: list[tuple[int, FrameType | None]] = []
    wanted = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.getsignal(number) for number in wanted}
    for number in wanted:
        signal.signal(number, lambda came, frame: waiting.append((came, frame)))
    try:
        yield
    finally:
        for number in wanted:
            signal.signal(number, handlers[number])
        for came, frame in waiting:
            handler = handlers[signal.Signals(came)]
            if callable(handler):
                handler(came, frame)


class CompressedOutput(io.RawIOBase):
    """A ``.gz`` or ``.zst`` file for writing.

    What is compressed and what is counted in the checksum change together or not at all, so that what an
    interrupted run leaves can be read; the file has no time stamp, so that the same content gives the same
    file; and the file under it is closed here, so that a full disk is noticed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._under = path.open("wb")
        self._compressor = _compressor(self._under, path)

    def writable(self) -> bool:
        """Return True: the file is for writing."""
        return True

    def write(self, data: Buffer) -> int:
        """Compress bytes, whatever signal comes."""
        with signals_held():
            self._compressor.write(data)
        return memoryview(data).nbytes

    def close(self) -> None:
        """Write the end and close the file."""
        if self.closed:
            return
        with signals_held():
            try:
                self._compressor.close()
            finally:
                self._under.close()
                super().close()


def _compressor(under: IO[bytes], path: Path) -> IO[bytes]:
    """Return the stream that compresses into another, by what the file is named."""
    name = path.name.removesuffix(".part")
    if name.lower().endswith(".zst"):
        import zstandard

        # the file under it is closed by who opened it, after this one: its errors are not to be lost
        return cast("IO[bytes]", zstandard.ZstdCompressor().stream_writer(under, closefd=False))
    return cast("IO[bytes]", gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=under, mtime=0))
