"""Sets of known objects, in which answers are looked up to tell whether they are new."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from logos_cli.errors import InputError, LogosError
from logos_cli.tasks.base import Task
from logos_cli.workflows.decode import iter_decoded

_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """Known answers of one task, as hashes: a million take 100 MB.

    Attributes
    ----------
    name : str
        The file.
    n_skipped : int
        Entries of the file that cannot be compared: broken, or of another kind.
    """

    name: str
    hashes: frozenset[int]
    n_skipped: int

    def __contains__(self, answer: str) -> bool:
        return _hash(answer) in self.hashes


def read_reference(path: str, task: Task) -> Reference:
    """Read a reference set: any file that ``encode`` reads.

    Raises
    ------
    InputError
        If it holds nothing that answers of the task can be compared with.
    """
    hashes: set[int] = set()
    n_skipped, first = 0, None
    for each in iter_decoded([path]):
        try:
            if each.error is not None:
                raise each.error
            assert each.item is not None
            hashes.add(_hash(task.known(each.item)))
        except LogosError as error:
            n_skipped += 1
            first = first or error
    if not hashes:
        reason = first.message if first else "it is empty"
        raise InputError(
            f"the reference set holds nothing that answers of {task.name} can be compared with: {reason}",
            source=path,
            hint=f"give a file of what {task.name} makes",
        )
    return Reference(path, frozenset(hashes), n_skipped)


def _hash(answer: str) -> int:
    return int.from_bytes(hashlib.blake2b(answer.encode(), digest_size=_HASH_BYTES).digest(), "little")
