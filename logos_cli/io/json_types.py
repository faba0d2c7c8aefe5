"""JSON objects of files and servers: a value is of the type that whoever reads its key has checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
JsonMapping = Mapping[str, Any]
