"""What works here and what does not, and the command that mends it."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
import tomllib
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from logos_cli import __version__, registry
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.checkpoints.locate import is_offline
from logos_cli.errors import LogosError
from logos_cli.models.releases import cached, hub_cache
from logos_cli.processes.environment import usable_cores
from logos_cli.resources import EMBEDDED, cache_dir, data_path

_DISTRIBUTION = "logos-cli"
_EXTRAS = ("gguf", "dock", "train")
_REQUIREMENT = re.compile(r"""(?P<name>[A-Za-z0-9._-]+)[^;]*(?:;.*\bextra == ['"](?P<extra>\w+)['"])?""")


def required() -> dict[str, tuple[str, ...]]:
    """Return the distributions that each extra brings, and under ``base`` those of every installation.

    They are read from the metadata of the installed package or, in a checkout, from ``pyproject.toml``.
    """
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = _project_requirements()
    found: dict[str, dict[str, None]] = {group: {} for group in ("base", *_EXTRAS)}
    for line in lines:
        if (match := _REQUIREMENT.match(line)) and match["name"] != _DISTRIBUTION:
            group = match["extra"] or "base"
            if group in found and (group == "base" or match["name"] not in found["base"]):
                found[group][match["name"]] = None
    return {group: tuple(sorted(names)) for group, names in found.items()}


def _project_requirements() -> list[str]:
    text = data_path("pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    lines: list[str] = list(project["dependencies"])
    for extra, wanted in project["optional-dependencies"].items():
        lines += [f'{line}; extra == "{extra}"' for line in wanted]
    return lines


SELF_TEST = LoadOptions(device="cpu", offline=True)


def doctor(load: LoadOptions = SELF_TEST) -> dict[str, Any]:
    """Examine the installation.

    Parameters
    ----------
    load : LoadOptions
        The model of the self-test, and what computes it; by default the embedded one, on the CPU.

    Returns
    -------
    dict
        JSON-ready. ``ready`` says whether the base installation can do its main job on that model, ``problems`` why
        not, and ``advice`` what could be better.
    """
    backends = _backends()
    libraries = _libraries()
    caches = _caches()
    test = _self_test(load)
    problems = [
        f"the library {name} is missing: {entry['remedy']}"
        for name, entry in libraries.items()
        if entry["extra"] is None and entry["version"] is None
    ]
    if test["error"]:
        model = "the embedded model" if load.model == EMBEDDED else load.model
        problems.append(f"{model} does not run: {test['error']}")
    advice = [f"the cache {c['path']} is not writable: {c['remedy']}" for c in caches if not c["writable"]]
    return {
        "logos": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "cpu": {"cores": os.cpu_count(), "usable": usable_cores(), "memory_gib": _memory_gib()},
        "libraries": libraries,
        "backends": backends,
        "models": [_embedded(), *cached(hub_cache())],
        "caches": caches,
        "offline": {"forced": is_offline(), "ready": test["error"] is None},
        "self_test": test,
        "ready": not problems,
        "problems": problems,
        "advice": advice,
    }


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def _libraries() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for group, names in required().items():
        extra = None if group == "base" else group
        wanted = f"'logos-cli[{extra}]'" if extra else "--upgrade --force-reinstall logos-cli"
        for name in names:
            try:
                version = metadata.version(name)
            except metadata.PackageNotFoundError:
                version = None
            found[name] = {"version": version, "extra": extra, "remedy": None if version else f"pip install {wanted}"}
    return found


def _backends() -> dict[str, dict[str, Any]]:
    """Return what each backend says of itself; the scripted one is for tests."""
    plugins = registry.load_all("backends").items()
    return {name: asdict(plugin.probe()) for name, plugin in plugins if name != "fake"}


def _embedded() -> dict[str, Any]:
    try:
        checkpoint = open_model(LoadOptions(offline=True))
    except LogosError as error:
        return {"name": EMBEDDED, "where": "embedded", "error": str(error)}
    return {"name": EMBEDDED, "where": "embedded", "context_tokens": checkpoint.context_tokens}


def _caches() -> list[dict[str, Any]]:
    places = (("logos", cache_dir(), "LOGOS_CACHE"), ("hub", hub_cache(), "HF_HOME"))
    return [_cache(name, path, variable) for name, path, variable in places]


def _cache(name: str, path: Path, variable: str) -> dict[str, Any]:
    existing = next((parent for parent in (path, *path.absolute().parents) if parent.exists()), Path("/"))
    writable = existing.is_dir() and os.access(existing, os.W_OK)
    return {
        "name": name,
        "path": str(path),
        "exists": path.exists(),
        "writable": writable,
        "remedy": None if writable else f"set {variable} to a directory that you may write to",
    }


def _self_test(load: LoadOptions) -> dict[str, Any]:
    """Do the main job in the small: complete a sentence with the model and read it again."""
    start = time.perf_counter()
    error = None
    try:
        from logos_cli.grammar import parse
        from logos_cli.objects.base import from_sentence
        from logos_cli.workflows.generate.generation import generate

        record = next(generate("site", "MKTAYIAK", load=load))
        from_sentence(parse(record.text))
    except (LogosError, ImportError, OSError) as failure:
        error = f"{type(failure).__name__}: {failure}"
    return {"seconds": round(time.perf_counter() - start, 2), "error": error}
