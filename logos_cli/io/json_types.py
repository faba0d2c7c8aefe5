"""JSON objects of files and servers: a value is of the type that whoever reads its key has checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from logos_cli.records.json_text import harmless_json

JsonObject = dict[str, Any]
JsonMapping = Mapping[str, Any]


def to_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON that any file of UTF-8 can hold: letters as they are, but for control characters and lone surrogates."""
    return harmless_json(json.dumps(value, indent=indent, ensure_ascii=False))
