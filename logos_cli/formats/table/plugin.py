"""Read and write tables with sequences, SMILES or reactions in columns: CSV, TSV, JSON, Parquet, SQLite, Excel."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from logos_cli.errors import FormatError, InputError, LogosError, UsageError
from logos_cli.formats.base import SNIFFED, Entry, Format, ReadOptions, Writer
from logos_cli.formats.table.chains import columns_of_chains
from logos_cli.formats.table.columns import KNOWN_COLUMNS, REPEATED, Columns, is_known
from logos_cli.formats.table.identifiers import classes, identifying, is_identifier, key_of
from logos_cli.formats.table.kinds import binary_kind
from logos_cli.formats.table.reactions import ReagentColumns
from logos_cli.formats.table.rows import TableRow
from logos_cli.grammar import Form
from logos_cli.io.formulas import unguarded
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.records import Source, Status

_PEEKED = 100
"""Rows that are read to find what a column holds."""
_DELIMITERS = ("\t", ",", ";")
_JSON_ARRAY = re.compile(rb"\s*\[\s*\{")
_JSON_OBJECT = re.compile(rb"\s*\{\s*\"")


class TableFormat(Format):
    """Rows with named columns.

    Columns are found by name (``columns.py`` lists the names), or by ``options.column``. Other columns are kept in
    ``source["columns"]``.
    """

    name = "table"
    suffixes = (".csv", ".tsv", ".tab", ".json", ".parquet", ".sqlite", ".sqlite3", ".xlsx")

    def sniff(self, head: bytes) -> float:
        """Recognise a header line with a known column, or the beginning of JSON or of a binary table."""
        if binary_kind(head):
            return 0.97
        if _JSON_ARRAY.match(head):
            return 0.8
        if _JSON_OBJECT.match(head):
            return 0.6
        lines = head[:SNIFFED].decode("utf-8", "replace").splitlines()
        header = next((line for line in lines if line.strip()), "")
        delimiter = _delimiter(lines)
        columns = _split(header, delimiter)
        if any(map(is_known, columns if len(columns) > 1 else ())) or key_of(columns[0]) in KNOWN_COLUMNS:
            return 0.85
        widths = {len(_split(line, delimiter)) for line in lines[:-1][:20] if line.strip()}
        regular = len(columns) > 1 and len(lines) > 1 and widths == {len(columns)}
        return 0.3 if regular else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a row."""
        is_json = bool(_JSON_ARRAY.match(source.head) or _JSON_OBJECT.match(source.head))
        rows = _iter_json(source) if is_json else _rows(source, options)
        first = list(islice(rows, _PEEKED))
        if not first:
            raise InputError("the table has no rows", source=source.name)
        with_columns: Iterator[tuple[TableRow, Columns]]
        if is_json:  # objects may differ: columns are chosen for each, and each may fail on its own
            reagents = ReagentColumns.of([row.cells for row in first])
            with_columns = map(_ObjectColumns(options, reagents).of, chain(first, rows))
        else:
            with_columns = _with_columns(first, rows, options, source.name)
        entries = _Entries(source, options, classes([row.cells for row in first]))
        for row, columns in with_columns:
            yield from entries.of(row, columns)

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writers of tables, for programs and for people, and of JSON."""
        from logos_cli.formats.table.write import CsvWriter, JsonWriter, TsvWriter
        from logos_cli.formats.table.write_binary import ParquetWriter, SqliteWriter, XlsxWriter
        from logos_cli.formats.table.write_text import TextTableWriter

        return {
            "csv": CsvWriter,
            "tsv": TsvWriter,
            "json": JsonWriter,
            "table": TextTableWriter,
            "parquet": ParquetWriter,
            "sqlite": SqliteWriter,
            "xlsx": XlsxWriter,
        }


def _rows(source: Input, options: ReadOptions) -> Iterator[TableRow]:
    kind = binary_kind(source.head)
    if kind is None:
        return _iter_csv(source)
    from logos_cli.formats.table.binary import iter_binary

    return iter_binary(source, kind, options)


def _with_columns(
    first: list[TableRow], rows: Iterator[TableRow], options: ReadOptions, source: str
) -> Iterator[tuple[TableRow, Columns]]:
    """Yield the first rows and the others, each with the columns that make an object; the first show which hold nucleotides."""
    whole = [row for row in first if row.problem is None] or first
    cells = [row.cells for row in whole]
    columns = Columns.choose(cells, options, source).looking_at(cells)
    columns.check_chains(cells, options, source)
    for row in first:
        yield row, columns
    for row in rows:
        yield _checked(row, columns, options), columns


def _checked(row: TableRow, columns: Columns, options: ReadOptions) -> TableRow:
    """Return a row, or the reason why it is refused: the first row that has a chain in a column of unknown name."""
    try:
        columns.check_chains([row.cells], options, "")
    except UsageError as error:
        return row if row.problem is not None else TableRow(row.line, row.cells, error)
    return row


def _columns_of(cells: Mapping[str, object], options: ReadOptions) -> Columns:
    """Return the columns of an object, those that are not null if possible."""
    present = {key: value for key, value in cells.items() if value is not None}
    try:
        return Columns.choose([present], options, "")
    except UsageError:
        if len(present) == len(cells):
            raise
    return Columns.choose([cells], options, "")


class _ObjectColumns:
    """The columns of the objects of JSON, which may differ: they are chosen once for all objects of the same keys."""

    def __init__(self, options: ReadOptions, reagents: ReagentColumns) -> None:
        self._options = options
        self._reagents = reagents
        self._known: dict[tuple[object, ...], Columns] = {}

    def of(self, row: TableRow) -> tuple[TableRow, Columns]:
        """Return a row with its columns, or with the reason why it has none."""
        try:
            if row.problem is None:
                columns = self._chosen(row.cells).looking_at([row.cells], self._reagents)
                columns.check_chains([row.cells], self._options, "")
                return row, columns
        except LogosError as error:
            error.source = None
            row = TableRow(row.line, row.cells, error)
        return row, Columns(self._options.form)

    def _chosen(self, cells: Mapping[str, object]) -> Columns:
        if self._options.column is not None:  # what it makes depends on what it holds
            return _columns_of(cells, self._options)
        keys = tuple(key for key, value in cells.items() if value is not None)
        known = (keys, len(cells), columns_of_chains([cells]))
        if known not in self._known:
            self._known[known] = _columns_of(cells, self._options)
        return self._known[known]


class _Entries:
    """The entries of one file."""

    def __init__(self, source: Input, options: ReadOptions, classes: frozenset[str]) -> None:
        self._source = source
        self._options = options
        self._classes = classes
        self._of_entry = options.of_entry
        self._ids = UniqueIds(source.stem)

    def of(self, row: TableRow, columns: Columns) -> Iterator[Entry]:
        """Yield the entry of a row, unless it is not wanted."""
        cells, source, options = row.cells, self._source, self._options
        named = identifying(cells, columns.used | self._classes)
        name = " ".join(str(cells[named]).split()) if named else ""
        entry_id = self._ids.take(name or f"{source.stem}:{row.line}")
        if named and entry_id != str(cells[named]):
            named = None  # the cell is kept beside the identifier, which has a number
        if options.takes is None or options.takes(entry_id):
            provenance: Source = {**source.provenance, "line": row.line}
            place = (provenance, source.name)
            yield Entry.read(options, entry_id, _entry, row, columns, entry_id, named, *place, self._of_entry)


def _entry(
    row: TableRow,
    columns: Columns,
    entry_id: str,
    named: str | None,
    provenance: Source,
    file: str,
    options: ReadOptions,
) -> Entry:
    cells = row.cells
    used = columns.used | {named}
    if others := {key: value for key, value in cells.items() if key not in used and value not in ("", None)}:
        provenance["columns"] = others
    try:
        if row.problem is not None:
            raise row.problem
        _check_hidden(row, columns, provenance, options)
        entry = columns.entry(cells, entry_id, provenance, options)
        kind = str(cells.get("kind", ""))
        if entry.item is not None and kind in entry.item.forms:
            entry.form = Form(kind)
        elif _is_lessened(entry, kind, cells, options):
            raise FormatError(
                f"the row is of kind {kind}, and its columns make only a {type(entry.item).__name__.lower()}",
                hint="keep records (.jsonl) to read them again; --column NAME or --as FORM reads the part alone",
            )
    except LogosError as error:
        return Entry(entry_id, None, provenance, error.at(f"{file}:{row.line}"), columns.form)
    return entry


def _is_lessened(entry: Entry, kind: str, cells: Mapping[str, object], options: ReadOptions) -> bool:
    """Return whether a row that ``decode`` wrote, which has a kind and a status, is read as less than it was."""
    is_ours = bool(kind) and kind in tuple(Form) and cells.get("status") in tuple(Status)
    return is_ours and entry.item is not None and options.form is None and options.column is None


def _check_hidden(row: TableRow, columns: Columns, provenance: Source, options: ReadOptions) -> None:
    """Refuse a row with further rows in one of its cells: a quote is not closed, or should not be there."""
    for number, cells in row.hidden:
        try:
            columns.entry(cells, "", {**provenance}, options)
        except LogosError:
            continue
        raise FormatError(
            f"a quote in line {row.line} is closed in a later line, but line {number} between them is a row",
            hint="close the quote, or remove it",
        )


# -- CSV -----------------------------------------------------------------------------------------------------


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter of the columns of a table, by its first lines.

    It is a space if the header has no other delimiter, its first word names an identifier, which is no SMILES and no sequence, a
    later one is the whole name of a column to read, and each line has as many words.
    """
    filled = [line for line in lines if line.strip()]
    header = filled[0] if filled else ""
    words = header.lower().split()
    if len(filled) > 1 and is_identifier(words[0]) and not KNOWN_COLUMNS.isdisjoint(words[1:]):
        is_regular = all(len(line.split()) == len(words) for line in filled[1:_PEEKED])
        if is_regular and not any(map(header.count, _DELIMITERS)):
            return " "
    return max(_DELIMITERS, key=header.count)


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return [cell.strip().strip('"').strip() for cell in line.split(delimiter)]


