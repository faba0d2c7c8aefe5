"""What a notebook shows of a record: a drawing of its molecules, and a table."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from logos_cli.chemistry.drawing import draw_grid, draw_molecule, draw_reaction
from logos_cli.errors import LogosError
from logos_cli.grammar import parse
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record, Status
from logos_cli.records.parts import logp_of, notes_of, path_of

_CELL = (250, 180)
_COLUMNS = 4
_MOST_CHARACTERS = 400
"""Of a cell; the record itself has the rest."""
_TABLE = "border-collapse:collapse;font-size:90%;text-align:left"
_CELL_STYLE = "text-align:left;vertical-align:top;padding:2px 8px;overflow-wrap:anywhere;max-width:48em"


def record_html(record: Record) -> str:
    """Return a record as HTML without scripts; text from outside is escaped."""
    item = _item(record)
    drawing = None if item is None else _drawing(item)
    rows = "".join(
        f'<tr><th style="{_CELL_STYLE}">{escape(name)}</th><td style="{_CELL_STYLE}">{escape(_short(value))}</td></tr>'
        for name, value in _rows(record, item)
    )
    return f'<div>{drawing or ""}<table style="{_TABLE}">{rows}</table></div>'


def _item(record: Record) -> ScienceObject | None:
    try:
        return from_sentence(parse(record.text))
    except LogosError:
        return None


def _drawing(item: ScienceObject) -> str | None:
    """Return the molecules of an object as SVG; None if it has none, or RDKit cannot read them."""
    width, height = _CELL
    try:
        if isinstance(item, Molecule):
            return draw_molecule(item.smiles, size=_CELL)
        if isinstance(item, Complex) and item.ligand is not None:
            return draw_molecule(item.ligand, size=_CELL)
        if isinstance(item, Reaction):
            return draw_reaction(item.reactants, [item.product], (width * (len(item.reactants) + 1), height))
        if isinstance(item, Material):
            nodes = list(dict.fromkeys(item.metal.split(".")))
            linkers = [smiles for smiles in dict.fromkeys(item.linkers) if smiles not in nodes]
            legends = ["node"] * len(nodes) + ["linker"] * len(linkers)
            return draw_grid([*nodes, *linkers], legends, _COLUMNS, _CELL)
    except LogosError:
        return None
    return None


def _rows(record: Record, item: ScienceObject | None) -> Iterator[tuple[str, str]]:
    """Yield name and value of what is worth to be seen at once."""
    yield "id", record.id
    yield "kind", record.kind
    if record.status is not Status.OK:
        yield "status", f"{record.status}: {record.reason or 'no reason is given'}"
    if item is None:
        yield from (("text", record.text),) if record.text else ()
    else:
        yield from _parts(item)
    for name, score in record.scores.items():
        yield name, _score(score)
    if (logp := logp_of(record.sample)) is not None:
        yield "log-probability", f"{logp:.4g}"
    if path := path_of(record.source):
        yield "path", path
    for note in notes_of(record.source):
        yield "note", note


def _parts(item: ScienceObject) -> Iterator[tuple[str, str]]:
    if isinstance(item, Protein):
        yield f"sequence ({len(item.sequence)})", item.sequence
    elif isinstance(item, Antibody):
        for name, chain in zip(("heavy", "light"), item.chains, strict=False):
            yield f"{name} ({len(chain)})", chain
    elif isinstance(item, Molecule):
        yield "SMILES", item.smiles
    elif isinstance(item, Reaction):
        yield "reactants", ".".join(item.reactants)
        yield "product", item.product
    elif isinstance(item, Material):
        yield "metal", item.metal
        yield "linkers", ".".join(item.linkers)
    elif isinstance(item, Complex):
        for protein in item.chains:
            sequence, site = protein.sequence, protein.site
            yield f"sequence ({len(sequence)})", sequence
            yield f"site ({len(site)})", " ".join(f"{sequence[place]}{place + 1}" for place in site)
        if item.ligand is not None:
            yield "ligand", item.ligand


def _score(score: object) -> str:
    """Return a score as text: value and unit, or why there is none; other programs write bare values."""
    if not isinstance(score, dict):
        return _number(score)
    if score.get("value") is None:
        return f"none: {score.get('reason', 'no reason is given')}"
    return " ".join([_number(score["value"]), *([str(score["unit"])] if score.get("unit") else [])])


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
