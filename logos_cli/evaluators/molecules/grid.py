"""A drawing of scored molecules in a grid, with their scores below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from logos_cli.chemistry.drawing import draw_grid, draw_grid_png
from logos_cli.errors import InputError, LogosError
from logos_cli.evaluators.molecules.reference import smiles_of
from logos_cli.grammar import parse
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.objects.material import Material
from logos_cli.objects.reaction import Reaction

if TYPE_CHECKING:
    from logos_cli.records import Record

MOST: Final = 1000
"""Most records in one drawing."""
_LETTERS: Final = 38
_SCORES_A_LINE: Final = 3
_LEAST_COLUMNS: Final = 4


def draw_records(records: Sequence[Record], metrics: Sequence[str] = (), columns: int | None = None) -> str:
    """Return one SVG of the molecules of records: of a complex the ligand, of a framework the building blocks, and so on.

    The text below each shows the record's identifier and the requested scores. The cell of a record without a
    molecule, or with one that RDKit rejects, shows the reason.

    Parameters
    ----------
    records : sequence of Record
        1 to :data:`MOST` records.
    metrics : sequence of str
        Names of the scores to show.
    columns : int, optional
        Cells in a row; None is four, or as many as make the drawing about as wide as it is high.

    Raises
    ------
    InputError
        If there are no records, or too many.
    """
    return draw_grid(*_cells(records, metrics), columns or _columns(len(records)))


def draw_records_png(records: Sequence[Record], metrics: Sequence[str] = (), columns: int | None = None) -> bytes:
    """Return :func:`draw_records` as a PNG file."""
    return draw_grid_png(*_cells(records, metrics), columns or _columns(len(records)))


def _columns(n_records: int) -> int:
    return max(_LEAST_COLUMNS, math.ceil(math.sqrt(n_records)))


def _cells(records: Sequence[Record], metrics: Sequence[str]) -> tuple[list[str | None], list[str]]:
    if not 0 < len(records) <= MOST:
        raise InputError(
            f"a drawing holds 1 to {MOST:,} records, not {len(records):,}", hint="choose some: --top 100 --by qed"
        )
    cells = [_cell(record, metrics) for record in records]
    return [smiles for smiles, _ in cells], [legend for _, legend in cells]


def _cell(record: Record, metrics: Sequence[str]) -> tuple[str | None, str]:
    """Return the SMILES to draw for a record, and the text below it."""
    smiles, lines = None, [_shorten(record.id)]
    try:
        item = from_sentence(parse(record.text))
        smiles = _smiles(item)
        if smiles is None:
            lines.append("no molecule to draw")
        else:
            draw_grid([smiles])
    except LogosError as error:
        smiles = None
        lines.append(_shorten(record.reason or error.message.splitlines()[0]))
    scores = [f"{name} {text}" for name in metrics if (text := _format_score(record.scores.get(name))) is not None]
    rows = (scores[start : start + _SCORES_A_LINE] for start in range(0, len(scores), _SCORES_A_LINE))
    return smiles, "\n".join([*lines, *map(", ".join, rows)])


def _smiles(item: ScienceObject) -> str | None:
    """Return what is drawn of an object: of a reaction the product, of a framework its different building blocks."""
    if isinstance(item, Reaction):
        return item.product
    if isinstance(item, Material):
        return ".".join(dict.fromkeys([*item.metal.split("."), *item.linkers]))
    return smiles_of(item)


def _format_score(score: object) -> str | None:
    """Return the value of a score as text; None without a value."""
    value = score.get("value") if isinstance(score, dict) else None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else None if value is None else str(value)


def _shorten(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