def _iter_csv(source: Input) -> Iterator[TableRow]:
    lines = (f"{line}\n" for line in source.text_lines())
    before, header = next(((n, line) for n, line in enumerate(lines) if line.strip()), (0, ""))
    head = source.head[:SNIFFED].decode("utf-8", "replace").splitlines()
    delimiter = _delimiter(head if len(source.head) < SNIFFED else head[:-1] or head)  # the last line may be cut
    cells, _, problem = next(_csv_rows(iter([header]), delimiter), ([], 1, None))
    if problem is not None:
        raise problem.at(f"{source.name}:{before + 1}")
    names = _unique_names(cells)
    for row, line, problem in _csv_rows(lines, delimiter):
        if any(row) or problem is not None:
            yield _row(names, row, line + before + 1, problem, delimiter)


def _unique_names(cells: list[str]) -> list[str]:
    """Return the names of the columns; the place is added to an empty or repeated name."""
    names = [cell.strip() for cell in cells]
    repeated = {name for name, count in Counter(names).items() if count > 1}
    return [
        (f"{name}{REPEATED}{number})" if name in repeated else name) if name else f"column {number}"
        for number, name in enumerate(names, 1)
    ]


def _csv_rows(lines: Iterator[str], delimiter: str) -> Iterator[tuple[list[str], int, FormatError | None]]:
    """Yield the cells of each row, the number of its first line, and its problem."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter == " ")
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field larger" in str(error):
                raise FormatError(f"line {line}: a cell is too large", hint="check the quotes") from error
            unclosed = "unexpected end of data" in str(error)
            what = "a quote in this line is not closed" if unclosed else f"the row is broken: {error}"
            yield [], line, FormatError(what, hint="close it, or remove it" if unclosed else "check the quotes")
            continue
        yield cells, line, None


def _row(names: list[str], cells: list[str], line: int, problem: FormatError | None, delimiter: str) -> TableRow:
    surplus = cells[len(names) :]
    if problem is None and (len(cells) < len(names) or any(map(str.strip, surplus))):
        problem = FormatError(
            f"the row has {len(cells)} columns, the header {len(names)}", hint="quote cells that hold the delimiter"
        )
    values = dict.fromkeys(names, "")
    values |= {name: unguarded(cell.strip()) for name, cell in zip(names, cells, strict=False)}
    hidden = [
        (line + sum(cell.count("\n") for cell in cells[:place]) + below, dict(zip(names, inner, strict=False)))
        for place, cell in enumerate(cells)
        for below, text in enumerate(cell.split("\n")[1:], 1)
        if len(inner := _split(text, delimiter)) >= len(names) > 1
    ]
    return TableRow(line, values, problem, tuple(hidden))


# -- JSON ----------------------------------------------------------------------------------------------------


def _iter_json(source: Input) -> Iterator[TableRow]:
    """Yield the objects of JSON lines, or of one array, which is read at once."""
    if _JSON_ARRAY.match(source.head):
        try:
            values = _parsed_json(source.read())
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
                yield _json_row(_parsed_json(line), number)
            except (ValueError, RecursionError) as error:
                yield TableRow(number, {}, FormatError(f"not a line of JSON: {error}"))


def _parsed_json(text: str | bytes) -> object:
    """Return the value of a text; NaN and infinity, which Python writes and JSON does not know, are null."""
    return json.loads(text, parse_constant=lambda _name: None)


def _json_row(value: object, number: int) -> TableRow:
    if isinstance(value, dict):
        return TableRow(number, value)
    return TableRow(
        number, {}, FormatError("not a JSON object", hint="each row is an object whose keys are the columns")
    )


PLUGIN = TableFormat()
