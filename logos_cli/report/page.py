"""A self-contained HTML page: no network, no other file.

All text from outside is escaped; the policy of the page forbids the browser any connection.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from logos_cli.io.json_types import JsonMapping, JsonObject

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff; --wash: #f5f7fa;
  --model: #1565c0; --baseline: #9aa4b1; --published: #c2571a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf0; --soft: #9aa6b4; --line: #333c48; --paper: #14181e;
  --wash: #1c222a; --model: #64a8f0; --baseline: #66707d; --published: #f0995a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 2rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.35rem; margin: 2.75rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; } p { margin: .5rem 0; max-width: 48rem; }
.soft, figcaption, footer { color: var(--soft); } footer { margin-top: 4rem; font-size: .85rem; }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; } td.number, th.number { text-align: right; }
.scroll { overflow-x: auto; } code { background: var(--wash); padding: .1em .3em; border-radius: 3px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .75rem; }
.wide { grid-template-columns: repeat(auto-fill, minmax(26rem, 1fr)); }
figure { margin: 0; } figure.card { border: 1px solid var(--line); border-radius: 6px; padding: .5rem;
  background: #fff; } figure.card figcaption { color: #5b6675; font-size: .8rem; overflow-wrap: anywhere; }
figure.card svg { width: 100%; height: auto; } .plot svg { max-width: 100%; height: auto; }
.viewer { position: relative; height: 26rem; border: 1px solid var(--line); border-radius: 6px; overflow: hidden;
  background: #fff; } .tokens { font-family: ui-monospace, monospace; overflow-wrap: anywhere; line-height: 1.9; }
.tokens span { border-radius: 2px; color: #111; }
@media print { .viewer { display: none; } body { max-width: none; } }
"""
_VIEWERS = """
addEventListener("load", () => {
  for (const structure of window.logosStructures || []) {
    const place = document.getElementById(structure.id);
    try {
      const viewer = $3Dmol.createViewer(place, {backgroundColor: "white"});
      viewer.addModel(structure.text, structure.format);
      for (const [selection, style] of structure.styles) viewer.setStyle(selection, style);
      for (const sphere of structure.spheres) viewer.addSphere(sphere);
      for (const [text, options] of structure.labels) viewer.addLabel(text, options);
      viewer.zoomTo(structure.focus || {}); viewer.render();
      place.dataset.ready = viewer.getModel().selectedAtoms({}).length;
    } catch (error) { place.textContent = "This browser cannot show 3D structures: " + error; }
  }
});
"""


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure in a 3D viewer.

    Attributes
    ----------
    text, format : str
        Text of a structure file and 3Dmol's name of its format: ``pdb``, ``cif``, ``sdf``.
    styles : sequence of (selection, style)
        Styles of 3Dmol, applied in turn.
    spheres, labels : sequence
        Shapes of 3Dmol; a label is a text and its options.
    focus : dict, optional
        The selection in view; default: everything.
    """

    text: str
    format: str = "pdb"
    styles: Sequence[tuple[JsonObject, JsonObject]] = (({}, {"cartoon": {"color": "spectrum"}}),)
    spheres: Sequence[JsonObject] = ()
    labels: Sequence[tuple[str, JsonObject]] = ()
    focus: JsonObject | None = None


@dataclass(slots=True)
class Page:
    """A page, built from top to bottom.

    Attributes
    ----------
    title : str
    lead : str
        The paragraph below the title.
    """

    title: str
    lead: str = ""
    _body: list[str] = field(default_factory=list)
    _structures: list[JsonObject] = field(default_factory=list)
    _styles: list[str] = field(default_factory=list)
    _scripts: list[str] = field(default_factory=list)

    def heading(self, text: str, level: int = 2) -> None:
        """Begin a section."""
        self._body.append(f"<h{level}>{escape(text)}</h{level}>")

    def paragraph(self, text: str, *, soft: bool = False) -> None:
        """Add a paragraph of plain text."""
        self._body.append(f"<p{' class=soft' if soft else ''}>{escape(text)}</p>")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], n_text_columns: int = 1) -> None:
        """Add a table; columns after the first ``n_text_columns`` hold numbers."""
        self._body.append('<div class="scroll"><table><thead><tr>')
        self._body += _cells("th", head, n_text_columns)
        self._body.append("</tr></thead><tbody>")
        for row in rows:
            self._body.append("<tr>")
            self._body += _cells("td", row, n_text_columns)
            self._body.append("</tr>")
        self._body.append("</tbody></table></div>")

    def plot(self, svg: str, caption: str = "") -> None:
        """Add a plot of :mod:`.plots`."""
        self._body.append(f'<figure class="plot">{_inline(svg)}{_caption(caption)}</figure>')

    def drawings(self, drawings: Iterable[tuple[str, str]], *, wide: bool = False) -> None:
        """Add drawings side by side.

        Parameters
        ----------
        drawings : iterable of (svg, caption)
            SVG from logos, which is not escaped.
        wide : bool
            Whether the drawings are wide, as those of reactions.
        """
        cards = (f'<figure class="card">{_inline(svg)}{_caption(caption)}</figure>' for svg, caption in drawings)
        self._body.append(f'<div class="grid{" wide" if wide else ""}">{"".join(cards)}</div>')

    def tokens(self, tokens: Iterable[tuple[str, str, str]]) -> None:
        """Add a coloured sentence.

        Parameters
        ----------
        tokens : iterable of (text, colour, title)
            The browser shows the title when the pointer rests on the token.
        """
        spans = (
            f'<span style="background:{escape(colour)}" title="{escape(title)}">{escape(text)}</span>'
            for text, colour, title in tokens
        )
        self._body.append(f'<p class="tokens">{"".join(spans)}</p>')

    def structure(self, structure: Structure, caption: str = "") -> None:
        """Add a structure in a 3D viewer."""
        id = f"structure-{len(self._structures) + 1}"
        self._structures.append(
            {
                "id": id,
                "text": structure.text,
                "format": structure.format,
                "styles": structure.styles,
                "spheres": structure.spheres,
                "labels": structure.labels,
                "focus": structure.focus,
            }
        )
        self._body.append(f'<figure><div class="viewer" id="{id}"></div>{_caption(caption)}</figure>')

    def element(self, html: str, *, style: str = "", script: str = "", data: JsonMapping | None = None) -> None:
        """Add an HTML element from logos, which is not escaped.

        Parameters
        ----------
        html : str
            The element.
        style : str
            CSS of the element.
        script : str
            JavaScript of the element, which runs after 3Dmol.js.
        data : mapping, optional
            Values for the script, as attributes of ``window``.
        """
        self._body.append(html)
        if style:
            self._styles.append(style)
        if script:
            values = "".join(f"window.{name} = {_script_json(value)};" for name, value in (data or {}).items())
            self._scripts.append(f"{values}{script}")

    def render(self) -> str:
        """Return the HTML."""
        lead = f'<p class="soft">{escape(self.lead)}</p>' if self.lead else ""
        parts = [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{escape(self.title)}</title><style>{''.join([_STYLE, *self._styles])}</style></head><body>",
            f"<h1>{escape(self.title)}</h1>{lead}",
            *self._body,
            "<footer>Written by logos.",
        ]
        scripts = list(self._scripts)
        if self._structures:
            scripts.append(f"window.logosStructures = {_script_json(self._structures)};{_VIEWERS}")
        if scripts:
            parts.append(
                "Structures are drawn by 3Dmol.js, © 2014 University of Pittsburgh and contributors (BSD-3-Clause)."
            )
        parts.append("</footer>")
        if scripts:
            parts += [f"<script>{script}</script>" for script in (_library(), *scripts)]
        parts.append("</body></html>\n")
        return "\n".join(parts)


def _cells(tag: str, cells: Sequence[str], n_text_columns: int) -> list[str]:
    return [
        f"<{tag}>{escape(cell)}</{tag}>" if place < n_text_columns else f'<{tag} class="number">{escape(cell)}</{tag}>'
        for place, cell in enumerate(cells)
    ]


def _caption(text: str) -> str:
    return f"<figcaption>{escape(text)}</figcaption>" if text else ""


def _inline(svg: str) -> str:
    """Return an SVG document as an element of the page."""
    return svg[svg.index("<svg") :]


def _script_json(value: Any) -> str:
    """Return JSON that cannot end the script element around it."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


@cache
def _library() -> str:
    packed = files("logos_cli.report").joinpath("vendor", "3Dmol-min.js.gz").read_bytes()
    return gzip.decompress(packed).decode("utf-8")
