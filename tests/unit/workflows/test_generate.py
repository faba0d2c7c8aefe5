"""The workflow: prompts of every kind, records, accounting, and samples made again."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from logos_cli import generate, registry
from logos_cli.backends.base import LoadOptions
from logos_cli.backends.fake import FakeBackend, FakeCheckpoint
from logos_cli.errors import GrammarError, InputError, LogosError, UsageError
from logos_cli.grammar import parse
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Record, Status
from logos_cli.workflows.generate.generation import GenerateOptions, GenerateTally
from logos_cli.workflows.generate.plan import plan_generation

_FAKE: dict[str, Any] = {"backend": "fake", "max_new_tokens": 60}


def _make(task: str, prompts: Any = None, **options: Any) -> list[Record]:
    return list(generate(task, prompts, **{**_FAKE, **options}))


def _script(tmp_path: Path, *sentences: str) -> str:
    path = tmp_path / "script.txt"
    path.write_text("\n".join(sentences))
    return str(path)


def _raw(task: str) -> dict[str, bool]:
    """Return what makes a task that puts samples together write them as they come."""
    names = {option.name for option in registry.load("tasks", task).options}
    return {"samples": True} if "samples" in names else {}


@pytest.fixture
def unloadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the loading of a model an error."""

    def refuse(self: FakeCheckpoint) -> FakeBackend:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(FakeCheckpoint, "load", refuse)


def test_a_record_says_all_that_is_needed_to_make_it_again(tmp_path: Path) -> None:
    script = _script(tmp_path, "<MoleculeS>CCO<MoleculeE>")
    (record,) = _make("molecule", "CC", model=script, seed=11, top_p=0.9)
    assert record.id == "prompt#0001"
    assert (record.kind, record.text, record.status) == ("molecule", "<MoleculeS>CCO<MoleculeE>", Status.OK)
    sample = record.sample
    assert sample["logp"] == pytest.approx(0, abs=1e-3)
    wanted = {
        "task": "molecule",
        "model": script,
        "backend": "fake",
        "device": "cpu",
        "dtype": "float32",
        "seed": 11,
        "temperature": 1.2,
        "top_k": 0,
        "top_p": 0.9,
        "min_p": 0.0,
        "repetition_penalty": 1.05,
        "max_new_tokens": 60,
        "constrain": "grammar",
        "prompt": "prompt",
        "n_prompt_characters": len("<MoleculeS>CC"),
        "n_tokens": 2,
        "finish": "stop",
    }
    assert {key: sample[key] for key in wanted} == wanted
    assert set(sample) == {*wanted, "batch_invariant", "logp"}
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize(("task", "prompt"), [("molecule", None), ("site", "MKTAYIAKQRQISFVK")])
def test_the_embedded_model_gives_the_same_text_at_any_batch_size(task: str, prompt: str | None) -> None:
    options = {"n_samples": 6, "seed": 3, "device": "cpu", "temperature": 1.3, "top_p": 1.0, "max_new_tokens": 60}
    options |= _raw(task)
    wanted = [record.to_dict() for record in generate(task, prompt, batch_size=64, **options)]
    assert len({record["text"] for record in wanted}) > 1
    for batch_size in (1, 4):
        records = generate(task, prompt, batch_size=batch_size, **options)
        assert [record.to_dict() for record in records] == wanted


def test_a_sample_does_not_depend_on_how_many_are_made() -> None:
    many = _make("protein", ["MKT", "MAA"], n_samples=5, seed=2)
    few = _make("protein", ["MKT"], n_samples=2, seed=2)
    assert [record.text for record in few] == [record.text for record in many[:2]]
    other = _make("protein", ["MKT"], n_samples=2, seed=3)
    assert [record.text for record in few] != [record.text for record in other]


def test_each_fasta_record_is_completed(tmp_path: Path) -> None:
    file = tmp_path / "seq.fasta"
    file.write_text(">P1 first\nMKTAY\n>P2\nMAAG\n")
    records = _make("protein", file, n_samples=2)
    assert [record.id for record in records] == ["P1#0001", "P1#0002", "P2#0001", "P2#0002"]
    assert all(record.text.startswith("<ProteinS>MKTAY") for record in records[:2])
    assert all(record.text.startswith("<ProteinS>MAAG") for record in records[2:])
    assert records[0].source["path"] == str(file)
    assert len(records[0].source["sha256"]) == 64


def test_a_bad_entry_is_one_error_record_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "seq.fasta"
    file.write_text(">a\nMKTAY\n>b\nMK1AY\n>c\nMAAG\n")
    tally = GenerateTally()
    records = _make("protein", str(file), n_samples=3, tally=tally)
    assert [(record.id, record.status is Status.ERROR) for record in records] == [
        ("a#0001", False),
        ("a#0002", False),
        ("a#0003", False),
        ("b", True),
        ("c#0001", False),
        ("c#0002", False),
        ("c#0003", False),
    ]
    assert "1" in (records[3].reason or "")
    assert (tally.requested, tally.failed, tally.failed_prompts) == (9, 3, 1)


