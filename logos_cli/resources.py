"""Paths of the package's own data and of the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

from logos_cli.errors import MissingError

EMBEDDED = "logos-nano"
"""The model, with its tokenizer, that is part of the package."""

_PACKAGE = Path(__file__).resolve().parent


def data_path(*parts: str) -> Path:
    """Return the path of a data file of the package, e.g. ``data_path("tokenizers", "grammar.lark")``.

    In a wheel the data lie in ``logos_cli/data``; in a checkout, beside the package.
    """
    for root in (_PACKAGE / "data", _PACKAGE.parent):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise MissingError(
        f"the installation lacks its data file {'/'.join(parts)}",
        hint="reinstall: pip install --force-reinstall logos-cli",
    )


def cache_dir() -> Path:
    """Return the user's cache directory of logos (it may not exist, nor be writable).

    ``LOGOS_CACHE``, else ``XDG_CACHE_HOME/logos``, else ``~/.cache/logos``.
    """
    if explicit := os.environ.get("LOGOS_CACHE"):
        return Path(explicit)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "logos"
    return Path("~/.cache/logos").expanduser()
