"""Plots as SVG in the colours of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import floor, isfinite, log10

_WIDTH, _LABELS, _VALUES, _ROW = 800, 230, 140, 34
_HEIGHT, _MARGIN, _BARS = 110, 4, 24


@dataclass(frozen=True, slots=True)
class Range:
    """One row of :func:`ranges`: a value with its interval, a baseline, and published values.

    Attributes
    ----------
    value, low, high : float or None
    baseline : float or None
    published : mapping
        Published values by name.
    """

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    unit: str = ""


def ranges(rows: Sequence[Range]) -> str:
    """Return a plot in which each row has its own axis, so that rows may differ in unit."""
    height = _ROW * len(rows) + 30
    parts = [_svg(height)]
    for number, row in enumerate(rows):
        parts += _row(row, _ROW * number + _ROW / 2)
    parts += _legend(height - 12, any(row.published for row in rows))
    return "".join([*parts, "</svg>"])


def histogram(values: Sequence[float], scores_shown: Sequence[float] = (), unit: str = "") -> str:
    """Return a histogram of values; ``scores_shown``, a part of them, is darker."""
    least, most = min(values), max(values)
    width = _nice((most - least) / _BARS)
    first = floor(least / width)
    counts = Counter(floor(value / width) - first for value in values)
    marked = Counter(floor(value / width) - first for value in scores_shown)
    n_bars = max(counts) + 1
    step, tallest = (_WIDTH - 2 * _MARGIN) / n_bars, max(counts.values())
    parts = [_svg(_HEIGHT)]
    for bar in range(n_bars):
        for count, opacity in ((counts[bar], ".35"), (marked[bar], "1")):
            height = (_HEIGHT - 40) * count / tallest
            if count:
                parts.append(
                    f'<rect x="{_MARGIN + bar * step + 1:.1f}" y="{_HEIGHT - 24 - height:.1f}" width="{step - 2:.1f}" '
                    f'height="{height:.1f}" rx="2" fill="var(--model, #1565c0)" fill-opacity="{opacity}">'
                    f"<title>{count}</title></rect>"
                )
    labels = sorted({0, n_bars // 2, n_bars})
    for edge in labels:
        text = f"{(first + edge) * width:.4g}".replace("-", "−")
        anchor = "start" if edge == 0 else "end" if edge == n_bars else "middle"
        shown = f"{text} {unit}" if edge == labels[-1] and unit else text
        parts.append(
            f'<text x="{_MARGIN + edge * step:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}" '
            f'fill="var(--soft, #5b6675)">{escape(shown)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _nice(width: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that reaches the width; 1 for a width of 0."""
    if not width > 0:
        return 1.0
    power = 10.0 ** floor(log10(width))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= width)


def _svg(height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'role="img" font-family="system-ui, sans-serif" font-size="13" fill="var(--ink, #1c2430)">'
    )


def _row(row: Range, y: float) -> list[str]:
    marks = [row.value, row.low, row.high, row.baseline, *row.published.values()]
    known = [mark for mark in marks if mark is not None and isfinite(mark)]
    parts = [f'<text x="{_LABELS - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(row.label)}</text>']
    if not known:
        return [*parts, f'<text x="{_LABELS}" y="{y + 4:.1f}" fill="var(--soft, #5b6675)">not measured</text>']
    least, most = min(0.0, *known), max(*known, 100.0 if row.unit == "%" else 0.0)
    span = (most - least) or 1.0
    right = _WIDTH - _VALUES

    def x(value: float) -> float:
        return _LABELS + (value - least) / span * (right - _LABELS)

    parts.append(
        f'<line x1="{_LABELS}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line, #d9dee5)" stroke-width="2"/>'
    )
    if row.baseline is not None:
        parts.append(_tick(x(row.baseline), y, "var(--baseline, #9aa4b1)", f"baseline {row.baseline:g}"))
    for name, value in row.published.items():
        parts.append(_tick(x(value), y, "var(--published, #c2571a)", f"{name} {value:g}"))
    if row.low is not None and row.high is not None:
        parts.append(
            f'<line x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="var(--model, #1565c0)" stroke-width="6" stroke-opacity=".4" stroke-linecap="round"/>'
        )
    if row.value is not None:
        parts.append(f'<circle cx="{x(row.value):.1f}" cy="{y:.1f}" r="5" fill="var(--model, #1565c0)"/>')
        shown = f"{row.value:.3g}{' ' + row.unit if row.unit else ''}"
        parts.append(f'<text x="{right + 12}" y="{y + 4:.1f}">{escape(shown)}</text>')
    return parts


def _tick(x: float, y: float, colour: str, title: str) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9:.1f}" y2="{y + 9:.1f}" stroke="{colour}" stroke-width="3">'
        f"<title>{escape(title)}</title></line>"
    )


def _legend(y: float, has_published: bool) -> list[str]:
    entries = [("--model, #1565c0", "model, 95 % interval"), ("--baseline, #9aa4b1", "baseline")]
    if has_published:
        entries.append(("--published, #c2571a", "published"))
    parts = []
    x = float(_LABELS)
    for colour, text in entries:
        parts.append(f'<rect x="{x:.0f}" y="{y - 8:.0f}" width="14" height="6" rx="3" fill="var({colour})"/>')
        parts.append(f'<text x="{x + 20:.0f}" y="{y:.0f}" fill="var(--soft, #5b6675)">{text}</text>')
        x += 34 + 7 * len(text)
    return parts
