"""Loops that are drawn again: how often, and where they are in an answer."""

from __future__ import annotations

import re

import numpy as np
import pytest

from logos_cli import generate, registry
from logos_cli.errors import UsageError
from logos_cli.grammar.constrain import inner_parts_pattern
from logos_cli.grammar.spec import Kind
from logos_cli.records.parts import logp_of
from logos_cli.tasks.base import Task
from logos_cli.tasks.design.cdr import Design, DesignPrompt, Loop

HEAVY = "EVQLVESGGGFNIKDTYIHWVRYYCSRWGGDGFYAMDYWGQGTLVTVSS"
LIGHT = "DIQMTQSPSSQHYTTPPTFGQGTKVEIK"


def _task(**chosen: object) -> Task:
    pytest.importorskip("anarcii")
    task: Task = registry.load("tasks", "antibody").configure(**chosen)
    return task


def test_a_model_that_reads_residues_sweeps_twice_unless_told_otherwise() -> None:
    assert _task(cdr="H3").for_model("m", by_residue=True, has_template=False).changed["sweeps"] == 2
    assert _task(cdr="H3", sweeps=5).for_model("m", by_residue=True, has_template=False).changed["sweeps"] == 5
    assert _task(cdr="H3", sweeps=0).for_model("m", by_residue=True, has_template=False).changed["sweeps"] == 0
    assert "sweeps" not in _task().for_model("m", by_residue=True, has_template=False).changed


def test_a_model_that_does_not_read_residues_sweeps_never_and_says_so_where_it_is_asked_to() -> None:
    assert _task(cdr="H3").for_model("m", by_residue=False, has_template=False).changed["sweeps"] == 0
    with pytest.raises(UsageError, match="served cannot draw residues again"):
        _task(cdr="H3", sweeps=1).for_model("served", by_residue=False, has_template=False)


def test_the_task_itself_is_not_changed() -> None:
    task = _task(cdr="H3")
    task.for_model("m", by_residue=True, has_template=False)
    assert task.chosen["sweeps"] is None


def test_the_pattern_of_an_answer_finds_its_loops() -> None:
    loops = (Loop("H1", 0, 10, 18, 6, 9), Loop("H3", 0, 24, 37, 13, 13), Loop("L3", 1, 10, 17, 7, 7))
    design = Design((HEAVY, LIGHT), loops, "imgt")
    match = re.fullmatch(design.pattern, design.sentence)
    assert match is not None
    assert match.groups() == (HEAVY[10:18], HEAVY[24:37], LIGHT[10:17])
    only_light = Design((HEAVY, LIGHT), loops[2:], "imgt")
    match = re.fullmatch(only_light.pattern, only_light.sentence[only_light.grammar_start :])
    assert match is not None
    assert match.groups() == (LIGHT[10:17],)


def test_only_parts_before_something_fixed_are_drawn_again() -> None:
    pattern = inner_parts_pattern([(Kind.PROTEIN, "MK{X:2}GG{[ILV]:1,3}W{X:200}A{X}")])
    match = re.fullmatch(pattern, "<ProteinS>MKADGGLLW" + "A" * 200 + "AKKK<ProteinE>")
    assert match is not None
    assert match.groups() == ("AD", "LL")


def test_sweeps_belong_to_free_parts() -> None:
    protein: Task = registry.load("tasks", "protein").configure(sweeps=1)
    with pytest.raises(UsageError, match="--sweeps needs free parts"):
        protein.for_model("m", by_residue=True, has_template=False)
    assert protein.for_model("m", by_residue=True, has_template=True).changed["sweeps"] == 1


def test_a_template_of_a_protein_is_drawn_again_and_kept() -> None:
    template = "MKTAYIAKQR{X:4}SFVKSH{[ILV]:2}K"
    made = {}
    for sweeps in (0, 2):
        records = list(generate("protein", template=template, sweeps=sweeps, n_samples=6, seed=1, device="cpu"))
        assert all(re.fullmatch("<ProteinS>MKTAYIAKQR[A-Z]{4}SFVKSH[ILV]{2}K<ProteinE>", r.text or "") for r in records)
        made[sweeps] = [r.text for r in records]
    assert made[0] != made[2]


def test_a_prompt_without_sweeps_has_nothing_to_draw_again() -> None:
    design = Design((HEAVY,), (Loop("H3", 0, 24, 37, 13, 13),), "imgt")
    assert DesignPrompt.of(design, 0).redraw is None
    redraw = DesignPrompt.of(design, 3).redraw
    assert redraw is not None
    assert redraw.n_sweeps == 3


BEFORE = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYC"
AFTER = "WGQGTLVTVSS"


@pytest.mark.slow
def test_sweeps_of_a_design_are_recorded() -> None:
    pytest.importorskip("anarcii")
    for sweeps in (0, None):
        options = {} if sweeps is None else {"sweeps": sweeps}
        heavy = f"{BEFORE}SRWGGDGFYAMDY{AFTER}"
        records = list(generate("antibody", heavy, cdr="H3", n_samples=3, seed=1, device="cpu", **options))
        assert {record.sample["options"]["sweeps"] for record in records} == {2 if sweeps is None else 0}
        assert all(len(str(record.scores["cdr_h3"]["value"])) == 13 for record in records)


@pytest.mark.slow
def test_sweeps_make_loops_likelier() -> None:
    mean = {}
    for sweeps in (0, 2):
        template = f"{BEFORE}{{X:13}}{AFTER}"
        made = generate("antibody", template=template, sweeps=sweeps, samples=True, n_samples=16, seed=1, device="cpu")
        mean[sweeps] = np.mean([logp_of(record.sample) or -1e9 for record in made])
    assert mean[2] > mean[0] + 1