def test_records_keep_id_source_and_unknown_keys(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl.gz"
    lines = [
        {"id": "s1", "text": "<ProteinS>MK<PocketS>V<PocketE><ProteinE>", "source": {"chain": "A"}, "mine": [1]},
        {"id": "bad", "text": "", "status": "error", "reason": "no atoms", "mine": 2},
        {"text": "<ProteinS>GG<ProteinE>"},
        {"id": "odd", "text": "<MaterialS>"},
    ]
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    records = _make("ligand", file, n_samples=1, model=_script(tmp_path))
    assert [record.id for record in records] == ["s1#0001", "bad", "in:3#0001", "odd"]
    assert records[0].source == {"chain": "A"}
    assert records[0].extra == {"mine": [1]}
    assert records[0].text.startswith("<ProteinS>MK<PocketS>V<PocketE><ProteinE><MoleculeS>")
    assert records[1].reason == "no atoms"
    assert records[1].extra == {"mine": 2}
    assert records[2].text.startswith("<ProteinS>GG<ProteinE><MoleculeS>")
    assert records[3].status is Status.ERROR


@pytest.mark.parametrize(
    ("content", "begins"),
    [
        ("MKTAYIAK\n", "<ProteinS>MKTAYIAK"),
        ("<ProteinS>MKT\n<ProteinS>MAA<ProteinE>\n", "<ProteinS>MKT"),
        (">x\nMKTAYIAK\n", "<ProteinS>MKTAYIAK"),
        ('{"text": "<ProteinS>MKT<ProteinE>"}\n', "<ProteinS>MKT"),
    ],
)
def test_standard_input_is_read_by_its_content(content: str, begins: str) -> None:
    records = _make("protein", "-", stdin=io.BytesIO(content.encode()))
    assert len(records) == max(1, content.count("ProteinS"))
    assert records[0].text.startswith(begins)


def test_objects_records_and_texts_are_prompts() -> None:
    pocket = Complex((Protein("MKV", (2,)),))
    prompts: list[Any] = [
        Protein("MKV"),
        pocket,
        Record("r", "", "<ProteinS>GG<ProteinE>"),
        "<ProteinS>AA<ProteinE><MoleculeS>C",
    ]
    records = _make("ligand", prompts)
    assert [record.id for record in records] == ["prompt:1#0001", "prompt:2#0001", "r#0001", "prompt:4#0001"]
    starts = [
        "<ProteinS>MKV<ProteinE><MoleculeS>",
        "<ProteinS>MK<PocketS>V<PocketE><ProteinE><MoleculeS>",
        "<ProteinS>GG<ProteinE><MoleculeS>",
        "<ProteinS>AA<ProteinE><MoleculeS>C",
    ]
    assert all(record.text.startswith(start) for record, start in zip(records, starts, strict=True))
    assert _make("molecule", Molecule("CC"))[0].text.startswith("<MoleculeS>CC")
    with pytest.raises(UsageError, match="takes no molecule"):
        _make("ligand", Molecule("CC"))


def test_a_structure_gives_its_pockets(shared_data: Path) -> None:
    file = shared_data / "complexes" / "posebusters" / "5sd5_HWI.pdb.gz"
    records = _make("ligand", file, n_samples=2, max_new_tokens=30)
    assert records
    for record in records:
        if record.status is not Status.ERROR:
            assert "<PocketS>" in record.text
            assert record.source["path"] == str(file)
            assert "#000" in record.id


def test_the_parts_of_the_account_sum(tmp_path: Path) -> None:
    known = [f"<MoleculeS>{smiles}<MoleculeE>" for smiles in ("CCO", "OCC", "C(C", "CN", "CCCCCCCCCCCCCCCCCCCC")]
    tally = GenerateTally()
    records = _make(
        "molecule", None, model=_script(tmp_path, *known), n_samples=200, max_new_tokens=12, top_p=1.0, tally=tally
    )
    assert len(records) == tally.requested == 200
    assert min(tally.cut, tally.invalid, tally.repeated) > 0
    assert tally.unique == 2  # ethanol in two writings, and methylamine
    assert tally.unique + tally.repeated == sum(record.status is Status.OK for record in records)
    assert {record.reason for record in records if record.sample["finish"] == "length"} == {"cut after 12 new tokens"}
    assert str(tally) == (
        f"200 requested → {200 - tally.cut} well-formed → {tally.unique + tally.repeated} valid → 2 unique "
        f"({tally.cut} cut at the limit of tokens, {tally.invalid} invalid, {tally.repeated} repeated)"
    )


def test_without_the_constraint_malformed_answers_are_counted(tmp_path: Path) -> None:
    tally = GenerateTally()
    script = _script(tmp_path, "<MoleculeS>CC<ProteinE>", "<MoleculeS>CO<MoleculeE>")
    records = _make("molecule", None, model=script, n_samples=40, constrain="off", top_p=1.0, tally=tally)
    assert tally.malformed > 0
    assert tally.malformed + tally.unique + tally.repeated == 40
    bad = next(record for record in records if record.status is Status.INVALID)
    assert bad.reason == "unexpected <ProteinE>"


def test_everything_sampled_under_the_constraint_parses() -> None:
    pocket = "<ProteinS>M<PocketS>K<PocketE><ProteinE>"
    prompts = {"site": "MKTAYIAK", "ligand": pocket, "expanded": pocket}
    for task in registry.names("tasks"):
        records = _make(
            task,
            prompts.get(task),
            n_samples=4,
            max_new_tokens=1000,
            temperature=1.0,
            top_p=1.0,
            repetition_penalty=1.0,
            **_raw(task),
        )
        finished = [record for record in records if record.sample["finish"] == "stop"]
        assert finished, task
        for record in finished:
            assert parse(record.text).form == record.kind


@pytest.mark.usefixtures("unloadable")
@pytest.mark.parametrize(
    ("task", "prompt", "options", "error", "said"),
    [
        ("protien", None, {}, UsageError, "unknown task"),
        ("site", None, {}, UsageError, "needs a prompt"),
        ("molecule", None, {"temperature": -1}, UsageError, "temperature"),
        ("molecule", None, {"n_samples": 0}, UsageError, "n-samples"),
        ("molecule", None, {"constrain": "syntax"}, UsageError, "no constraint"),
        ("molecule", None, {"colour": 1}, UsageError, "no option 'colour'"),
        ("protein", "seq.fasta", {}, UsageError, "no such file"),
        ("protein", "molecules.smi.gz", {}, UsageError, "no such file"),
        ("protein", "MKT1", {}, GrammarError, "not a residue"),
        ("molecule", "<ProteinS>MK", {}, GrammarError, "is not the beginning of a sentence"),
        ("protein", "M" * 5000, {}, InputError, "5,002 tokens long; the model reads at most 4,096"),
        ("ligand", "MKV", {"level": 3}, UsageError, "level 3 tags"),
        ("molecule", Molecule("C C"), {}, LogosError, "SMILES"),
    ],
)
def test_what_cannot_work_is_refused_before_the_model_is_loaded(
    task: str, prompt: Any, options: dict[str, Any], error: type[LogosError], said: str
) -> None:
    with pytest.raises(error, match=said):
        _make(task, prompt, **options)


@pytest.mark.usefixtures("unloadable")
def test_a_file_of_bad_prompts_alone_loads_no_model(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"text": "<MoleculeS>C<MoleculeE>"}\n{"text": 3}\n')
    tally = GenerateTally()
    records = _make("site", file, n_samples=4, tally=tally)
    assert [record.status for record in records] == [Status.ERROR, Status.ERROR]
    assert str(tally) == "8 requested → 0 well-formed → 0 valid → 0 unique (8 never begun)"


def test_empty_and_unreadable_files_are_errors_of_the_run(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty.fasta", tmp_path / "noise.fasta"
    empty.touch()
    binary.write_bytes(bytes(range(256)) * 8)
    for file in (empty, binary):
        with pytest.raises(InputError) as caught:
            _make("protein", file)
        assert caught.value.source == str(file)


def test_the_plan_holds_the_resolved_values() -> None:
    options = GenerateOptions(load=LoadOptions(backend="fake"), n_samples=32, top_k=9)
    plan = plan_generation("retrosynthesis", options).describe()
    assert plan["temperature"] == 0.7
    assert (plan["top_p"], plan["top_k"], plan["n_samples"]) == (0.95, 9, 32)
    json.dumps(plan)


def test_prompts_stream() -> None:
    drawn = 0

    def endless() -> Any:
        nonlocal drawn
        while True:
            drawn += 1
            yield "MKT"

    records = generate("protein", endless(), **{**_FAKE, "batch_size": 4, "max_new_tokens": 5})
    for _ in range(50):
        next(records)
    assert drawn < 50 + 40


def test_records_follow_the_published_schema(checkout: Path) -> None:
    import jsonschema

    schema = json.loads((checkout / "docs" / "reference" / "record.schema.json").read_text())
    records = _make("molecule", None, n_samples=5) + _make("site", ["MKTAYIAK", "M1"])
    assert {record.status for record in records} == {Status.OK, Status.INVALID, Status.ERROR}
    known = set(schema["properties"]["sample"]["properties"])
    for record in records:
        jsonschema.validate(record.to_dict(), schema)
        assert set(record.sample) <= known
