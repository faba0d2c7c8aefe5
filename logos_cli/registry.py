"""Plug-ins by file name.

A room is a package; each of its modules, or folders with a module ``plugin``, that defines ``PLUGIN`` is a
plug-in. The name of the file or folder is the name on the command line and in records, so listing the names means
listing files: nothing is imported until used. A module that defines ``PLUGINS`` instead holds several, by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from logos_cli.errors import UsageError


@cache
def names(room: str) -> tuple[str, ...]:
    """Return the plug-in names of a room such as ``"formats"``, sorted; modules are not imported."""
    return tuple(sorted(homes(room)))


@cache
def load(room: str, name: str) -> Any:
    """Import one plug-in and return it.

    Raises
    ------
    UsageError
        If the room has no plug-in of that name; the hint lists the nearest names, or all.
    """
    known = homes(room)
    if name not in known:
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose {', '.join(sorted(known))}"
        raise UsageError(f"unknown {room.rstrip('s')} {name!r}", hint=hint)
    module = import_module(known[name])
    return module.PLUGINS[name] if hasattr(module, "PLUGINS") else module.PLUGIN


def load_all(room: str) -> dict[str, Any]:
    """Import every plug-in of a room: ``{name: PLUGIN}``, sorted by name."""
    return {name: load(room, name) for name in names(room)}


@dataclass(frozen=True, slots=True)
class Outline:
    """What the text of a plug-in tells without an import.

    Attributes
    ----------
    summary : str
        A sentence: the first line of the module's docstring, after its colon.
    settings : mapping
        Arguments of ``PLUGIN = Kind(…)`` that are literals, by keyword.
    """

    summary: str
    settings: Mapping[str, object]


def outline(room: str, name: str) -> Outline:
    """Read the outline of a plug-in, whose last statement is ``PLUGIN = Kind(…)``; nothing is imported.

    Raises
    ------
    KeyError
        If the room has no plug-in of that name.
    """
    import ast

    package, *folders = homes(room)[name].split(".")
    spec = find_spec(package)
    place = spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else ""
    text = Path(place, *folders).with_suffix(".py").read_text(encoding="utf-8")
    head = text.partition("\n")[0].strip('"')
    sentence = head.partition(": ")[2]
    call = text[text.rindex("\nPLUGIN = ") :]
    settings: dict[str, object] = {}
    for node in ast.walk(ast.parse(call)):
        if isinstance(node, ast.keyword) and node.arg and isinstance(node.value, ast.Constant):
            settings[node.arg] = node.value.value
    return Outline(sentence[:1].upper() + sentence[1:], settings)


@cache
def homes(room: str) -> dict[str, str]:
    """Return the module of each plug-in by its name."""
    spec = find_spec(f"logos_cli.{room}")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise LookupError(f"logos_cli has no room {room!r}")
    package = f"logos_cli.{room}"
    found: dict[str, str] = {}
    for place in map(Path, places):
        for path in place.glob("*.py"):
            if path.stem != "plugin":  # the room's own, where the room is the folder of a plug-in
                found |= dict.fromkeys(_plugins(path, path.stem), f"{package}.{path.stem}")
        for path in place.glob("*/plugin.py"):
            found |= dict.fromkeys(_plugins(path, path.parent.name), f"{package}.{path.parent.name}.plugin")
    return found


def _plugins(path: Path, name: str) -> Iterator[str]:
    """Yield the names of the plug-ins that a module defines, read from its text."""
    text = path.read_bytes()
    if b"\nPLUGINS" in text:
        import ast

        for statement in ast.parse(text).body:
            match statement:
                case ast.Assign(targets=[ast.Name("PLUGINS")], value=ast.Dict(keys=keys)):
                    yield from (str(key.value) for key in keys if isinstance(key, ast.Constant))
    elif b"\nPLUGIN " in text or b"\nPLUGIN:" in text:
        yield name
