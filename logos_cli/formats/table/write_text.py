"""Write tables for people: aligned columns that fit the terminal, one table for the records of each prompt."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, Final

from logos_cli.formats.base import Stream, WriteOptions, Writer
from logos_cli.formats.table.write import OBJECT_COLUMNS, object_cells
from logos_cli.io.visible import one_line
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record

_MOST_WIDE: Final = 60
_DIGITS: Final = 4


class TextTableWriter(Writer):
    """A line a record with rank, scores and object; parts that all objects of a prompt share are above the table.

    On a terminal the last column is folded to the width; elsewhere long sequences are cut. A table is for reading, the other
    formats hold everything. Residues of a site have their chain and their numbers in the file.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._prompt: str | None = None
        self._rows: list[dict[str, str]] = []
        self._n_tables = 0
        self._width = shutil.get_terminal_size().columns if stream.isatty() else None

    def write(self, record: Record, item: ScienceObject) -> None:
        """Keep one line; the table of a prompt is written when the next prompt begins."""
        prompt = str(record.sample.get("prompt", ""))
        if prompt != self._prompt:
            self._end_table()
            self._prompt = prompt
        scores = {name: _cell(score.get("value")) for name, score in record.scores.items() if isinstance(score, dict)}
        rank = {"rank": scores.pop("rank")} if "rank" in scores else {"id": _short(record.id, prompt)}
        logp = record.sample.get("logp")
        likelihood = {"logp": f"{logp:.2f}"} if logp is not None and "logp" not in scores else {}
        self._rows.append({**rank, **scores, **likelihood, **_object_cells(record, item)})

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
        lines = [f"{name}: {self._fitting(value, len(name) + 2)}" for name, value in shared.items()]
        if self._prompt:
            lines.insert(0, self._prompt)
        lines += _aligned([name for name in columns if name not in shared], rows, self._width)
        self.stream.write(("\n" if self._n_tables else "") + "\n".join(lines) + "\n")
        self._n_tables += 1

    def _fitting(self, text: str, n_before: int) -> str:
        """Return a text in lines of the terminal's width, below each other; elsewhere cut."""
        if self._width is None:
            return _cut(text)
        return ("\n" + " " * n_before).join(_folded(text, self._width - n_before))


def _object_cells(record: Record, item: ScienceObject) -> dict[str, str]:
    """Return the cells of an object; of a ranked site, its residues by chain and number in the file."""
    cells = object_cells(item)
    chains = item.chains if isinstance(item, Complex) else (item,) if isinstance(item, Protein) else ()
    if cells.get("site") and record.source.get("residues"):
        from logos_cli.structure.residues.map import ResidueMap

        numbers = ResidueMap(record.source, [len(chain.sequence) for chain in chains])
        names = [numbers.name((n, place)) for n, chain in enumerate(chains) for place in chain.site]
        if all(name is not None for name in names):
            cells["site"] = _by_chain([str(name) for name in names])
    site: Any = record.extra.get("site")
    if not isinstance(site, Mapping) or not isinstance(site.get("residues"), Sequence):
        return cells
    members = [str(residue.get("residue")) for residue in site["residues"] if isinstance(residue, Mapping)]
    return {
        **{name: cell for name, cell in cells.items() if name not in ("sequence", "site")},
        "residues": _by_chain(members),
    }


def _by_chain(names: Sequence[str]) -> str:
    """Return residues such as ``A:9``, ``A:12A`` by chain: ``A 9 12A``."""
    parts = [name.rpartition(":") for name in names]
    chains = groupby(parts, key=lambda part: part[0])
    return "; ".join(" ".join(filter(None, (chain, *(number for _, _, number in own)))) for chain, own in chains)


def _short(id: str, prompt: str) -> str:
    """Return the id of a sample without that of its prompt, which is above the table."""
    return id.removeprefix(prompt) if id.startswith(f"{prompt}#") else id


_LEAST_FOLDED: Final = 16
_LEAST_CUT: Final = 8


def _aligned(columns: list[str], rows: list[dict[str, str]], width: int | None) -> list[str]:
    """Return a header and the rows, numbers to the right; the last column is folded where it is wider than the rest."""
    shown = (lambda text: text) if width is not None else _cut
    cells = [list(map(one_line, columns)), *([shown(one_line(row.get(name, "–"))) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [all(_is_number(cell) for cell in column[1:]) for column in zip(*cells, strict=True)]
    if width is not None:
        widths = _narrowed(widths, right, width)
        cells = [[*(_cut(cell, most) for cell, most in zip(row, widths[:-1], strict=False)), row[-1]] for row in cells]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    if width is not None:
        widths[-1] = min(widths[-1], max(width - before, _LEAST_FOLDED))
    lines = []
    for row in cells:
        first, *more = _folded(row[-1], widths[-1])
        padded = [
            cell.rjust(wide) if number else cell.ljust(wide)
            for cell, wide, number in zip((*row[:-1], first), widths, right, strict=True)
        ]
        lines += ["  ".join(padded).rstrip(), *(" " * before + line for line in more)]
    return lines


def _narrowed(widths: list[int], right: list[bool], width: int) -> list[int]:
    """Return the widths of columns with the widest texts cut, so that the last column has some room."""
    widths = list(widths)
    while sum(widths[:-1]) + 2 * (len(widths) - 1) + _LEAST_FOLDED > width:
        place = max((n for n in range(len(widths) - 1) if not right[n]), key=widths.__getitem__, default=None)
        if place is None or widths[place] <= _LEAST_CUT:
            break
        widths[place] -= 1
    return widths


def _folded(text: str, width: int) -> list[str]:
    """Return a text in lines of a width, broken at spaces and dots where there are some."""
    lines = []
    while len(text) > width > 0:
        breaks = [match.end() for match in re.finditer(r"[ .;]", text[:width])]
        place = breaks[-1] if breaks and breaks[-1] > width // 2 else width
        lines.append(text[:place].rstrip())
        text = text[place:]
    return [*lines, text]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{round(value, _DIGITS):g}" if abs(value) < 1e-3 else f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".")
    return str(value)


def _cut(text: str, most: int = _MOST_WIDE) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(".", "", 1).lstrip("-").isdigit()
