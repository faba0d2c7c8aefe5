"""What a model was measured to be able to do: the registry, its verdicts, and who reports it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logos_cli import generate, registry
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.checkpoints.skills import FILE, SkillFigure, read_skills, skills_to_json
from logos_cli.errors import InputError, ModelError
from logos_cli.resources import EMBEDDED, data_path
from logos_cli.workflows.bench.skills import measured_skills
from logos_cli.workflows.score.scoring import ScoreOptions, Scoring

_NANO = data_path("tokenizers", EMBEDDED)


def _results(low: float, baseline: float | None) -> dict[str, Any]:
    figure = {
        "unit": "%",
        "better": "higher",
        "model": {"value": 39.0, "low": low, "high": 43.0, "n": 500},
        "baseline": None if baseline is None else {"value": baseline, "n": 500},
    }
    row = {
        "benchmark": "retrosynthesis",
        "n_cases": 500,
        "baseline_help": "the product itself, as its only reactant.",
        "figures": {"top-10": figure},
    }
    return {"benchmarks": [row]}


@pytest.mark.parametrize(("low", "has"), [(34.0, True), (30.0, False)])
def test_a_figure_must_be_better_beyond_its_interval(tmp_path: Path, low: float, has: bool) -> None:
    (tmp_path / "results.json").write_text(json.dumps(_results(low, 30.0)), encoding="utf-8")
    skill = measured_skills([tmp_path])["retrosynthesis"]
    assert skill.has is has
    line = skill.warning("some-model")
    assert (line is None) is has
    if line is not None:
        assert "no measured skill at retrosynthesis (top-10 (%) 39 [30, 43], the product itself 30)" in line


def test_a_figure_without_a_baseline_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(_results(34.0, None)), encoding="utf-8")
    with pytest.raises(InputError, match="no figure beside a baseline"):
        measured_skills([path])
    with pytest.raises(InputError, match="no such file"):
        measured_skills([tmp_path / "none.json"])


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(_results(34.0, 30.0)), encoding="utf-8")
    skills = measured_skills([tmp_path])
    (tmp_path / FILE).write_text(json.dumps(skills_to_json(skills, "m")), encoding="utf-8")
    assert read_skills(tmp_path) == skills
    assert read_skills(tmp_path / "elsewhere") == {}
    (tmp_path / FILE).write_text('{"questions": {"site": {}}}', encoding="utf-8")
    with pytest.raises(ModelError, match="skills cannot be read"):
        read_skills(tmp_path)


def test_the_embedded_model_has_the_skills_of_its_card() -> None:
    skills, card = read_skills(_NANO), measured_skills([_NANO / "figures.json"])
    for question, skill in card.items():
        assert [figure for figure in skills[question].figures if "figures.json" in figure.source] == list(skill.figures)
    tasks = set(registry.names("tasks"))
    assert {question.split()[0] for question in skills} <= tasks | {"fitness"}
    assert {question for question, skill in skills.items() if skill.has} >= {"molecule", "reaction", "antibody"}
    assert not skills["site"].has
    assert skills["site"].deciding.baseline_name == "letter frequency"
    assert open_model(LoadOptions()).skills == skills


def test_records_carry_the_skill() -> None:
    (protein,) = generate("protein", "MKTAYIAK", n_samples=1, max_new_tokens=5)
    assert protein.sample["skill"]["verdict"] == "none"
    (molecule,) = generate("molecule", "CCO", n_samples=1, max_new_tokens=40)
    assert molecule.sample["skill"]["verdict"] == "measured"
    (edited,) = generate("protein", "MKTAYIAK", n_samples=1, max_mutations=1, samples=True)
    assert edited.sample["skill"]["figure"] == "fitness"
    (other,) = generate("molecule", "CCO", n_samples=1, backend="fake")
    assert "skill" not in other.sample


def test_scores_report_answers_of_a_model_without_skill() -> None:
    options = ScoreOptions(("logp_ratio",), wild_type="<ProteinS>MKTAYIAK<ProteinE>")
    (skill,) = Scoring(options).unskilled()
    assert skill.question == "fitness"
    assert not Scoring(ScoreOptions(("logp", "round_trip"))).unskilled()


def test_lower_may_be_better() -> None:
    figure = SkillFigure("perplexity", 1.9, 1.8, 2.0, 9, 2.2, "5-gram", "lower", "x", is_better=True)
    assert str(figure) == "perplexity 1.9 [1.8, 2], 5-gram 2.2"
