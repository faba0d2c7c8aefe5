"""Read and write the data fields of an SDF: ``>  <NAME>``, the lines of its value, and a blank line."""

from __future__ import annotations

import re

_NOT_IN_NAME = re.compile(r"[<>\s\x00-\x1f\x7f]+")
_HEADER = re.compile(r">.*?<([^<>]+)>")


def read_tags(record: str) -> dict[str, str]:
    """Return the data fields of one record of an SDF, in their order; the last one of a name counts."""
    tags: dict[str, str] = {}
    name: str | None = None
    lines: list[str] = []
    for line in record.partition("M  END")[2].splitlines():
        if name is None or not line.strip():
            if name is not None:
                tags[name] = "\n".join(lines)
            found = _HEADER.match(line)
            name, lines = (found[1].strip() if found else None), []
        else:
            lines.append(line.rstrip())
    if name is not None and lines:
        tags[name] = "\n".join(lines)
    return tags


def tag_text(name: str, value: object) -> str:
    """Return a data field; what would end it or the record (blank lines, ``$$$$``, ``>``) is written harmlessly."""
    lines = [_line(line) for line in str(value).splitlines()] or [" "]
    return f">  <{_NOT_IN_NAME.sub('_', name)}>\n" + "\n".join(lines) + "\n\n"


def title_line(title: str) -> str:
    """Return a title as the first line of a record: one line, which does not end a record."""
    return (
        _line(" ".join(title.split())).strip()
        if not title.lstrip().startswith("$$$$")
        else title.replace("$$$$", "$$$")
    )


def _line(line: str) -> str:
    line = "".join(letter if letter.isprintable() or letter == "\t" else "\ufffd" for letter in line)
    return f" {line}" if not line.strip() or line.startswith(("$$$$", ">")) else line
