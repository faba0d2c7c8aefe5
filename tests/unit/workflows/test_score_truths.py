"""Right answers and reference sets of one family are no business of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from logos_cli.errors import InputError
from logos_cli.grammar import Form
from logos_cli.objects.base import to_text
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record
from logos_cli.workflows.score.scoring import score


def reaction(*reactants: str) -> Record:
    text = to_text(Reaction(reactants, "CCOC(C)=O"), Form.RETROSYNTHESIS)
    return Record("r", "retrosynthesis", text)


@pytest.fixture
def reactions(tmp_path: Path) -> str:
    path = tmp_path / "truth.smi"
    path.write_text("CCO.CC(=O)O>>CCOC(C)=O\n")
    return str(path)


def test_reactions_are_scored_beside_right_answers(reactions: str) -> None:
    (scored,) = score([reaction("CCO", "CC(=O)O")], truth=reactions)
    assert scored.scores["exact_match"]["value"] is True
    assert "recovery_h3" not in scored.scores


def test_records_of_another_kind_need_no_right_answers_of_theirs(reactions: str) -> None:
    (scored,) = score([Molecule("CCO")], truth=reactions)
    assert isinstance(scored.scores["qed"]["value"], float)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_right_answers_of_another_kind_are_refused(tmp_path: Path, jobs: int) -> None:
    path = tmp_path / "molecules.smi"
    path.write_text("CCO\n")
    with pytest.raises(InputError, match="no reactions"):
        list(score([reaction("CCO", "CC(=O)O")], truth=str(path), jobs=jobs))


def test_a_reference_set_of_another_kind_is_refused_by_name(reactions: str) -> None:
    protein = Record("p", "protein", to_text(Protein("MKV")))
    with pytest.raises(InputError, match="no proteins"):
        list(score([protein], metrics=("distance_to_reference",), reference=reactions))
