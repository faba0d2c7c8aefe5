"""Names of files without the endings of formats and compression."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from logos_cli import registry
from logos_cli.io.compression import SUFFIXES as COMPRESSED


@cache
def known_suffixes() -> frozenset[str]:
    """Return the endings of all formats."""
    return frozenset(suffix for plugin in registry.load_all("formats").values() for suffix in plugin.suffixes)


def stem_of(path: Path) -> str:
    """Return the name of a file without its folder and without the endings of formats and compression."""
    name = path.name
    while (end := Path(name).suffix.lower()) and (end in COMPRESSED or end in known_suffixes()):
        name = name[: -len(end)]
    return name or path.name


def content_suffix(name: str) -> str:
    """Return the ending of a name in lower case, without that of the compression."""
    path = Path(name.lower())
    return (path.with_suffix("") if path.suffix in COMPRESSED else path).suffix
