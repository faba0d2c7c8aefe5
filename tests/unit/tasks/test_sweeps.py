"""Loops that are drawn again: how often, and where they are in an answer."""

from __future__ import annotations

import re

import pytest

from logos_cli import generate, registry
from logos_cli.errors import UsageError
from logos_cli.grammar.spec import Kind
from logos_cli.records.parts import number_of
from logos_cli.tasks.base import Task
from logos_cli.tasks.design.cdr import Design, DesignPrompt, Loop

HEAVY = "EVQLVESGGGFNIKDTYIHWVRYYCSRWGGDGFYAMDYWGQGTLVTVSS"
LIGHT = "DIQMTQSPSSQHYTTPPTFGQGTKVEIK"


def _task(**chosen: object) -> Task:
    pytest.importorskip("anarcii")
    task: Task = registry.load("tasks", "antibody").configure(**chosen)
    return task


def test_a_model_that_reads_residues_sweeps_twice_unless_told_otherwise() -> None:
    assert _task(cdr="H3").for_model("m", by_residue=True).changed["sweeps"] == 2
    assert _task(cdr="H3", sweeps=5).for_model("m", by_residue=True).changed["sweeps"] == 5
    assert _task(cdr="H3", sweeps=0).for_model("m", by_residue=True).changed["sweeps"] == 0
    assert "sweeps" not in _task().for_model("m", by_residue=True).changed


def test_a_model_that_does_not_read_residues_sweeps_never_and_says_so_where_it_is_asked_to() -> None:
    assert _task(cdr="H3").for_model("m", by_residue=False).changed["sweeps"] == 0
    with pytest.raises(UsageError, match="served cannot draw residues again"):
        _task(cdr="H3", sweeps=1).for_model("served", by_residue=False)


def test_the_task_itself_is_not_changed() -> None:
    task = _task(cdr="H3")
    task.for_model("m", by_residue=True)
    assert task.chosen["sweeps"] is None


def test_the_pattern_of_an_answer_finds_its_loops() -> None:
    loops = (Loop("H1", 0, 10, 18, 6, 9), Loop("H3", 0, 24, 37, 13, 13), Loop("L3", 1, 10, 17, 7, 7))
    design = Design((HEAVY, LIGHT), loops, "imgt")
    answer = design.sentence.removeprefix(design.beginning)
    match = re.fullmatch(design.answer_pattern, answer)
    assert match is not None
    assert match.groups() == (HEAVY[10:18], HEAVY[24:37], LIGHT[10:17])
    only_light = Design((HEAVY, LIGHT), loops[2:], "imgt")
    match = re.fullmatch(only_light.answer_pattern, only_light.sentence.removeprefix(only_light.beginning))
    assert match is not None
    assert match.groups() == (LIGHT[10:17],)
    assert design.sentence.endswith(Kind.ANTIBODY.end)


def test_a_prompt_without_sweeps_has_nothing_to_draw_again() -> None:
    design = Design((HEAVY,), (Loop("H3", 0, 24, 37, 13, 13),), "imgt")
    assert DesignPrompt.of(design, 0).redraw is None
    redraw = DesignPrompt.of(design, 3).redraw
    assert redraw is not None
    assert redraw.n_sweeps == 3


@pytest.mark.slow
def test_sweeps_make_loops_likelier_and_are_recorded() -> None:
    pytest.importorskip("anarcii")
    heavy = (
        "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
        "SRWGGDGFYAMDYWGQGTLVTVSS"
    )
    best = {}
    for sweeps in (0, None):
        options = {} if sweeps is None else {"sweeps": sweeps}
        records = list(generate("antibody", heavy, cdr="H3", n_samples=6, seed=1, device="cpu", **options))
        assert {record.sample["options"]["sweeps"] for record in records} == {2 if sweeps is None else 0}
        assert all(len(str(record.scores["cdr_h3"]["value"])) == 13 for record in records)
        best[sweeps] = max(number_of(record.scores, "logp") or -1e9 for record in records)
    assert best[None] > best[0]
