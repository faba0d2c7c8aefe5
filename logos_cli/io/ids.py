"""Identifiers of entries: unique within a file and over all files of a run, the same on every run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from logos_cli.io.names import stem_of


class UniqueIds:
    """Returns identifiers; a repeated one gets a number: ``P1``, ``P1_2``, ``P1_3``.

    Only hashes are kept (about 100 bytes a name), so that a file of millions fits.
    """

    def __init__(self) -> None:
        self._count: dict[int, int] = {}

    def take(self, name: str) -> str:
        """Return ``name``, or ``name`` with the first number that makes it new."""
        counts = self._count
        key = hash(name)
        number = counts.get(key)
        if number is None:
            counts[key] = 1
            return name
        while True:
            number += 1
            unique = f"{name}_{number}"
            if hash(unique) not in counts:
                break
        counts[key] = number
        counts[hash(unique)] = 1
        return unique


class FileLabels:
    """Short names of several files, each different, which make the ids of their entries unique.

    Parameters
    ----------
    paths : sequence of str
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._labels = dict(_different_names(paths)) if len(paths) > 1 else {}

    def of_file(self, path: str, stem: str) -> Callable[[str], str] | None:
        """Return what makes the ids of one file unique; None if there is only this file.

        The name of the file comes before an id, unless it does already.

        Parameters
        ----------
        stem : str
            The name of the file by which readers call entries without a name.
        """
        label = self._labels.get(path)
        if label is None:
            return None
        prefix, own = f"{label}:", f"{stem}:"

        def qualified(id: str) -> str:
            if id == stem or id.startswith(own):
                return label + id[len(stem) :]
            return id if id == label or id.startswith(prefix) else prefix + id

        return qualified


def _different_names(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each path with the shortest end of it, without endings, that no other path has."""
    waiting = {path: Path("stdin" if path == "-" else path).parts for path in paths}
    n_parts = 1
    while waiting:
        groups: dict[str, list[str]] = {}
        for path, parts in waiting.items():
            groups.setdefault(_name(parts, n_parts), []).append(path)
        for name, members in groups.items():
            for path in members:
                if len(members) == 1 or n_parts >= len(waiting[path]):
                    yield path, name if len(members) == 1 else path
                    del waiting[path]
        n_parts += 1


def _name(parts: tuple[str, ...], n_parts: int) -> str:
    *folders, name = parts[-n_parts:]
    return "/".join([*folders, stem_of(Path(name))])
