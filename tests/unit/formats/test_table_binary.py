"""Parquet, SQLite and Excel, in and out, against the libraries' own readers."""

from __future__ import annotations

import datetime as dt
import io
import sqlite3
import sys
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from logos_cli import encode
from logos_cli.errors import LogosError, MissingError
from logos_cli.formats.base import WriteOptions
from logos_cli.records import Record, Status
from logos_cli.workflows.decode import decode, writers

_KINDS = ("parquet", "sqlite", "xlsx")
_RECORDS = (
    Record(
        "=a",
        "molecule",
        "<MoleculeS>CCO<MoleculeE>",
        scores={"qed": {"value": 0.5}, "n": {"value": 3}, "ok": {"value": True}},
        sample={"seed": 2**62, "logp": -1.5},
        source={"path": "x.smi", "notes": ["one", "two"]},
    ),
    Record("b", "molecule", "<MoleculeS>CCC<MoleculeE>", scores={"qed": {"value": 1}, "n": {"value": 4}}),
    Record("c", "molecule", "<MoleculeS>C(<MoleculeE>", Status.INVALID, "unclosed"),
)


def _write(kind: str, records: tuple[Record, ...] = _RECORDS) -> bytes:
    stream = io.BytesIO()
    writer = writers()[kind](stream, WriteOptions())
    for record in records:
        writer.write(record, decode(record))
    writer.close()
    return stream.getvalue()


def _rows(kind: str, content: bytes) -> list[dict[str, object]]:
    """Read a file by its own library."""
    if kind == "parquet":
        return parquet.read_table(io.BytesIO(content)).to_pylist()
    if kind == "sqlite":
        database = sqlite3.connect(":memory:")
        database.deserialize(content)
        cursor = database.execute("SELECT * FROM records")
        return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]
    header, *rows = openpyxl.load_workbook(io.BytesIO(content))["records"].iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


@pytest.mark.parametrize("kind", _KINDS)
def test_values_keep_their_types(kind: str) -> None:
    """Numbers are numbers, texts that look like formulas are texts, and large seeds are exact."""
    first, second, third = _rows(kind, _write(kind))
    assert [first["id"], second["id"], third["id"]] == ["=a", "b", "c"]
    assert (first["smiles"], first["scores.qed"], first["scores.n"]) == ("CCO", 0.5, 3)
    assert (second["scores.qed"], second["scores.n"]) == (1.0, 4)
    assert first["scores.ok"] in (True, 1)
    assert int(str(first["sample.seed"])) == 2**62
    assert first["source.notes"] == '["one", "two"]'
    assert third["status"] == "invalid"
    assert third["scores.qed"] is None


