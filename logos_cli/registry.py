"""Plug-ins by file name.

A layer is a package; each of its public modules defines ``PLUGIN``. The module's name is the name on the
command line and in records, so listing the names means listing files: nothing is imported until used.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from logos_cli.errors import UsageError


@cache
def names(layer: str) -> tuple[str, ...]:
    """Return the plug-in names of a layer such as ``"formats"``, sorted; modules are not imported.

    ``base`` and names that begin with an underscore are the layer's own machinery, not plug-ins.
    """
    spec = find_spec(f"logos_cli.{layer}")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise LookupError(f"logos_cli has no layer {layer!r}")
    found = {path.stem for place in places for path in Path(place).glob("*.py")}
    return tuple(sorted(name for name in found if name != "base" and not name.startswith("_")))


@cache
def load(layer: str, name: str) -> Any:
    """Import one plug-in module and return its ``PLUGIN``.

    Raises
    ------
    UsageError
        If the layer has no plug-in of that name; the hint lists the nearest names, or all.
    """
    known = names(layer)
    if name not in known:
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose {', '.join(known)}"
        raise UsageError(f"unknown {layer.rstrip('s')} {name!r}", hint=hint)
    return import_module(f"logos_cli.{layer}.{name}").PLUGIN


def load_all(layer: str) -> dict[str, Any]:
    """Import every plug-in of a layer: ``{name: PLUGIN}``, sorted by name."""
    return {name: load(layer, name) for name in names(layer)}
