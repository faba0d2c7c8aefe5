"""Read Parquet, SQLite and Excel."""

from __future__ import annotations

import contextlib
import io
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from logos_cli.errors import FormatError, LogosError, MissingError, UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.table.columns import is_known
from logos_cli.formats.table.rows import TableRow
from logos_cli.io.input import Input

_DAMAGED: Final = "the file may be cut off or damaged"
_WAL: Final = slice(18, 20)
"""Bytes of a SQLite file that are 2 if there may be a log of changes beside it."""


def missing_library(what: str, library: str) -> MissingError:
    """Return the error for a format if its library is not installed."""
    return MissingError(f"{what} needs {library}, which is not installed", hint="pip install 'logos-cli[tables]'")


def iter_binary(source: Input, kind: str, options: ReadOptions) -> Iterator[TableRow]:
    """Yield the rows of a table in a binary file.

    Parameters
    ----------
    kind : str
        ``parquet``, ``sqlite`` or ``xlsx``.

    Raises
    ------
    MissingError
        If the library of the format is not installed.
    FormatError
        If the file is damaged.
    UsageError
        If several of its tables fit.
    """
    readers = {"parquet": _iter_parquet, "sqlite": _iter_sqlite, "xlsx": _iter_xlsx}
    for number, cells in enumerate(readers[kind](source, options), 1):
        found = {name: value for name, value in cells.items() if value is not None and not _is_nan(value)}
        if found:
            yield TableRow(number, {name: _plain(found.get(name, "")) for name in cells})


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _plain(value: object) -> object:
    """Return a value that JSON can hold: dates and numbers of other types as text."""
    if isinstance(value, str):
        return value.strip()
    return value if isinstance(value, (int, float, list, dict)) else str(value)


# -- Parquet -----------------------------------------------------------------------------------------------------


def _iter_parquet(source: Input, _options: ReadOptions) -> Iterator[Mapping[str, object]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise missing_library("Parquet", "pyarrow") from error
    try:
        file = parquet.ParquetFile(io.BytesIO(source.read()))
        for batch in file.iter_batches():
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: a text that is not UTF-8
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise FormatError(f"pyarrow cannot read the Parquet: {reason}", source=source.name, hint=_DAMAGED) from error


# -- SQLite ------------------------------------------------------------------------------------------------------


def _iter_sqlite(source: Input, options: ReadOptions) -> Iterator[Mapping[str, object]]:
    data = source.read()
    if data[_WAL] == b"\2\2":
        log = Path(f"{source.path}-wal") if source.path is not None else None
        if log is not None and log.exists() and log.stat().st_size:
            raise FormatError(
                "the database has changes in its log (-wal)",
                source=source.name,
                hint="close the program that writes it",
            )
        data = data[: _WAL.start] + b"\1\1" + data[_WAL.stop :]  # a database in memory has no log
    _check_size(data, source.name)
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        try:
            database.deserialize(data)
            query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
            headers = {str(name): _columns(database, str(name)) for (name,) in database.execute(query)}
            table = _chosen(headers, options, source.name, "tables")
            for row in database.execute(f"SELECT * FROM {quoted(table)}"):  # noqa: S608 - the name is quoted
                yield dict(zip(headers[table], row, strict=True))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise FormatError(f"SQLite cannot read the file: {error}", source=source.name, hint=_DAMAGED) from error


def _check_size(data: bytes, name: str) -> None:
    """Refuse a database with fewer pages than its header states; SQLite would read it to its end."""
    page_size = int.from_bytes(data[16:18], "big")
    page_size = 1 << 16 if page_size == 1 else page_size
    n_pages = int.from_bytes(data[28:32], "big") if data[24:28] == data[92:96] else 0
    if len(data) < n_pages * page_size:
        raise FormatError(
            f"the database has {len(data):,} of {n_pages * page_size:,} bytes", source=name, hint="copy it again"
        )


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    description = database.execute(f"SELECT * FROM {quoted(table)} LIMIT 0").description  # noqa: S608 - quoted
    return [str(column[0]) for column in description]


def quoted(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


# -- Excel -------------------------------------------------------------------------------------------------------


def _iter_xlsx(source: Input, options: ReadOptions) -> Iterator[Mapping[str, object]]:
    try:
        import openpyxl
    except ImportError as error:
        raise missing_library("Excel", "openpyxl") from error
    try:
        book = openpyxl.load_workbook(io.BytesIO(source.read()), read_only=True, data_only=True)
        headers = {}
        for sheet in book.worksheets:
            first = next(sheet.iter_rows(values_only=True), ())
            if any(cell is not None for cell in first):
                headers[sheet.title] = [
                    str(cell).strip() if cell is not None else f"column {number}"
                    for number, cell in enumerate(first, 1)
                ]
        name = _chosen(headers, options, source.name, "sheets")
        rows = book[name].iter_rows(min_row=2, values_only=True)
        yield from (dict(zip(headers[name], row, strict=False)) for row in rows)
    except LogosError:
        raise
    except Exception as error:  # openpyxl raises errors of any type
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FormatError(f"openpyxl cannot read the workbook: {reason}", source=source.name, hint=_DAMAGED) from error


def _chosen(headers: Mapping[str, list[str]], options: ReadOptions, source: str, what: str) -> str:
    """Return the name of the only table with a fitting column.

    Raises
    ------
    UsageError
        If there is none, or several.
    """
    fits: Callable[[str], bool] = is_known if options.column is None else (lambda column: column == options.column)
    found = [name for name, columns in headers.items() if any(map(fits, columns))]
    if len(headers) == 1:
        return next(iter(headers))
    if len(found) == 1:
        return found[0]
    listed = ", ".join(found or headers) or "none"
    raise UsageError(
        f"{len(found) or 'none'} of the {len(headers)} {what} {'have' if found else 'has'} a column to read: {listed}",
        source=source,
        hint="name a column that only one of them has: --column NAME; or write that one to a file of its own",
    )
