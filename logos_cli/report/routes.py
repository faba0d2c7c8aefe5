"""Routes as drawings: a tree from the target, on the left, to the molecules in stock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from logos_cli.chemistry.drawing import draw_molecule
from logos_cli.report.page import Page

_CELL = (200, 140)
_GAP = (70, 14)
_MARGIN, _TITLE = 12, 26
_IN_STOCK, _MADE = "#2e7d32", "#9aa4b1"
_SIZE = re.compile(r"<svg[^>]*?width='(\d+)px' height='(\d+)px'", re.DOTALL)
_WIDE = 150
"""Most characters of a SMILES in the list of steps."""


@dataclass(frozen=True, slots=True)
class DrawnMolecule:
    """A molecule of a route.

    Attributes
    ----------
    note : str
        Text at the arrow from its reactants.
    reactants : sequence of DrawnMolecule
        Empty if it is in stock.
    """

    smiles: str
    note: str = ""
    reactants: Sequence[DrawnMolecule] = ()


@dataclass(slots=True)
class DrawnTarget:
    """A target with its routes.

    Attributes
    ----------
    title : str
        Name of the target.
    reason : str
        Why there is no route.
    routes : list of (str, DrawnMolecule)
        Each with its heading.
    """

    title: str
    smiles: str
    reason: str = ""
    routes: list[tuple[str, DrawnMolecule]] = field(default_factory=list)


@dataclass(slots=True)
class _Cell:
    """A molecule in its place."""

    molecule: DrawnMolecule
    column: int
    row: float
    below: list[_Cell]


def draw_route(root: DrawnMolecule, title: str = "") -> str:
    """Return the drawing of one route; molecules in stock have a green frame.

    Returns
    -------
    str
        An ``<svg>`` element on a white ground.
    """
    cells: list[_Cell] = []
    n_rows = _place(root, 0, 0.0, cells)[1]
    n_columns = 1 + max(cell.column for cell in cells)
    (width, height), (between, above) = _CELL, _GAP
    top = _MARGIN + (_TITLE if title else 0)
    total = (
        2 * _MARGIN + n_columns * width + (n_columns - 1) * between,
        top + _MARGIN + round(n_rows * height + (n_rows - 1) * above),
    )
    body = [f"<rect width='{total[0]}' height='{total[1]}' fill='#fff'/>"]
    if title:
        body.append(_text(_MARGIN, _MARGIN + 14, title, size=15))
    for cell in cells:
        x, y = _MARGIN + cell.column * (width + between), top + cell.row * (height + above)
        colour = _MADE if cell.molecule.reactants else _IN_STOCK
        body.append(
            f"<svg x='{x:g}' y='{y:g}' width='{width}' height='{height}'>{_inner(cell.molecule.smiles)}</svg>"
            f"<rect x='{x:g}' y='{y:g}' width='{width}' height='{height}' rx='6' fill='none' stroke='{colour}'/>"
        )
        middle = y + height / 2
        for child in cell.below:
            end = top + child.row * (height + above) + height / 2
            left, right = x + width, x + width + between
            body.append(
                f"<path d='M {left:g} {middle:g} C {left + 30:g} {middle:g} {right - 30:g} {end:g} {right:g} {end:g}' "
                "fill='none' stroke='#1c2430'/>"
            )
        if cell.below:
            body.append(_text(x + width + 4, middle - 6, cell.molecule.note, size=11))
    return _svg(total, body)


def draw_targets(targets: Iterable[DrawnTarget]) -> str:
    """Return one drawing of all routes, one below the other; a target without one has its reason."""
    parts: list[tuple[int, int, str]] = []
    for target in targets:
        for heading, root in target.routes:
            parts.append(_sized(draw_route(root, heading)))
        if not target.routes:
            size = (max(_CELL[0], 7 * len(target.reason)) + 2 * _MARGIN, _CELL[1] + _TITLE + 2 * _MARGIN + 18)
            body = [
                f"<rect width='{size[0]}' height='{size[1]}' fill='#fff'/>",
                _text(_MARGIN, _MARGIN + 14, target.title, size=15),
                _text(_MARGIN, _MARGIN + 32, target.reason, size=11),
                f"<svg x='{_MARGIN}' y='{_MARGIN + 40}' width='{_CELL[0]}' height='{_CELL[1]}'>{_inner(target.smiles)}</svg>",
            ]
            parts.append(_sized(_svg(size, body)))
    width = max((part[0] for part in parts), default=_CELL[0])
    height, body = 0, []
    for _, part_height, svg in parts:
        body.append(f"<svg y='{height}'{svg.removeprefix('<svg')}")
        height += part_height
    return _svg((width, max(height, 1)), [f"<rect width='{width}' height='{max(height, 1)}' fill='#fff'/>", *body])


def routes_page(targets: Iterable[DrawnTarget], lead: str, account: str) -> str:
    """Return a page with the routes of all targets, which opens offline."""
    page = Page("Routes", lead)
    page.paragraph(account)
    page.paragraph(
        "Molecules with a green frame are in stock. The number at an arrow is the share of samples.", soft=True
    )
    for target in targets:
        page.heading(target.title)
        page.paragraph(target.smiles, soft=True)
        if not target.routes:
            page.paragraph(target.reason)
            page.drawings([(draw_molecule(target.smiles), "")])
        for heading, root in target.routes:
            page.heading(heading, 3)
            page.plot(draw_route(root))
            page.table(["product", "share", "reactants"], _rows(root), n_text_columns=1)
    return page.render()


def _rows(root: DrawnMolecule) -> list[tuple[str, str, str]]:
    if not root.reactants:
        return []
    parts = [f"{each.smiles}{'' if each.reactants else ' (stock)'}" for each in root.reactants]
    rows = [(_short(root.smiles), root.note, _short(" + ".join(parts)))]
    for reactant in root.reactants:
        rows += _rows(reactant)
    return rows


def _short(text: str) -> str:
    return text if len(text) <= _WIDE else f"{text[:_WIDE]}…"


def _place(molecule: DrawnMolecule, column: int, row: float, cells: list[_Cell]) -> tuple[_Cell, float]:
    """Place a molecule in the middle of its reactants; return it, and the next free row."""
    cell = _Cell(molecule, column, row, [])
    after = row
    for reactant in molecule.reactants:
        below, after = _place(reactant, column + 1, after, cells)
        cell.below.append(below)
    if cell.below:
        cell.row = (cell.below[0].row + cell.below[-1].row) / 2
    cells.append(cell)
    return cell, max(after, row + 1)


def _inner(smiles: str) -> str:
    """Return the drawing of a molecule, to be nested."""
    return draw_molecule(smiles, size=_CELL)


def _svg(size: tuple[int, int], body: Iterable[str]) -> str:
    width, height = size
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}px' height='{height}px' viewBox='0 0 {width} {height}'>"
    )
    return f"{head}{''.join(body)}</svg>\n"


def _sized(svg: str) -> tuple[int, int, str]:
    found = _SIZE.search(svg)
    return (int(found[1]), int(found[2]), svg) if found else (_CELL[0], _CELL[1], svg)


def _text(x: float, y: float, text: str, *, size: int) -> str:
    return (
        f"<text x='{x:g}' y='{y:g}' font-family='system-ui, sans-serif' font-size='{size}' fill='#1c2430'>"
        f"{escape(text)}</text>"
    )
