"""What a model was measured to be able to do: ``skills.json`` beside its weights, made by ``logos bench skills``.

A question is what is asked of a model: a task (``site``), a task with the option that makes it another question
(``antibody --cdr``), or ``fitness``. For each there are the figures that decide, each beside the trivial baseline that a
model must beat. A question without figures is not measured, and nothing is claimed of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from logos_cli.errors import ModelError
from logos_cli.io.json_types import JsonMapping, JsonObject
from logos_cli.records.json_text import parse_json

FILE: Final = "skills.json"
GGUF_KEY: Final = "logos.skills"


@dataclass(frozen=True, slots=True)
class SkillFigure:
    """One figure beside the baseline that it must beat.

    Attributes
    ----------
    name : str
        Such as ``top-10 (%)``.
    value, low, high : float
        The figure and its 95 % interval.
    n : int
        Units of the interval: cases, chains, reactions.
    baseline : float
        The figure of the baseline.
    baseline_name : str
        What the baseline is: ``letter frequency``.
    better : {"higher", "lower"}
    source : str
        What measured it.
    is_better : bool
        Whether the figure beats the baseline beyond its interval.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int
    baseline: float
    baseline_name: str
    better: Literal["higher", "lower"]
    source: str
    is_better: bool

    def __str__(self) -> str:
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3g}, {self.high:.3g}]"
        return f"{self.name} {self.value:.3g}{interval}, {self.baseline_name} {self.baseline:.3g}"


@dataclass(frozen=True, slots=True)
class Skill:
    """The figures of one question; the model has the skill if every one is better than its baseline."""

    question: str
    figures: tuple[SkillFigure, ...]

    @property
    def has(self) -> bool:
        """Whether the model does better than the baselines."""
        return all(figure.is_better for figure in self.figures)

    @property
    def deciding(self) -> SkillFigure:
        """The first figure that is no better than its baseline, else the first."""
        return next((figure for figure in self.figures if not figure.is_better), self.figures[0])

    def to_record(self) -> dict[str, object]:
        """Return what records carry."""
        figure = self.deciding
        return {
            "verdict": "measured" if self.has else "none",
            "figure": figure.name,
            "value": figure.value,
            "baseline": figure.baseline,
        }

    def warning(self, model: str) -> str | None:
        """Return the line that a user reads where the model answers without the skill; None if it has it."""
        if self.has:
            return None
        return f"{model} is a demonstration here: it has no measured skill at {self.question} ({self.deciding})"


Skills = Mapping[str, Skill]
"""Skills by the question."""


def read_skills(directory: Path) -> Skills:
    """Return the skills of a model in a directory; none if nothing was measured.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    path = directory / FILE
    if not path.is_file():
        return {}
    return skills_from_text(path.read_text(encoding="utf-8"), str(path))


def skills_from_metadata(metadata: JsonMapping) -> Skills:
    """Return the skills in the metadata of a GGUF file.

    Raises
    ------
    ModelError
        If the entry is damaged.
    """
    text = metadata.get(GGUF_KEY)
    return {} if text is None else skills_from_text(str(text), GGUF_KEY)


def skills_from_text(text: str, source: str) -> Skills:
    """Return the skills in the text of a file.

    Raises
    ------
    ModelError
        If it is no JSON of that form.
    """
    try:
        rows = parse_json(text)["questions"]
        return {
            question: Skill(question, tuple(SkillFigure(**figure) for figure in row["figures"]))
            for question, row in rows.items()
            if row["figures"]
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            "the measured skills cannot be read", source=source, hint="make the file again: logos bench skills"
        ) from error


def skills_to_json(skills: Skills, model: str) -> JsonObject:
    """Return the object that the file holds."""
    questions = {
        question: {"skill": skill.has, "figures": [asdict(figure) for figure in skill.figures]}
        for question, skill in sorted(skills.items())
    }
    return {"schema": 1, "model": model, "questions": questions}
