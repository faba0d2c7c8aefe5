"""Examine the installation: what works, what does not, and the command that repairs it."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final, TypedDict

from logos_cli import __version__, registry
from logos_cli.backends.base import Availability, LoadOptions, open_model
from logos_cli.checkpoints.locate import is_offline
from logos_cli.errors import LogosError
from logos_cli.models.releases import ListedModel, cached, hub_cache
from logos_cli.processes.environment import usable_cores
from logos_cli.resources import EMBEDDED, cache_dir, data_path

_DISTRIBUTION = "logos-cli"
EXTRAS: Final = {
    "antibody": "numbering of antibodies, CDR designs (ANARCII)",
    "dock": "docking with AutoDock Vina, checks of poses",
    "frameworks": "frameworks in three dimensions (decode --to cif --topology NET, by PORMAKE)",
    "gguf": "GGUF files with llama.cpp; compiles for minutes, needs a C++ compiler and CMake",
    "hpc": "workers on batch systems (logos submit, with Parsl)",
    "plausibility": "plausibility of antibodies under AntiBERTy",
    "routes": "routes of several steps (logos generate route, by Retro* of syntheseus)",
    "sites": "pockets of a structure by fpocket (--pocket-engine fpocket)",
    "tables": "Parquet and Excel",
    "train": "training, LoRA, loss curves",
    "oracle": "models of scikit-learn as oracles of fitness",
    "fcd": "Fréchet ChemNet distance",
    "bnb": "weights in four bits (--dtype nf4)",
}
"""What each extra gives."""

_EXTRAS = tuple(EXTRAS)
_REQUIREMENT = re.compile(r"""(?P<name>[A-Za-z0-9._-]+)[^;]*(?:;.*\bextra == ['"](?P<extra>\w+)['"])?""")


def required() -> dict[str, tuple[str, ...]]:
    """Return the distributions of each extra, and under ``base`` those of every installation.

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
    project = tomllib.loads(text)["project"]
    lines: list[str] = list(project["dependencies"])
    for extra, wanted in project["optional-dependencies"].items():
        lines += [f'{line}; extra == "{extra}"' for line in wanted]
    return lines


class LibraryEntry(TypedDict):
    """An installed or missing distribution; ``extra`` is None for those of every installation."""

    version: str | None
    extra: str | None
    remedy: str | None


class BackendEntry(TypedDict):
    """A backend, as :class:`~logos_cli.backends.base.Availability` has it."""

    available: bool
    version: str | None
    devices: Mapping[str, str]
    remedy: str | None


class CacheEntry(TypedDict):
    """A cache directory."""

    name: str
    path: str
    exists: bool
    writable: bool
    remedy: str | None


class SelfTest(TypedDict):
    """The self-test: its time, and why it failed."""

    seconds: float
    error: str | None


class CpuEntry(TypedDict):
    """Cores and memory of the machine."""

    cores: int | None
    usable: int
    memory_gib: float | None


class OfflineEntry(TypedDict):
    """Whether connections are forbidden, and whether the program works without them."""

    forced: bool
    ready: bool


class Examination(TypedDict):
    """What ``logos doctor`` finds."""

    logos: str
    python: str
    platform: str
    executable: str
    cpu: CpuEntry
    libraries: dict[str, LibraryEntry]
    extras: dict[str, ExtraEntry]
    backends: dict[str, BackendEntry]
    models: list[ListedModel]
    caches: list[CacheEntry]
    offline: OfflineEntry
    self_test: SelfTest
    ready: bool
    problems: list[str]
    advice: list[str]


class ExtraEntry(TypedDict):
    """An extra: what it gives, its distributions that are missing, and the command that installs it."""

    gives: str
    missing: list[str]
    command: str


SELF_TEST = LoadOptions(device="cpu", offline=True)


def doctor(load: LoadOptions = SELF_TEST) -> Examination:
    """Examine the installation.

    Parameters
    ----------
    load : LoadOptions
        The model of the self-test, and what computes it; by default the embedded one, on the CPU.

    Returns
    -------
    dict
        JSON-ready. ``ready`` is True if the base installation can complete a sentence with that model. ``problems``
        lists why it cannot, and ``advice`` what could be better.
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
        "extras": _extras(libraries),
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


def _libraries() -> dict[str, LibraryEntry]:
    found: dict[str, LibraryEntry] = {}
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


def _extras(libraries: Mapping[str, LibraryEntry]) -> dict[str, ExtraEntry]:
    return {
        extra: {
            "gives": gives,
            "missing": [
                name for name, entry in libraries.items() if entry["extra"] == extra and entry["version"] is None
            ],
            "command": f"pip install 'logos-cli[{extra}]'",
        }
        for extra, gives in EXTRAS.items()
    }


def _backends() -> dict[str, BackendEntry]:
    """Return the state of each backend, without the scripted one of the tests."""
    plugins = registry.load_all("backends").items()
    found: dict[str, BackendEntry] = {}
    for name, plugin in plugins:
        if name != "fake":
            state: Availability = plugin.probe()
            found[name] = {
                "available": state.available,
                "version": state.version,
                "devices": state.devices,
                "remedy": state.remedy,
            }
    return found


def _embedded() -> ListedModel:
    try:
        checkpoint = open_model(LoadOptions(offline=True))
    except LogosError as error:
        return {"name": EMBEDDED, "where": "embedded", "error": str(error)}
    return {"name": EMBEDDED, "where": "embedded", "context_tokens": checkpoint.context_tokens}


def _caches() -> list[CacheEntry]:
    places = (("logos", cache_dir(), "LOGOS_CACHE"), ("hub", hub_cache(), "HF_HOME"))
    return [_cache(name, path, variable) for name, path, variable in places]


def _cache(name: str, path: Path, variable: str) -> CacheEntry:
    existing = next((parent for parent in (path, *path.absolute().parents) if parent.exists()), Path("/"))
    writable = existing.is_dir() and os.access(existing, os.W_OK)
    return {
        "name": name,
        "path": str(path),
        "exists": path.exists(),
        "writable": writable,
        "remedy": None if writable else f"set {variable} to a directory that you may write to",
    }


def _self_test(load: LoadOptions) -> SelfTest:
    """Complete a short prompt with the model and parse the sentence."""
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
