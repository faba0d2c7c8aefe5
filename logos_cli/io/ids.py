"""Identifiers of entries: unique within a file and over all files of a run, the same on every run."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from logos_cli.io.names import stem_of

_FIRST_SLOTS: Final = 1 << 10
_BITS: Final = (1 << 64) - 1


class UniqueIds:
    """Returns identifiers; a repeated one gets a number: ``P1``, ``P1_2``, ``P1_3``.

    Only hashes are kept, in a table of 16 to 32 bytes a name (a dictionary takes 100), so that a file of millions fits.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * _FIRST_SLOTS))
        """Hashes by their last bits, each in the first free slot from there on; 0 is a free slot."""
        self._n_left = _FIRST_SLOTS // 2
        self._numbers: dict[int, int] = {}
        """The last number of each repeated name, by its hash."""

    def take(self, name: str) -> str:
        """Return ``name``, or ``name`` with the first number that makes it new."""
        key = hash(name) & _BITS or 1
        if self._is_new(key):
            return name
        number = self._numbers.get(key, 1) + 1
        while not self._is_new(hash(f"{name}_{number}") & _BITS or 1):
            number += 1
        self._numbers[key] = number
        return f"{name}_{number}"

    def _is_new(self, key: int) -> bool:
        table = self._table
        last = len(table) - 1
        slot = key & last
        while (found := table[slot]) != key:
            if not found:
                table[slot] = key
                self._n_left -= 1
                if not self._n_left:
                    self._grow()
                return True
            slot = (slot + 1) & last
        return False

    def _grow(self) -> None:
        old = self._table
        size = 2 * len(old)
        table = self._table = array("Q", bytes(8)) * size
        for key in filter(None, old):
            slot = key & (size - 1)
            while table[slot]:
                slot = (slot + 1) & (size - 1)
            table[slot] = key
        self._n_left = size // 4


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
