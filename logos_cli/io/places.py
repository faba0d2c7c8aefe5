"""Whether there is something of a name: ``Path.exists`` raises for a name of more than 255 bytes, or without permission.

A text that can be no name names nothing. What may not be looked up may be there: opening it reports the reason.
"""

from __future__ import annotations

import stat
from pathlib import Path


def exists(path: str | Path) -> bool:
    """Return whether there is anything of this name."""
    try:
        return Path(path).exists()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


def is_file(path: str | Path) -> bool:
    """Return whether it is a file."""
    try:
        return Path(path).is_file()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


def is_directory(path: str | Path) -> bool:
    """Return whether it is a directory."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_special(path: str | Path) -> bool:
    """Return whether it is a pipe, socket or device: reading one can wait for ever, and what is read of a pipe is gone."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_named_pipe(path: str | Path) -> bool:
    """Return whether it is a pipe with a name (``mkfifo``)."""
    try:
        return Path(path).is_fifo()
    except (OSError, ValueError):
        return False
