"""Expand the arguments of a command line to files: directories, lists of files, directories of runs."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from logos_cli.errors import InputError
from logos_cli.io import places
from logos_cli.io.input import HEAD, Input
from logos_cli.io.names import content_suffix, known_suffixes

LISTS = (".ds", ".list", ".lst", ".txt")
"""Endings of files that may list paths; ``.ds`` is P2Rank's dataset file."""


def expand_paths(paths: Iterable[str], skipped: list[tuple[str, str]] | None = None) -> list[str]:
    """Return the files that arguments of the command line stand for.

    Parameters
    ----------
    paths : iterable of str
        Files; ``-``; directories, which are searched recursively for files whose ending (before .gz, .zst, .xz
        or .bz2) belongs to a format; and lists of files: ``@LIST``, or a file named .ds, .list, .lst or .txt
        whose first line names a file that exists.
    skipped : list, optional
        Receives ``(path, reason)`` for every file that was found and skipped.

    Returns
    -------
    list of str
        In the order given, directories sorted by name, without duplicates.

    Raises
    ------
    InputError
        If a directory holds no readable file, a list names none, or a name is empty.
    """
    skipped = [] if skipped is None else skipped
    files: dict[str, None] = {}
    for path in paths:
        for file in _expand(path, skipped):
            if file in files:
                skipped.append((file, "named twice"))
            files[file] = None
    return list(files)


def _expand(path: str, skipped: list[tuple[str, str]]) -> Iterator[str]:
    if not path:
        raise InputError("the name of a file is empty", hint="check the variables of the command line")
    if path == "-":
        yield path
    elif path.startswith("@") and not places.exists(path):
        yield from _expand_list(path[1:], skipped)
    elif places.is_directory(path):
        yield from _expand_directory(path, skipped)
    elif path.lower().endswith(LISTS) and _is_list(path):
        yield from _expand_list(path, skipped)
    else:
        yield path


def _expand_directory(path: str, skipped: list[tuple[str, str]]) -> list[str]:
    if results := results_of_run(Path(path)):
        return results
    suffixes = known_suffixes()
    files: list[str] = []
    visited: set[str] = set()

    def note(error: OSError) -> None:
        files.append(error.filename)  # opening it reports the reason

    for folder, folders, names in os.walk(path, followlinks=True, onerror=note):
        real = os.path.realpath(folder)
        if real in visited:  # a link to a parent folder would never end
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = str(Path(folder) / name)
            if content_suffix(name) not in suffixes:
                skipped.append((file, f"the ending {Path(name).suffix or '(none)'} belongs to no format"))
            elif name.startswith("."):
                skipped.append((file, "a hidden file"))
            elif places.is_special(file):
                skipped.append((file, "a pipe, socket or device"))
            else:
                files.append(file)
    if not files:
        raise InputError(
            "the directory holds no file that logos reads",
            source=path,
            hint=f"endings it looks for: {' '.join(sorted(suffixes))}; name other files one by one",
        )
    return files


def results_of_run(path: Path) -> list[str]:
    """Return the records of a run's directory (``runs/``), shard by shard; none if it is another directory."""
    try:
        if not (path / "run.json").is_file():
            return []
    except OSError:  # it may not be looked into
        return []
    files = (file for ending in ("jsonl", "jsonl.gz") for file in (path / "results").glob(f"*-of-*.{ending}"))
    found = [file for file in files if file.name.split("-")[0].isdigit()]
    found.sort(key=lambda file: int(file.name.split("-")[0]))
    # a shard may have no records; a run without any is read as an empty file
    return [str(file) for file in found if file.stat().st_size] or [str(file) for file in found[:1]]


def _is_list(path: str) -> bool:
    """Whether the first entry of a file names a file that exists, which no format's content does; a pipe is read only once."""
    if places.is_special(path):
        return False
    try:
        with Path(path).open("rb") as stream:
            first = next(_entries(stream.read(HEAD)), None)
    except OSError:
        return False
    return first is not None and any(places.exists(place) for place in _places(first, path))


def _entries(content: bytes) -> Iterator[str]:
    """Yield the first words of a list's lines, past comments and the header lines of P2Rank."""
    for line in content.removeprefix(codecs.BOM_UTF8).splitlines():  # of bytes: a name may hold Unicode's line ends
        text = os.fsdecode(line.strip())
        if text and not text.startswith(("#", "HEADER:", "PARAM.")):
            yield text


def _places(entry: str, listing: str) -> Iterator[Path]:
    """Yield the paths that an entry may mean: the line or its first column, beside the list or in the working directory."""
    for name in dict.fromkeys((entry, entry.split("\t")[0].split()[0])):
        if len(name) < 4096 and "\0" not in name:
            yield Path(listing).parent / name
            yield Path(name)


def _expand_list(path: str, skipped: list[tuple[str, str]]) -> Iterator[str]:
    with Input(path) as listing:
        entries = list(_entries(listing.read()))
    if not entries:
        raise InputError("the list names no files", source=path, hint="one path a line; # begins a comment")
    for entry in entries:
        found = list(_places(entry, path))
        place = next((place for place in found if places.exists(place)), found[0] if found else Path(entry))
        if places.is_directory(place):
            yield from _expand_directory(str(place), skipped)
        else:
            yield str(place)  # opening it reports a missing file, as for any other argument
