"""Records: JSON in and out, unknown keys kept, damage named."""

from __future__ import annotations

import io
import json
import math

import pytest

from logos_cli.errors import FormatError, LogosError
from logos_cli.records import Record, Status, read_records, write_records

FULL = {
    "schema": 1,
    "id": "4hhb:A:HEM:142#0007",
    "kind": "complex",
    "text": "<ProteinS>V<PocketS>L<PocketE><ProteinE><MoleculeS>CCO<MoleculeE>",
    "status": "invalid",
    "reason": "no",
    "source": {"path": "4hhb.cif", "residues": [["A", 1, ""]]},
    "sample": {"seed": 11, "logp": -31.25},
    "scores": {"vina": {"value": -7.9, "unit": "kcal/mol", "better": "lower"}},
    "plate": "B7",
    "nested": {"α": [1, None]},
}


def test_all_keys_go_through_and_unknown_ones_follow() -> None:
    record = Record.from_dict(FULL)
    assert record.status is Status.INVALID
    assert record.extra == {"plate": "B7", "nested": {"α": [1, None]}}
    assert json.loads(record.to_json()) == FULL
    assert list(json.loads(record.to_json())) == list(FULL)
    assert "α" in record.to_json(), "not escaped: people read these lines"
    assert "\n" not in record.to_json()


def test_empty_parts_are_left_out() -> None:
    assert list(Record("a", "protein", "x").to_dict()) == ["schema", "id", "kind", "text", "status"]


def test_only_the_text_is_needed() -> None:
    record = Record.from_json('{"text": "<MoleculeS>C<MoleculeE>"}')
    assert (record.id, record.kind, record.status) == ("", "", Status.OK)


def test_numbers_as_ids_become_text() -> None:
    assert Record.from_json('{"text": "x", "id": 7}').id == "7"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "not a JSON record"),
        ("{", "not a JSON record"),
        ("[" * 100_000, "not a JSON record"),
        ("[1]", "expected an object"),
        ('"text"', "expected an object"),
        ("{}", "needs a key 'text'"),
        ('{"text": 5}', "needs a key 'text'"),
        ('{"text": null}', "needs a key 'text'"),
        ('{"text": "x", "schema": 2}', "schema 2 is not known"),
        ('{"text": "x", "schema": "1"}', "schema '1' is not known"),
        ('{"text": "x", "source": []}', "'source' must be an object"),
        ('{"text": "x", "sample": 1}', "'sample' must be an object"),
        ('{"text": "x", "scores": "s"}', "'scores' must be an object"),
        ('{"text": "x", "status": "fine"}', "'fine' is none of ok, invalid, error"),
    ],
)
def test_damaged_lines(line: str, message: str) -> None:
    with pytest.raises(FormatError, match="record") as caught:
        Record.from_json(line)
    assert message in caught.value.message


def test_a_newer_schema_asks_for_an_upgrade() -> None:
    with pytest.raises(FormatError) as caught:
        Record.from_dict({"schema": 99, "text": "x"})
    assert caught.value.hint == "upgrade logos"


def test_lines_are_numbered_and_blank_ones_skipped() -> None:
    lines = ['{"text": "a"}\n', "\n", '{"text": "b"}\n', "  \n", "{oops\n"]
    reader = read_records(lines, "run.jsonl")
    assert [next(reader).text, next(reader).text] == ["a", "b"]
    with pytest.raises(FormatError) as caught:
        next(reader)
    assert caught.value.source == "run.jsonl:5"


def test_written_records_are_read_again() -> None:
    records = [Record.from_dict(FULL), Record("b", "molecule", "x", scores={"qed": {"value": 0.5}})]
    stream = io.StringIO()
    assert write_records(records, stream) == 2
    assert list(read_records(stream.getvalue().splitlines())) == records


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_number_that_json_has_not(number: float) -> None:
    with pytest.raises(FormatError, match="JSON compliant"):
        Record("a", "protein", "x", sample={"logp": number}).to_json()


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_only_python_reads(word: str) -> None:
    with pytest.raises(FormatError, match=f"{word} is not a JSON number"):
        Record.from_json(f'{{"text": "x", "scores": {{"a": {word}}}}}')


def test_line_separators_stay_inside_their_line() -> None:
    record = Record("a\nb\u2028c", "protein", "x\r\ny")
    lines = record.to_json().split("\n")
    assert len(lines) == 1
    assert Record.from_json(lines[0]) == record


def test_a_record_of_a_failure() -> None:
    error = LogosError("no atoms", hint="check the file", source="a.pdb")
    record = Record.from_error("a.pdb", "complex", error, {"path": "a.pdb"})
    assert (record.status, record.text) == (Status.ERROR, "")
    assert record.reason == "no atoms (check the file)"
    assert record.source == {"path": "a.pdb"}
