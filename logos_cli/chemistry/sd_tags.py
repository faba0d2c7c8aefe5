"""Read the data fields of an SDF: ``>  <NAME>``, the lines of its value, and a blank line."""

from __future__ import annotations

import re

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
