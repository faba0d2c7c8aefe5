"""The workflow over the engine: constraints as options, order, and memory that does not grow."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logos_cli import generate
from logos_cli.backends.base import LoadOptions
from logos_cli.errors import GrammarError, UsageError
from logos_cli.records import Record, Status
from logos_cli.workflows.generate.schedule import PromptState

_FAKE: dict[str, Any] = {"backend": "fake", "max_new_tokens": 80}


def _make(task: str, prompts: Any = None, **options: Any) -> list[Record]:
    return list(generate(task, prompts, **{**_FAKE, **options}))


def test_a_template_is_followed_and_recorded() -> None:
    text = "EVQL{X:3,5}WGQG"
    records = _make("antibody", None, n_samples=6, template=text, samples=True)
    for record in records:
        assert record.status is Status.OK
        assert re.fullmatch(r"<AntibodyS>EVQL[A-Y]{3,5}WGQG<AntibodyE>", record.text)
        assert record.sample["template"] == text
    assert len({record.text for record in records}) > 1


def test_a_template_holds_for_what_is_given_too() -> None:
    (record,) = _make("molecule", "CC", template="C{[CO]:2}N")
    assert re.fullmatch(r"<MoleculeS>CC[CO]N<MoleculeE>", record.text)
    with pytest.raises(GrammarError, match="is not the beginning of a sentence") as caught:
        _make("molecule", "CN", template="C{[CO]:2}N")
    assert caught.value.span is not None
    assert caught.value.span.start == len("<MoleculeS>C")


def test_what_is_fixed_at_the_beginning_is_read_not_written() -> None:
    (record,) = _make("protein", None, template="MKTAYI{X:2}K")
    assert record.sample["n_prompt_characters"] == len("<ProteinS>MKTAYI")
    assert record.sample["n_tokens"] == 4
    (record,) = _make("protein", "MKTAYI", max_mutations=1, positions="5-6", samples=True)
    assert record.sample["n_prompt_characters"] == len("<ProteinS>MKTA")


def test_a_template_without_a_free_part_leaves_nothing_to_write_but_the_end() -> None:
    (record,) = _make("protein", None, template="MKT")
    assert record.text == "<ProteinS>MKT<ProteinE>"


def test_a_ligand_of_a_template_keeps_its_pocket() -> None:
    (record,) = _make("ligand", "<ProteinS>MK<PocketS>V<PocketE><ProteinE>", template="c1ccccc1{[CNO]:2}")
    assert record.text.startswith("<ProteinS>MK<PocketS>V<PocketE><ProteinE><MoleculeS>c1ccccc1")


def test_variants_of_each_wild_type(tmp_path: Path) -> None:
    file = tmp_path / "wild_type.fasta"
    file.write_text(">one\nMKTAYIAKQR\n>two\nMAGGS\n")
    records = _make("protein", file, n_samples=8, max_mutations=2, positions="2-4", samples=True)
    wild_types = {"one": "MKTAYIAKQR", "two": "MAGGS"}
    for record in records:
        old = wild_types[record.id.split("#")[0]]
        new = record.text.removeprefix("<ProteinS>").removesuffix("<ProteinE>")
        changed = [i for i, (a, b) in enumerate(zip(old, new, strict=True), 1) if a != b]
        assert len(changed) <= 2
        assert set(changed) <= {2, 3, 4}
        assert record.sample["max_mutations"] == 2
        assert record.sample["positions"] == "2-4"
    assert len(records) == 16


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("protein", {"template": "MK{X"}, "not closed"),
        ("protein", {"template": "MK", "constrain": "off"}, "is a constraint"),
        ("reaction", {"template": "CC"}, "takes no template"),
        ("site", {"max_mutations": 1}, "site takes no edit"),
        ("molecule", {"max_mutations": 1}, "molecule takes no edit"),
        ("protein", {"max_mutations": 0}, "1 or more"),
        ("protein", {"max_mutations": 1}, "needs a wild type"),
        ("protein", {"positions": "3"}, "belong to an edit"),
        ("protein", {"guide": "oracle"}, "belongs to an edit"),
        ("protein", {"guide": "model"}, "there is no guide"),
        ("protein", {"template": "MK", "max_mutations": 1}, "exclude each other"),
        ("protein", {"order": "random"}, "no order"),
    ],
)
def test_what_cannot_go_together_is_refused(task: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, GrammarError), match=message):
        _make(task, None, **options)


def test_an_oracle_guides_edits_to_what_is_frequent_in_its_table(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from logos_cli.training.assay.regression import train_regression

    common, wild_type = "MKTAYIAKQR", "MKTAYIWKQR"
    generator = np.random.default_rng(0)
    places = generator.integers(10, size=200).tolist()
    table = [common[:place] + "ACDEFGHIKL"[place] + common[place + 1 :] for place in places]
    oracle = train_regression("protein", table, generator.normal(size=200), method="ridge")
    oracle.write(tmp_path, {})
    options = {"oracle": str(tmp_path), "max_mutations": 1, "n_samples": 12}
    records = _make("protein", wild_type, guide="oracle", **options)
    likeliest = max(records, key=lambda record: record.scores["table_logp"]["value"] or 0)
    assert likeliest.scores["mutations"]["value"] == "W7A"  # what is rare in the table goes first
    assert {record.sample["guide"] for record in records} == {"oracle"}
    assert len(records) < len(_make("protein", wild_type, guide="uniform", **options))
    assert _make("protein", wild_type, guide="oracle", **options) == records
    refused = _make("protein", [wild_type, "MKT"], guide="oracle", oracle_input="auto", **options)
    assert refused[-1].status is Status.ERROR
    assert "has 3 residues" in (refused[-1].reason or "")


def test_a_guide_needs_an_oracle_with_a_table() -> None:
    with pytest.raises(UsageError, match="--guide oracle needs --oracle"):
        _make("protein", "MKTAYIAK", guide="oracle", max_mutations=1)
    with pytest.raises(UsageError, match="has no oracle with a table"):
        _make("antibody", "EVQLVESGGG", guide="oracle", max_mutations=1)


def test_positions_outside_a_wild_type_fail_that_prompt_alone() -> None:
    records = _make("protein", ["MKTAYIAKQR", "MKT"], max_mutations=1, positions="5")
    assert [record.status for record in records] == [Status.OK, Status.ERROR]
    assert "the sequence runs from 1 to 3" in (records[1].reason or "")


def test_records_as_they_are_completed_are_the_same_records(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("\n".join(f"<ProteinS>{'MK' * n}<ProteinE>" for n in (1, 2, 5, 20)))
    prompts = ["M", "not residues", "MK", "MKMK"]
    options = {"model": str(script), "n_samples": 4, "batch_size": 5}
    ordered = _make("protein", prompts, **options)
    free = _make("protein", prompts, order="completed", **options)
    assert [record.id for record in ordered] != [record.id for record in free]
    key = {record.id: record.to_json() for record in ordered}
    assert {record.id: record.to_json() for record in free} == key
    assert [r.id for r in ordered if r.status is Status.ERROR] == ["prompt:2"]


def test_memory_does_not_grow_with_the_prompts() -> None:
    drawn = 0

    def prompts() -> Iterator[str]:
        nonlocal drawn
        for _ in range(100_000):
            drawn += 1
            yield "MKT"

    load = LoadOptions(backend="fake", batch_size=4)
    records = generate("protein", prompts(), load=load, max_new_tokens=3)
    for number in range(200):
        next(records)
        assert drawn <= number + 40
        if number % 100 == 99:
            assert sum(type(each) is PromptState for each in gc.get_objects()) < 40
    records.close()
