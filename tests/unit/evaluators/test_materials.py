"""Frameworks are judged at the level of sequences."""

from __future__ import annotations

import pickle

import pytest

from logos_cli.errors import InputError, LogosError
from logos_cli.evaluators.base import Context, Subject, Unavailable
from logos_cli.evaluators.materials.plugin import PLUGIN
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.grammar import Form
from logos_cli.objects.base import to_text
from logos_cli.objects.material import Material
from logos_cli.records import Record, write_records

TERE = "O=C([O-])c1ccc(C(=O)[O-])cc1"
MOF_5 = Material("[Zn][O]([Zn])([Zn])[Zn]", (TERE,))
# the same, written in another way
MOF_5_AGAIN = Material("[O]([Zn])([Zn])([Zn])[Zn]", ("c1cc(ccc1C(=O)[O-])C(=O)[O-]",))
NEW_LINKER = Material(MOF_5.metal, ("O=C([O-])c1cc(CCCCCCCCF)c(C(=O)[O-])c2[se]ccc12",))
NEW_NODE = Material("[Zn][Te][Cu][Au]", (TERE,))
BAD_LINKER = Material(MOF_5.metal, ("C1CC",))
NO_METAL = Material("[O]", (TERE,))
METRICS = [metric.name for metric in PLUGIN.metrics]
FIGURES = [metric.name for metric in PLUGIN.summary_metrics]
NANO = Context()


def subject(item: Material | None) -> Subject:
    return Subject(Record("1", Form.MATERIAL, ""), item, Form.MATERIAL, None if item else LogosError("cut"))


def score(item: Material, context: Context = NANO) -> dict:
    return PLUGIN.score(subject(item), METRICS, context)


def test_a_known_framework():
    assert score(MOF_5) == {
        "mof_valid": True,
        "mof_novel": False,
        "new_nodes": 0,
        "new_linkers": 0,
        "n_linkers": 1,
        "mofkey": "Zn.KKEYFWRCBNTPAC.MOFkey-v1",
    }
    assert score(MOF_5_AGAIN) == score(MOF_5)


def test_new_building_blocks():
    assert score(NEW_LINKER) | {"mofkey": ""} == {
        "mof_valid": True,
        "mof_novel": True,
        "new_nodes": 0,
        "new_linkers": 1,
        "n_linkers": 1,
        "mofkey": "",
    }
    found = score(NEW_NODE)
    assert (found["mof_valid"], found["mof_novel"], found["new_nodes"]) == (True, True, 1)


def test_what_is_not_valid_says_why():
    found = score(BAD_LINKER)
    assert found["mof_valid"] is False
    assert "RDKit rejects the SMILES C1CC" in found["new_linkers"].reason
    assert found["new_nodes"] == 0
    found = score(NO_METAL)
    assert found["mof_valid"] is False
    assert isinstance(found["new_nodes"], Unavailable)
    assert "contains no metal" in found["mofkey"].reason


def figures(items: list[Material | None], context: Context = NANO) -> dict:
    seen = pickle.loads(pickle.dumps([PLUGIN.observe(subject(item), context) for item in items]))
    return {name: (each.value, each.n) for name, each in PLUGIN.summarise(seen, FIGURES, context).items()}


def test_rates_of_a_set():
    items = [MOF_5, MOF_5_AGAIN, NEW_LINKER, NEW_LINKER, NEW_NODE, BAD_LINKER, NO_METAL, None]
    assert figures(items) == {
        "mof_validity": (5 / 8, 8),
        "mof_uniqueness": (3 / 5, 5),
        "mof_novelty": (2 / 3, 3),
        "vnu_sequence_level": (1 / 8, 8),
        "new_building_block_rate": (3 / 8, 8),
        "new_linker_rate": (2 / 8, 8),
        "new_node_rate": (1 / 8, 8),
    }
    assert figures([])["vnu_sequence_level"] == (None, 0)
    assert figures([None])["vnu_sequence_level"] == (0, 1)


@pytest.fixture
def reference(tmp_path) -> Context:
    path = tmp_path / "known.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        write_records(
            [Record("1", Form.MATERIAL, to_text(NEW_NODE)), Record("2", Form.MATERIAL, to_text(BAD_LINKER))], stream
        )
    return Context(reference=ReferenceSet(str(path)))


def test_a_reference_set_takes_the_place_of_the_training_data(reference):
    PLUGIN.prepare(METRICS, reference)
    found = score(NEW_NODE, reference)
    assert (found["mof_valid"], found["mof_novel"]) == (True, False)
    found = score(MOF_5, reference)
    assert (found["mof_valid"], found["mof_novel"], found["new_nodes"], found["new_linkers"]) == (True, True, 1, 0)


def test_a_reference_set_of_another_kind(tmp_path):
    path = tmp_path / "known.smi"
    path.write_text("CCO\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no materials, but 1 molecules"):
        PLUGIN.prepare(METRICS, Context(reference=ReferenceSet(str(path))))


@pytest.mark.slow
def test_training_frameworks_are_known_and_held_out_ones_are_not(shared_data):
    import random

    from scripts.nano_records import materials

    items = list(materials(shared_data, random.Random(0)))
    known = [item for item, *_, split, _ in items if split == "train"]
    sample = random.Random(1).sample(known, 150)
    rates = figures(sample)
    assert rates["mof_validity"][0] == 1
    assert rates["mof_novelty"][0] == 0
    held_out = figures([item for item, *_, split, _ in items if split == "valid"][:150])
    assert held_out["mof_novelty"][0] > 0.9


@pytest.mark.parametrize("item", [MOF_5, NEW_LINKER, NEW_NODE, BAD_LINKER, NO_METAL])
def test_generate_and_score_mean_the_same_by_valid(item):
    from logos_cli.grammar import parse
    from logos_cli.tasks.material.plugin import PLUGIN as TASK

    try:
        TASK.judge(parse(to_text(item)))
        accepted = True
    except LogosError:
        accepted = False
    assert score(item)["mof_valid"] is accepted
