"""Write tables for people: aligned columns, one table for the records of each prompt."""

from __future__ import annotations

from typing import ClassVar, Final

from logos_cli.formats.base import Stream, WriteOptions, Writer
from logos_cli.formats.table.write import OBJECT_COLUMNS, object_cells
from logos_cli.objects.base import ScienceObject
from logos_cli.records import Record

_MOST_WIDE: Final = 60
_DIGITS: Final = 4


class TextTableWriter(Writer):
    """A line a record with rank, scores and object; parts that all objects of a prompt share are above the table.

    Long sequences are cut: a table is for reading, the other formats hold everything.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._prompt: str | None = None
        self._rows: list[dict[str, str]] = []
        self._n_tables = 0

    def write(self, record: Record, item: ScienceObject) -> None:
        """Keep one line; the table of a prompt is written when the next prompt begins."""
        prompt = str(record.sample.get("prompt", ""))
        if prompt != self._prompt:
            self._end_table()
            self._prompt = prompt
        scores = {name: _cell(score.get("value")) for name, score in record.scores.items() if isinstance(score, dict)}
        rank = {"rank": scores.pop("rank")} if "rank" in scores else {"id": record.id}
        self._rows.append({**rank, **scores, **object_cells(item)})

    def close(self) -> None:
        """Write the last table."""
        self._end_table()

    def _end_table(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        columns = list(dict.fromkeys(name for row in rows for name in row))
        shared = {
            name: rows[0][name]
            for name in columns
            if name in OBJECT_COLUMNS and len(rows) > 1 and len({row.get(name) for row in rows}) == 1
        }
        lines = [f"{name}: {_cut(value)}" for name, value in shared.items()]
        if self._prompt:
            lines.insert(0, self._prompt)
        lines += _aligned([name for name in columns if name not in shared], rows)
        self.stream.write(("\n" if self._n_tables else "") + "\n".join(lines) + "\n")
        self._n_tables += 1


def _aligned(columns: list[str], rows: list[dict[str, str]]) -> list[str]:
    """Return a header and the rows, numbers to the right."""
    cells = [columns, *([_cut(row.get(name, "–")) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [all(_is_number(cell) for cell in column[1:]) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{round(value, _DIGITS):g}" if abs(value) < 1e-3 else f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".")
    return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_WIDE else f"{text[: _MOST_WIDE - 1]}…"


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(".", "", 1).lstrip("-").isdigit()
