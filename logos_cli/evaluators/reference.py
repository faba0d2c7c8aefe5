"""Sets of objects for comparison: training data, base pools, right answers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from logos_cli.errors import InputError, LogosError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from logos_cli.io.paths import expand_paths
from logos_cli.objects.base import ScienceObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Item = TypeVar("Item", bound=ScienceObject)


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """Objects in files of any format that ``encode`` reads; hashable, as a key of caches.

    Attributes
    ----------
    path : str
        A file, a directory, or an ``@LIST``.
    """

    path: str

    def __post_init__(self) -> None:
        if self.path == "-":
            raise InputError("a reference set cannot be standard input", hint="name a file: it is read more than once")
        expand_paths([self.path])  # raises if there is no file

    def entries(self) -> Iterator[Entry]:
        """Yield all entries; entries in error have no ``item``.

        Raises
        ------
        InputError
            If a file cannot be read.
        """
        for path in expand_paths([os.fspath(self.path)]):
            try:
                with closing(Input(path)) as source:
                    yield from detect(source).read(source, ReadOptions())
            except LogosError as error:
                raise error.at(path) from error

    def entries_of(self, *kinds: type[Item]) -> Iterator[tuple[Entry, Item]]:
        """Yield the objects of some kinds with their entries.

        Raises
        ------
        InputError
            If there is no such object: the set is of the wrong kind, or empty.
        """
        is_empty = True
        others = Counter[str]()
        for entry in self.entries():
            if isinstance(entry.item, kinds):
                is_empty = False
                yield entry, entry.item
            else:
                others["unreadable entries" if entry.item is None else _plural(type(entry.item))] += 1
        if is_empty:
            raise InputError(
                f"the reference set holds no {' or '.join(_plural(kind) for kind in kinds)}, "
                f"but {' and '.join(f'{count:,} {name}' for name, count in others.items()) or 'nothing'}",
                source=self.path,
                hint="give a set of the same kind as the scored records",
            )

    def objects(self, *kinds: type[Item]) -> Iterator[Item]:
        """Yield the objects of some kinds; see :meth:`entries_of`."""
        return (item for _, item in self.entries_of(*kinds))


def _plural(kind: type) -> str:
    name = kind.__name__.lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}{'es' if name.endswith('x') else 's'}"


class KnownKeys:
    """A set of strings as 64-bit digests: 8 bytes each, whatever their length.

    Two of a million keys share a digest with a probability below 1e-7.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        import numpy as np

        digests = np.fromiter((_digest(key) for key in keys), dtype=np.uint64)
        self._digests: NDArray[np.uint64] = np.unique(digests)

    def __contains__(self, key: str) -> bool:
        place = int(self._digests.searchsorted(digest := _digest(key)))
        return place < len(self._digests) and int(self._digests[place]) == digest

    def __len__(self) -> int:
        """Return the number of distinct keys."""
        return len(self._digests)


def _digest(key: str) -> int:
    from hashlib import blake2b

    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little")


def known_keys(items: Iterable[Item], key: Callable[[Item], str | None]) -> KnownKeys:
    """Return the keys of objects, without objects that have no key (None, or an error)."""

    def keys() -> Iterator[str]:
        for item in items:
            try:
                text = key(item)
            except LogosError:
                continue
            if text is not None:
                yield text

    return KnownKeys(keys())


class Keys(Protocol):
    """A set of known strings."""

    def __contains__(self, key: str, /) -> bool:
        """Whether a string is known."""
