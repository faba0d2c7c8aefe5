"""Sets of known objects, in which answers are looked up to tell whether they are new."""

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
        Entries of the file that cannot be compared: broken, or of another kind.
    """

    name: str
    keys: KnownKeys
    n_skipped: int

    def knows(self, answer: str, sentence: Sentence) -> bool:  # noqa: ARG002
        """Whether an answer, as the task compares it, is in the set."""
        return answer in self.keys


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What the embedded model was trained on."""

    part: KeyKind
    name: str = EMBEDDED
    n_skipped: int = 0

    def knows(self, answer: str, sentence: Sentence) -> bool:  # noqa: ARG002
        """Whether what a sentence says was trained on."""
        keys = embedded_index().keys(self.part)
        return any(key in keys for part, key in keys_of(from_sentence(sentence)) if part is self.part)


def known_answers(name: str, task: Task) -> Reference | TrainingData:
    """Return a reference set: a file, or by its name the training data of the embedded model.

    Raises
    ------
    UsageError
        If the embedded model's index does not hold what the task makes.
    InputError
        If the file holds nothing that answers of the task can be compared with.
    """
    if name != EMBEDDED:
        return read_reference(name, task)
    if task.form not in _PARTS:
        raise UsageError(
            f"the index of what {EMBEDDED} was trained on holds no answers of {task.name}",
            hint="it serves molecule, ligand, protein, antibody and material; or give a file",
        )
    found = TrainingData(_PARTS[task.form])
    embedded_index().keys(found.part)  # before the model is loaded
    return found


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
                yield task.reference_key(entry.item)
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
