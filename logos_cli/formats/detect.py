"""Recognise the format of a file by its content."""

from __future__ import annotations

from logos_cli import registry
from logos_cli.errors import InputError
from logos_cli.formats.base import Format
from logos_cli.io.input import Input


def detect(source: Input) -> Format:
    """Return the format of a file, recognised by its content.

    Raises
    ------
    InputError
        If the file is empty or no format recognises it.
    """
    if not source.head.strip():
        what = "has only blank lines" if source.head else "is empty"
        raise InputError(f"the file {what}", source=source.name, hint="check that it was written completely")
    sure: float = 0.0
    best: Format | None = None
    for plugin in _likeliest_first(source.name):
        score = plugin.sniff(source.head)
        if score > sure:
            sure, best = score, plugin
        if sure >= _CERTAIN:
            break
    if best is None:
        what = "binary data of no known format" if _is_binary(source.head) else "text of no known format"
        raise InputError(
            f"the content is {what}",
            source=source.name,
            hint="formats that logos reads are listed by `logos encode --help`",
        )
    return best


_CERTAIN = 0.95
"""A format this sure of a content is chosen without trying the others."""


def _likeliest_first(name: str) -> list[Format]:
    """Return the formats, those that use the suffix of this name first, which saves time."""
    parts = name.lower().rsplit(".", 2)
    endings = {f".{part}" for part in parts[1:]}
    plugins: list[Format] = list(registry.load_all("formats").values())
    return sorted(plugins, key=lambda plugin: endings.isdisjoint(plugin.suffixes))


def _is_binary(head: bytes) -> bool:
    """Return whether control bytes or broken UTF-8 show that this is not text."""
    if b"\0" in head:
        return True
    try:
        head[: head.rfind(b"\n") + 1 or len(head)].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(head) - 4
    return False
