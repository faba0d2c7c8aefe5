"""Tables with sequences, SMILES or reactions in named columns: CSV, TSV, and JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from logos_cli.errors import FormatError, InputError, LogosError
from logos_cli.formats.base import SNIFFED, Entry, Format, ReadOptions, Writer
from logos_cli.formats.table.columns import ID_COLUMNS, KNOWN_COLUMNS, Columns
from logos_cli.formats.table.write import CsvWriter, JsonWriter, TsvWriter
from logos_cli.formats.table.write_text import TextTableWriter
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input

_DELIMITERS = ("\t", ",", ";")
_JSON_ARRAY = re.compile(rb"\s*\[\s*\{")
_JSON_OBJECT = re.compile(rb"\s*\{\s*\"")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its line (or, in a JSON array, its number) and its cells by column name."""

    line: int
    cells: Mapping[str, Any]
    problem: LogosError | None = None


class TableFormat(Format):
    """Rows with named columns.

    Columns are found by name (``_columns.py`` lists the names), or by ``options.column``. Columns that are
    not used are kept in ``source["columns"]``.
    """

    name = "table"
    suffixes = (".csv", ".tsv", ".tab", ".json")

    def sniff(self, head: bytes, name: str) -> float:  # noqa: ARG002
        """Tell a header line with a column that is known, or the beginning of JSON."""
        if _JSON_ARRAY.match(head):
            return 0.8
        if _JSON_OBJECT.match(head):
            return 0.6
        lines = head[:SNIFFED].decode("utf-8", "replace").splitlines()
        header = next((line for line in lines if line.strip()), "")
        delimiter = _delimiter(header)
        columns = _split(header, delimiter)
        if KNOWN_COLUMNS.intersection(column.lower() for column in columns):
            return 0.85
        widths = {len(_split(line, delimiter)) for line in lines[:-1][:20] if line.strip()}
        regular = len(columns) > 1 and len(lines) > 1 and widths == {len(columns)}
        return 0.3 if regular else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a row."""
        ids = UniqueIds()
        empty = True
        if _JSON_ARRAY.match(source.head) or _JSON_OBJECT.match(source.head):
            # objects may differ from each other: each finds its own columns, and may fail by itself
            for row in _iter_json(source):
                empty = False
                yield _json_entry(row, ids, source, options)
        else:
            columns: Columns | None = None
            for row in _iter_csv(source):
                empty = False
                columns = columns or Columns.choose(row.cells, options, source.name)
                yield _entry(row, columns, ids, source, options)
        if empty:
            raise InputError("the table has no rows", source=source.name)

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writers of tables, for programs and for people, and of JSON."""
        return {"csv": CsvWriter, "tsv": TsvWriter, "json": JsonWriter, "table": TextTableWriter}


def _json_entry(row: TableRow, ids: UniqueIds, source: Input, options: ReadOptions) -> Entry:
    columns = Columns(options.form)
    try:
        if row.problem is None:
            columns = Columns.choose({key: value for key, value in row.cells.items() if value is not None}, options, "")
    except LogosError as error:
        error.source = None
        row = TableRow(row.line, row.cells, error)
    return _entry(row, columns, ids, source, options)


def _entry(row: TableRow, columns: Columns, ids: UniqueIds, source: Input, options: ReadOptions) -> Entry:
    cells = row.cells
    named = [key for key in cells if key.strip().lower() in ID_COLUMNS and cells[key] not in (None, "")]
    entry_id = ids.take(str(cells[named[0]]) if named else f"{source.stem}:{row.line}")
    provenance = {**source.provenance, "line": row.line}
    used = columns.used.union(named[:1])
    if others := {key: value for key, value in cells.items() if key not in used and value not in ("", None)}:
        provenance["columns"] = others
    try:
        if row.problem is not None:
            raise row.problem
        entry = columns.entry(cells, entry_id, provenance, options)
    except LogosError as error:
        return Entry(entry_id, None, provenance, error.at(f"{source.name}:{row.line}"), columns.form)
    kind = str(cells.get("kind", ""))
    if entry.item is not None and kind in entry.item.forms:
        entry.form = Form(kind)
    return entry


# -- CSV -----------------------------------------------------------------------------------------------------


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _split(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"').strip() for cell in line.split(delimiter)]


def _iter_csv(source: Input) -> Iterator[TableRow]:
    lines = (f"{line}\n" for line in source.text_lines())
    header = next((line for line in lines if line.strip()), "")
    delimiter = _delimiter(header)
    first = next(_csv_rows(iter([header]), delimiter, source), ([], 1))
    names = [name.strip() for name in first[0]]
    if len(set(names)) != len(names):
        raise FormatError("two columns have the same name", source=f"{source.name}:1", hint="rename one of them")
    for cells, line in _csv_rows(lines, delimiter, source):
        if any(cells):
            yield _row(names, cells, line + 1)


def _csv_rows(lines: Iterator[str], delimiter: str, source: Input) -> Iterator[tuple[list[str], int]]:
    """Yield cells and number of the last line of each row."""
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FormatError(
                f"the table is broken: {error}", source=f"{source.name}:{reader.line_num + 1}", hint="check the quotes"
            ) from error
        yield cells, reader.line_num


def _row(names: list[str], cells: list[str], line: int) -> TableRow:
    problem = None
    if len(cells) != len(names):
        problem = FormatError(
            f"the row has {len(cells)} columns, the header {len(names)}", hint="quote cells that hold the delimiter"
        )
    values = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
    return TableRow(line, values, problem)


# -- JSON ----------------------------------------------------------------------------------------------------


def _iter_json(source: Input) -> Iterator[TableRow]:
    """Yield the objects of JSON lines, or of one array, which is read as a whole."""
    if _JSON_ARRAY.match(source.head):
        try:
            values = json.loads(source.read())
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not JSON: {error}", source=source.name) from error
        if not isinstance(values, list):
            raise FormatError("not an array of objects", source=source.name)
        for number, value in enumerate(values, 1):
            yield _json_row(value, number)
        return
    for number, line in enumerate(source.text_lines(), 1):
        if line.strip():
            try:
                yield _json_row(json.loads(line), number)
            except (ValueError, RecursionError) as error:
                yield TableRow(number, {}, FormatError(f"not a line of JSON: {error}"))


def _json_row(value: object, number: int) -> TableRow:
    if isinstance(value, dict):
        return TableRow(number, value)
    return TableRow(
        number, {}, FormatError("not a JSON object", hint="each row is an object whose keys are the columns")
    )


PLUGIN = TableFormat()
