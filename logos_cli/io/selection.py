"""Select the entries that a process works on: those of its shard, without finished ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from zlib import crc32

from logos_cli.errors import InputError, UsageError

_MULTIPLIER: Final = 0x9E3779B1
"""2^32 divided by the golden ratio; it spreads checksums that differ in few bits."""


def stable_key(name: str, seed: int = 0) -> int:
    """Return a number of 32 bits for a name, the same on every machine and in every run."""
    return crc32(name.encode("utf-8", "surrogatepass"), seed)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of a run; a hash of an entry's name selects its shard.

    Attributes
    ----------
    number, count : int
        Number of the shard, from 1, and number of shards.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(
                f"there is no shard {self.number} of {self.count}", hint=f"give 1/{max(1, self.count)} and so on"
            )

    def takes(self, key: int) -> bool:
        """Return whether the entry with this :func:`stable_key` is in this shard."""
        return ((key * _MULTIPLIER & 0xFFFFFFFF) * self.count >> 32) == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


Unit: TypeAlias = tuple[str, int, int, int]
"""An entry of the inputs: the id of its record, the number of its file in the run and its own in the file, both from 0, and
the :func:`stable_key` of its name, by which a changed input is noticed. One is made for every record, hence a bare tuple."""


@dataclass(frozen=True, slots=True)
class DoneEntries:
    """The finished entries of one file.

    Attributes
    ----------
    ordinals, keys : sequence of int
        Numbers of the entries, ascending, and their keys.
    """

    ordinals: Sequence[int] = ()
    keys: Sequence[int] = ()


class InputChangedError(InputError):
    """An entry is not the one at this place when the run was begun."""


class FileSelection:
    """The entries of one file that a process works on, in their order.

    A reader of a format with many entries calls :meth:`takes` with the name of each entry before it reads it. This method
    is called for every entry, and is written for speed.

    Attributes
    ----------
    is_finished : bool
        The entries of the file in this shard are done.
    n_seen : int
        Entries of the file so far, selected or not.
    n_taken : int
        Entries that are worked on.
    units : deque of Unit
        These entries.
    seed : int
        Key of the file, with which the keys of its entries begin.
    """

    def __init__(self, shard: Shard, file: int, path: str, done: DoneEntries, *, is_finished: bool = False) -> None:
        self.is_finished = is_finished
        self.n_seen = 0
        self.n_taken = 0
        self.seed = stable_key(path)
        self.file = file
        self.units: deque[Unit] = deque()
        self._shard = shard if shard.count > 1 else None
        self._path = path
        self._done = done
        self._n_done = len(done.ordinals)
        self._next_done = 0

    @property
    def has_all(self) -> bool:
        """Whether all entries are wanted."""
        return self._shard is None and not self._n_done

    def has_file(self) -> bool:
        """Return whether a file with one object is in this shard; its entries are not divided."""
        return self._shard is None or self._shard.takes(self.seed)

    def takes(self, name: str, *, whole_file: bool = False) -> bool:
        """Return whether to work on the next entry.

        Parameters
        ----------
        name : str
            Unique within the file.
        whole_file : bool
            The whole file is in this shard.

        Raises
        ------
        InputChangedError
            If another entry was at this place when the run was begun.
        """
        ordinal, self.n_seen = self.n_seen, self.n_seen + 1
        key = crc32(name.encode("utf-8", "surrogatepass"), self.seed)
        if self._shard is not None and not whole_file and not self._shard.takes(key):
            return False
        if self._n_done and self._is_done(ordinal, key, name):
            return False
        self.n_taken += 1
        self.units.append((name, self.file, ordinal, key))
        return True

    def _is_done(self, ordinal: int, key: int, name: str) -> bool:
        ordinals, place = self._done.ordinals, self._next_done
        while place < self._n_done and ordinals[place] < ordinal:
            place += 1
        self._next_done = place
        if place == self._n_done or ordinals[place] != ordinal:
            return False
        if self._done.keys[place] != key:
            raise InputChangedError(
                f"entry {ordinal + 1} is {name}, but was another one when the run was begun",
                source=self._path,
                hint="resume with the files as they were, or begin a new run",
            )
        return True


@dataclass(slots=True)
class Selection:
    """The entries of all inputs of a run that a process works on.

    Attributes
    ----------
    shard : Shard
    done : mapping of int to DoneEntries
        Finished entries by file.
    pending : deque of Unit
        Entries that are worked on, in their order.
    n_entries : dict of int to int
        Number of entries of each file that was read to its end.
    """

    shard: Shard = field(default_factory=Shard)
    done: Mapping[int, DoneEntries] = field(default_factory=dict)
    pending: deque[Unit] = field(default_factory=deque)
    n_entries: dict[int, int] = field(default_factory=dict)

    def note_end(self, number: int, n_entries: int) -> None:
        """Note that a file was read to its end; a file without entries belongs to another shard."""
        if n_entries:
            self.n_entries[number] = n_entries

    def of_file(self, number: int, path: str) -> FileSelection:
        """Return the selection of one file, which can be sent to another process."""
        done = self.done.get(number, DoneEntries())
        is_finished = len(done.ordinals) == self.n_entries.get(number, -1)
        return FileSelection(self.shard, number, path, done, is_finished=is_finished)

    def take_back(self, ids: Sequence[str]) -> tuple[list[Unit], list[Unit]]:
        """Return finished entries, and those before them that have no record.

        Parameters
        ----------
        ids : sequence of str
            Ids of finished entries, nearly always in the order of the entries.

        Raises
        ------
        KeyError
            If no entry with one of the ids is in work.
        """
        pending = self.pending
        if len(pending) >= len(ids):
            units = [pending.popleft() for _ in ids]
            if [unit[0] for unit in units] == list(ids):
                return units, []
            pending.extendleft(reversed(units))
        found: list[Unit] = []
        left_out: list[Unit] = []
        for id in ids:
            if not any(id == unit[0] for unit in pending):
                raise KeyError(id)
            while (unit := pending.popleft())[0] != id:
                left_out.append(unit)
            found.append(unit)
        return found, left_out
