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

    Parameters
    ----------
    stem : str, optional
        The name of the file, by which readers call entries without a name: ``x:1``. An entry that is named ``x:1`` is the same
        as one that is named ``1``, as :class:`FileLabels` writes both as ``x:1``.
    """

    def __init__(self, stem: str = "") -> None:
        self._prefix = f"{stem}:" if stem else ""
        self._n_lines = 0
        """Number of the last line without a name, of those before the first name: their identifiers are in no table."""
        self._has_names = False
        self._table = array("Q", bytes(8 * _FIRST_SLOTS))
        """Hashes by their last bits, each in the first free slot from there on; 0 is a free slot."""
        self._n_left = _FIRST_SLOTS // 2
        self._numbers: dict[int, int] = {}
        """The last number of each repeated name, by its hash."""

    def take(self, name: str) -> str:
        """Return ``name``, or ``name`` with the first number that makes it new."""
        self._has_names = True
        own = name.removeprefix(self._prefix)
        key = hash(own) & _BITS or 1
        if self._is_new(key) and not (self._n_lines and _is_number(own, self._n_lines)):
            return name
        number = self._numbers.get(key, 1) + 1
        while not self._is_new(hash(f"{own}_{number}") & _BITS or 1):
            number += 1
        self._numbers[key] = number
        return f"{name}_{number}"

    def take_line(self, number: int) -> str:
        """Return the identifier of an entry without a name, by the number of its line, which is higher than those before."""
        name = f"{self._prefix}{number}"
        if self._has_names:
            return self.take(name)
        self._n_lines = number
        return name

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


def _is_number(text: str, largest: int) -> bool:
    """Return whether a text is a number from 1 to another, as Python writes it."""
    return (
        text.isascii()
        and text.isdecimal()
        and text[0] != "0"
        and len(text) <= len(str(largest))
        and int(text) <= largest
    )


class FileLabels:
    """Short names of several files, each different and without a colon, which make the ids of their entries unique.

    Parameters
    ----------
    paths : sequence of str
    """

    def __init__(self, paths: Sequence[str]) -> None:
        unique = UniqueIds()
        names = _different_names(paths) if len(paths) > 1 else ()
        self._labels = {path: unique.take(name.replace(":", "_")) for path, name in names}

    def of_file(self, path: str, stem: str) -> Callable[[str], str] | None:
        """Return what makes the ids of one file unique; None if there is only this file.

        The label and a colon come before an id, in the place of the name of the file if that does already: ``1`` and ``x:1`` of
        ``x.fasta`` are ``x:1`` both (:class:`UniqueIds` parts them). ``x`` alone is the label alone.

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
            return label if id == stem else prefix + id.removeprefix(own)

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
