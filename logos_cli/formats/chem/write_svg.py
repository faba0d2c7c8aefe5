"""Draw reactions, molecules, and the building blocks of frameworks as one SVG."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import ClassVar, Final

from logos_cli.errors import UsageError
from logos_cli.formats.base import Stream, WriteOptions, Writer
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record

_CELL: Final = (250, 200)
_COLUMNS: Final = 4
_TITLE_HEIGHT: Final = 24
_LETTER_WIDTH: Final = 7
_MOST: Final = 1000
"""Most records in one drawing."""
_PAGE_HEIGHT: Final = 2400
"""Height of a page in pixels; pages stand side by side."""
_PAGE_GAP: Final = 40
_PAGE_FOOT: Final = 28

_SCORE_LABELS: Final = {
    "frequency": "frequency",
    "probability": "probability",
    "round_trip": "round trip",
    "balanced": "balanced",
    "mofkey": "MOFkey",
}


@dataclass(slots=True)
class _Page:
    """The elements of a page and its size in pixels."""

    parts: list[str] = field(default_factory=list)
    width: int = 0
    height: int = 0


class SvgWriter(Writer):
    """One drawing of all records: a reaction a row, a framework a row, molecules four a row.

    Above each are its identifier and its scores for frequency or probability, round trip and balance. Many rows are pages,
    side by side and numbered, instead of one long strip.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".svg",)

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._pages = [_Page()]
        self._place = (0, 0)
        self._row_height = 0
        self._n_records = 0

    def write(self, record: Record, item: ScienceObject) -> None:
        """Draw one record.

        Raises
        ------
        UsageError
            If its object has no molecules, or there are too many records for one drawing.
        """
        from logos_cli.chemistry.drawing import draw_grid, draw_molecule, draw_reaction

        if self._n_records == _MOST:
            raise UsageError(f"a drawing holds at most {_MOST:,} records", hint="write fewer, or --to smi")
        width, height = _CELL
        if isinstance(item, Reaction):
            width *= len(item.reactants) + 1
            drawing, is_row = draw_reaction(item.reactants, [item.product], (width, height)), True
        elif isinstance(item, Material):
            blocks = list(dict.fromkeys([*item.metal.split("."), *item.linkers]))
            n_nodes = len(set(item.metal.split(".")))
            legends = ["node"] * n_nodes + ["linker"] * (len(blocks) - n_nodes)
            drawing, is_row = draw_grid(blocks, legends, _COLUMNS, _CELL), True
            width *= min(_COLUMNS, len(blocks))
            height *= -(-len(blocks) // _COLUMNS)
        elif isinstance(item, Molecule) or (isinstance(item, Complex) and item.ligand is not None):
            smiles = item.smiles if isinstance(item, Molecule) else item.ligand
            drawing, is_row = draw_molecule(smiles or "", size=_CELL), False
        else:
            kind = type(item).__name__.lower()
            raise UsageError(f"a {kind} has no molecule to draw", hint="write it --to fasta, csv or json")
        self._n_records += 1
        self._add(drawing, _title(record), (width, height + _TITLE_HEIGHT), is_row=is_row)

    def _add(self, drawing: str, title: str, size: tuple[int, int], *, is_row: bool) -> None:
        """Put a drawing at the next place: beside the last one, or in a row of its own."""
        x, y = self._place
        if x and (is_row or x + size[0] > _COLUMNS * _CELL[0]):
            x, y, self._row_height = 0, y + self._row_height, 0
        if y and not x and y + size[1] > _PAGE_HEIGHT:
            self._pages.append(_Page())
            y = 0
        page = self._pages[-1]
        most = size[0] // _LETTER_WIDTH
        title = title if len(title) <= most else f"{title[: most - 1]}…"
        page.parts.append(
            f'<text x="{x + 8}" y="{y + 17}" font-family="sans-serif" font-size="13">{escape(title)}</text>'
        )
        page.parts.append(drawing.replace("<svg", f'<svg x="{x}" y="{y + _TITLE_HEIGHT}"', 1))
        page.width, page.height = max(page.width, x + size[0]), max(page.height, y + size[1])
        self._row_height = max(self._row_height, size[1])
        self._place = (0, y + self._row_height) if is_row else (x + size[0], y)
        if is_row:
            self._row_height = 0

    def close(self) -> None:
        """Write the drawing."""
        pages = self._pages
        width = sum(page.width for page in pages) + _PAGE_GAP * (len(pages) - 1)
        height = max(page.height for page in pages) + (_PAGE_FOOT if len(pages) > 1 else 0)
        self.stream.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">\n<rect width="100%" height="100%" fill="white"/>\n'
        )
        if len(pages) == 1:
            self.stream.write("\n".join(pages[0].parts))
        else:
            self._write_pages(height)
        self.stream.write("\n</svg>\n")

    def _write_pages(self, height: int) -> None:
        """Write pages from left to right, each with its number, and a line between two."""
        x = 0
        for number, page in enumerate(self._pages, 1):
            if x:
                line = x - _PAGE_GAP // 2
                self.stream.write(f'<line x1="{line}" y1="0" x2="{line}" y2="{height}" stroke="#bbb"/>\n')
            self.stream.write(
                f'<g id="page-{number}" transform="translate({x},0)">\n' + "\n".join(page.parts) + f'\n<text x="8" '
                f'y="{height - 8}" font-family="sans-serif" font-size="13">page {number} of {len(self._pages)}</text></g>\n'
            )
            x += page.width + _PAGE_GAP


def _title(record: Record) -> str:
    """Return the line above a drawing."""
    words = [record.id]
    for name, label in _SCORE_LABELS.items():
        score = record.scores.get(name)
        value = score.get("value") if isinstance(score, dict) else None
        if value is not None:
            shown = ("yes" if value else "no") if isinstance(value, bool) else str(value)
            words.append(f"{label} {shown}")
    return " · ".join(words)
