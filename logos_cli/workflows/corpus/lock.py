"""One process at a time in a directory."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from logos_cli.errors import UsageError


@contextmanager
def locked(directory: Path, doing: str) -> Iterator[None]:
    """Keep a second process out of the directory; the lock ends with the process, however it ends.

    Some network file systems have no locks: there it keeps nobody out.

    Parameters
    ----------
    doing : str
        What the process does there, for the message: ``building``.

    Raises
    ------
    UsageError
        If another process is there.
    """
    with (directory / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another process is {doing} here", source=str(directory)) from error
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP):
                raise
        yield
