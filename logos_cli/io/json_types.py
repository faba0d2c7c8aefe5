"""JSON objects of files and servers: a value is of the type that whoever reads its key has checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_LONE: Final = re.compile("[\ud800-\udfff]")

JsonObject = dict[str, Any]
JsonMapping = Mapping[str, Any]


def to_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON that any file of UTF-8 can hold: letters as they are, but for names of files that are not UTF-8."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text if text.isascii() or not _LONE.search(text) else json.dumps(value, indent=indent)
