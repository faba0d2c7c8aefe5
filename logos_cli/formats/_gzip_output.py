"""Compressed output that a signal does not spoil."""

from __future__ import annotations

import contextlib
import gzip
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LEVEL = 6  # of gzip's 1 to 9; 9 takes three times as long for 2 % less


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


class GzipOutput(gzip.GzipFile):
    """A ``.gz`` file for writing.

    Bytes and checksum are written together or not at all, so that what an interrupted run leaves can be read;
    the file has no time stamp, so that the same content gives the same file; and it closes the file under it,
    so that a full disk is noticed.
    """

    def __init__(self, path: Path) -> None:
        self._under = path.open("wb")
        super().__init__(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._under, mtime=0)

    def write(self, data: Buffer) -> int:
        """Write bytes, whatever signal comes."""
        with signals_held():
            return super().write(data)

    def close(self) -> None:
        """Write the checksum and close the file."""
        with signals_held():
            try:
                super().close()
            finally:
                self._under.close()
