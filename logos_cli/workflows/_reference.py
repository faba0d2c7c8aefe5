"""Sets of known objects, in which answers are looked up to tell whether they are new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logos_cli.errors import InputError, LogosError
from logos_cli.evaluators._reference import KnownKeys, ReferenceSet
from logos_cli.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Reference:
    """Known answers of one task.

    Attributes
    ----------
    name : str
        The file.
    n_skipped : int
        Entries of the file that cannot be compared: broken, or of another kind.
    """

    name: str
    keys: KnownKeys
    n_skipped: int

    def __contains__(self, answer: str) -> bool:
        return answer in self.keys


def read_reference(path: str, task: Task) -> Reference:
    """Read a reference set: any file that ``encode`` reads, a directory or an ``@LIST``.

    Raises
    ------
    InputError
        If it holds nothing that answers of the task can be compared with.
    """
    problems: list[LogosError] = []

    def answers() -> Iterator[str]:
        for entry in ReferenceSet(path).entries():
            try:
                if entry.error is not None:
                    raise entry.error
                assert entry.item is not None
                yield task.known(entry.item)
            except LogosError as error:
                problems.append(error)

    keys = KnownKeys(answers())
    if not len(keys):
        reason = problems[0].message if problems else "it is empty"
        raise InputError(
            f"the reference set holds nothing that answers of {task.name} can be compared with: {reason}",
            source=path,
            hint=f"give a file of what {task.name} makes",
        )
    return Reference(path, keys, len(problems))