@pytest.mark.parametrize("kind", _KINDS)
def test_out_and_back(kind: str, tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(_write(kind, _RECORDS[:2]))
    records = list(encode(str(tmp_path / "table")))
    assert [(record.id, record.text) for record in records] == [(record.id, record.text) for record in _RECORDS[:2]]
    assert records[1].source["line"] == 2
    assert records[1].source["columns"]["scores.n"] == 4
    assert records[0].to_json()


@pytest.mark.parametrize("kind", _KINDS)
def test_a_table_without_records(kind: str, tmp_path: Path) -> None:
    assert _rows(kind, _write(kind, ())) == []
    (tmp_path / "table").write_bytes(_write(kind, ()))
    (record,) = encode(str(tmp_path / "table"))
    assert "no rows" in (record.reason or "")


def _workbook(**sheets: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _database(path: Path, **tables: list[tuple[str, str]]) -> None:
    with sqlite3.connect(path) as database:
        for name, rows in tables.items():
            database.execute(f'CREATE TABLE "{name}" (name TEXT, smiles TEXT)')
            database.executemany(f'INSERT INTO "{name}" VALUES (?, ?)', rows)
    database.close()


def test_cells_that_are_no_text(tmp_path: Path) -> None:
    """Dates, numbers and absent values: kept beside, or an error of their row."""
    day = dt.date(2024, 5, 1)
    table = pa.table(
        {"name": ["a", "b", "c"], "smiles": ["CCO", None, "CC"], "day": [day, day, None], "x": [0.5, 1, float("nan")]}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    first, second, third = encode(str(tmp_path / "a.parquet"))
    assert first.source["columns"] == {"day": "2024-05-01", "x": 0.5}
    assert "the smiles is empty" in (second.reason or "")
    assert "columns" not in third.source
    (tmp_path / "b.xlsx").write_bytes(_workbook(one=[["name", "smiles"], ["a", 5], [None, None], ["b", "CC"]]))
    first, second = encode(str(tmp_path / "b.xlsx"))
    assert "holds no text" in (first.reason or "")
    assert second.text == "<MoleculeS>CC<MoleculeE>"
    assert second.source["line"] == 3


def test_one_of_several_tables(tmp_path: Path) -> None:
    """Read the only table with a column to read; else list the names."""
    _database(tmp_path / "a.db", molecules=[("a", "CCO")])
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE other (x INTEGER)")
    database.close()
    assert [record.text for record in encode(str(tmp_path / "a.db"))] == ["<MoleculeS>CCO<MoleculeE>"]
    _database(tmp_path / "b.db", one=[("a", "CCO")], two=[("b", "CC")])
    (record,) = encode(str(tmp_path / "b.db"))
    assert "2 of the 2 tables have a column to read: one, two" in (record.reason or "")
    (tmp_path / "c.xlsx").write_bytes(_workbook(x=[["note"], ["hello"]], y=[["id", "SMILES"], ["a", "CCO"]]))
    assert [record.id for record in encode(str(tmp_path / "c.xlsx"))] == ["a"]


def test_a_database_in_use(tmp_path: Path) -> None:
    """A log beside it holds changes that the file lacks; without one the file is whole."""
    _database(tmp_path / "a.db", molecules=[("a", "CCO")])
    database = sqlite3.connect(tmp_path / "a.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("INSERT INTO molecules VALUES ('b', 'CC')")
    database.commit()
    (record,) = encode(str(tmp_path / "a.db"))
    assert "changes in its log" in (record.reason or "")
    database.close()
    assert [record.id for record in encode(str(tmp_path / "a.db"))] == ["a", "b"]


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_file_that_is_cut_off_is_refused(kind: str, part: float, tmp_path: Path) -> None:
    content = _write(kind, _RECORDS * 50)
    (tmp_path / "table").write_bytes(content[: int(len(content) * part)])
    records = list(encode(str(tmp_path / "table")))
    assert records[-1].status == "error"
    assert not any(record.status == "ok" for record in records)


def test_a_text_too_long_for_excel_is_refused() -> None:
    record = Record("long", "protein", f"<ProteinS>{'M' * 40_000}<ProteinE>")
    with pytest.raises(LogosError, match="40,000 characters"):
        _write("xlsx", (record,))
    assert len(str(_rows("parquet", _write("parquet", (record,)))[0]["sequence"])) == 40_000


@pytest.mark.parametrize(("kind", "library"), [("parquet", "pyarrow"), ("xlsx", "openpyxl")])
def test_a_missing_library_names_the_extra(
    kind: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _write(kind)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingError, match=library) as caught:
        _write(kind)
    assert caught.value.hint == "pip install 'logos-cli[tables]'"
    (tmp_path / "table").write_bytes(content)
    (record,) = encode(str(tmp_path / "table"))
    assert "logos-cli[tables]" in (record.reason or "")


@pytest.mark.parametrize("kind", _KINDS)
def test_missing_values_of_every_file(kind: str, tmp_path: Path) -> None:
    """Absent cells, NaN and words for them are the same: no second chain."""
    rows = [("a", "EVQLVESGG", None), ("b", "EVQLVESGG", "ND"), ("c", "EVQLVESGG", "n/a"), ("d", "NA", "NULL")]
    path = tmp_path / f"table.{kind}"
    if kind == "parquet":
        names = ("name", "heavy", "light")
        parquet.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), path)
    elif kind == "xlsx":
        path.write_bytes(_workbook(one=[["name", "heavy", "light"], *map(list, rows)]))
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE one (name TEXT, heavy TEXT, light TEXT)")
            database.executemany("INSERT INTO one VALUES (?, ?, ?)", rows)
        database.close()
    *singles, alone = encode(str(path))
    assert [record.text for record in singles] == ["<AntibodyS>EVQLVESGG<AntibodyE>"] * 3
    assert "stands for a missing value" in (alone.reason or "")
