"""Write Parquet, SQLite and Excel."""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
from collections.abc import Iterator
from typing import ClassVar, Final

from logos_cli.errors import OutputError
from logos_cli.formats.table.binary import missing_library, quoted
from logos_cli.formats.table.write import Cell, RowWriter, as_text

_TABLE: Final = "records"
_MOST_CHARACTERS: Final = 32_767
"""Most characters in a cell of Excel."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_INT64: Final = range(-(2**63), 2**63)


def _by_column(columns: list[str], rows: Iterator[dict[str, Cell]]) -> dict[str, list[Cell | None]]:
    """Return the cells of each column, all of one type: bool, int, float or text; None for no value."""
    table: dict[str, list[Cell | None]] = {name: [] for name in columns}
    for row in rows:
        for name, cells in table.items():
            cells.append(row.get(name))
    return {name: _of_one_type(cells) for name, cells in table.items()}


def _of_one_type(cells: list[Cell | None]) -> list[Cell | None]:
    types = {type(cell) for cell in cells if cell is not None}
    is_whole = types == {int} and all(cell is None or cell in _INT64 for cell in cells)
    if types <= {bool} or types <= {str} or types == {float} or is_whole:
        return cells
    if types == {int, float}:
        return [None if cell is None else float(cell) for cell in cells]
    return [None if cell is None else as_text(cell) for cell in cells]


class ParquetWriter(RowWriter):
    """The rows of CSV in typed columns, written by pyarrow."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)
    binary = True

    def write_rows(self, columns: list[str], rows: Iterator[dict[str, Cell]]) -> None:
        """Write the table.

        Raises
        ------
        MissingError
            If pyarrow is not installed.
        """
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError as error:
            raise missing_library("Parquet", "pyarrow") from error
        content = io.BytesIO()
        parquet.write_table(pa.table(_by_column(columns, rows)), content)
        self.stream.write(content.getvalue())


class SqliteWriter(RowWriter):
    """The rows of CSV as the table ``records`` of a SQLite database."""

    suffixes: ClassVar[tuple[str, ...]] = (".sqlite", ".sqlite3", ".db")
    binary = True

    def write_rows(self, columns: list[str], rows: Iterator[dict[str, Cell]]) -> None:
        """Write the database.

        Raises
        ------
        OutputError
            If SQLite cannot hold the columns: more than 2,000, or two that differ in case only.
        """
        table = _by_column(columns, rows)
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            try:
                database.execute(f"CREATE TABLE {_TABLE} ({', '.join(map(quoted, columns))})")
                places = ", ".join("?" * len(columns))
                database.executemany(
                    f"INSERT INTO {_TABLE} VALUES ({places})",  # noqa: S608 - no value is in the text
                    zip(*table.values(), strict=True),
                )
                database.commit()
            except sqlite3.Error as error:
                raise OutputError(f"SQLite cannot hold the table: {error}", hint="write .csv or .parquet") from error
            self.stream.write(database.serialize())


class XlsxWriter(RowWriter):
    """The rows of CSV as a sheet of Excel, written by openpyxl; text that begins with ``=`` is no formula."""

    suffixes: ClassVar[tuple[str, ...]] = (".xlsx",)
    binary = True

    def write_rows(self, columns: list[str], rows: Iterator[dict[str, Cell]]) -> None:
        """Write the workbook.

        Raises
        ------
        MissingError
            If openpyxl is not installed.
        OutputError
            If a text is too long for a cell.
        """
        try:
            from openpyxl import Workbook
            from openpyxl.cell import WriteOnlyCell
        except ImportError as error:
            raise missing_library("Excel", "openpyxl") from error
        table = [[_for_excel(row.get(name), f"{row.get('id')}: {name}") for name in columns] for row in rows]
        book = Workbook(write_only=True)
        sheet = book.create_sheet(_TABLE)
        sheet.append(columns)
        for values in table:
            cells = [WriteOnlyCell(sheet, value) for value in values]
            for cell, value in zip(cells, values, strict=True):
                if isinstance(value, str):
                    cell.data_type = "s"
            sheet.append(cells)
        content = io.BytesIO()
        book.save(content)
        self.stream.write(content.getvalue())


def _for_excel(value: Cell | None, place: str) -> Cell | None:
    """Return a value for a cell of Excel: whole numbers that Excel would round become text.

    Raises
    ------
    OutputError
        If it is a text too long for a cell, or has a control character.
    """
    if isinstance(value, str):
        if len(value) > _MOST_CHARACTERS:
            raise OutputError(
                f"{place} has {len(value):,} characters, but a cell of Excel holds 32,767",
                hint="write .csv or .parquet",
            )
        if _CONTROL.search(value):
            raise OutputError(
                f"{place} has a control character, which Excel cannot hold", hint="write .csv or .parquet"
            )
        return value
    is_rounded = isinstance(value, int) and abs(value) >= 2**53
    return as_text(value) if is_rounded and value is not None else value
