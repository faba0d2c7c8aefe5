"""Draw reactions, molecules, and the building blocks of frameworks as one SVG."""

from __future__ import annotations

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

_SCORE_LABELS: Final = {
    "frequency": "frequency",
    "round_trip": "round trip",
    "balanced": "balanced",
    "mofkey": "MOFkey",
}


class SvgWriter(Writer):
    """One drawing of all records: a reaction a row, a framework a row, molecules four a row.

    Above each are its identifier and its scores for frequency, round trip and balance.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".svg",)

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._parts: list[str] = []
        self._place = (0, 0)
        self._width = 0
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
        most = size[0] // _LETTER_WIDTH
        title = title if len(title) <= most else f"{title[: most - 1]}…"
        self._parts.append(
            f'<text x="{x + 8}" y="{y + 17}" font-family="sans-serif" font-size="13">{escape(title)}</text>'
        )
        self._parts.append(drawing.replace("<svg", f'<svg x="{x}" y="{y + _TITLE_HEIGHT}"', 1))
        self._width = max(self._width, x + size[0])
        self._row_height = max(self._row_height, size[1])
        self._place = (0, y + self._row_height) if is_row else (x + size[0], y)
        if is_row:
            self._row_height = 0

    def close(self) -> None:
        """Write the drawing."""
        height = self._place[1] + self._row_height
        self.stream.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self._width}" height="{height}" '
            f'viewBox="0 0 {self._width} {height}">\n'
            '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(self._parts) + "\n</svg>\n"
        )


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
