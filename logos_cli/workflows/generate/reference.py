"""Sets of known objects, for the novelty of answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.evaluators.novelty import KeyKind, embedded_index, keys_of
from logos_cli.evaluators.reference import KnownKeys, ReferenceSet
from logos_cli.grammar import Form, Sentence
from logos_cli.objects.base import from_sentence
from logos_cli.resources import EMBEDDED
from logos_cli.tasks.base import Task

_PARTS = {
    Form.MOLECULE: KeyKind.MOLECULE,
    Form.COMPLEX: KeyKind.MOLECULE,
    Form.PROTEIN: KeyKind.PROTEIN,
    Form.ANTIBODY: KeyKind.ANTIBODY,
    Form.MATERIAL: KeyKind.MATERIAL,
}


@dataclass(frozen=True, slots=True)
class Reference:
    """Known answers of one task.

    Attributes
    ----------
    name : str
        The file.
    n_skipped : int
        Entries of the file that cannot be compared, as they are broken or of another kind.
    """

    name: str
    keys: KnownKeys
    n_skipped: int

    def knows(self, answer: str, _sentence: Sentence, /) -> bool:
        """Return whether an answer, in the form that the task compares, is in the set."""
        return answer in self.keys


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The training data of the embedded model."""

    part: KeyKind
    name: str = EMBEDDED
    n_skipped: int = 0

    def knows(self, _answer: str, sentence: Sentence, /) -> bool:
        """Return whether the object of a sentence is in the training data."""
        keys = embedded_index().keys(self.part)
        return any(key in keys for part, key in keys_of(from_sentence(sentence)) if part is self.part)


def known_answers(name: str, task: Task) -> Reference | TrainingData:
    """Return a reference set: a file, or by its name the training data of the embedded model.

    Raises
    ------
    UsageError
        If the embedded model's index has no objects of the task's kind.
    InputError
        If the file has no object to compare answers of the task with.
    """
    if name != EMBEDDED:
        return read_reference(name, task)
    if task.form not in _PARTS:
        raise UsageError(
            f"the index of the training data of {EMBEDDED} has no answers of {task.name}",
            hint="it has those of molecule, ligand, protein, antibody and material; or give a file",
        )
    found = TrainingData(_PARTS[task.form])
    embedded_index().keys(found.part)  # before the model is loaded
    return found


def read_reference(path: str, task: Task) -> Reference:
    """Read a reference set: any file that ``encode`` reads, a directory or an ``@LIST``.

    Raises
    ------
    InputError
        If it has no object to compare answers of the task with.
    """
    problems: list[LogosError] = []

    def answers() -> Iterator[str]:
        for entry in ReferenceSet(path).entries():
            try:
                if entry.error is not None:
                    raise entry.error
                if entry.item is not None:
                    yield task.reference_key(entry.item)
            except LogosError as error:
                problems.append(error)

    keys = KnownKeys(answers())
    if not len(keys):
        reason = problems[0].message if problems else "it is empty"
        raise InputError(
            f"the reference set has nothing to compare answers of {task.name} with: {reason}",
            source=path,
            hint=f"give a file of objects that {task.name} makes",
        )
    return Reference(path, keys, len(problems))
