"""Whether there is something of a name: ``Path.exists`` raises for a name of more than 255 bytes, or without permission.

A text that can be no name names nothing. What may not be looked up may be there: opening it reports the reason.
"""

from __future__ import annotations

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
