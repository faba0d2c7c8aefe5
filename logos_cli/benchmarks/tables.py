"""Tables of published data sets, compressed or not."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from logos_cli.errors import FormatError
from logos_cli.io.input import Input
from logos_cli.io.json_types import JsonObject
from logos_cli.records.json_text import parse_json


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file.

    Raises
    ------
    FormatError
        If a column is missing, or a row is shorter than the head.
    """
    with closing(Input(str(path))) as source:
        reader = csv.DictReader(source.text_lines())
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise FormatError(f"the table has no column {missing[0]!r}", source=str(path))
        for row in reader:
            if any(row[name] is None for name in columns):
                raise FormatError("the row is shorter than the head", source=f"{path}:{reader.line_num}")
            yield row


def read_jsonl(path: Path) -> Iterator[JsonObject]:
    """Yield the objects of a file with one JSON object a line.

    Raises
    ------
    FormatError
        At the first line that is not a JSON object.
    """
    with closing(Input(str(path))) as source:
        for number, line in enumerate(source.text_lines(), 1):
            try:
                row = parse_json(line)
            except ValueError as error:
                raise FormatError(f"not a JSON object: {error}", source=f"{path}:{number}") from error
            yield row
