"""Lock a file or a directory, so that one process at a time works on it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from logos_cli.errors import UsageError
from logos_cli.records.json_text import parse_json

_NO_LOCKS: Final = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)
_PAUSE_S: Final = 0.1
LOCK: Final = ".lock"
"""Name of the lock in a directory, and ending of that beside a file."""

_held: Final[set[IO[str]]] = set()
"""The open locks of this process, which its copies must not keep."""


def _give_up() -> None:
    """Close the locks that a copy of a process has inherited: they end with the process that took them, not with the copy."""
    while _held:
        _held.pop().close()


os.register_at_fork(after_in_child=_give_up)


class LockedError(UsageError):
    """Another process works on the file or directory."""


@contextmanager
def locked(path: Path, doing: str, *, wait: bool = False) -> Iterator[None]:
    """Lock a file or a directory; the lock ends with this process, however it ends.

    The lock is a file that names its holder: ``.lock`` in a directory, ``NAME.lock`` beside a file. The lock of a killed
    process is taken over. A file system without locks does not show whether a process on another machine is still
    alive: there its lock holds until somebody removes it.

    Parameters
    ----------
    doing : str
        The work of the process, for the message: ``building``.
    wait : bool
        Wait until the other process has finished.

    Raises
    ------
    LockedError
        If another process has the lock.
    OSError
        If the lock cannot be written.
    """
    place = path / LOCK if path.is_dir() else path.with_name(f"{path.name}{LOCK}")
    while (stream := _take(place)) is None:
        if not wait:
            hint = f"wait until it has ended; if its machine was lost, remove {place}"
            raise LockedError(f"another process{_holder(place)} is {doing} here", source=str(path), hint=hint)
        time.sleep(_PAUSE_S)
    _held.add(stream)
    with stream:
        try:
            yield
        finally:
            place.unlink(missing_ok=True)
            _held.discard(stream)


def _take(place: Path) -> IO[str] | None:
    """Return the open lock with this process as its holder, or None if another process has it."""
    descriptor = os.open(place, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    stream = os.fdopen(descriptor, "a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(stream, place):  # its holder has just removed it
            stream.close()
            return _take(place)
        held = False
    except BlockingIOError:
        held = True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            stream.close()
            raise
        held = _may_be_alive(_read(place))
    if held:
        stream.close()
        return None
    stream.truncate(0)
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    stream.write(json.dumps(holder))
    stream.flush()
    return stream


def _is_at(stream: IO[str], place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), place.stat())
    except FileNotFoundError:
        return False


def _read(place: Path) -> dict[str, str | int]:
    try:
        found = parse_json(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _holder(place: Path) -> str:
    found = _read(place)
    if {"host", "pid", "since"} <= found.keys():
        return f" ({found['pid']} on {found['host']}, since {found['since']})"
    return ""


def _may_be_alive(holder: dict[str, str | int]) -> bool:
    pid = holder.get("pid")
    if not isinstance(pid, int):
        return False
    if holder.get("host") != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()
